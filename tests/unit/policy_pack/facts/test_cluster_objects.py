"""What webhooks, aggregated APIs and Secrets with tokens grant."""

from typing import Any

import pytest

from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.evaluators import all_grants
from policy_pack.facts.grants.grant import Grant
from policy_pack.facts.verbs import Verb
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import UNKNOWN
from tests.policy import world
from tests.policy.builders import STACK, build

SERVICE = {"service": {"namespace": "north-phi", "name": "hook"}}
ADMISSION = "kubernetes:admissionregistration.k8s.io/v1"


def evaluated(*resources: Resource) -> set[Grant]:
    return set(all_grants(AccessContext(Graph([*world.resources(), *resources], STACK), world.settings())))


BEFORE = evaluated()


def added(*resources: Resource) -> set[tuple[str, str, Verb | None, bool]]:
    return {(one.subject.name, one.data.name, one.verb, one.certain) for one in evaluated(*resources) - BEFORE}


def webhook(kind: str, config: Any, resources: Any = ("pods",)) -> Resource:
    rules = [{"resources": list(resources)}]
    return build(f"{ADMISSION}:{kind}", "hook", {"webhooks": [{"clientConfig": config, "rules": rules}]})


@pytest.mark.parametrize(
    ("config", "server", "certain"),
    [
        (SERVICE, "webhook server north-phi/hook", True),
        ({"url": "https://elsewhere"}, "webhook server https://elsewhere", True),
        (UNKNOWN, "webhook server /", False),
    ],
    ids=["service", "url", "unknown"],
)
def test_the_server_of_a_mutating_webhook_acts_as_every_account(config: Any, server: str, certain: bool) -> None:
    found = added(webhook("MutatingWebhookConfiguration", config))
    assert (server, "rules", Verb.ADMINISTER, certain) in found
    assert (server, "pseudonym-key", Verb.SIGN, certain) in found


def test_the_server_of_a_validating_webhook_reads_what_it_is_sent() -> None:
    kind, server = "ValidatingWebhookConfiguration", "webhook server north-phi/hook"
    assert added(webhook(kind, SERVICE)) == {(server, "objects", Verb.READ, True)}
    assert added(webhook(kind, SERVICE, ["secrets"])) == {(server, "secrets", Verb.READ, True)}
    assert added(webhook(kind, SERVICE, ["*/*"])) == {(server, "secrets", Verb.READ, True)}


def test_an_aggregated_api_has_a_server() -> None:
    kind = "kubernetes:apiregistration.k8s.io/v1:APIService"
    found = added(build(kind, "v1.x", {"spec": SERVICE}))
    assert ("webhook server north-phi/hook", "rules", Verb.ADMINISTER, True) in found
    assert added(build(kind, "v1.x", {"spec": {"group": "x"}})) == set()


@pytest.mark.parametrize(
    ("fields", "certain"),
    [({}, True), ({"type": UNKNOWN}, False), ({"metadata": UNKNOWN}, False)],
)
def test_whoever_reads_a_token_acts_as_its_account(fields: dict[str, Any], certain: bool) -> None:
    notes = {"kubernetes.io/service-account.name": "ingestor"}
    metadata = {"name": "token", "namespace": "north-phi", "annotations": notes}
    values = {"type": "kubernetes.io/service-account-token", "metadata": metadata, **fields}
    found = added(build("kubernetes:core/v1:Secret", "token", values))
    assert {(data, verb, known) for _, data, verb, known in found} >= {("pseudonym-key", Verb.SIGN, certain)}
    assert (
        added(build("kubernetes:core/v1:Secret", "token", {**values, "type": "Opaque", "metadata": metadata})) == set()
    )
