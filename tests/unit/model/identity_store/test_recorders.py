from datetime import UTC, tzinfo
from typing import Any

from model.deid.subject import Subject, secret_input
from model.identity_store.recorders import Identities, Recorders
from tests.support.model.model_world import RING

SUBJECT = Subject(RING.secrets([secret_input("north", "p1")])[0])


class Noting:
    """A store that notes what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.published: str | None = None

    def record(self, resource: dict[str, Any], subject: Subject) -> None:
        self.calls.append(("record", resource["id"]))

    def stay(self, resource: dict[str, Any], patient_id: str, subject: Subject, zone: tzinfo) -> None:
        self.calls.append(("stay", resource["id"], patient_id, zone))

    def merge(self, resource: dict[str, Any], survivor: str) -> None:
        self.calls.append(("merge", resource["id"], survivor))

    def clear(self) -> None:
        self.calls.append(("clear",))

    def forget(self, patient_id: str) -> None:
        self.calls.append(("forget", patient_id))

    def forget_stay(self, encounter_id: str) -> None:
        self.calls.append(("forget_stay", encounter_id))

    def current(self, input_digest: str) -> bool:
        return self.published == input_digest

    def publish(self, input_digest: str) -> None:
        self.calls.append(("publish", input_digest))
        self.published = input_digest


def test_each_store_is_told_everything_in_order() -> None:
    stores = [Noting(), Noting()]
    both: Identities = Recorders(stores)
    both.record({"id": "p1"}, SUBJECT)
    both.stay({"id": "e1"}, "p1", SUBJECT, UTC)
    both.merge({"id": "p0"}, "p1")
    both.forget("p2")
    both.forget_stay("e2")
    both.clear()
    both.publish("d1")
    assert stores[0].calls == [
        ("record", "p1"),
        ("stay", "e1", "p1", UTC),
        ("merge", "p0", "p1"),
        ("forget", "p2"),
        ("forget_stay", "e2"),
        ("clear",),
        ("publish", "d1"),
    ]
    assert stores[1].calls == stores[0].calls


def test_a_run_that_reached_one_store_goes_on_with_the_other() -> None:
    first, second = Noting(), Noting()
    first.publish("d1")
    both = Recorders([first, second])
    assert not both.current("d1")
    both.publish("d1")
    assert first.calls == second.calls == [("publish", "d1")]
    assert both.current("d1")
