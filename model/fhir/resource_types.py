"""FHIR resource types of ingestion (``resource_types.yaml``)."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from model.io.yaml_tables import content_digest

RESOURCE_TYPES_FILE = Path(__file__).parent / "resource_types.yaml"
Release = Literal["DSTU2", "STU3", "R5"]
_JSON_TYPES: Mapping[str, type] = {"array": list, "string": str}


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OtherJsonType(_Row):
    """An element that has this JSON type in another FHIR release only."""

    type: Literal["array", "string"]
    release: Release


class ResourceType(_Row):
    """A FHIR resource type."""

    needed: bool
    owner: str | None = None
    other_releases: dict[Release, frozenset[str]] = {}
    other_json_type: dict[str, OtherJsonType] = {}

    def other_release(self, resource: Mapping[str, object]) -> tuple[Release, str] | None:
        """Return the FHIR release that a resource is written for, and the element that shows it; None for R4."""
        for element, other in self.other_json_type.items():
            if isinstance(resource.get(element), _JSON_TYPES[other.type]):
                return other.release, element
        for release, elements in self.other_releases.items():
            for element in sorted(elements & resource.keys()):
                return release, element
        return None


@functools.cache
def resource_types() -> dict[str, ResourceType]:
    """Return the table, by resource type."""
    return TypeAdapter(dict[str, ResourceType]).validate_python(yaml.safe_load(RESOURCE_TYPES_FILE.read_bytes()))


@functools.cache
def digest() -> str:
    """Return the hash of the table."""
    return content_digest(RESOURCE_TYPES_FILE.read_bytes())


NEEDED = tuple(name for name, row in resource_types().items() if row.needed)
"""What the features are made from."""
OPTIONAL = tuple(name for name, row in resource_types().items() if not row.needed)
"""What groups are compared by; a FHIR server is asked for it where the client's scope names it."""
ACCEPTED = (*NEEDED, *OPTIONAL)
