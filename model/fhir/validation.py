"""Validation of FHIR resources, with reasons that repeat no value of the resource."""

import functools
import importlib
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from model.fhir.profile import broken_rules
from model.fhir.record_use import rule_for
from model.fhir.resource_types import resource_types
from model.fhir.shapes import surely_valid
from model.fhir.values import trim_units
from model.io.json_elements import Resource

LONGEST_ID = 64
"""Characters of an id (FHIR R4); fhir.resources itself allows more, but no reference would find it."""
MOST_REASONS = 6
"""Maximum number of reasons reported for one resource."""

# What pydantic and fhir.resources call a fault, as codes of the FHIR value set issue-type.
_ISSUE_CODES = {
    "missing": "required",
    "model_field_validation.missing": "required",
    "extra_forbidden": "structure",
    "list_type": "structure",
    "dict_type": "structure",
    "model_type": "structure",
    "model_validation_format": "structure",
}


@dataclass(frozen=True)
class Fault:
    """A validation error."""

    said: str
    code: str = "invalid"
    """A code of the FHIR value set issue-type."""
    expression: str | None = None
    """The FHIRPath of the element at fault."""


@functools.cache
def _model(kind: str) -> type[BaseModel]:
    module = importlib.import_module(f"fhir.resources.R4B.{kind.lower()}")
    model_class: type[BaseModel] = getattr(module, kind)
    return model_class


def faults_of(resource: Resource, warnings: Counter[str]) -> list[Fault]:
    """Return why a resource of an accepted type is refused; nothing when it is fit.

    Parameters
    ----------
    resource : dict
        The resource as it came; its ``resourceType`` is a type of ``resource_types.yaml``.
    warnings : Counter
        Counts the rules of the profile that a fit resource breaks without being refused for it.
    """
    kind = resource["resourceType"]
    identity = resource.get("id")
    if not isinstance(identity, str) or not 0 < len(identity) <= LONGEST_ID:
        return [Fault(f"the resource has no id of at most {LONGEST_ID} characters", "required", f"{kind}.id")]
    if not surely_valid(resource, kind):
        if kind == "Observation":
            trim_units(resource)
        faults = list(_invalid(resource, kind))
        if faults:
            return faults
    use = rule_for(resource, kind)
    if use.use == "refused":
        element = next(iter(use.where))
        return [Fault(f"the resource has {element}: {use.why}", "not-supported", f"{kind}.{element}")]
    faults = []
    noted = []
    for rule in broken_rules(resource, kind):
        if rule.severity == "error":
            faults.append(Fault(rule.said, rule.issue_code, rule.expression))
        else:
            noted.append(rule.id)
    if not faults and noted:
        warnings.update(noted)
    return faults


def outcome(*, sha256: str, index: int | None, kind: str | None, faults: list[Fault]) -> Resource:
    """Return the OperationOutcome for one refused item; its id is the same in every run."""
    at = "" if index is None else f"{kind or 'resource'} at entry {index} of "
    where = f"{at}the file with sha256 {sha256}"
    return {
        "resourceType": "OperationOutcome",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{sha256}/{index}")),
        "issue": [
            {"severity": "error", "code": fault.code, "diagnostics": f"{where}: {fault.said}"}
            | ({"expression": [fault.expression]} if fault.expression else {})
            for fault in faults
        ],
    }


def _invalid(resource: Resource, kind: str) -> Iterator[Fault]:
    """Give what fhir.resources has against a resource, and modifier extensions, which may change its meaning."""
    if has_modifier(resource):
        sentence = "the resource has a modifierExtension, which may change its meaning"
        yield Fault(sentence, "not-supported", f"{kind}.modifierExtension")
        return
    written = resource_types()[kind].other_release(resource)
    if written is not None:
        release, element = written
        sentence = f"the resource is written for FHIR {release}, as its element {element} shows; export FHIR R4"
        yield Fault(sentence, "structure", f"{kind}.{element}")
        return
    try:
        _model(kind).model_validate(resource)
    except ValidationError as invalid:
        yield from _explained(invalid, kind)
    except (ValueError, TypeError, AssertionError, AttributeError, ImportError, KeyError, RecursionError) as fault:
        yield Fault(f"the resource is not valid FHIR R4 ({type(fault).__name__})", "structure", kind)


def trimmed(value: Any) -> Any:
    """Return a value without the spaces around codes and their systems, which some laboratories' systems write."""
    if isinstance(value, dict):
        return {
            name: item.strip() if name in {"code", "system"} and isinstance(item, str) else trimmed(item)
            for name, item in value.items()
        }
    return [trimmed(item) for item in value] if isinstance(value, list) else value


def _explained(invalid: ValidationError, kind: str) -> Iterator[Fault]:
    """Name the elements that are wrong; the names of unknown elements are the sender's and stay out."""
    for steps, error in list(_leaves(invalid, ()))[:MOST_REASONS]:
        named = [*steps[:-1], "an unknown element"] if error["type"] == "extra_forbidden" else steps
        path = ".".join([kind, *(step for step in named if step != "an unknown element")])
        explanation = f"not valid FHIR R4: {'.'.join(named) or 'resource'} ({error['type']})"
        yield Fault(explanation, _ISSUE_CODES.get(error["type"], "value"), path.replace(".[", "["))


def _leaves(invalid: ValidationError, above: tuple[str, ...]) -> Iterator[tuple[list[str], ErrorDetails]]:
    """Give each fault with its path; a fault inside an element comes wrapped in one of the element."""
    for error in invalid.errors(include_url=False, include_input=False):
        steps = (*above, *(f"[{step}]" if isinstance(step, int) else str(step) for step in error["loc"]))
        inner = error.get("ctx", {}).get("error")
        if isinstance(inner, ValidationError):
            yield from _leaves(inner, steps)
        else:
            yield list(steps), error


def has_modifier(value: object) -> bool:
    """Return whether a resource carries a modifierExtension anywhere."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            if "modifierExtension" in current:
                return True
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
    return False
