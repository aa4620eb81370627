"""Forms: their tokens, and what is read of them."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.care.worklist import forms
from services.care.worklist.forms import BadTokenError, BodyTooLargeError, InvalidFormError


def test_a_token_is_good_for_its_session_alone() -> None:
    token = forms.new_token("key of one session")
    assert len(forms.check_token("key of one session", token)) >= 16
    for wrong in ("key of another session", ""):
        with pytest.raises(BadTokenError):
            forms.check_token(wrong or "x", token if wrong else token[:-2])
    assert forms.new_token("key of one session") != token


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=200), max_size=10))
def test_a_form_is_read_as_it_was_written(fields: dict[str, str]) -> None:
    assert forms.parse(urlencode(fields).encode()) == {
        name: value.replace("\r\n", "\n").replace("\0", "\ufffd") for name, value in fields.items()
    }


@given(st.binary(max_size=300))
def test_any_bytes_are_a_form_or_refused(body: bytes) -> None:
    try:
        fields = forms.parse(body)
    except InvalidFormError:
        return
    assert all(isinstance(value, str) for value in fields.values())


def test_a_form_is_no_larger_than_a_page_can_send() -> None:
    forms.parse(b"note=" + b"x" * (forms.LARGEST_BODY - 5))
    with pytest.raises(BodyTooLargeError):
        forms.parse(b"note=" + b"x" * forms.LARGEST_BODY)
