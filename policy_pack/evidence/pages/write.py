"""Writer of the evidence: an HTML page for people, and the same as JSON."""

from pathlib import Path

from policy_pack.errors import PackError
from policy_pack.evidence import cluster_reader
from policy_pack.evidence.pages.page import page
from policy_pack.evidence.report import Report, report
from policy_pack.evidence.state_reader import read, to_json
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
        The stack, and its exported state; without one the engine exports it.
    out
        The folder.
    settings
        The settings of the pack.
    stack_file
        The configuration of the stack, with the addresses of external endpoints; by default the project's own.
    with_cluster
        Whether the cluster is read as well.

    Raises
    ------
    PackError
        When a file cannot be read or written.
    """
    source = read(stack, state)
    default_config = PROJECT / f"Pulumi.{stack}.yaml"
    config = stack_file or (default_config if default_config.exists() else None)
    addresses = read_file(config) if config else None
    report_values = report(source, settings, addresses, cluster_reader.read(source.graph) if with_cluster else None)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "index.html").write_text(page(report_values, addresses), encoding="utf-8")
        (out / "evidence.json").write_text(to_json(report_values.as_dict()), encoding="utf-8")
    except OSError as error:
        raise PackError(f"{out} cannot be written ({error.strerror}); use another folder with --out.") from None
    return report_values
