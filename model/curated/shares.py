"""Limits on the share of an extract excluded for one reason (``model/fhir/record_use.yaml``, ``limits``)."""

import difflib
import re
from collections import Counter
from collections.abc import Mapping

from model.errors import GateError, UserError
from model.fhir.record_use import record_use

FOREMOST = 3
"""How many reasons a sentence names."""


def refuse_large_shares(read: Counter[str], excluded: Counter[str], others: Mapping[str, float]) -> None:
    """Raise when more of a resource type was excluded for one reason than its limit allows.

    Parameters
    ----------
    read : Counter
        Valid resources by type.
    excluded : Counter
        What was excluded, by ``<resource type>.<reason>``.
    others : mapping
        Limits in place of the table's, by the same names.

    Raises
    ------
    UserError
        When there is no limit of a name in ``others``.
    GateError
        With every limit that is exceeded.
    """
    table = record_use().limits
    for name in others:
        if name not in table.shares:
            near = difflib.get_close_matches(name, table.shares, n=1, cutoff=0.0)
            raise UserError(f"There is no limit {name}; the nearest is {near[0]} (model/fhir/record_use.yaml has all).")
    exceeded = []
    for name, limit in table.shares.items():
        kind = name.partition(".")[0]
        total, number = read[kind], excluded[name]
        share = others.get(name, limit.share)
        nothing_left = limit.none and number == total
        if number and share < 1 and (nothing_left or (total >= table.least and number > share * total)):
            exceeded.append(
                f"{total - number:,} of {total:,} {plural(kind)} {limit.needs} ({number / total:.1%} do not, "
                f"the limit is {share:.0%}): {limit.fix}, or raise it with --limit {name}=SHARE"
            )
    if exceeded:
        raise GateError(f"Nothing was published: {'; '.join(exceeded)}.")


def plural(kind: str) -> str:
    """Return a resource type in words: ``medication requests`` for MedicationRequest."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower() + "s"


def foremost(reasons: Counter[str]) -> str:
    """Return the most frequent reasons with their counts."""
    named = [f"{reason} ({number:,})" for reason, number in reasons.most_common(FOREMOST)]
    rest = len(reasons) - len(named)
    return "; ".join(named) + (f"; and {rest} other reasons" if rest > 0 else "")
