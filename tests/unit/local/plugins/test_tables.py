"""What every row of the vault and aws plugins has in common, shown with a table of one row over a dictionary."""

import json
from types import MappingProxyType
from typing import Any

import pytest
from typing_extensions import override

from local.plugins.provider.common import UNKNOWN, EngineLog, InitError, Kind, PluginError, Props, Request
from local.plugins.provider.rows import DEFAULTS, Row
from local.plugins.provider.tables import TableProvider

URN = "urn:pulumi:dev::sample::test:index:Thing::one"
Store = dict[str, Props]


def create(store: Store, inputs: Props) -> str:
    store[inputs["name"]] = dict(inputs)
    return str(inputs["name"])


def read(store: Store, made: str, inputs: Props) -> Props | None:
    if made not in store:
        return None
    live = store[made]
    if live.get("broken"):
        raise OSError("the server went away")
    shown = {"size": 0, "note": "", "list": None, "nested": None, "policy": None, **live}
    return {**{k: v for k, v in shown.items() if k != "password"}, "arn": f"arn:{made}"}


def update(store: Store, made: str, old: Props, new: Props) -> None:
    store[made] = dict(new)


def delete(store: Store, made: str, state: Props) -> None:
    store.pop(made, None)


ROW: Row[Store] = Row(
    "test:index:Thing",
    create,
    read,
    update,
    delete,
    required=("kind",),
    replace=frozenset({"name", "kind"}),
    defaults={"size": 1},
    autoname="name",
    autoname_length=20,
    computed=("arn",),
    json=frozenset({"policy"}),
    unordered=frozenset({"list"}),
    write_only=frozenset({"password"}),
    unsupported={"inline": "declare it apart"},
    secret=("password",),
)


class Sample(TableProvider[Store]):
    name = "test"
    version = "1.2.3"
    rows = MappingProxyType({ROW.token: ROW})

    def __init__(self) -> None:
        super().__init__()
        self.store: Store = {}

    @override
    def client(self) -> Store:
        return self.store

    @override
    def fault(self, error: Exception, row: Row[Store], request: Request) -> PluginError | None:
        return PluginError(f"{request.name}: {error}") if isinstance(error, OSError) else None


@pytest.fixture
def sample() -> Sample:
    return Sample()


def request(inputs: Props | None = None, urn: str = URN, **fields: Any) -> Request:
    return Request(urn, EngineLog("").about(urn), inputs=inputs or {}, **fields)


def made(sample: Sample, **inputs: Any) -> tuple[Props, Props]:
    """Create a thing and return its checked inputs and its state."""
    checked = sample.check(request({"kind": "a", "name": "n", **inputs})).inputs
    return checked, sample.create(request(checked)).state


def test_check_fills_in_defaults_and_a_name_and_keeps_it(sample: Sample) -> None:
    checked = sample.check(request({"kind": "a"}, random_seed=b"seed")).inputs
    assert checked["size"] == 1
    assert checked["name"].startswith("one-")
    assert len(checked["name"]) == len("one-") + 7
    assert checked[DEFAULTS] == ["name", "size"]
    again = sample.check(request({"kind": "a"}, random_seed=b"other", old_inputs=checked)).inputs
    assert again == checked
    assert sample.check(request({"kind": "a"}, proposed_name="asked")).inputs["name"] == "asked"
    long = sample.check(request({"kind": "a"}, urn=URN + "x" * 50)).inputs["name"]
    assert len(long) == 20


def test_check_reports_what_is_missing_or_not_known(sample: Sample) -> None:
    failures = sample.check(request({"inline": [1]})).failures
    assert [(f.property, "required" in f.reason) for f in failures] == [("kind", True), ("inline", False)]


def test_a_policy_given_as_an_object_becomes_text(sample: Sample) -> None:
    checked = sample.check(request({"kind": "a", "policy": {"Version": "1"}})).inputs
    assert checked["policy"] == '{"Version":"1"}'


def test_an_unknown_type_says_what_to_do(sample: Sample) -> None:
    with pytest.raises(
        PluginError, match=r"does not support the type test:index:Other.*pulumi plugin install resource test"
    ):
        sample.check(request(urn=URN.replace("Thing", "Other")))


def test_a_preview_foretells_inputs_and_leaves_the_rest_open(sample: Sample) -> None:
    foretold = sample.create(request({"kind": "a", "name": "n"}, preview=True))
    assert (foretold.id, foretold.state) == ("", {"arn": UNKNOWN, "kind": "a", "name": "n"})
    assert sample.store == {}


