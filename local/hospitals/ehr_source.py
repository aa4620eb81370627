"""FHIR server as the source of one hospital, for `make up EHR=1`."""

import hashlib
import shutil
from typing import Any

from hvac.exceptions import InvalidPath

from local.cluster.openbao import operator
from local.ehr import state
from local.ehr.fill import connect, fill
from local.ehr.state import POPULATION, database, folder
from local.errors import UserError
from local.hospitals import pipeline, population
from local.hospitals.pipeline import Landing, Tell
from local.paths import EHR_URL, NODE_IP, Home
from local.stack.stack import Stack

_FILLED = "filled"
_SECRET = "fhir"


def switch_on(home: Home, stack: Stack, tell: Tell) -> None:
    """Enable the FHIR server for the first hospital, from the next start of the environment.

    Raises
    ------
    UserError
        If no hospital of the stack is left.
    """
    working = stack.working()
    if not working:
        raise UserError("EHR=1 needs a hospital that is not leaving: add one to Pulumi.dev.yaml.")
    name = population.synthesized(home, working[0], tell).name
    folder(home).mkdir(mode=0o700, parents=True, exist_ok=True)
    for other in folder(home).iterdir():
        if other.is_dir() and other.name != name:
            shutil.rmtree(other)
    (folder(home) / POPULATION).write_text(name, encoding="utf-8")


def switch_off(home: Home) -> None:
    """Disable the FHIR server from the next start of the environment; its database is kept."""
    (folder(home) / POPULATION).unlink(missing_ok=True)


def declare(stack: Stack, *, on: bool) -> None:
    """Set the FHIR server as the first hospital's source, or restore the source of the hospital's entry."""
    for index, entry in enumerate(stack.working()):
        name, wanted = entry["name"], on and index == 0
        if wanted == is_source(entry):
            continue
        if wanted:
            stack.set_field(name, "fhir.url", EHR_URL)
            stack.set_field(name, "fhir.auth", "none")
            stack.set_field(name, "network", f"{NODE_IP}/32")
        else:
            stack.unset_field(name, "fhir")
            stack.unset_field(name, "network")


def is_source(entry: dict[str, Any]) -> bool:
    """Return whether the FHIR server of this environment is the hospital's source."""
    return bool(entry["fhir"].get("url") == EHR_URL)


def land(home: Home, store: Any, entry: dict[str, Any], tell: Tell) -> Landing:
    """Load the hospital's FHIR server, clear its landing area, and store the server's CA for its Job."""
    hospital = entry["name"]
    bundles = pipeline.bundles(population.synthesized(home, entry, tell))
    authority = home.pki / "ca.crt"
    filled = database(home) / _FILLED
    if not filled.exists():
        tell(f"{hospital}: {len(bundles)} bundles to the EHR (once; about a second each)")
        with connect(EHR_URL, authority) as client:
            count = fill(client, bundles)
        filled.write_text(f"{count}\n", encoding="utf-8")
    _trust(home, hospital, authority.read_text(encoding="ascii"))
    pipeline.clear_landing(store, hospital)
    key = hashlib.sha256(f"{EHR_URL} {state.population(home)}".encode()).hexdigest()[:10]
    return Landing(hospital, key, fresh=True)


def _trust(home: Home, hospital: str, authority: str) -> None:
    """Write the server's CA to Vault, where the ingestor reads it, as an operator would."""
    client = operator(home)
    kv, where = client.secrets.kv.v2, {"path": _SECRET, "mount_point": f"{hospital}/kv"}
    try:
        held = kv.read_secret_version(**where, raise_on_deleted_version=True)["data"]["data"]
    except InvalidPath:
        held = {}
    if held.get("ca") != authority:
        kv.create_or_update_secret(**where, secret={**held, "ca": authority})
