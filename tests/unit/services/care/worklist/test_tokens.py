"""Access tokens in care: whose they are, and what is refused before the database is asked."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.care.worklist import tokens
from services.care.worklist.settings import WorklistSettings
from services.care.worklist.tokens import ExpiredTokenError, Keys, RefusedTokenError
from services.database.errors import DatabaseError
from tests.support.identity.sign_in import COORDINATOR, MANAGER, Issuer

ISSUER = Issuer("north")
SETTINGS = WorklistSettings(
    hospital="north", hospital_title="North Hospital", issuer=ISSUER.url, audience=ISSUER.audience
)
KEYS = Keys(lambda: ISSUER.jwks)


def test_a_person_has_the_units_and_roles_of_the_token() -> None:
    person = tokens.verify(ISSUER.token(MANAGER), SETTINGS, KEYS)
    assert (person.subject, person.name, person.units, person.roles, person.role) == (
        MANAGER.subject, MANAGER.name, MANAGER.units, MANAGER.roles, "manager",
    )  # fmt: skip


WRONG: dict[str, Any] = {
    "sub": ["", None, 7, "x" * 201],
    "sid": ["", None, 7],
    "name": ["", None],
    "iss": ["https://elsewhere.example", None],
    "aud": ["north-worklist", ["north-worklist"], None],
    "hospital": ["south", None, ["north"]],
    "typ": ["ID", "Refresh", None],
    "acr": ["1", "0", "", None, 2],
    "units": ["cardiology", None, [7]],
    "roles": ["coordinator", None, [7]],
    "exp": ["soon", None, True],
    "nbf": [2**33],
}


@pytest.mark.parametrize(("claim", "value"), [(claim, value) for claim, values in WRONG.items() for value in values])
def test_a_wrong_claim_is_refused(claim: str, value: Any) -> None:
    with pytest.raises(RefusedTokenError):
        tokens.verify(ISSUER.token(**{claim: value}), SETTINGS, KEYS)


@pytest.mark.parametrize("claim", [claim for claim in WRONG if claim != "nbf"])
def test_a_missing_claim_is_refused(claim: str) -> None:
    with pytest.raises(RefusedTokenError):
        tokens.verify(ISSUER.token(without=(claim,)), SETTINGS, KEYS)


def test_a_password_alone_is_told_apart() -> None:
    with pytest.raises(RefusedTokenError, match="second factor"):
        tokens.verify(ISSUER.token(second_factor=False), SETTINGS, KEYS)


def test_an_expired_token_is_told_apart_and_another_fault_comes_first() -> None:
    past = time.time() - 400
    with pytest.raises(ExpiredTokenError):
        tokens.verify(ISSUER.token(now=past), SETTINGS, KEYS)
    with pytest.raises(RefusedTokenError) as refused:
        tokens.verify(ISSUER.token(now=past, hospital="south"), SETTINGS, KEYS)
    assert not isinstance(refused.value, ExpiredTokenError)
    with pytest.raises(RefusedTokenError) as refused:
        tokens.verify(ISSUER.impostor().token(now=past), SETTINGS, KEYS)
    assert not isinstance(refused.value, ExpiredTokenError)


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}"))
def test_anything_else_is_refused_in_words(token: str) -> None:
    with pytest.raises(RefusedTokenError) as refused:
        tokens.verify(token, SETTINGS, KEYS)
    assert len(token) < 12 or token not in str(refused.value)


def test_keys_are_fetched_again_for_an_unknown_one_and_not_for_each_token() -> None:
    renewed = Issuer("north")
    answers = [ISSUER.jwks, renewed.jwks]
    keys = Keys(lambda: answers.pop(0))
    tokens.verify(ISSUER.token(), SETTINGS, keys)
    for _ in range(3):
        with pytest.raises(RefusedTokenError):
            tokens.verify(renewed.token(), SETTINGS, keys)
    assert len(answers) == 1
    keys._fetched -= tokens.REFRESH_SECONDS + 1
    assert tokens.verify(renewed.token(), SETTINGS, keys).subject == COORDINATOR.subject


@pytest.mark.parametrize("fault", [DatabaseError("down"), ValueError("not JSON"), KeyError("keys")])
def test_without_an_answer_of_the_provider_nobody_enters(fault: Exception) -> None:
    def fail() -> dict[str, Any]:
        raise fault

    with pytest.raises(RefusedTokenError, match="does not answer"):
        tokens.verify(ISSUER.token(), SETTINGS, Keys(fail))
