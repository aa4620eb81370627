"""Pods of every kind: at each place of each kind, a compliant pod has no finding, and every bad change has one."""

import pytest

from policy_pack.stack.graph import Graph
from policy_pack.stack.pods import pods
from policy_pack.stack.values import UNKNOWN
from tests.policy.builders import STACK, build, put
from tests.policy.evaluation import BROKEN, results, statuses
from tests.policy.seeds.pod_changes import Place, changes, places
from tests.policy.world.pods import container

PLACES = list(places())
POD_CONTROLS = ("AC-13", "CM-01", "CM-02", "CM-05", "ENC-09", "INT-05", "INV-03")
INJECTED = """
template: |
  spec:
    containers:
    - name: sidecar
      image: docker.io/istio/proxyv2:latest
      securityContext: {privileged: true}
"""


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.title)
def test_a_compliant_pod_has_no_finding_wherever_it_is(place: Place) -> None:
    found = results(Graph([place.resource], STACK), None, *POD_CONTROLS)
    assert [(result.control, result.text) for result in found if result.status in BROKEN] == []


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.title)
def test_every_pod_rule_holds_wherever_a_pod_is(place: Place) -> None:
    missed = []
    for change in changes(place):
        found = results(Graph([place.changed(change)], STACK), None, change.control)
        if not statuses(found, change.control) & BROKEN:
            missed.append(change.title)
    assert missed == []


@pytest.mark.parametrize(
    "text", [INJECTED, INJECTED.replace("docker.io", "{{ .Values.hub }}"), "{{ if x }}\ncontainers:\n"]
)
def test_pods_in_the_text_of_a_config_map_are_evaluated(text: str) -> None:
    config = build(
        "kubernetes:core/v1:ConfigMap", "injector", {"metadata": {"namespace": "istio"}, "data": {"x": text}}
    )
    found = results(Graph([config], STACK), None, "CM-01", "INT-05")
    assert statuses(found, "INT-05") & BROKEN
    assert statuses(found, "CM-01") & BROKEN


def test_text_without_pods_has_none() -> None:
    config = build("kubernetes:core/v1:ConfigMap", "x", {"data": {"x": "log: info", "y": "our containers are small"}})
    assert pods(config) == ()


def test_an_image_of_its_own_makes_a_models_container_a_whole_one() -> None:
    [place] = [place for place in PLACES if place.title == "serving.kserve.io/InferenceService spec.predictor"]
    merged = put(place.resource.props, "spec.predictor.model", {"env": []})
    whole = put(merged, "spec.predictor.model.image", container("x")["image"])
    for props, violated in ((merged, False), (whole, True)):
        found = results(Graph([build(place.resource.type, "x", props)], STACK), None, "CM-01")
        assert bool(statuses(found, "CM-01") & BROKEN) is violated
    privileged = put(merged, "spec.predictor.model.securityContext", {"privileged": True})
    assert statuses(results(Graph([build(place.resource.type, "x", privileged)], STACK), None, "CM-01"), "CM-01")


def test_an_unknown_pod_is_checked_later() -> None:
    [place] = [place for place in PLACES if place.title == "serving.kserve.io/InferenceService spec.transformer"]
    unknown = build(place.resource.type, "x", put(place.resource.props, "spec.transformer", UNKNOWN))
    found = results(Graph([unknown], STACK), None, "CM-01")
    assert {str(result.status) for result in found} == {"not yet known"}
