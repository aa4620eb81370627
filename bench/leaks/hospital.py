"""Synthetic hospital with an identifier planted in every string, on which a model can still be trained."""

import copy
import gzip
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.leaks.canaries import CANARIES, file_stem
from bench.leaks.planting import Planter, strings
from model.fhir.resource_types import ACCEPTED
from model.synthesis.bundles import BundleWriter
from model.synthesis.population import simulate

SEED = 7
_UNTOUCHED = {("resourceType",), ("id",)}


@dataclass
class Planted:
    """Record of the planted identifiers."""

    strings: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CANARIES, 0))
    paths: set[str] = field(default_factory=set)
    resources: int = 0
    files: int = 0

    def count(self, planter: Planter, kind: str) -> None:
        """Add the counts of a planter."""
        self.strings[kind] += planter.planted
        self.paths |= planter.paths
        self.resources += 1


def write_hospital(folder: Path, *, patients: int, fills: int) -> Planted:
    """Write bundles, NDJSON and broken files, all full of identifiers.

    Parameters
    ----------
    folder
        Where the files go; their names hold identifiers too.
    patients
        How many patients.
    fills
        How many resources of each type have all their elements filled; each with the next identifier and the
        next choice of types. The least common multiple of both numbers covers every pair.
    """
    folder.mkdir(parents=True, exist_ok=True)
    planted = Planted()
    left = dict.fromkeys(ACCEPTED, fills)
    names = itertools.cycle(CANARIES.items())
    one_of_each: dict[str, dict[str, Any]] = {}
    for number in range(patients):
        content = _with_identifying_ids(BundleWriter(simulate(number, SEED), SEED).bundle(), number)
        for entry in content["entry"]:
            kind = entry["resource"]["resourceType"]
            if len(json.dumps(entry)) > len(json.dumps(one_of_each.get(kind, {}))):
                one_of_each[kind] = entry["resource"]
            if left[kind]:
                name, canary = next(names)
                planter = Planter(canary, turn=left[kind])
                entry["resource"] = planter.fill(entry["resource"])
                planted.count(planter, name)
                left[kind] -= 1
        name, canary = next(names)
        planted.strings[name] += 1
        _write(folder / f"{file_stem(canary)}_{number}.json", content, packed=number % 3 == 0)
        planted.files += 1
    _write_raw(folder, one_of_each, planted)
    return planted


def write_unfit(folder: Path) -> Planted:
    """Write invalid files, with identifiers in their content and name."""
    folder.mkdir(parents=True, exist_ok=True)
    planted = Planted()
    for name, canary in CANARIES.items():
        stem = file_stem(canary)
        broken = {"resourceType": "Patient", "id": "x", canary: canary, "gender": [canary], "name": canary}
        (folder / f"{stem}.json").write_text(json.dumps(broken))
        (folder / f"{stem}-cut.json.gz").write_bytes(gzip.compress(json.dumps(broken).encode())[:-9])
        (folder / f"{stem}-latin.json").write_bytes(json.dumps(broken).encode() + b"\xe9\xff")
        (folder / f"{stem}-no.json").write_text(f'{{"resourceType": "{canary}", "x": "{canary}')
        (folder / f"{stem}.ndjson").write_text(f'{json.dumps(broken)}\n"{canary}"\n[{canary}]\n')
        planted.strings[name] += 9
        planted.files += 5
    return planted


def _with_identifying_ids(content: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the bundle with a record number as the patient's id, as some hospitals have it."""
    own = next(e["resource"]["id"] for e in content["entry"] if e["resource"]["resourceType"] == "Patient")
    record = f"{CANARIES['H medical record number']}-{number}"
    text = json.dumps(content).replace(f"urn:uuid:{own}", f"http://canary.example/q/Patient/{record}")
    resource: dict[str, Any] = json.loads(text.replace(own, record))
    return resource


def _write_raw(folder: Path, one_of_each: dict[str, dict[str, Any]], planted: Planted) -> None:
    """Write a resource of each type with each string replaced by each identifier, valid or not; and deletions."""
    for name, canary in CANARIES.items():
        changed = list(_replaced(one_of_each, canary))
        planted.strings[name] += len(changed) + 1
        planted.resources += len(changed)
        gone = {"method": "DELETE", "url": f"Patient/{re.sub(r'[^A-Za-z0-9.-]', '-', canary)}"}
        entries = [{"fullUrl": canary, "resource": resource} for resource in changed]
        content = {"resourceType": "Bundle", "type": "transaction", "entry": [*entries, {"request": gone}]}
        _write(folder / f"{file_stem(canary)} raw.json", content, packed=False)
        planted.files += 1
        lines = "".join(f"{json.dumps(resource)}\n" for resource in changed[:50])
        (folder / f"{file_stem(canary)} raw.ndjson").write_text(lines)


def _replaced(one_of_each: dict[str, dict[str, Any]], canary: str) -> Iterator[dict[str, Any]]:
    number = 0
    for resource in one_of_each.values():
        for path in strings(resource):
            if path in _UNTOUCHED:
                continue
            number += 1
            changed: dict[str, Any] = copy.deepcopy(resource) | {"id": f"raw-{number}"}
            at: Any = changed
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = canary
            yield changed


def _write(path: Path, content: dict[str, Any], *, packed: bool) -> None:
    text = json.dumps(content, ensure_ascii=False).encode()
    if packed:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text, mtime=0))
    else:
        path.write_bytes(text)
