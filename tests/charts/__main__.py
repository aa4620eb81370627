"""Render the platform's charts with the values of production, evaluate them by the policy pack, and write the table.

Run as ``make test-charts``; exit 1 when a finding has no reason in ``accepted.yaml``, or a reason no finding.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from local.errors import UserError
from tests.charts import evaluate, table
from tests.charts.render import SOURCES, UNAVAILABLE, digest_of_values, rendered
from tests.policy.changes.planting import own
from tests.support.stack.mocked_stack import settings
from workloads.platform import charts as platform

STACK = "prod"
_OUTPUT = Console(soft_wrap=True, highlight=False, markup=False)
_ERRORS = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def main() -> int:
    """Write the table, and return the exit code."""
    rows = [chart for chart in platform.table().charts if chart.name in SOURCES]
    with tempfile.TemporaryDirectory() as root:
        stack_settings, stack = settings(STACK, Path(root)), own(STACK, Path(root))
    try:
        texts = rendered(rows, stack_settings, progress=_ERRORS.print)
    except UserError as error:
        _ERRORS.print(f"error: {error}")
        return 2
    charts = {}
    for row in rows:
        objects = evaluate.resources(row, texts[row.name])
        found = evaluate.findings(stack, objects)
        charts[row.name] = table.RenderedChart(
            version=row.version,
            values=digest_of_values(row, stack_settings),
            rendered=hashlib.sha256(texts[row.name].encode()).hexdigest(),
            objects=evaluate.kinds(objects),
            images=tuple(evaluate.images(objects)),
            findings=tuple(table.Finding(one.control, one.message, len(one.objects)) for one in found),
        )
        _OUTPUT.print(f"{row.name} {row.version}: {len(objects)} objects, {len(found)} kinds of findings")
    _OUTPUT.print(f"not rendered, as no Go module carries them: {', '.join(UNAVAILABLE)}")
    table.write(charts)
    missing, unused = table.not_accepted(charts), table.unused(charts)
    for name, finding in missing:
        _OUTPUT.print(
            f"{name}: {finding.control} {finding.message} ({finding.objects} objects) has no reason in accepted.yaml"
        )
    for reason in unused:
        _OUTPUT.print(
            f"accepted.yaml: the reason for {reason.control} ({reason.message}) matches no finding; remove it"
        )
    return 1 if missing or unused else 0


if __name__ == "__main__":
    sys.exit(main())
