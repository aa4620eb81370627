"""Connections that may not be made: no certificate, one of another authority, workload or hospital, other protocols."""

import ssl
from collections.abc import Iterator
from datetime import timedelta

from services.transport import SpiffeId
from tests.hostile.request import HostileRequest
from tests.hostile.world import World
from tests.support.care.clinical_path import CARE, GATEWAY, MODEL, PLANNING, ClinicalPath
from tests.support.identity.workload_certificates import WorkloadAuthority, files
from tests.support.vault.bao_server import HOSPITAL

STRANGERS = ("no certificate", "other authority", "expired", "plain HTTP", "TLS 1.2", "no identity", "two identities")
OTHER_HOSPITAL = "other hospital"
ALLOWED = {"planning": {CARE}, "care": {GATEWAY}}


def contexts(path: ClinicalPath) -> dict[str, ssl.SSLContext | None]:
    """Return the TLS contexts of connections by name; none for plain text."""
    own, other = path.authority, WorkloadAuthority()
    folder = path.folder / "strangers"
    made: dict[str, ssl.SSLContext | None] = {
        name: _context(path, name) for name in (CARE, GATEWAY, PLANNING, MODEL, "trainer")
    }
    care = str(SpiffeId(HOSPITAL, CARE))
    gateway = str(SpiffeId(HOSPITAL, GATEWAY))
    issued = {
        "other authority": (other, (care,), timedelta(hours=1)),
        "expired": (own, (gateway,), -timedelta(minutes=5)),
        "no identity": (own, (), timedelta(hours=1)),
        "two identities": (own, (care, gateway), timedelta(hours=1)),
        OTHER_HOSPITAL: (own, (str(SpiffeId("south", GATEWAY)),), timedelta(hours=1)),
    }
    for name, (authority, uris, life) in issued.items():
        shown = files(folder / name.replace(" ", "-"))
        authority.issue(shown, *uris, life=life)
        context = _client()
        context.load_cert_chain(shown.certificate, shown.key)
        made[name] = context
    old = _context(path, GATEWAY)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    return made | {"no certificate": _client(), "plain HTTP": None, "TLS 1.2": old}


def _context(path: ClinicalPath, account: str) -> ssl.SSLContext:
    made, shown = _client(), path.certificates[account]
    made.load_cert_chain(shown.certificate, shown.key)
    return made


def _client() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def connections(world: World, service: str) -> Iterator[HostileRequest]:
    """Send good requests on connections of others."""
    accounts = [one for one in (CARE, GATEWAY, PLANNING, MODEL, "trainer") if one not in ALLOWED[service]]
    names = [*STRANGERS, OTHER_HOSPITAL, *accounts]
    while True:
        target = world.source.choice(
            ("/v1/scores", "/healthz", "/readyz", "/openapi.json")
            if service == "planning"
            else ("/cds-services", "/worklist", "/healthz", "/readyz", "/openapi.json")
        )
        certificate = world.source.choice(names)
        if certificate in (CARE, PLANNING) and target in ("/healthz", "/readyz"):
            continue  # a pod asks itself
        yield world.builder.request("certificate", service, "GET", target, certificate=certificate)
