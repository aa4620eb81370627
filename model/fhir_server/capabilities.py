"""CapabilityStatement of a FHIR server: its version, and whether it supports Bulk Data export."""

import re

from model.errors import UserError
from model.fhir_server.export import FHIR_JSON
from model.fhir_server.wire import Wire, origin
from model.io.json_elements import Resource, elements

SYSTEM = "$export"
PATIENTS = "Patient/$export"
GROUP = "Group/$export"
_WORD = re.compile(r"(^|[/ $-])export\b")


def capabilities(wire: Wire) -> Resource:
    """Return a server's CapabilityStatement.

    Raises
    ------
    UserError
        When the address is not that of a FHIR R4 server.
    """
    answer = wire.ask("GET", f"{wire.base}/metadata", "its CapabilityStatement", headers={"Accept": FHIR_JSON})
    try:
        statement = answer.json()
        version = str(statement["fhirVersion"])
    except (ValueError, TypeError, KeyError):
        raise UserError(f"{origin(wire.base)} does not answer as a FHIR server; check the base address.") from None
    if not version.startswith(("4.0", "4.3")):
        raise UserError(f"The FHIR server {origin(wire.base)} does not support FHIR R4; give its R4 base.")
    return dict(statement)


def exports(statement: Resource) -> set[str]:
    """Return the export operations that a server declares: of everything, of all patients, of a group.

    Servers declare them below the type or for the whole server, by name or by the definition of the Bulk Data guide.
    """
    paths = set()
    for rest in elements(statement.get("rest")):
        for name in _names(rest):
            paths.add(PATIENTS if "patient" in name else GROUP if "group" in name else SYSTEM)
        for resource in elements(rest.get("resource")):
            if resource.get("type") in ("Patient", "Group") and any(_names(resource)):
                paths.add(f"{resource['type']}/{SYSTEM}")
    if any("bulk-data" in str(url) for url in statement.get("instantiates") or ()):
        # The guide asks every server that claims it for this one.
        paths.add(GROUP)
    return paths


def operations(wire: Wire, statement: Resource, group: str | None) -> tuple[str, ...]:
    """Return the paths of the export operations to use, the usual one first; none where the server declares none.

    Raises
    ------
    UserError
        When the server exports groups only, and none is named.
    """
    if group:
        return (f"Group/{group}/{SYSTEM}",)
    declared = exports(statement)
    supported = tuple(path for path in (PATIENTS, SYSTEM) if path in declared)
    if declared and not supported:
        raise UserError(f"The FHIR server {origin(wire.base)} exports groups only; name the hospital's with --group.")
    return supported


def _names(part: Resource) -> list[str]:
    names = (f"{operation.get('name')} {operation.get('definition')}" for operation in elements(part.get("operation")))
    return [name.lower() for name in names if _WORD.search(name.lower())]
