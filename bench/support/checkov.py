"""Runner of checkov on Kubernetes manifests: a pinned version in an isolated environment."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from policy_pack.controls.rows import table
from policy_pack.stack.graph import Resource

_TABLE = Path(__file__).with_name("scanners.yaml")
_TYPE = re.compile(r"kubernetes:(?:core/)?(?P<version>[^:]+):(?P<kind>\w+)")
_OURS = ("apiVersion", "kind", "id", "status")
_MINUTES = 10


class ScannerError(Exception):
    """Error: checkov could not be run."""


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class Reason:
    """Reason why some checks have no corresponding control."""

    why: str
    checks: tuple[str, ...]


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class Known:
    """Version of checkov and its checks that are out of scope.

    Parameters
    ----------
    checkov
        The version.
    resolved
        The day of the packages that it is run with.
    out_of_scope
        Checks that no control asks.
    """

    checkov: str
    resolved: str
    out_of_scope: tuple[Reason, ...]

    def why(self, check: str) -> str:
        """Return the reason why a check is out of scope; empty if it is in scope."""
        return next((reason.why for reason in self.out_of_scope if check in reason.checks), "")

    @staticmethod
    def controls(check: str) -> tuple[str, ...]:
        """Return the controls with the same requirement."""
        return tuple(row.id for row in table().rows.values() if check in row.checkov)


@dataclass(frozen=True)
class Failed:
    """A failed check of a manifest."""

    check: str
    title: str


@cache
def known() -> Known:
    """Return the table."""
    return TypeAdapter(Known).validate_python(yaml.safe_load(_TABLE.read_text(encoding="utf-8")))


def manifest(resource: Resource) -> dict[str, Any] | None:
    """Return a resource as a manifest, or None for another provider or a chart that is not rendered."""
    resource_type = _TYPE.fullmatch(resource.type)
    if resource_type is None or resource_type["version"].startswith("helm.sh/"):
        return None
    own = {name: value for name, value in resource.props.items() if name not in _OURS}
    return {"apiVersion": resource_type["version"], "kind": resource_type["kind"], **own}


def scan(resources: Sequence[Resource], folder: Path) -> dict[int, set[Failed]]:
    """Return the failed checks by the position of the resource; resources without any have no entry."""
    folder.mkdir(parents=True)
    written = 0
    for position, resource in enumerate(resources):
        document = manifest(resource)
        if document is not None:
            (folder / f"{position}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
            written += 1
    if not written:
        raise ScannerError("No Kubernetes manifests to scan.")
    failed: dict[int, set[Failed]] = {}
    for entry in _run(folder)["results"]["failed_checks"]:
        position = int(Path(entry["file_path"]).stem)
        failed.setdefault(position, set()).add(Failed(entry["check_id"], entry["check_name"]))
    return failed


def _run(folder: Path) -> dict[str, Any]:
    with_python = ["--python", sys.executable, "--exclude-newer", known().resolved]
    command = [_uv(), "tool", "run", "--quiet", *with_python, f"checkov@{known().checkov}"]
    # The vendor's service is not used: no download of rules, no upload of findings.
    options = ["--directory", str(folder), "--framework", "kubernetes", "--skip-download", "--quiet", "--compact"]
    done = subprocess.run(
        [*command, *options, "--soft-fail", "--output", "json"],
        capture_output=True,
        text=True,
        timeout=_MINUTES * 60,
        check=False,
        env={**os.environ, "LOG_LEVEL": "ERROR"},
    )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no error output"])[-1]
        raise ScannerError(f"checkov {known().checkov} could not be run: {last}") from None
    if not isinstance(report, dict) or "results" not in report or report["summary"]["parsing_errors"]:
        raise ScannerError(f"checkov {known().checkov} could not parse the manifests; run it on one of them.")
    return report


def _uv() -> str:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "healthcare-mlops"
    uv = shutil.which("uv") or shutil.which("uv", path=Path(os.environ.get("HMLOPS_CACHE") or home) / "uv" / "bin")
    if uv is None:
        raise ScannerError("uv is not on PATH, but is needed to run checkov: install it, or run `make lint` once.")
    return uv
