"""Citations of the controls: each paragraph exists, and the specification is that of the strictest one."""

import pytest

from policy_pack.controls.rows import Control, table

# Standards and implementation specifications of 45 CFR 164, subpart C (68 FR 8376).
KIND = {
    "164.308(a)(1)(ii)(A)": "required",
    "164.308(a)(1)(ii)(B)": "required",
    "164.308(a)(1)(ii)(D)": "required",
    "164.308(a)(4)(ii)(B)": "addressable",
    "164.308(a)(5)(ii)(B)": "addressable",
    "164.308(a)(5)(ii)(C)": "addressable",
    "164.308(a)(7)(i)": "standard",
    "164.308(a)(7)(ii)(A)": "required",
    "164.308(a)(7)(ii)(B)": "required",
    "164.308(a)(7)(ii)(C)": "required",
    "164.308(a)(7)(ii)(D)": "addressable",
    "164.308(a)(8)": "standard",
    "164.308(b)": "required",
    "164.310(d)(2)(iii)": "addressable",
    "164.312(a)(1)": "standard",
    "164.312(a)(2)(i)": "required",
    "164.312(a)(2)(ii)": "required",
    "164.312(a)(2)(iii)": "addressable",
    "164.312(a)(2)(iv)": "addressable",
    "164.312(b)": "standard",
    "164.312(c)(1)": "standard",
    "164.312(c)(2)": "addressable",
    "164.312(d)": "standard",
    "164.312(e)(1)": "standard",
    "164.312(e)(2)(i)": "addressable",
    "164.312(e)(2)(ii)": "addressable",
    "164.314(a)": "required",
    "164.316(b)(2)(i)": "required",
}
# Paragraphs of the Privacy Rule and of other parts, which are no specifications of the Security Rule.
OTHER = ("164.502(b)", "164.514(d)", "170.315(b)(11)(iv)", "92.210")
CONTROLS = list(table().rows.values())


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_the_specification_is_that_of_a_cited_paragraph(control: Control) -> None:
    kinds = {KIND[paragraph] for paragraph in control.citations if paragraph not in OTHER}
    assert control.specification in (kinds or {"none"})


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_a_required_specification_is_not_called_a_standard(control: Control) -> None:
    # Retention of six years is of documentation: it adds to the standard of audit controls.
    kinds = {KIND[paragraph] for paragraph in control.citations if paragraph not in (*OTHER, "164.316(b)(2)(i)")}
    assert "required" not in kinds or control.specification == "required"


@pytest.mark.parametrize(
    ("control", "paragraphs"),
    [
        ("CM-04", ("164.308(a)(5)(ii)(B)",)),
        ("VM-03", ("164.308(a)(1)(ii)(B)",)),
        ("BCP-02", ("164.308(a)(7)(ii)(B)", "164.308(a)(7)(ii)(D)")),
        ("AC-17", ("164.308(a)(5)(ii)(C)",)),
        ("ML-04", ("164.502(b)", "164.514(d)")),
    ],
)
def test_a_control_cites_what_it_is_about(control: str, paragraphs: tuple[str, ...]) -> None:
    assert table().rows[control].citations == paragraphs


def test_only_records_cite_retention_and_only_protected_records_their_authentication() -> None:
    citing = {paragraph: [c.id for c in CONTROLS if paragraph in c.citations] for paragraph in KIND}
    assert citing["164.316(b)(2)(i)"] == ["AUD-03"]
    assert citing["164.312(c)(2)"] == ["INT-02"]
