"""Gates: the requirements that an evaluation must meet before a release, as a table, and the verdicts."""

from model.gates.combine import gate_table, table_of_run
from model.gates.conditions import (
    approval_verdict,
    card_verdict,
    ethics_verdict,
    evaluated_verdict,
    not_evaluated,
    training_verdicts,
)
from model.gates.evaluation import Evaluation
from model.gates.exceptions import ExceptionRule, GateException, signed_by
from model.gates.gate import Gate
from model.gates.table import (
    GATES_FILE,
    Approval,
    Enough,
    GateTable,
    Minimum,
    Profile,
    SmallGroup,
    table_of_version,
)
from model.gates.verdict import Verdict, refusal, refuse, warnings_of
from model.gates.verdicts import judge, verdicts

__all__ = [
    "GATES_FILE",
    "Approval",
    "Enough",
    "Evaluation",
    "ExceptionRule",
    "Gate",
    "GateException",
    "GateTable",
    "Minimum",
    "Profile",
    "SmallGroup",
    "Verdict",
    "approval_verdict",
    "card_verdict",
    "ethics_verdict",
    "evaluated_verdict",
    "gate_table",
    "judge",
    "not_evaluated",
    "refusal",
    "refuse",
    "signed_by",
    "table_of_run",
    "table_of_version",
    "training_verdicts",
    "verdicts",
    "warnings_of",
]
