"""Pseudonyms and shifts of one patient."""

from model.deid.subject import Subject, secret_input
from tests.support.model.model_world import RING


def test_an_id_that_utf_8_cannot_hold_has_a_pseudonym() -> None:
    subject = Subject(RING.secrets([secret_input("north", "p1")])[0])
    assert subject.pseudonym("Patient", "\ud800") != subject.pseudonym("Patient", "\udfff")
