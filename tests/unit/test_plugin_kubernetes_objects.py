"""Names, ids and the form in which the Kubernetes plugin keeps objects."""

import base64
import re
import threading
from typing import Any

import pytest

from local.plugins.common import UNKNOWN, Log, PluginError, Request
from local.plugins.kubernetes_objects import (
    AUTONAMED,
    Kind,
    adopted_inputs,
    checkpoint,
    dashed,
    field_manager,
    id_of,
    inputs_of,
    kind_of_type,
    live_of,
    named,
    normal,
    split_id,
    underscored,
)

CONFIG_MAP = Kind("v1", "ConfigMap")


def request(**fields: Any) -> Request:
    log = Log(lambda *_: None, "")
    urn = "urn:pulumi:dev::sample::my:component:Box$kubernetes:core/v1:ConfigMap::settings"
    return Request(urn=urn, log=log, cancelled=threading.Event(), **fields)


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("kubernetes:core/v1:Namespace", Kind("v1", "Namespace")),
        ("kubernetes:apps/v1:Deployment", Kind("apps/v1", "Deployment")),
        (
            "kubernetes:serving.kserve.io/v1beta1:InferenceService",
            Kind("serving.kserve.io/v1beta1", "InferenceService"),
        ),
    ],
)
def test_the_type_names_the_kind(token: str, kind: Kind) -> None:
    assert kind_of_type(token) == kind


def test_a_request_knows_its_type_and_name() -> None:
    assert request().type == "kubernetes:core/v1:ConfigMap"
    assert request().name == "settings"


def test_an_unknown_type_is_one_sentence() -> None:
    with pytest.raises(PluginError, match="does not know the resource type kubernetes:yaml:ConfigFile"):
        kind_of_type("kubernetes:yaml:ConfigFile")


@pytest.mark.parametrize(("namespace", "identifier"), [("north", "north/a"), ("", "a")])
def test_ids(namespace: str, identifier: str) -> None:
    about = {"name": "a", **({"namespace": namespace} if namespace else {})}
    assert id_of({"metadata": about}) == identifier
    assert split_id(identifier) == (namespace, "a")


def test_a_name_of_the_program_stays() -> None:
    inputs = {"metadata": {"name": "mine"}}
    assert named(inputs, request()) == inputs


def test_a_missing_name_is_made_and_marked() -> None:
    made = named({"metadata": {"namespace": "n"}}, request(random_seed=b"seed"))
    assert re.fullmatch(r"settings-[0-9a-f]{8}", made["metadata"]["name"])
    assert made["metadata"]["annotations"] == {AUTONAMED: "true"}
    assert made == named({"metadata": {"namespace": "n"}}, request(random_seed=b"seed"))


def test_an_autoname_is_kept_at_an_update() -> None:
    old = {"metadata": {"name": "settings-12345678", "annotations": {AUTONAMED: "true"}}}
    assert named({"data": {}}, request(old_inputs=old))["metadata"]["name"] == "settings-12345678"


def test_the_engine_may_propose_or_forbid_names() -> None:
    assert named({}, request(proposed_name="chosen"))["metadata"]["name"] == "chosen"
    with pytest.raises(PluginError, match="autonaming is disabled"):
        named({}, request(autoname=False))


def test_generate_name_is_refused() -> None:
    with pytest.raises(PluginError, match="generateName"):
        named({"metadata": {"generateName": "a-"}}, request())


def test_unknown_metadata_is_left_alone() -> None:
    assert named({"metadata": UNKNOWN}, request()) == {"metadata": UNKNOWN}


def test_string_data_becomes_data() -> None:
    secret = normal({"stringData": {"k": "plain"}, "data": {"o": "eA=="}}, Kind("v1", "Secret"))
    assert secret["data"] == {"o": "eA==", "k": base64.b64encode(b"plain").decode()}
    assert "stringData" not in secret


def test_string_data_that_is_not_known_stays() -> None:
    assert normal({"stringData": {"k": UNKNOWN}}, Kind("v1", "Secret"))["stringData"] == {"k": UNKNOWN}


def test_fields_of_the_server_are_no_inputs() -> None:
    given = {"metadata": {"name": "a", "uid": "u", "resourceVersion": "1", "managedFields": []}}
    assert normal(given, CONFIG_MAP) == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


def test_schema_extensions_are_renamed_both_ways() -> None:
    live = {"schema": [{"x-kubernetes-int-or-string": True}]}
    assert underscored(live) == {"schema": [{"x_kubernetes_int_or_string": True}]}
    assert dashed(underscored(live)) == live


def test_state_holds_the_live_object_and_its_inputs() -> None:
    inputs, live = {"kind": "ConfigMap"}, {"kind": "ConfigMap", "metadata": {"uid": "u"}}
    state = checkpoint(inputs, live, "v1", "pulumi-kubernetes-12345678")
    assert live_of(state) == live
    assert inputs_of(state, {}) == inputs
    assert field_manager({}, state) == "pulumi-kubernetes-12345678"


def test_the_field_manager_is_made_once() -> None:
    assert re.fullmatch(r"pulumi-kubernetes-[0-9a-f]{8}", field_manager({}, {}))
    chosen = {"metadata": {"annotations": {"pulumi.com/patchFieldManager": "mine"}}}
    assert field_manager(chosen, {"__fieldManager": "old"}) == "mine"


def test_an_adopted_object_brings_what_a_program_could_have_said() -> None:
    live = {
        "kind": "ConfigMap",
        "metadata": {"name": "a", "uid": "u", "annotations": {"deployment.kubernetes.io/revision": "1", "own": "x"}},
        "data": {"a": "1"},
        "status": {},
    }
    assert adopted_inputs(live) == {
        "kind": "ConfigMap",
        "metadata": {"name": "a", "annotations": {"own": "x"}},
        "data": {"a": "1"},
    }