def test_outputs_hold_inputs_computed_values_and_the_id(sample: Sample) -> None:
    _, state = made(sample, password="p")
    assert state == {"arn": "arn:n", "id": "n", "kind": "a", "name": "n", "note": "", "password": "p", "size": 1}


def test_an_object_that_cannot_be_read_back_is_not_forgotten(sample: Sample) -> None:
    with pytest.raises(InitError, match="the server went away") as caught:
        made(sample, broken=True)
    assert caught.value.id == "n"


def differing(sample: Sample, old: Props, new: Props, **fields: Any) -> tuple[list[str], list[str]]:
    diff = sample.diff(request(new, old_inputs=old, id="n", **fields))
    return [str(p[0]) for p in diff.changes], [str(p[0]) for p in diff.replaces]


def test_spellings_that_mean_the_same_are_no_difference(sample: Sample) -> None:
    old = {"policy": '{"a": [1]}', "list": ["x", "y"], "name": "n"}
    assert differing(sample, old, {"policy": '{"a":[1]}', "list": ["y", "x"], "name": "n"}) == ([], [])
    assert differing(sample, old, {**old, "policy": '{"a":[2]}'}) == (["policy"], [])
    assert differing(sample, old, {**old, "policy": UNKNOWN}) == (["policy"], [])
    assert differing(sample, old, {**old, "name": "m"}) == (["name"], ["name"])
    assert differing(sample, old, {**old, "name": "m"}, ignore_changes=("name",)) == ([], [])


def test_defaults_that_only_the_other_plugin_knows_are_no_difference(sample: Sample) -> None:
    old = {"name": "n", "elsewhere": False, DEFAULTS: ["elsewhere"]}
    new = {"name": "n", "size": 1, DEFAULTS: ["size"]}
    assert differing(sample, old, new, state={"size": 1}) == ([], [])
    assert differing(sample, old, new, state={"size": 7}) == (["size"], [])


def test_a_replacement_in_the_same_place_deletes_first(sample: Sample) -> None:
    same = sample.diff(request({"name": "n", "kind": "b"}, old_inputs={"name": "n", "kind": "a"}))
    other = sample.diff(request({"name": "m", "kind": "a"}, old_inputs={"name": "n", "kind": "a"}))
    assert (same.delete_before_replace, other.delete_before_replace) == (True, False)


def refreshed(sample: Sample, checked: Props, state: Props) -> tuple[str, Props, Props]:
    read_back = sample.read(request(id="n", old_inputs=checked, state=state))
    return read_back.id, read_back.inputs, read_back.state


def test_a_refresh_without_drift_changes_nothing(sample: Sample) -> None:
    checked, state = made(sample, policy='{"a": 1}', list=["b", "a"], nested={"x": 1, "y": ""}, password="p")
    sample.store["n"] |= {"policy": json.dumps({"a": 1}, indent=2), "list": ["a", "b"], "nested": {"x": 1, "z": []}}
    made_id, inputs, outputs = refreshed(sample, checked, state)
    assert (made_id, inputs) == ("n", checked)
    assert outputs["password"] == "p"
    assert outputs["policy"] == '{"a": 1}'


def test_a_refresh_shows_what_somebody_changed(sample: Sample) -> None:
    checked, state = made(sample, note="ours", policy="{}")
    sample.store["n"] |= {"note": "theirs", "policy": None, "list": ["new"]}
    _, inputs, outputs = refreshed(sample, checked, state)
    assert inputs["note"] == outputs["note"] == "theirs"
    assert inputs["list"] == ["new"]
    assert "policy" not in inputs
    assert sample.diff(request(checked, old_inputs=inputs, state=outputs)).changes == {
        ("list",): Kind.DELETE,
        ("note",): Kind.UPDATE,
        ("policy",): Kind.ADD,
    }


def test_an_object_that_is_gone_reads_as_gone(sample: Sample) -> None:
    checked, state = made(sample)
    sample.store.clear()
    assert refreshed(sample, checked, state)[0] == ""
    sample.delete(request(id="n", old_inputs=checked, state=state))


def test_a_read_without_state_tells_the_inputs(sample: Sample) -> None:
    made(sample, note="x")
    found = sample.read(request(id="n"))
    assert found.inputs == {"kind": "a", "name": "n", "note": "x", "size": 1, DEFAULTS: []}
