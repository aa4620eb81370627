"""Requirements of other frameworks: every control has some, each of the form of its framework."""

import re

import pytest

from policy_pack.controls.rows import table
from policy_pack.evidence.frameworks import frameworks, requirements

FORMS = {
    "nist": re.compile(r"(AC|AU|CA|CM|CP|IA|IR|RA|SA|SC|SI)-\d{1,2}"),
    "hitrust": re.compile(r"\d{2}\.[a-z]{1,2}"),
    "soc2": re.compile(r"(CC[1-9]|A1|C1)\.\d"),
}


def test_every_control_is_in_the_table_once() -> None:
    assert frameworks().keys() == table().rows.keys()
    rows = {id(row): row for row in frameworks().values()}.values()
    named = [control for row in rows for control in row.controls]
    assert len(named) == len(set(named))


@pytest.mark.parametrize("framework", FORMS)
def test_ids_have_the_form_of_their_framework(framework: str) -> None:
    for control in table().rows:
        ids = getattr(requirements(control), framework)
        assert ids
        assert len(ids) == len(set(ids))
        assert all(FORMS[framework].fullmatch(one) for one in ids)


def test_a_control_that_is_not_in_the_table_serves_none() -> None:
    assert requirements("XX-1").nist == ()
