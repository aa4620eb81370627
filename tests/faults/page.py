"""The page with what clients got during each fault."""

from tests.faults.run import Result
from tests.support.repository import when_and_what

_HEAD = """# Faults of the clinical path
`python -m tests.faults` starts planning and care as their pods do (mutual TLS, real PostgreSQL and OpenBao, a real
release behind a model server whose faults are chosen), lets three clients ask all the time (planning, the hook of an
EHR, the worklist of a coordinator), and lets each fault happen until each client has seen it. Seven of the rows run
with the process tests.

Every answer is compared with the audit chain: its record is there, of this request and with this status, and the chain
verifies against the anchors from before and after the fault. A score is the same number before and after. "Recovery" is
the time from the end of the fault (the start of the process, the unsealing) to the first right answer. A clock that is
off is that of one service, with libfaketime; the service is restarted for it.

{run}, on two cores shared with other work, and without gateway and Vault's
agent. Their kills are tests of the embedded environment ([below](#in-the-embedded-environment)).

| fault | what clients got meanwhile | recovery, s | wrong answers | unrecorded answers | chain |
|---|---|---|---|---|---|
"""
_LIVE = "\n## In the embedded environment\n"


def page(results: list[Result], before: str) -> str:
    """Return the page.

    Parameters
    ----------
    results
        What came of each fault.
    before
        The page as it was: what it says of the embedded environment is kept.
    """
    live = before.partition(_LIVE)[2]
    return _HEAD.format(run=when_and_what()) + "".join(_row(result) for result in results) + _LIVE + live


def _row(result: Result) -> str:
    got = "; ".join(
        f"{client}: {', '.join(f'{outcome} ({count})' for outcome, count in counts.most_common())}"
        for client, counts in result.got.items()
    )
    recovery = ", ".join(f"{client} {seconds}" for client, seconds in result.recovery_seconds.items())
    chain = "intact" if not result.faults_of_the_chain else "; ".join(result.faults_of_the_chain)
    return f"| {result.fault} | {got} | {recovery} | {len(result.wrong)} | {len(result.unrecorded)} | {chain} |\n"
