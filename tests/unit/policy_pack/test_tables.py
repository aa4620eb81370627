"""Tables in YAML: whatever is wrong with one is one sentence with the file and the place."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from policy_pack import tables
from policy_pack.errors import PackError

FORM = TypeAdapter(dict[str, int])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read (No such file or directory); the policy pack needs this file."),
        ("a: [", "is not YAML; correct the file."),
        ("\x00", "is not YAML; correct the file."),
        ("a: x", ": a: input should be a valid integer"),
        ("3", ": the file: input should be a valid dictionary; correct the file."),
    ],
)
def test_a_wrong_table_is_one_sentence(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "table.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(PackError) as refused:
        tables.read(FORM.validate_python, path)
    assert str(refused.value).startswith(str(path))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_several_tables_are_read_together(tmp_path: Path) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text("rows: [a]", encoding="utf-8")
    other.write_text("a: 1", encoding="utf-8")
    assert tables.read(lambda rows, values: [values[row] for row in rows["rows"]], one, other) == [1]
    one.write_text("rows: [b]", encoding="utf-8")
    with pytest.raises(
        PackError, match=r"one\.yaml or .*other\.yaml does not have the form of this file \('b' is missing\)"
    ):
        tables.read(lambda rows, values: [values[row] for row in rows["rows"]], one, other)
