"""What people state: one file a subject, shown with who stated it and when."""

from datetime import date
from pathlib import Path

import pytest

from policy_pack.errors import PackError
from policy_pack.evidence.statements import Subject, subjects
from tests.support.repository import REPOSITORY

TODAY = date(2026, 11, 29)
AGREEMENTS = """
stated: {by: A. Example, date: 2026-11-20}
entries:
  - {hospital: north, agreement: BAA-1, signed: 2026-01-02, security_contact: s@x, privacy_contact: p@x}
"""


def stated(folder: Path, *hospitals: str) -> dict[str, Subject]:
    return {subject.file: subject for subject in subjects(folder, hospitals, TODAY)}


def test_without_files_nothing_is_stated(tmp_path: Path) -> None:
    found = stated(tmp_path / "none", "north")
    assert set(found) == {"agreements.yaml", "access.yaml", "restore-drills.yaml", "incidents.yaml"}
    assert all(subject.stated == "" and subject.rows == () for subject in found.values())
    assert found["agreements.yaml"].missing == ("north: not stated",)


def test_a_statement_has_its_name_and_date(tmp_path: Path) -> None:
    (tmp_path / "agreements.yaml").write_text(AGREEMENTS)
    (tmp_path / "restore-drills.yaml").write_text(
        "stated: {by: A. Example, date: 2026-11-20}\n"
        "entries: [{day: 2026-11-01, restored: north-raw, hours: 2.5, succeeded: true}]"
    )
    (tmp_path / "incidents.yaml").write_text("stated: {by: A. Example, date: 2026-11-20}\nentries: []")
    found = stated(tmp_path, "north", "south")
    agreements = found["agreements.yaml"]
    assert agreements.stated == "stated by A. Example on 2026-11-20"
    assert agreements.rows == (("north", "BAA-1", "2026-01-02", "s@x", "p@x"),)
    assert agreements.missing == ("south: not stated",)
    assert found["restore-drills.yaml"].rows == (("2026-11-01", "north-raw", "2.5", "yes"),)
    assert found["incidents.yaml"].rows == ()
    assert found["incidents.yaml"].stated


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("agreements.yaml", AGREEMENTS.replace("2026-11-20", "2026-11-30"), "states something of the future"),
        ("agreements.yaml", AGREEMENTS.replace("2026-01-02", "2027-01-02"), "states something of the future"),
        ("agreements.yaml", AGREEMENTS.replace("by: A. Example, ", ""), "stated.by: field required"),
        ("agreements.yaml", AGREEMENTS.replace("signed:", "singed:"), "entries.0.signed: field required"),
        ("agreements.yaml", "entries: [", "is not YAML"),
        ("agreements.yaml", "3", "the file: input should be"),
        ("agreement.yaml", AGREEMENTS, "is not a statement; its name must be one of access.yaml, agreements.yaml"),
    ],
)
def test_a_wrong_statement_is_refused_in_one_sentence(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(PackError) as refused:
        stated(tmp_path, "north")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_statements_of_the_project_are_read() -> None:
    found = {subject.file: subject for subject in subjects(REPOSITORY / "statements" / "prod", ("north",), TODAY)}
    assert all(subject.stated for subject in found.values())
    assert all(subject.missing == () for subject in found.values())
