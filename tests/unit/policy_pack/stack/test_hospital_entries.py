"""The entries of hospitals, as the pack reads them from a stack's configuration."""

import pytest

from infra.settings.fields import retention_days
from infra.settings.hospital import Retention
from policy_pack.errors import PackError
from policy_pack.stack.external_endpoints import read as read_addresses
from policy_pack.stack.hospital_entries import DEFAULT_RETENTION, read


def test_an_entry_has_its_retention_and_its_contacts() -> None:
    contact = {"security": "a@x", "baa": "B-1", "notify": "b@x"}
    [entry] = read({"hospitals": [{"name": "north", "retention": {"raw": "2y"}, "contact": contact}]}).values()
    assert entry.days == {"raw": 730, "curated": 2190}
    assert entry.contact == {"baa": "B-1", "security-contact": "a@x", "notify": "b@x"}


def test_notices_go_to_the_security_contact_unless_the_entry_has_another() -> None:
    [entry] = read({"hospitals": [{"name": "north", "contact": {"security": "a@x", "baa": "B-1"}}]}).values()
    assert entry.contact["notify"] == "a@x"


def test_the_defaults_are_those_of_the_settings() -> None:
    settings = Retention()
    assert {name: retention_days(text) for name, text in DEFAULT_RETENTION.items()} == {
        "raw": settings.raw_days,
        "curated": settings.curated_days,
    }


@pytest.mark.parametrize("text", ["", "0d", "30", "30 days", "1w"])
def test_a_retention_that_is_no_duration_is_an_error_of_the_configuration(text: str) -> None:
    with pytest.raises(PackError, match="invalid"):
        read_addresses({"hospitals": [{"name": "north", "retention": {"raw": text}}]})
