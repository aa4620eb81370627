"""Releases of the small hospital's run, and what a forger makes of one."""

import json
from dataclasses import asdict
from pathlib import Path

from model.artifact import files
from model.release.publish import Released, release
from model.release.signing import LocalSigner
from tests.support.model.model_world import evaluated


def released(tmp_path: Path, version: str = "v1") -> Released:
    """Return a release of the demonstration run, signed with ``tmp_path/key``."""
    return release(evaluated(), version=version, to=str(tmp_path / "models"), signer=LocalSigner(tmp_path / "key"))


def contents(place: str) -> dict[str, bytes]:
    """Return the files of a release by name."""
    return {path.name: path.read_bytes() for path in Path(place).iterdir()}


def relisted(place: str) -> str:
    """Return the place of a release whose list and folder were made to fit what it now holds."""
    changed = contents(place)
    for name in (files.LIST_FILE, files.SIGNATURE_FILE):
        changed.pop(name, None)
    file_list = files.listed(changed)
    Path(place, files.LIST_FILE).write_bytes(file_list)
    return str(Path(place).rename(Path(place).with_name(files.digest_of(file_list)[:12])))


def signed_again(place: str, signer: LocalSigner) -> str:
    """Return the place of a changed release whose list, folder and signature its own signer made to fit."""
    place = relisted(place)
    signature = signer.sign(Path(place, files.LIST_FILE).read_bytes())
    Path(place, files.SIGNATURE_FILE).write_text(json.dumps(asdict(signature)))
    return place
