"""Releases of Helm in the local plugin: checked, recorded, and plainly marked as not run."""

import threading
from typing import Any

import pytest
from typing_extensions import override

from local.plugins.common import UNKNOWN, Created, Log, Props, Provider, Read, Request
from local.plugins.kubernetes_release import RELEASE, WithReleases

INPUTS = {
    "name": "gateway",
    "namespace": "envoy-gateway-system",
    "chart": "oci://docker.io/envoyproxy/gateway-helm",
    "version": "v1.9.1",
    "values": {"deployment": {"replicas": 2}},
    "atomic": True,
    "timeout": 600,
}


class Other(Provider):
    """Stands for the provider of everything else."""

    name = "kubernetes"
    version = "4.0.0"

    @override
    def create(self, request: Request) -> Created:
        return Created("other", {})

    @override
    def read(self, request: Request) -> Read:
        return Read("other")

    @override
    def update(self, request: Request) -> Props:
        return {}

    @override
    def delete(self, request: Request) -> None: ...


PROVIDER = WithReleases(Other())


def request(said: list[str] | None = None, kind: str = RELEASE, **fields: Any) -> Request:
    log = Log(lambda _severity, text, _urn, _short: (said if said is not None else []).append(text), "")
    urn = f"urn:pulumi:prod::sample::{kind}::gateway"
    return Request(urn=urn, log=log, cancelled=threading.Event(), **fields)


def test_a_release_is_recorded_as_not_run_with_one_warning_that_names_chart_and_version() -> None:
    said: list[str] = []
    made = PROVIDER.create(request(said, inputs=INPUTS))
    assert made.id == "envoy-gateway-system/gateway"
    assert made.state == {**INPUTS, "notRun": True}
    assert said == ["not run: chart oci://docker.io/envoyproxy/gateway-helm v1.9.1 was checked and recorded alone"]


def test_a_preview_makes_no_id() -> None:
    assert PROVIDER.create(request(inputs=INPUTS, preview=True)).id == ""


def test_a_change_is_recorded_with_a_warning_again() -> None:
    said: list[str] = []
    state = PROVIDER.update(request(said, inputs={**INPUTS, "version": "v1.9.2"}))
    assert (state["version"], state["notRun"], len(said)) == ("v1.9.2", True, 1)


def test_a_release_is_read_as_it_was_recorded() -> None:
    found = PROVIDER.read(request(id="a/b", state={**INPUTS, "notRun": True}, old_inputs=INPUTS))
    assert (found.id, found.state["notRun"], found.inputs) == ("a/b", True, INPUTS)


def test_a_new_name_or_namespace_replaces_and_a_new_version_does_not() -> None:
    moved = {**INPUTS, "namespace": "other", "version": "v2.0.0"}
    diff = PROVIDER.diff(request(inputs=moved, old_inputs=INPUTS))
    assert diff.changes.keys() == {("namespace",), ("version",)}
    assert list(diff.replaces) == [("namespace",)]


def test_a_release_without_a_name_keeps_the_one_that_it_was_given() -> None:
    bare = {"chart": "vault", "version": "0.34.1"}
    first = PROVIDER.check(request(inputs=bare, random_seed=b"\x01\x02\x03\x04")).inputs
    assert (first["name"], first["namespace"]) == ("gateway-01020304", "default")
    assert PROVIDER.check(request(inputs=bare, old_inputs=first, random_seed=b"other")).inputs["name"] == first["name"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"chart": None}, "names its chart"),
        ({"chart": ["vault"]}, "chart of a release must be text"),
        ({"valuse": {}}, "has no input valuse"),
        ({"values": "a: b"}, "values of a release must be a map"),
        ({"atomic": "yes"}, "must be true or false"),
        ({"timeout": True}, "must be a number of seconds"),
        ({"repositoryOpts": {"repo": "https://charts.example"}}, "oci:// address has no repository"),
        ({"repositoryOpts": {"url": "https://charts.example"}}, "has no setting url"),
    ],
)
def test_what_no_release_has_is_refused(change: dict[str, Any], says: str) -> None:
    failures = PROVIDER.check(request(inputs={**INPUTS, **change})).failures
    assert any(says in failure.reason for failure in failures)


def test_what_is_not_known_yet_is_no_fault() -> None:
    assert PROVIDER.check(request(inputs={**INPUTS, "namespace": UNKNOWN, "values": UNKNOWN})).failures == ()


def test_everything_else_goes_to_the_other_provider() -> None:
    thing = request(kind="kubernetes:core/v1:ConfigMap")
    assert PROVIDER.create(thing).id == "other"
    assert PROVIDER.read(thing).id == "other"
    assert (PROVIDER.name, PROVIDER.version) == ("kubernetes", "4.0.0")
