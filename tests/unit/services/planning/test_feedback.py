"""The table of feedback codes."""

from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from services.planning.feedback import TABLE, Code, codes


def test_the_codes_fit_an_audit_record_and_have_words() -> None:
    assert {code.kind for code in codes().values()} == {"accepted", "overridden", "ignored"}
    for name, code in codes().items():
        assert name == name.lower()
        assert name.replace("-", "").isalpha()
        assert len(code.meaning.split()) > 2


@pytest.mark.parametrize(
    "change", [{"kind": "denied"}, {"meaning": ""}, {"note": "text"}, {"direction": "raised"}, {"kind": "overridden"}]
)
def test_a_row_of_another_form_is_refused(change: dict[str, str]) -> None:
    table = yaml.safe_load(Path(TABLE).read_text(encoding="utf-8"))
    with pytest.raises(ValidationError):
        TypeAdapter(dict[str, Code]).validate_python(table | {"accepted": table["accepted"] | change})
