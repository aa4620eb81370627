"""Namespaces of the platform, with the NetworkPolicies of ``charts.yaml`` and, for each hospital, of the zone table."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.networking import v1 as networking

from infra.cluster.cluster import Cluster
from infra.settings import Hospital, Settings, names
from workloads.platform import charts
from workloads.zones import flow_table, network_policies
from workloads.zones.flow_table import Direction, Peer, PodSelector, Port
from workloads.zones.namespaces import namespace_labels
from workloads.zones.workload_table import GATEWAY

ZONE = "platform"
HOLDS = "none"
_HTTPS = 443
_KUBELET = 10250


@dataclass(frozen=True)
class PlatformPolicyRule:
    """The rule of one NetworkPolicy of a platform namespace; empty ``pod_labels`` select all of its pods."""

    name: str
    pod_labels: dict[str, str]
    direction: Direction
    peer: Peer


@dataclass(frozen=True)
class PlatformNamespacesArgs:
    """Arguments of the platform's namespaces.

    Parameters
    ----------
    settings, cluster
        The stack's settings and the cluster.
    """

    settings: Settings
    cluster: Cluster


class PlatformNamespaces(pulumi.ComponentResource):
    """Namespaces of the platform with their NetworkPolicies; ``namespaces`` by name."""

    namespaces: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: PlatformNamespacesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:Grounds", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.namespaces = {}
        for namespace_name, row in charts.table().namespaces.items():
            metadata = ObjectMetaArgs(name=namespace_name, labels=namespace_labels(names.SHARED, ZONE, HOLDS, HOLDS))
            namespace = core.Namespace(namespace_name, metadata=metadata, opts=child).metadata.name
            self.namespaces[namespace_name] = namespace
            specs = {"default-deny": network_policies.default_deny()} | {
                rule.name: network_policies.allow(rule.pod_labels, rule.direction, rule.peer)
                for rule in policy_rules(namespace_name, row, args)
            }
            for policy, spec in specs.items():
                labels = names.labels(names.SHARED, ZONE)
                networking.NetworkPolicy(
                    f"{namespace_name}-{policy}",
                    metadata=ObjectMetaArgs(name=policy, namespace=namespace, labels=labels),
                    spec=spec,
                    opts=child,
                )
        self.register_outputs({"namespaces": self.namespaces})


def policy_rules(
    namespace: str, row: charts.PlatformNamespace, args: PlatformNamespacesArgs
) -> list[PlatformPolicyRule]:
    """Return the NetworkPolicy rules of a namespace."""
    cluster = args.cluster
    # The API server and the kubelets have addresses of the VPC, as the VPC endpoints have.
    vpc = cluster.aws.network
    servers = {
        "api": Peer(vpc, (Port(_HTTPS),)),
        "kubelets": Peer(vpc, (Port(_KUBELET),)),
        "vault": Peer(cluster.vault.network, (Port(cluster.vault.port),)),
    }
    rules = [PlatformPolicyRule("to-dns", {}, Direction.EGRESS, flow_table.dns_peer(cluster))]
    rules += [PlatformPolicyRule(f"to-{server}", {}, Direction.EGRESS, servers[server]) for server in row.egress]
    if row.webhook_port:
        webhook = Peer(vpc, (Port(row.webhook_port),))
        rules.append(PlatformPolicyRule("from-api", {}, Direction.INGRESS, webhook))
    if row.internal:
        same_namespace = Peer(PodSelector(namespace, ()), ())
        rules.append(PlatformPolicyRule("to-inside", {}, Direction.EGRESS, same_namespace))
        rules.append(PlatformPolicyRule("from-inside", {}, Direction.INGRESS, same_namespace))
    return rules


class PlatformFlows(pulumi.ComponentResource):
    """The platform's end of a hospital's flows, as NetworkPolicies that are created and destroyed with the hospital."""

    def __init__(
        self, name: str, settings: Settings, hospital: Hospital, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("healthcare-mlops:workloads:PlatformFlows", name, None, opts)
        for namespace, rule in hospital_rules(settings, hospital.name):
            networking.NetworkPolicy(
                f"{hospital.name}-{namespace}-{rule.name}",
                metadata=ObjectMetaArgs(name=rule.name, namespace=namespace, labels=names.labels(hospital.name, ZONE)),
                spec=network_policies.allow(rule.pod_labels, rule.direction, rule.peer),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})


def hospital_rules(settings: Settings, hospital: str) -> list[tuple[str, PlatformPolicyRule]]:
    """Return the platform's end of the zone table's flows with one hospital's pods, each with its namespace."""
    table = flow_table.table()
    rules = []
    for flow in table.flows:
        if settings.gateway is None and GATEWAY in (flow.source, flow.target):
            continue
        client, port = table.pods.get(flow.source), table.port(flow)
        if client and port:
            target = table.workloads[flow.target]
            peer = Peer(flow_table.workload_pods(hospital, target), (Port(port),))
            name = f"to-{hospital}-{target.service_account}"
            rules.append((client.namespace, PlatformPolicyRule(name, dict(client.labels), Direction.EGRESS, peer)))
        server = table.pods.get(flow.target)
        if server and server.port:
            source = table.workloads[flow.source]
            peer = Peer(flow_table.workload_pods(hospital, source), (Port(server.port),))
            name = f"from-{hospital}-{source.service_account}"
            rules.append((server.namespace, PlatformPolicyRule(name, dict(server.labels), Direction.INGRESS, peer)))
    return rules
