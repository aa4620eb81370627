"""Several stores of identities, filled by one ingestion."""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Protocol

from model.deid.subject import Subject
from model.io.json_elements import Resource


class Identities(Protocol):
    """Store of the mapping from pseudonym to patient."""

    def record(self, resource: Resource, subject: Subject) -> None:
        """Keep who a pseudonym is; the last call for a patient counts."""
        ...

    def stay(self, resource: Resource, patient_id: str, subject: Subject, zone: tzinfo) -> None:
        """Keep which encounter a pseudonym is; the last call for an encounter counts."""
        ...

    def merge(self, resource: Resource, survivor: str) -> None:
        """Keep the record numbers of a replaced patient with those of the surviving one."""
        ...

    def clear(self) -> None:
        """Keep nothing of what was recorded: the run begins again."""
        ...

    def forget(self, patient_id: str) -> None:
        """Keep nothing of a patient who was deleted."""
        ...

    def forget_stay(self, encounter_id: str) -> None:
        """Keep nothing of an encounter that was deleted."""
        ...

    def current(self, input_digest: str) -> bool:
        """Return whether the identities of this input were published."""
        ...

    def publish(self, input_digest: str) -> None:
        """Publish what was recorded."""
        ...


class Recorders:
    """Several stores as one: each is told everything, and is published in turn.

    A run that ends between two of them is repeated by the next run, because not all of them are current.
    """

    def __init__(self, stores: Sequence[Identities]) -> None:
        self._stores = tuple(stores)

    def record(self, resource: Resource, subject: Subject) -> None:
        """Keep a Patient."""
        for store in self._stores:
            store.record(resource, subject)

    def stay(self, resource: Resource, patient_id: str, subject: Subject, zone: tzinfo) -> None:
        """Keep an Encounter."""
        for store in self._stores:
            store.stay(resource, patient_id, subject, zone)

    def merge(self, resource: Resource, survivor: str) -> None:
        """Keep a replaced Patient with the surviving one."""
        for store in self._stores:
            store.merge(resource, survivor)

    def clear(self) -> None:
        """Keep nothing of what was recorded."""
        for store in self._stores:
            store.clear()

    def forget(self, patient_id: str) -> None:
        """Drop a Patient."""
        for store in self._stores:
            store.forget(patient_id)

    def forget_stay(self, encounter_id: str) -> None:
        """Drop an Encounter."""
        for store in self._stores:
            store.forget_stay(encounter_id)

    def current(self, input_digest: str) -> bool:
        """Return whether all of them have published this input."""
        return all([store.current(input_digest) for store in self._stores])

    def publish(self, input_digest: str) -> None:
        """Publish what was recorded, in each of them that has not."""
        for store in self._stores:
            if not store.current(input_digest):
                store.publish(input_digest)
