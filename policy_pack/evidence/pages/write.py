"""Writer of the evidence: an HTML page for people, and the same as JSON."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from policy_pack.errors import PackError
from policy_pack.evidence import cluster_reader, signature
from policy_pack.evidence.pages.page import page
from policy_pack.evidence.report import Report, Sources, report
from policy_pack.evidence.state_reader import read, to_json
from policy_pack.evidence.statements import FOLDER
from policy_pack.settings import Settings
from policy_pack.stack.external_endpoints import read_file
from policy_pack.stack.stack_config import PROJECT


@dataclass(frozen=True)
class EvidenceArgs:
    """Arguments of the evidence: the stack, its sources and the output.

    Parameters
    ----------
    stack, state
        The stack, and its exported state; without one the engine exports it.
    stack_file
        The configuration of the stack, with the addresses of external endpoints, beside the folder of statements; by
        default the project's own.
    with_cluster
        Whether the cluster is read as well.
    since
        The first day of the period whose changes are counted.
    sign_key
        The private key that signs the evidence.
    """

    stack: str
    state: Path | None = None
    stack_file: Path | None = None
    with_cluster: bool = False
    since: date | None = None
    sign_key: Path | None = None


def write(args: EvidenceArgs, out: Path, settings: Settings) -> Report:
    """Write ``index.html`` and ``evidence.json`` of a stack into a folder, with their digests and signature.

    Raises
    ------
    PackError
        When a file cannot be read or written.
    """
    key = signature.private_key(args.sign_key) if args.sign_key else None
    source = read(args.stack, args.state)
    default_config = PROJECT / f"Pulumi.{args.stack}.yaml"
    config = args.stack_file or (default_config if default_config.exists() else None)
    addresses = read_file(config) if config else None
    sources = Sources(
        cluster=cluster_reader.read(source.graph) if args.with_cluster else None,
        statements=config.parent / FOLDER / args.stack if config else None,
        since=args.since,
        signed_by=signature.fingerprint(key.public_key()) if key else "",
    )
    report_values = report(source, settings, addresses, sources)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "index.html").write_text(page(report_values, addresses), encoding="utf-8")
        (out / "evidence.json").write_text(to_json(report_values.as_dict()), encoding="utf-8")
        signature.write(out, key)
    except OSError as error:
        raise PackError(f"{out} cannot be written ({error.strerror}); use another folder with --out.") from None
    return report_values
