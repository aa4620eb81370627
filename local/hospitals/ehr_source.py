"""FHIR server as the EHR of one hospital, for `make up EHR=1`.

Its records are ingested from the server and read at a discharge, scores are written back to it, and it launches the
worklist.
"""

import hashlib
import shutil
from typing import Any
from urllib.parse import urlencode

from hvac.exceptions import InvalidPath

from local.cluster.openbao import operator
from local.ehr import state
from local.ehr.fill import connect, fill
from local.ehr.launch import App
from local.ehr.state import POPULATION, database, folder, launch_client
from local.errors import UserError
from local.hospitals import patient_record, pipeline, population
from local.hospitals.patient_record import Stay
from local.hospitals.pipeline import Landing, Tell
from local.paths import EHR_URL, NODE_IP, Home, worklist_url
from local.stack.stack import Stack

_FILLED = "filled"
_INGESTION, _WRITE_BACK = "fhir", "fhir-write-back"
"""Secrets of the hospital's KV store for the server: what ingestion and care read."""
_LAUNCH = "launch"


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
    """Set the FHIR server as the first hospital's EHR, or restore the source of the hospital's entry.

    A hospital whose own entry has an EHR is launched by that one.
    """
    own = {entry["name"] for entry in stack.declared() if entry.get("ehr")}
    for index, entry in enumerate(stack.working()):
        name = entry["name"]
        if on and index == 0:
            wanted = _fields(name, launches=name not in own)
            if {field: _value(entry, field) for field in wanted} != wanted:
                stack.set_fields(name, wanted)
        elif is_source(entry):
            stack.unset_field(name, "fhir")
            stack.unset_field(name, "network")
            if name not in own and _LAUNCH in (entry.get("ehr") or {}):
                stack.unset_field(name, f"ehr.{_LAUNCH}")


def _fields(hospital: str, *, launches: bool) -> dict[str, str]:
    """Return the fields of the hospital's entry by their paths."""
    launch = {"ehr.launch.issuer": EHR_URL, "ehr.launch.client": launch_client(hospital)}
    source = {"fhir.url": EHR_URL, "fhir.auth": "none", "fhir.writeBack": "true", "network": f"{NODE_IP}/32"}
    return source | (launch if launches else {})


def _value(entry: dict[str, Any], field: str) -> str:
    """Return a field of an entry as the engine writes it; empty if it is absent."""
    value: Any = entry
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return str(value).lower() if isinstance(value, bool) else str(value or "")


def is_source(entry: dict[str, Any]) -> bool:
    """Return whether the FHIR server of this environment is the hospital's source."""
    return bool(entry["fhir"].get("url") == EHR_URL)


def is_launched(entry: dict[str, Any]) -> bool:
    """Return whether the FHIR server of this environment launches the hospital's worklist."""
    return _value(entry, "ehr.launch.issuer") == EHR_URL


def launch_address(home: Home, hospital: str, patient: str = "") -> str:
    """Return the address by which the EHR opens the worklist for a patient; it is good once, for some minutes.

    Parameters
    ----------
    patient
        Id of the patient; by default the one whose stay goes on longest.

    Raises
    ------
    UserError
        If there is no such hospital or patient, or the FHIR server does not launch the hospital's worklist.
    """
    entry = Stack(home).named(hospital)
    app = state.app(home)
    if app is None or not is_launched(entry):
        raise UserError(f"The environment has no EHR that launches the worklist of {hospital}: run `make up EHR=1`.")
    stay = patient_record.choose(pipeline.bundles(population.source(home, entry)), patient)
    return address_of(app, hospital, stay)


def address_of(app: App, hospital: str, stay: Stay) -> str:
    """Return the address of a launch for a stay."""
    query = urlencode({"iss": EHR_URL, "launch": app.launch(stay.patient, stay.encounter)})
    return f"{worklist_url(hospital)}/launch?{query}"


def land(home: Home, store: Any, entry: dict[str, Any], tell: Tell) -> Landing:
    """Load the hospital's FHIR server, clear its landing area, and store the server's CA for its Job and for care."""
    hospital = entry["name"]
    bundles = pipeline.bundles(population.synthesized(home, entry, tell))
    authority = home.pki / "ca.crt"
    filled = database(home) / _FILLED
    if not filled.exists():
        tell(f"{hospital}: {len(bundles)} bundles to the EHR (once; about a second each)")
        with connect(EHR_URL, authority) as client:
            count = fill(client, bundles)
        filled.write_text(f"{count}\n", encoding="utf-8")
    for secret in (_INGESTION, _WRITE_BACK):
        _trust(home, hospital, secret, authority.read_text(encoding="ascii"))
    pipeline.clear_landing(store, hospital)
    key = hashlib.sha256(f"{EHR_URL} {state.population(home)}".encode()).hexdigest()[:10]
    return Landing(hospital, key, fresh=True)


def _trust(home: Home, hospital: str, secret: str, authority: str) -> None:
    """Write the server's CA to a secret of Vault, as an operator would; the server asks for no credentials."""
    client = operator(home)
    kv, where = client.secrets.kv.v2, {"path": secret, "mount_point": f"{hospital}/kv"}
    try:
        held = kv.read_secret_version(**where, raise_on_deleted_version=True)["data"]["data"]
    except InvalidPath:
        held = {}
    if held.get("ca") != authority:
        kv.create_or_update_secret(**where, secret={**held, "ca": authority})
