"""Loader of a population into the FHIR server, bundle by bundle; repeating it is idempotent."""

import gzip
import json
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from local.errors import UserError

THREADS = 2
TIMEOUT = 300.0


def connect(base: str, authority: Path) -> httpx.Client:
    """Return a client of the server that trusts the given CA."""
    return httpx.Client(base_url=base, verify=ssl.create_default_context(cafile=str(authority)), timeout=TIMEOUT)


def under_own_ids(bundle: dict[str, Any]) -> dict[str, Any]:
    """Return an idempotent transaction that stores each resource under its own id (PUT)."""
    entries = []
    for entry in bundle["entry"]:
        resource = entry["resource"]
        url = f"{resource['resourceType']}/{resource['id']}"
        entries.append({**entry, "request": {"method": "PUT", "url": url}})
    return {**bundle, "type": "transaction", "entry": entries}


def put_bundle(client: httpx.Client, path: Path) -> int:
    """Store the resources of a transaction file and return their number.

    Raises
    ------
    UserError
        If the server does not take them.
    """
    content = path.read_bytes()
    bundle = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    try:
        answer = client.post("/", json=under_own_ids(bundle))
    except httpx.TransportError as fault:
        raise UserError(
            f"The EHR closed the connection while data was loaded ({type(fault).__name__}): "
            "see `make logs NAME=ehr`, then run again."
        ) from None
    if not answer.is_success:
        raise UserError(f"The EHR answered {answer.status_code} to a bundle: read `make logs NAME=ehr`.")
    return len(bundle["entry"])


def fill(client: httpx.Client, bundles: Iterable[Path]) -> int:
    """Store all bundles, several in parallel, and return the number of resources."""
    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(lambda path: put_bundle(client, path), bundles))
