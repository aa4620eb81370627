"""Observation values: needed measurements, and why one has no number."""

from collections.abc import Iterator

from model.definitions.features import conversions
from model.io.json_elements import Resource

NUMBERS = ("valueQuantity", "valueInteger")
TEXTS = ("valueString", "valueCodeableConcept")
OTHER_CODE = "other-code"
"""A number that could not be kept, of a measurement that is not needed."""


def is_needed(code: object) -> bool:
    """Return whether the features need the measurement with a LOINC code."""
    return isinstance(code, str) and code in conversions()


def reasons(observation: Resource, left: Resource) -> Iterator[str]:
    """Give the reason of each value of an Observation and its components that is not used.

    Parameters
    ----------
    observation : dict
        The valid resource as it came.
    left : dict
        What de-identification left of it.

    Yields
    ------
    str
        A :data:`model.deid.measures.Reason`, ``value-as-text``, ``value-of-another-type``, or ``other-code`` for a
        number of a measurement that is not needed.
    """
    for element in _elements(left):
        for name in NUMBERS:
            reason = (element.get(name) or {}).get("absent")
            if reason is not None:
                yield reason if _names_needed(element) else OTHER_CODE
    for element in _elements(observation):
        if NUMBERS[0] not in element and NUMBERS[1] not in element and _names_needed(element):
            yield _without_number(element)


def _without_number(element: Resource) -> str:
    values = [name for name in element if name.startswith("value")]
    if not values:
        return "no-value"
    return "value-as-text" if values[0] in TEXTS else "value-of-another-type"


def _elements(observation: Resource) -> tuple[Resource, ...]:
    return observation, *(observation.get("component") or ())


def _names_needed(element: Resource) -> bool:
    codings = (element.get("code") or {}).get("coding") or ()
    return any(is_needed(coding.get("code")) for coding in codings)


def trim_units(observation: Resource) -> None:
    """Take the spaces around units away, and units that are empty: FHIR forbids them, and laboratories send them."""
    components = observation.get("component")
    for element in (observation, *(components if isinstance(components, list) else ())):
        quantity = element.get("valueQuantity") if isinstance(element, dict) else None
        if not isinstance(quantity, dict):
            continue
        for name in ("code", "unit"):
            written = quantity.get(name)
            if isinstance(written, str):
                quantity[name] = " ".join(written.split())
                if not quantity[name]:
                    del quantity[name]
