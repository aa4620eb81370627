"""The pack reads the same annotations from the table of secrets as the program declares."""

from pathlib import Path

import pytest

from policy_pack.errors import PackError
from policy_pack.facts.secret_table import TABLE, read, secret_table
from workloads.zones.workload_table import table


def test_the_annotations_are_those_of_the_program() -> None:
    rows = [row for row in table().workloads.values() if row.secrets]
    assert rows
    for row in rows:
        assert secret_table().of("north", row.service_account) == row.annotations("north")


def test_a_workload_without_secrets_has_no_annotations() -> None:
    for row in table().workloads.values():
        if not row.secrets:
            assert secret_table().of("north", row.service_account) == {}


def test_what_is_not_a_table_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="cannot be read"):
        read(tmp_path / "secrets.yaml")
    broken = tmp_path / "secrets.yaml"
    broken.write_text(TABLE.read_text().replace("annotations:", "notes:"))
    with pytest.raises(PackError, match="'annotations' is missing"):
        read(broken)
