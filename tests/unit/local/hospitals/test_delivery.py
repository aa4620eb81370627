"""Promotion and rollback: what the hospital's entry says before and after, and what is refused in one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from infra.settings import Hospital
from local.errors import UserError
from local.hospitals import canary_stop, delivery, pipeline
from local.hospitals.canary_stop import Stop
from local.hospitals.delivery import Delivered
from local.paths import Home
from local.progress import steps_on

V1, V2, V3 = (f"v{number}@0123456789a{number}" for number in (1, 2, 3))
APPROVED = {"approval": {"by": "clinical-safety-officer:jane.doe", "reason": "trial"}}
Entry = dict[str, Any]


@dataclass
class World:
    """The stack's entry of a hospital, what was deployed of it, and what the canary's release and planning say."""

    entry: Entry = field(default_factory=dict)
    declared: Entry = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=lambda: dict(APPROVED))
    stops: dict[str, Stop] = field(default_factory=dict)
    done: list[tuple[str, Entry]] = field(default_factory=list)
    deployed: str = V2


class EntryStack:
    """Stack whose overlay is the world's entry: every edit must leave one that the settings accept."""

    world: World

    def __init__(self, home: Home) -> None:
        del home

    def named(self, hospital: str) -> Entry:
        assert hospital == "north"
        return {"name": "north", **self.world.entry}

    def declared(self) -> list[Entry]:
        return [{"name": "north", **self.world.declared}, {"name": "south", "release": V1}]

    def set_fields(self, hospital: str, fields: Mapping[str, str]) -> None:
        for name, value in fields.items():
            first, _, rest = name.partition(".")
            self.world.entry[first] = {**self.world.entry.get(first, {}), rest: value} if rest else value
        self._accepted(hospital)

    def unset_field(self, hospital: str, name: str) -> None:
        del self.world.entry[name]
        self._accepted(hospital)

    def _accepted(self, hospital: str) -> None:
        Hospital.model_validate({"name": hospital, "fhir": {"path": "bundles"}, **self.world.entry})

    def up(self, tell: object, *, only: tuple[str, ...] = ()) -> None:
        del tell
        self.world.done.append((" ".join(only) or "all", dict(self.world.entry)))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(EntryStack, "world", made, raising=False)
    monkeypatch.setattr(delivery, "Stack", EntryStack)
    monkeypatch.setattr(delivery, "_await_planning", lambda *_: made.done.append(("answers", dict(made.entry))))
    monkeypatch.setattr(delivery, "_deployed_canary", lambda *_: made.deployed)
    monkeypatch.setattr(canary_stop, "stops", lambda *_: made.stops)
    monkeypatch.setattr(pipeline, "storage", lambda: None)
    monkeypatch.setattr(pipeline, "release_document", lambda *_: made.lineage)
    return made


def promote(home: Home) -> Delivered:
    return delivery.promote(home, "north", steps_on(Console(file=StringIO())))


def roll_back(home: Home) -> Delivered:
    return delivery.roll_back(home, "north", steps_on(Console(file=StringIO())))


@pytest.fixture
def home(tmp_path: Any) -> Home:
    return Home(tmp_path)


def test_a_canary_becomes_the_release_and_that_the_previous_one(world: World, home: Home) -> None:
    world.entry = {"release": V1, "canary": {"release": V2, "percent": 10}, "previous": V3}
    assert promote(home) == Delivered(V2, V1)
    after = {"release": V2, "previous": V1}
    assert world.done == [("all", after), ("answers", after)]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"entry": {"release": V1}}, "north has no canary to promote: name one with"),
        (
            {"stops": {V2: Stop(V2, "error-rate", "2026-05-02 09:00")}},
            f"north's canary {V2} was stopped at 2026-05-02 09:00 UTC: error-rate; `make rollback HOSPITAL=north`",
        ),
        ({"deployed": ""}, f"north's canary {V2} is not deployed, so it answered nobody yet: run `make up` first"),
        ({"deployed": V3}, f"north's canary {V2} is not deployed"),
        ({"lineage": {}}, f"north's canary {V2} has no clinical approval: release it again"),
        ({"lineage": {"approval": None}}, "has no clinical approval"),
        ({"lineage": {"approval": {"by": ""}}}, "has no clinical approval"),
        ({"lineage": {"approval": "jane"}}, "has no clinical approval"),
        ({"declared": {"release": V1}}, r"north's release is in its entry of Pulumi\.dev\.yaml"),
    ],
)
def test_a_canary_that_may_not_be_promoted_changes_nothing(
    world: World, home: Home, change: dict[str, Any], sentence: str
) -> None:
    world.entry = {"release": V1, "canary": {"release": V2, "percent": 10}}
    for name, value in change.items():
        setattr(world, name, value)
    before = dict(world.entry)
    with pytest.raises(UserError, match=f"^{sentence}" if sentence.startswith("north") else sentence):
        promote(home)
    assert (world.entry, world.done) == (before, [])


def test_another_canary_s_stop_is_no_reason(world: World, home: Home) -> None:
    world.entry = {"release": V1, "canary": {"release": V2, "percent": 10}}
    world.stops = {V3: Stop(V3, "latency", "2026-05-02 09:00")}
    assert promote(home).answers == V2


def test_a_rollback_withdraws_a_canary_first(world: World, home: Home) -> None:
    world.entry = {"release": V2, "canary": {"release": V3, "percent": 10}, "previous": V1}
    assert roll_back(home) == Delivered(V2, V3)
    after = {"release": V2, "previous": V1}
    # Until the whole stack is updated, no resource of the canary is removed from it.
    shadowed = {**after, "shadow": {"release": V3, "percent": "1"}}
    assert [(what == "all", entry) for what, entry in world.done] == [
        (False, shadowed),
        (False, shadowed),
        (True, after),
        (False, after),
    ]
    assert world.entry == after


def test_a_canary_beside_a_shadow_is_withdrawn_by_one_update(world: World, home: Home) -> None:
    shadow = {"release": V3, "percent": 10}
    world.entry = {"release": V1, "canary": {"release": V2, "percent": 10}, "shadow": shadow}
    assert roll_back(home) == Delivered(V1, V2)
    after = {"release": V1, "shadow": shadow}
    assert world.done == [("all", after), ("answers", after)]


def test_a_rollback_returns_to_the_previous_release_before_it_updates_the_rest(world: World, home: Home) -> None:
    world.entry = {"release": V2, "previous": V1}
    assert roll_back(home) == Delivered(V1, V2)
    after = {"release": V1, "previous": V2}
    assert world.done == [
        ("**::north-planning **::north-care **::north-model-server", after),
        ("answers", after),
        ("all", after),
        ("answers", after),
    ]
    assert roll_back(home) == Delivered(V2, V1)


@pytest.mark.parametrize("entry", [{}, {"release": V1}])
def test_without_a_canary_and_a_previous_release_there_is_no_rollback(world: World, home: Home, entry: Entry) -> None:
    world.entry = dict(entry)
    with pytest.raises(UserError, match="north has no canary to withdraw and no previous release to return to"):
        roll_back(home)
    assert (world.entry, world.done) == (entry, [])
