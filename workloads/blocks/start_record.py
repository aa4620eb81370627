"""Variables from which services put on record at their start who deployed them, and by which policies."""

import hashlib
import re
from pathlib import Path

from infra.settings import Settings, SettingsError

ROOT = Path(__file__).parents[2]
# The tables of the policy pack that decide, by path: the program imports nothing of the pack.
_PACK, _EVIDENCE = "policy_pack", "policy_pack/evidence/"
# What the pack compares the stack with, and what the cluster enforces after it.
_TABLES = ("workloads/zones.yaml", "workloads/admission/admission.yaml", "workloads/serving/routes.yaml")
# services/audit/records.py holds no other identifiers.
_RECORDABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}")


def deployed_by(settings: Settings) -> dict[str, str]:
    """Return the variable with the principal that deploys.

    It is the one of the settings and not the caller of this update, so that a preview by somebody else changes nothing.

    Raises
    ------
    SettingsError
        If no audit record can hold its ARN.
    """
    if not _RECORDABLE.fullmatch(settings.deployer):
        raise SettingsError(
            f"deployer: audit records cannot hold {settings.deployer!r}; name a role or user whose ARN has at most 200 "
            "characters, of letters, digits and ._:/@+-."
        )
    return {"DEPLOYED_BY": settings.deployer}


def policies(root: Path = ROOT) -> dict[str, str]:
    """Return the variable with the digest of the tables of policies.

    Raises
    ------
    SettingsError
        If the pack has no tables there.
    """
    return {"POLICIES_DIGEST": hashlib.sha256(policy_tables(root).encode()).hexdigest()}


def policy_tables(root: Path = ROOT) -> str:
    """Return SHA-256 and path of each table of policies, a line each in order of paths, as sha256sum prints them.

    Raises
    ------
    SettingsError
        If the pack has no tables there.
    """
    tables = (path.relative_to(root).as_posix() for path in (root / _PACK).rglob("*.yaml"))
    pack = [name for name in tables if not name.startswith(_EVIDENCE)]
    if not pack:
        raise SettingsError(f"{root / _PACK} has no tables of policies; deploy from a complete checkout.")
    lines = ((hashlib.sha256((root / name).read_bytes()).hexdigest(), name) for name in sorted([*pack, *_TABLES]))
    return "".join(f"{digest}  {name}\n" for digest, name in lines)
