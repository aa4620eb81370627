"""Realms in Keycloak: one for each hospital, with demonstration staff, and one for hospitals' programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.errors import UserError
from local.hospitals import program_client
from local.keycloak import admin, keys, programs, server, staff
from local.keycloak.realm import RealmSettings, representation
from local.keycloak.realm_parts import Representation
from local.keycloak.staff import AUDITOR, COORDINATOR, MANAGER
from local.paths import KEYCLOAK_URL, Home, worklist_url

START_SECONDS = 240
# The defaults of `infra.settings.sign_in.StaffGroups`; a test compares them.
GROUPS = {COORDINATOR: "care-coordinators", MANAGER: "charge-nurses", AUDITOR: "auditors"}
SECOND_FACTOR = ("2",)
_RESERVED = (admin.MASTER, programs.REALM)


def realms(entries: list[dict[str, Any]]) -> list[RealmSettings]:
    """Return the realms that Keycloak has for hospitals' entries; a hospital with another identity provider has none.

    Raises
    ------
    UserError
        If an entry names a realm of Keycloak that is not its hospital's.
    """
    created = []
    for entry in entries:
        provider = entry.get("signIn")
        if not provider or not str(provider["issuer"]).startswith(f"{KEYCLOAK_URL}/"):
            continue
        name = entry["name"]
        if provider["issuer"] != f"{KEYCLOAK_URL}/realms/{name}" or name in _RESERVED:
            raise UserError(
                f"The issuer of hospital {name} is {provider['issuer']}, and Keycloak has a realm for each hospital by "
                f"its name: write {KEYCLOAK_URL}/realms/{name}, or name another identity provider."
            )
        created.append(
            RealmSettings(
                name,
                provider["client"],
                provider["audience"],
                str(provider.get("secondFactor", SECOND_FACTOR)[0]),
                GROUPS | provider.get("groups", {}),
                tuple(entry["units"]),
                worklist_url(name),
            )
        )
    return created


def programs_realm(
    home: Home, entries: list[dict[str, Any]], gateway: Mapping[str, Any] | None
) -> Representation | None:
    """Return the realm of hospitals' programs; None without a gateway, or where its tokens are of another issuer.

    Parameters
    ----------
    home
        The environment, with the keys of realms and of demonstration programs.
    entries
        The hospitals' entries.
    gateway
        The stack's settings of gateways.

    Raises
    ------
    UserError
        If the settings name another realm of Keycloak.
    """
    if not gateway or not str(gateway["issuer"]).startswith(f"{KEYCLOAK_URL}/"):
        return None
    own = f"{KEYCLOAK_URL}/realms/{programs.REALM}"
    if gateway["issuer"] != own:
        raise UserError(
            f"The gateway's issuer is {gateway['issuer']}, and Keycloak has one realm for hospitals' programs: write "
            f"{own}, or name another issuer."
        )
    clients = program_client.programs(home, entries)
    return programs.representation(gateway["audience"], keys.signing_key(home, programs.REALM), clients)


@dataclass(frozen=True)
class SignIn:
    """Result of applying the realms: what was done with each changed one, and the file of the demonstration staff."""

    done: dict[str, str]
    staff: Path | None


def apply(home: Home, entries: list[dict[str, Any]], gateway: Mapping[str, Any] | None = None) -> SignIn:
    """Apply the realms of hospitals' entries, and that of their programs.

    Parameters
    ----------
    home
        The environment.
    entries
        The hospitals' entries.
    gateway
        The stack's settings of gateways.

    Raises
    ------
    UserError
        If Keycloak does not answer or refuses.
    """
    declared, authority = realms(entries), home.pki / "ca.crt"
    admin.wait(KEYCLOAK_URL, authority, START_SECONDS)
    kept = staff.read(home)
    people = {one.hospital: staff.staff(one.hospital, one.units, kept) for one in declared}
    # Before the realms: their people's secrets are in no other place.
    everyone = [person for listed in people.values() for person in listed]
    staff.write(home, everyone, {one.hospital: one.worklist for one in declared})
    secret = server.secret_file(home).read_text(encoding="ascii")
    keys.forget_others(home, {*people, programs.REALM})
    wanted = [representation(one, keys.signing_key(home, one.hospital), people[one.hospital]) for one in declared]
    of_programs = programs_realm(home, entries, gateway)
    applied = admin.apply(KEYCLOAK_URL, authority, secret, [*wanted, *([of_programs] if of_programs else [])])
    return SignIn(applied, staff.file(home) if declared else None)
