"""Addresses and files with which programs outside call a hospital's gateway as its demonstration callers."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from local.cluster.openbao import operator
from local.errors import UserError
from local.hospitals import patient_record, pipeline, population
from local.hospitals.application import Application, server_authority
from local.hospitals.discharge import PATH, request
from local.hospitals.ehr_client import EhrClient
from local.hospitals.program_client import ProgramClient
from local.paths import LOOPBACK, Home, machine_url
from local.secret_file import write_secret
from local.stack.stack import Stack

SCOPE = "readmission.scores"


@dataclass(frozen=True)
class Callers:
    """Addresses, and files that only their owner reads.

    Parameters
    ----------
    url, address
        The gateway, by the name that its certificate has, and the address that it listens on.
    hook
        Path of the hook.
    authority
        File with the authority of the hospital's servers.
    program, ehr
        Files with certificate and key of a program and of the EHR.
    token
        File with an access token of the program, good for some minutes.
    ehr_key, ehr_key_id, issuer
        File with the key that signs the EHR's tokens, its id, and the claim ``iss``.
    discharges
        File with bodies of the hook, a line of JSON each; a caller gives each call an id of its own (``hookInstance``).
    """

    url: str
    address: str
    hook: str
    authority: str
    program: str
    ehr: str
    token: str
    ehr_key: str
    ehr_key_id: str
    issuer: str
    discharges: str

    def json(self) -> str:
        """Return an object for programs."""
        return json.dumps(asdict(self), indent=2)


def write(home: Home, hospital: str, folder: Path, discharges: int) -> Callers:
    """Write the files of a hospital's callers to a folder.

    Parameters
    ----------
    discharges
        How many stays that go on to write the hook's body for.

    Raises
    ------
    UserError
        If there is no such hospital, it has no program, or Vault or the issuer of tokens do not answer.
    """
    stack = Stack(home)
    entry = stack.named(hospital)
    names = entry.get("applications") or ()
    if not names or not stack.has_gateway:
        raise UserError(f"No program calls a gateway of {hospital}: add one to `applications` of its entry.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ehr, program = EhrClient(home, hospital), ProgramClient(home, hospital, names[0])
    authority, token, bodies = folder / "authority.pem", folder / "token", folder / "discharges.ndjson"
    authority.write_text(server_authority(operator(home), hospital), encoding="ascii")
    write_secret(token, program.access_token(SCOPE).encode())
    files = pipeline.bundles(population.source(home, entry))
    stays = patient_record.ongoing(files)[:discharges]
    lines = [json.dumps(request(stay, {"prefetch": patient_record.prefetch(files, stay)})) for stay in stays]
    write_secret(bodies, "\n".join(lines).encode())
    return Callers(
        url=machine_url(hospital),
        address=LOOPBACK,
        hook=PATH,
        authority=str(authority),
        program=str(_certified(program.application)),
        ehr=str(_certified(ehr.application)),
        token=str(token),
        ehr_key=str(ehr.application.folder / "signing.pem"),
        ehr_key_id=ehr.application.public_key()["kid"],
        issuer=ehr.issuer,
        discharges=str(bodies),
    )


def _certified(application: Application) -> Path:
    application.tls()
    return application.certificate_file
