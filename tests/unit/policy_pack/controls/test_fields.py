"""Every field of the API of records and recovery, set wrong: a control notices it, or there is a reason."""

import pytest

from policy_pack.stack.graph import Graph
from tests.policy.builders import STACK
from tests.policy.changes.fields import compliant, evaluator, fields, harmless, noticed
from tests.policy.evaluation import BROKEN

pytestmark = pytest.mark.process

RESOURCES = compliant()
FIELDS = list(fields())


def test_the_stack_has_no_findings_of_its_own() -> None:
    assert [one.text for one in evaluator().evaluate_stack(Graph(RESOURCES, STACK)) if one.status in BROKEN] == []


@pytest.mark.parametrize("kind", sorted({field.kind for field in FIELDS}))
def test_every_wrong_field_is_noticed_or_has_a_reason(kind: str) -> None:
    own = [field for field in FIELDS if field.kind == kind]
    unnoticed = {field.title for field in own if not noticed(field, RESOURCES)}
    assert unnoticed == {field.title for field in own} & harmless().keys()


def test_reasons_are_of_fields_that_exist() -> None:
    assert harmless().keys() <= {field.title for field in FIELDS}
    assert len(FIELDS) >= 200
