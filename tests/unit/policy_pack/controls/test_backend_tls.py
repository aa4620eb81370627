"""The gateway speaks verified TLS to the Services behind it, as production declares them."""

from typing import Any

import pytest

from policy_pack.settings import load
from policy_pack.stack.graph import Graph
from tests.policy import recorded
from tests.policy.attacks.mutation import GONE, changed, put
from tests.policy.evaluation import results

POLICY = "k8s:gateway.networking.k8s.io/BackendTLSPolicy"


def found(name: str, *edits: tuple[tuple[str | int, ...], Any]) -> list[str]:
    """Return what the control says where the BackendTLSPolicy of a workload is another; without edits it is removed."""
    base = recorded.unchanged("prod").graph()
    resources = []
    for one in base:
        if one.kind == POLICY and one.name.endswith(f"-{name}"):
            if not edits:
                continue
            props = one.props
            for steps, value in edits:
                props = put(props, steps, value)
            one = changed(one, props)
        resources.append(one)
    return [one.message for one in results(Graph(resources, "prod"), load(), "TX-03")]


VALIDATION = ("spec", "validation")


@pytest.mark.parametrize(
    ("name", "edits", "words"),
    [
        ("care", (), "speaks plain HTTP to Service north-phi/care"),
        ("recorder", (), "speaks plain HTTP to Service north-platform/gateway-recorder"),
        ("planning", ((("spec", "targetRefs", 0, "name"), "other"),), "speaks plain HTTP to Service north-serving"),
        ("care", ((("spec", "targetRefs", 0, "sectionName"), "other"),), "speaks plain HTTP"),
        ("care", ((("spec", "targetRefs", 0, "group"), "apps"),), "speaks plain HTTP"),
        ("care", ((("spec", "targetRefs", 0, "kind"), "Pod"),), "speaks plain HTTP"),
        ("care", (((*VALIDATION, "caCertificateRefs"), GONE),), "has no certificate authority of the stack"),
        ("care", (((*VALIDATION, "wellKnownCACertificates"), "System"),), "has no certificate authority of the stack"),
        ("care", (((*VALIDATION, "caCertificateRefs", 0, "name"), "other"),), "names the authority ConfigMap other"),
        ("care", (((*VALIDATION, "caCertificateRefs", 0, "kind"), "Secret"),), "names the authority Secret"),
        ("care", (((*VALIDATION, "caCertificateRefs", 0, "group"), "x"),), "names the authority ConfigMap"),
        ("care", (((*VALIDATION, "hostname"), GONE),), "names no host"),
        ("care", (((*VALIDATION, "subjectAltNames", 0, "type"), "Any"),), "has an alternative name that is none"),
        ("care", (((*VALIDATION, "subjectAltNames", 0, "uri"), ""),), "has an alternative name that is none"),
    ],
)
def test_a_gateway_verifies_what_it_leads_to(name: str, edits: Any, words: str) -> None:
    assert any(words in message for message in found(name, *edits))


def test_what_production_declares_is_verified() -> None:
    assert found("nothing") == []
