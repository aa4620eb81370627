"""Writing the evidence: a page for people, and the same as JSON."""

from pathlib import Path

from policy_pack.errors import PackError
from policy_pack.evidence import cluster_reader
from policy_pack.evidence.pages.page import page
from policy_pack.evidence.report import Report, report
from policy_pack.evidence.state_reader import plain, read
from policy_pack.settings import Settings
from policy_pack.stack.external_endpoints import read_file
from policy_pack.stack.stack_config import PROJECT


def write(
    stack: str, out: Path, settings: Settings, state: Path | None, stack_file: Path | None, *, with_cluster: bool
) -> Report:
    """Write ``index.html`` and ``evidence.json`` of a stack into a folder.

    Parameters
    ----------
    stack, state
        The stack, and its exported state; without one the engine is asked.
    out
        The folder.
    settings
        The pack's settings.
    stack_file
        The stack's configuration, which tells where servers are; by default the project's own.
    with_cluster
        Whether the cluster is read too.

    Raises
    ------
    PackError
        When something cannot be read or written.
    """
    source = read(stack, state)
    own = PROJECT / f"Pulumi.{stack}.yaml"
    config = stack_file or (own if own.exists() else None)
    addresses = read_file(config) if config else None
    made = report(source, settings, addresses, cluster_reader.read(source.graph) if with_cluster else None)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "index.html").write_text(page(made, addresses), encoding="utf-8")
        (out / "evidence.json").write_text(plain(made.as_dict()), encoding="utf-8")
    except OSError as error:
        raise PackError(f"{out} cannot be written ({error.strerror}); name another folder with --out.") from None
    return made
