"""Hospital name: the services accept what a stack's settings accept, and nothing else."""

import pytest
from pydantic import TypeAdapter, ValidationError

from infra.settings import fields
from model.errors import UserError
from model.io.hospital_name import HospitalName, check_hospital, is_hospital

GOOD = ["n", "north", "north-2", "a-b-c", "n" + 23 * "x"]
BAD = ["", "North", "2north", "-north", "north-", "a--b", "north_2", "north\n", "nörth", "n٣", "n" + 24 * "x"]


SERVICES: TypeAdapter[str] = TypeAdapter(HospitalName)
SETTINGS: TypeAdapter[str] = TypeAdapter(fields.HospitalName)


def accepts(name: str, by: TypeAdapter[str]) -> bool:
    try:
        by.validate_python(name)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", GOOD + BAD)
def test_every_reader_of_a_name_accepts_the_same(name: str) -> None:
    good = name in GOOD
    assert is_hospital(name) == good
    assert accepts(name, SERVICES) == good
    assert accepts(name, SETTINGS) == good


def test_a_bad_name_is_refused_with_the_form_of_a_good_one() -> None:
    check_hospital("north")
    with pytest.raises(UserError, match="lower-case letters, digits and single hyphens, at most 24, such as north"):
        check_hospital("North")
