"""The page with what clients got during each fault."""

from tests.faults.run import Result

_HEAD = """# Faults of the clinical path
`python -m tests.faults` starts planning and care as their pods do (mutual TLS, real PostgreSQL and OpenBao, a real
release behind a model server whose faults are chosen), lets three clients ask all the time (planning, the hook of an
EHR, the worklist of a coordinator), and lets each fault happen until each client has seen it. Five of the rows run
with the process tests.

Every answer is compared with the audit chain: its record is there, of this request and with this status, and the chain
verifies against the anchors from before and after the fault. A score is the same number before and after. "Recovery" is
the time from the end of the fault (the start of the process, the unsealing) to the first right answer. A hook takes
about a second when nothing is wrong.

| fault | what clients got meanwhile | recovery, s | wrong answers | unrecorded answers | chain |
|---|---|---|---|---|---|
"""


def page(results: list[Result]) -> str:
    """Return the page."""
    return _HEAD + "".join(_row(result) for result in results)


def _row(result: Result) -> str:
    got = "; ".join(
        f"{client}: {', '.join(f'{outcome} ({count})' for outcome, count in counts.most_common())}"
        for client, counts in result.got.items()
    )
    recovery = ", ".join(f"{client} {seconds}" for client, seconds in result.recovery_seconds.items())
    chain = "intact" if not result.faults_of_the_chain else "; ".join(result.faults_of_the_chain)
    return f"| {result.fault} | {got} | {recovery} | {len(result.wrong)} | {len(result.unrecorded)} | {chain} |\n"
