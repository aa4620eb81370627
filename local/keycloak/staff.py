"""Demonstration staff of a hospital, whose passwords and one-time password seeds are in a file for its owner alone."""

import json
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pyotp

from local.paths import Home
from local.secret_file import write_secret

COORDINATOR, MANAGER, AUDITOR = "coordinator", "manager", "auditor"
_PASSWORD_BYTES = 18


@dataclass(frozen=True)
class Person:
    """Member of staff.

    Parameters
    ----------
    hospital, username, name
        Who it is.
    id
        Claim ``sub``.
    role, units
        Claims ``roles`` and ``units``.
    password, seed
        Secrets of the first and of the second factor; the seed, in Base32, is empty without a second factor.
    """

    hospital: str
    username: str
    name: str
    id: str
    role: str
    units: tuple[str, ...]
    password: str
    seed: str

    @property
    def email(self) -> str:
        """E-mail address, which Keycloak requires."""
        return f"{self.username}@{self.hospital}.example"

    def code(self, at: int | None = None) -> str:
        """Return the one-time password of a time in seconds since 1970, or of now."""
        totp = pyotp.TOTP(self.seed)
        return totp.now() if at is None else totp.at(at)


@dataclass(frozen=True)
class _Post:
    username: str
    name: str
    role: str
    unit: int | None
    """Position of the unit; all units without one."""
    second_factor: bool = True


_POSTS = (
    _Post("casey", "Casey Coordinator", COORDINATOR, 0),
    _Post("robin", "Robin Coordinator", COORDINATOR, 1),
    _Post("morgan", "Morgan Manager", MANAGER, None),
    _Post("alex", "Alex Auditor", AUDITOR, None),
    _Post("jamie", "Jamie Unenrolled", COORDINATOR, 0, second_factor=False),
)


def file(home: Home) -> Path:
    """Return the file of all hospitals' demonstration staff."""
    return home.root / "sign-in.json"


def read(home: Home) -> dict[tuple[str, str], Person]:
    """Return the staff of the file, by hospital and username."""
    try:
        listed = json.loads(file(home).read_text(encoding="utf-8"))["staff"]
    except FileNotFoundError:
        return {}
    people = [
        Person(**{key: entry[key] for key in Person.__dataclass_fields__} | {"units": tuple(entry["units"])})
        for entry in listed
    ]
    return {(person.hospital, person.username): person for person in people}


def staff(hospital: str, units: tuple[str, ...], kept: dict[tuple[str, str], Person]) -> tuple[Person, ...]:
    """Return a hospital's staff; who is in the file already keeps identity, password and seed."""
    return tuple(_person(hospital, units, post, kept.get((hospital, post.username))) for post in _POSTS)


def write(home: Home, people: Iterable[Person], addresses: dict[str, str]) -> None:
    """Write the file.

    Parameters
    ----------
    addresses
        Address at which each hospital's staff sign in.
    """
    entries = [
        {
            **asdict(person),
            "sign_in_at": addresses[person.hospital],
            "second_factor": _uri(person) or "none: this person is refused",
        }
        for person in people
    ]
    about = (
        "Demonstration staff. Add second_factor to an authenticator app, or run `python -m local one-time-password "
        "HOSPITAL USERNAME`; a code is accepted once."
    )
    write_secret(file(home), json.dumps({"about": about, "staff": entries}, indent=2).encode())


def _person(hospital: str, units: tuple[str, ...], post: _Post, kept: Person | None) -> Person:
    if post.role == AUDITOR:
        own: tuple[str, ...] = ()
    elif post.unit is None:
        own = units
    else:
        own = (units[min(post.unit, len(units) - 1)],)
    return Person(
        hospital,
        post.username,
        post.name,
        kept.id if kept else str(uuid.uuid4()),
        post.role,
        own,
        kept.password if kept else secrets.token_urlsafe(_PASSWORD_BYTES),
        (kept.seed if kept else pyotp.random_base32()) if post.second_factor else "",
    )


def _uri(person: Person) -> str:
    """Return the address by which an authenticator app takes the seed; empty without a second factor."""
    if not person.seed:
        return ""
    return pyotp.TOTP(person.seed).provisioning_uri(name=person.username, issuer_name=f"{person.hospital} worklist")
