"""Pipeline run of one hospital: landing of FHIR bundles, ingestion, training and release."""

import hashlib
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.errors import UserError
from local.paths import REPOSITORY
from local.stack import jobs
from local.stack.jobs import Run
from local.stack.settings import STACK

_LANDING = "landing/"
_RECORD = "landed.json"
_RELEASES = "readmission/"
_NAMES: dict[str, str] = json.loads((REPOSITORY / "model" / "artifact" / "names.json").read_text(encoding="utf-8"))
METRICS_FILE, LINEAGE_FILE = _NAMES["metrics"], _NAMES["lineage"]
_LAST_FILE = f"/{_NAMES['signature']}"
_FEATURES = (("phi", "database"), ("phi", "ingest"), ("data", "features"))
# Packages whose change runs a CronJob again; of others `model`. Migrations are among those of databases.
_CODE = {"database": ("model", "services/database")}
_SUFFIXES = (".json", ".json.gz", ".ndjson", ".ndjson.gz")

Tell = Callable[[str], None]


def storage() -> Any:
    """Return an S3 client; endpoint and the operator's credentials come from the environment variables."""
    return boto3.client("s3", config=Config(s3={"addressing_style": "path"}))


def bucket(hospital: str, data_class: str) -> str:
    """Return the name of a hospital's bucket."""
    return f"hmlops-{STACK}-{hospital}-{data_class}"


def bundles(folder: Path) -> list[Path]:
    """Return the FHIR files of a folder.

    Raises
    ------
    UserError
        If there is no such folder, or no FHIR file in it.
    """
    if not folder.is_dir():
        raise UserError(
            f"The folder {folder} does not exist: set FHIR= to a folder of FHIR bundles ({', '.join(_SUFFIXES)})."
        )
    files = sorted(path for path in folder.rglob("*") if path.name.endswith(_SUFFIXES))
    if not files:
        raise UserError(f"{folder} has no FHIR files ({', '.join(_SUFFIXES)}): set FHIR= to a folder of FHIR bundles.")
    return files


@dataclass(frozen=True)
class Landing:
    """Landed bundles of one hospital in its raw bucket."""

    hospital: str
    key: str
    fresh: bool


def land(store: Any, hospital: str, folder: Path, tell: Tell) -> Landing:
    """Upload the bundles to the raw bucket, as an EHR export would, unless they are there already.

    File names may contain patient names, so object keys are digests of the content.
    """
    raw = bucket(hospital, "raw")
    contents = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in bundles(folder)}
    key = hashlib.sha256("".join(sorted(contents.values())).encode()).hexdigest()[:10]
    if landed(store, hospital).key == key:
        return Landing(hospital, key, fresh=False)
    tell(f"{hospital}: {len(contents)} files to the landing zone")
    wanted = {f"{_LANDING}{digest}{_suffix(path)}": path for path, digest in contents.items()}
    present = set(keys(store, raw, _LANDING))
    with ThreadPoolExecutor(4) as pool:
        puts = [
            pool.submit(store.upload_file, str(path), raw, name) for name, path in wanted.items() if name not in present
        ]
        for put in puts:
            put.result()
    for name in present - set(wanted):
        store.delete_object(Bucket=raw, Key=name)
    store.put_object(Bucket=raw, Key=_RECORD, Body=json.dumps({"key": key, "files": len(contents)}).encode())
    return Landing(hospital, key, fresh=True)


@dataclass(frozen=True)
class Landed:
    """Landed source files: their key and number."""

    key: str = ""
    files: int = 0


def landed(store: Any, hospital: str) -> Landed:
    """Return what was landed; empty if there is nothing, as for a hospital whose source is a server."""
    raw = bucket(hospital, "raw")
    try:
        record = json.loads(store.get_object(Bucket=raw, Key=_RECORD)["Body"].read())
    except store.exceptions.NoSuchKey:
        return Landed()
    except (ClientError, BotoCoreError) as error:
        raise UserError(f"Bucket {raw} cannot be read ({error}): run `make status`, then `make up` again.") from error
    return Landed(str(record.get("key", "")), int(record.get("files", 0)))


def clear_landing(store: Any, hospital: str) -> None:
    """Remove the bundles of `land` from the raw bucket, for a hospital whose source is now a server."""
    raw = bucket(hospital, "raw")
    if _RECORD not in keys(store, raw, _RECORD):
        return
    for name in keys(store, raw, _LANDING):
        store.delete_object(Bucket=raw, Key=name)
    store.delete_object(Bucket=raw, Key=_RECORD)


def _suffix(path: Path) -> str:
    return next(suffix for suffix in sorted(_SUFFIXES, key=len, reverse=True) if path.name.endswith(suffix))


def keys(store: Any, name: str, prefix: str) -> list[str]:
    """Return the keys of the objects below a prefix."""
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def train(api: Any, landing: Landing, tell: Tell, seconds: int = jobs.JOB_SECONDS) -> None:
    """Run database, ingest, features, train and release on the landed data; skip what has run with this code."""
    _run(api, landing.hospital, landing.key, (*_FEATURES, ("data", "train"), ("data", "release")), tell, seconds)


def refresh(api: Any, landing: Landing, tell: Tell) -> None:
    """Run database, ingest and features on the landed data; skip what has run with this code.

    Features that older code wrote may have other definitions than the model server's release now gets.
    """
    _run(api, landing.hospital, landing.key, _FEATURES, tell)


def _run(
    api: Any, hospital: str, landed: str, steps: Iterable[tuple[str, str]], tell: Tell, seconds: int = jobs.JOB_SECONDS
) -> None:
    """Run CronJobs of a hospital, by zone and name, unless they have run on this data with this code."""
    for zone, cronjob in steps:
        code = "".join(code_digest(REPOSITORY / package) for package in _CODE.get(cronjob, ("model",)))
        key = hashlib.sha256(f"{landed} {code}".encode()).hexdigest()[:10]
        jobs.ensure(api, Run(f"{hospital}-{zone}", cronjob, key), tell=tell, seconds=seconds)


def code_digest(package: Path) -> str:
    """Return the digest of a package's files, since other code may produce another release from the same data."""
    files = sorted(path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def releases(store: Any, hospital: str) -> list[str]:
    """Return the finished releases as version@digest, oldest first."""
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=bucket(hospital, "models"), Prefix=_RELEASES)
    entries = [entry for page in pages for entry in page.get("Contents", [])]
    signed = [entry for entry in entries if entry["Key"].endswith(_LAST_FILE)]
    signed.sort(key=lambda entry: entry["LastModified"])
    return ["@".join(entry["Key"].removeprefix(_RELEASES).split("/")[:2]) for entry in signed]


def release_document(store: Any, hospital: str, release: str, name: str) -> dict[str, Any]:
    """Return a JSON file of a release, which is named by version@digest."""
    key = f"{_RELEASES}{release.replace('@', '/')}/{name}"
    body = store.get_object(Bucket=bucket(hospital, "models"), Key=key)["Body"]
    document: dict[str, Any] = json.loads(body.read())
    return document
