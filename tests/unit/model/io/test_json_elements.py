"""Elements of JSON that has not been validated."""

import pytest

from model.io.json_elements import element, elements


@pytest.mark.parametrize("value", [None, "", "text", 1, True, [], [{"a": 1}]])
def test_what_is_no_object_is_an_empty_one(value: object) -> None:
    assert element(value) == {}


@pytest.mark.parametrize("value", [None, "", "text", 1, True, {}, {"a": 1}, [None, "text", [{"a": 1}]]])
def test_what_is_no_array_of_objects_has_none(value: object) -> None:
    assert elements(value) == []


def test_objects_stay_as_they_are_and_in_order() -> None:
    first, second = {"a": 1}, {"b": None}
    assert element(first) is first
    assert elements([first, "text", second]) == [first, second]
