"""Decide whether a resource is fit to use, and say why not without repeating anything that it holds."""

import functools
import importlib
import uuid
from typing import Any

from pydantic import BaseModel, ValidationError

ACCEPTED = ("Patient", "Encounter", "Condition", "Observation", "MedicationRequest")
_WORDS = 6


@functools.cache
def _model(kind: str) -> type[BaseModel]:
    module = importlib.import_module(f"fhir.resources.R4B.{kind.lower()}")
    found: type[BaseModel] = getattr(module, kind)
    return found


def fault_of(resource: dict[str, Any]) -> str | None:
    """Return why a resource of an accepted type is refused; nothing when it is fit."""
    if not isinstance(resource.get("id"), str):
        return "the resource has no id"
    if _has_modifier(resource):
        return "the resource has a modifierExtension, which may change its meaning"
    try:
        _model(resource["resourceType"]).model_validate(resource)
    except ValidationError as invalid:
        return _explain(invalid)
    except (ValueError, TypeError, AssertionError, RecursionError) as fault:
        return f"the resource is not valid FHIR R4 ({type(fault).__name__})"
    return None


def outcome(*, sha256: str, index: int, kind: str | None, fault: str) -> dict[str, Any]:
    """Return the OperationOutcome for one refused item; its id is the same in every run."""
    where = f"{kind or 'file'} at entry {index} of the file with sha256 {sha256}"
    return {
        "resourceType": "OperationOutcome",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{sha256}/{index}")),
        "issue": [{"severity": "error", "code": "invalid", "diagnostics": f"{where}: {fault}"}],
    }


def _explain(invalid: ValidationError) -> str:
    """Name the elements that are wrong; the names of unknown elements are the sender's and stay out."""
    problems = []
    for error in invalid.errors(include_url=False, include_context=False, include_input=False)[:_WORDS]:
        steps = [str(step) for step in error["loc"]]
        if error["type"] == "extra_forbidden":
            steps[-1:] = ["an unknown element"]
        problems.append(f"{'.'.join(steps) or 'resource'} ({error['type']})")
    return "not valid FHIR R4: " + ", ".join(problems)


def _has_modifier(value: Any) -> bool:
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
