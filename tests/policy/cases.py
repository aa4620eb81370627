"""Stacks with the messages that a control must give: what a single change cannot distinguish."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from policy_pack.controls.rules import Rule
from policy_pack.engine.evaluate import Evaluator, Result
from policy_pack.settings import Evidence, Settings
from policy_pack.stack.audit_devices import AuditDevice, device
from policy_pack.stack.external_endpoints import Addresses
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.live import AWS, VAULT, Live, Permission
from tests.policy import world
from tests.policy.flows import admitting, platform, pods, with_flow
from tests.policy.releases import release, served
from tests.policy.seeds import SEEDS

StackAndSettings = tuple[Graph, Settings]


@dataclass(frozen=True)
class Case:
    """One stack, and the messages that a control must give for it."""

    control: str
    title: str
    make: Callable[[], StackAndSettings]
    messages: tuple[str, ...]
    addresses: Addresses | None = world.ADDRESSES

    def evaluate(self, rule_set: Sequence[Rule] | None = None) -> list[Result]:
        """Return the results of the control, by the checks of the pack or by others."""
        graph, settings = self.make()
        evaluator = Evaluator(settings, self.addresses, controls=(self.control,), rule_set=rule_set)
        return evaluator.evaluate_stack(Graph(graph.resources, graph.stack))


def _dates(evidence: Evidence) -> Callable[[], StackAndSettings]:
    return lambda: (world.graph(), world.settings().model_copy(update={"evidence": evidence}))


def _seed(title: str, *messages: str, number: int = 0) -> Case:
    """Return a case of a seed whose control must give these messages, among others."""
    seed = [seed for seed in SEEDS if seed.title == title][number]

    def make() -> StackAndSettings:
        _, graph = next(seed.broken(list(world.resources())))
        return graph, world.settings()

    return Case(seed.control, f"{title} {messages[0]}", make, messages)


def _release(control: str, *messages: str, **parts: Any) -> Case:
    def make() -> StackAndSettings:
        root = Path(tempfile.mkdtemp())
        settings = release(root, **parts)
        return served(root), settings

    return Case(control, messages[0], make, messages)


def _device(name: str, kind: str = "file", **options: str) -> AuditDevice:
    return device(name, kind, options)


def _vault(
    title: str, devices: tuple[AuditDevice, ...], *messages: str, live: tuple[AuditDevice, ...] | None = None
) -> Case:
    """Return a case of the compliant stack with other audit devices in its configuration."""
    addresses = replace(world.ADDRESSES, audit_devices=devices, live=Live(audit_devices=live))
    return Case("AUD-06", title, lambda: (world.graph(), world.settings()), messages, addresses)


def _binding(kind: str, namespace: str = "") -> Resource:
    metadata = {"name": "rogue", **({"namespace": namespace} if namespace else {})}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    props = {"metadata": metadata, "roleRef": role, "subjects": [{"kind": "User", "name": "mallory"}]}
    return Resource(f"cluster::{kind}", f"kubernetes:rbac.authorization.k8s.io/v1:{kind}", "rogue", props)


def _live(title: str, *messages: str, **servers: Any) -> Case:
    """Return a case of the compliant stack beside servers that have more than it."""
    addresses = replace(world.ADDRESSES, live=Live(**servers))
    return Case("AC-19", title, lambda: (world.graph(), world.settings()), messages, addresses)


def _allowed_flow(title: str, source: dict[str, object], target: dict[str, object], messages: str) -> Case:
    return Case("SEG-02", title, lambda: (with_flow(source, target, 8080), world.settings()), (messages,))


def _platform_as_peer() -> Graph:
    namespace, peer = platform("monitoring")
    return admitting(peer, pods("north", "phi", "ingestor"), 8080, namespace)


def _unmeshed(source: dict[str, Any], target: dict[str, Any]) -> StackAndSettings:
    """Return the stack with one more allowed flow and without a mesh."""
    graph = with_flow(source, target, 8080)
    kept = [resource for resource in graph.resources if not resource.type.endswith(":PeerAuthentication")]
    return Graph(kept, graph.stack), world.settings()


def _unverified() -> StackAndSettings:
    """Return the stack without a mesh, and a policy of a Service behind the gateway that has no authority."""
    target = {"group": "", "kind": "Service", "name": "planner"}
    metadata = {"name": "extra", "namespace": "north-serving"}
    props = {"metadata": metadata, "spec": {"targetRefs": [target], "validation": {"hostname": "model"}}}
    type_ = "kubernetes:gateway.networking.k8s.io/v1:BackendTLSPolicy"
    kept = [one for one in world.resources() if not one.type.endswith(":PeerAuthentication")]
    return Graph([*kept, Resource("urn:pulumi:prod::x::y::extra", type_, "extra", props)], "prod"), world.settings()


_OLD_DATES = Evidence(
    vulnerability_scan=date(2026, 1, 1), penetration_test=date(2025, 1, 1), compliance_audit=world.TODAY
)
_FIRST, _SECOND = _device("first", file_path="/vault/1/audit.log"), _device("second", file_path="/vault/2/audit.log")

CASES = [
    Case(
        "TX-03",
        "a gateway without a mesh",
        _unverified,
        ("speaks plain HTTP to Service", "BackendTLSPolicy extra has no certificate authority of the stack"),
    ),
    Case(
        "VM-02",
        "nobody told",
        _dates(Evidence()),
        ("date of the last vulnerability scan", "date of the last penetration test"),
    ),
    Case("INV-04", "no date", _dates(Evidence()), ("has no date of the last review of inventory and network map",)),
    Case(
        "INV-04",
        "long ago",
        _dates(Evidence(inventory_review=date(2025, 1, 1))),
        ("review of inventory and network map was on 2025-01-01, over 365 days ago",),
    ),
    Case(
        "VM-02",
        "long ago",
        _dates(_OLD_DATES),
        ("scan was on 2026-01-01, over 180", "test was on 2025-01-01, over 365"),
    ),
    Case(
        "VM-02",
        "in the future",
        _dates(Evidence(vulnerability_scan=date(2999, 1, 1))),
        ("the last vulnerability scan, 2999-01-01, is in the future",),
    ),
    _seed("AC-12 AuthBackendRole tokenPolicies", "policy root -> *", "cannot be compared"),
    _seed("AC-12 Policy policy", "policy north-ingestor -> *", number=1),
    _seed("AC-12 Policy policy", "secret/*: read", number=2),
    _seed(
        "AC-10 rbac.authorization.k8s.io/ClusterRole rules[0].verbs",
        "north-data: run pods as any ServiceAccount",
        number=1,
    ),
    _seed("AC-01 RolePolicy policy", "allows whole services (s3:*) on every resource"),
    _seed("AC-01 RolePolicy policy", "allows iam:*", number=1),
    _seed("AC-08 BucketPolicy policy", "does not deny principals (aws:PrincipalArn) or VPC endpoints", number=1),
    _seed("AC-12 Policy policy", "its text is no policy that the pack understands (unknown key", number=-1),
    _seed("INV-01 Queue added", "is of north and uses south-curated of south"),
    _seed("ML-03 monitoring.coreos.com/PrometheusRule spec.groups[0].rules", "rings above 1000, which is over 0.2"),
    _seed("AUD-01 Trail dropped", "has no CloudTrail trail", "no trail records"),
    _seed(
        "TX-03 gateway.envoyproxy.io/ClientTrafficPolicy spec.tls.clientValidation.optional",
        "the VPC and linked networks -> Gateway north-platform/gateway listener machines:443 lacks mutual-tls",
        "the client certificate is optional (clientValidation.optional)",
    ),
    _seed(
        "SEG-12 gateway.envoyproxy.io/EnvoyProxy spec.provider.kubernetes.envoyService.annotations",
        "the internet -> Gateway north-platform/gateway listener machines:443 (its load balancer is public",
        "is not an entry point of exposure.yaml",
    ),
    _seed(
        "AUTH-01 SecurityPolicy added",
        "lacks token: no JWT is validated (jwt.providers) (HTTPRoute north-platform/model: SecurityPolicy extra)",
    ),
    _live(
        "other permissions",
        "Vault policy rogue is not in the state",
        "AWS key grant arn:aws:kms:us-east-1:1:key/k/g is not in the state",
        "Vault policy north-ingestor differs from the state",
        vault=(Permission(VAULT, "policy", "rogue"), Permission(VAULT, "policy", "north-ingestor", "path")),
        aws=(Permission(AWS, "key grant", "arn:aws:kms:us-east-1:1:key/k/g"),),
    ),
    _live(
        "other objects",
        "cluster: ClusterRoleBinding rogue is not in the state",
        "cluster: RoleBinding north-phi/rogue not in the state",
        cluster=(_binding("ClusterRoleBinding"), _binding("RoleBinding", "north-phi")),
    ),
    _vault("no device", (), "declares 0 Vault audit devices"),
    _vault("one device", (_FIRST,), "declares 1 Vault audit devices"),
    _vault("one name", (_FIRST, _device("first", "syslog")), "declares Vault's audit device first more than once"),
    _vault(
        "raw values",
        (_FIRST, _device("second", file_path="/b", log_raw="true")),
        "device second logs secrets as raw values",
        "declares 1 Vault audit devices",
    ),
    _vault(
        "some requests", (_FIRST, _device("second", file_path="/b", filter="x")), "records only some of the requests"
    ),
    _vault("another server", (_FIRST, _SECOND), "other Vault audit devices", "): second", live=(_FIRST,)),
    Case(
        "AUD-06",
        "no configuration",
        lambda: (world.graph(), world.settings()),
        ("evaluated without its configuration",),
        None,
    ),
    _release("ML-01", "has no model card", leave_out="MODEL_CARD.md"),
    _release("ML-01", "has no row 4.ii", missing="4.ii"),
    _release("ML-01", "has no answer to 1.i", unanswered="1.i"),
    _release("ML-01", "have no approval", approved=False),
    _release("ML-02", "have gates that did not pass", passed=False),
    _release("ML-02", "have the profile demonstration", of="demonstration"),
    _release("ML-02", "have no evaluation", evaluated=False),
    Case(
        "TX-03",
        "connections into the PHI zone",
        lambda: _unmeshed(pods("north", "serving", "planner"), pods("north", "phi", "ingestor")),
        ("its pods accept connections without a client certificate",),
    ),
    Case(
        "SEG-02",
        "pods of the platform as a peer",
        lambda: (_platform_as_peer(), world.settings()),
        ("pods of namespace monitoring -> north-phi/ingestor is allowed, and is not in the zone table",),
    ),
    _allowed_flow(
        "into the PHI zone",
        pods("north", "serving", "planner"),
        pods("north", "phi", "ingestor"),
        "north-serving/planner -> north-phi/ingestor:8080",
    ),
]
