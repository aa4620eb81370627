"""The platform's namespaces, which belong to no hospital: closed by default, and open only as the tables say."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.networking import v1 as networking

from infra.cluster.cluster import Cluster
from infra.settings import names
from infra.settings.values import Settings
from workloads.platform import charts
from workloads.zones import flow_table, network_policies
from workloads.zones.flow_table import Direction, Peer, Pods, Port
from workloads.zones.namespaces import home_labels

ZONE = "platform"
HOLDS = "none"
_HTTPS = 443
_KUBELET = 10250


@dataclass(frozen=True)
class Way:
    """One NetworkPolicy of a namespace: pods (all where no label is given), and whom they call or are called by."""

    name: str
    pods: dict[str, str]
    direction: Direction
    peer: Peer


@dataclass(frozen=True)
class GroundsArgs:
    """Where the platform stands.

    Parameters
    ----------
    settings, cluster
        The environment, and its cluster.
    """

    settings: Settings
    cluster: Cluster


class Grounds(pulumi.ComponentResource):
    """A namespace for each of the table, with the policies that close and open it."""

    namespaces: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: GroundsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:Grounds", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.namespaces = {}
        for home, ground in charts.table().namespaces.items():
            meta = ObjectMetaArgs(name=home, labels=home_labels(names.SHARED, ZONE, HOLDS))
            inside = core.Namespace(home, metadata=meta, opts=child).metadata.name
            self.namespaces[home] = inside
            closed = {"default-deny": network_policies.closed()}
            opened = {
                way.name: network_policies.opened(way.pods, way.direction, way.peer) for way in ways(home, ground, args)
            }
            for called, spec in (closed | opened).items():
                labels = names.labels(names.SHARED, ZONE)
                networking.NetworkPolicy(
                    f"{home}-{called}",
                    metadata=ObjectMetaArgs(name=called, namespace=inside, labels=labels),
                    spec=spec,
                    opts=child,
                )
        self.register_outputs({"namespaces": self.namespaces})


def ways(home: str, ground: charts.Ground, args: GroundsArgs) -> list[Way]:
    """Return what is open in one namespace."""
    settings, cluster = args.settings, args.cluster
    # The API server and the kubelets answer from the VPC, as the cloud's own servers do.
    own = cluster.aws.network
    servers = {
        "api": Peer(own, (Port(_HTTPS),)),
        "kubelets": Peer(own, (Port(_KUBELET),)),
        "vault": Peer(cluster.vault.network, (Port(cluster.vault.port),)),
    }
    dns = Peer(
        Pods(flow_table.named("kube-system"), (("k8s-app", "kube-dns"),)),
        (Port(cluster.dns_port, "UDP"), Port(cluster.dns_port)),
    )
    found = [Way("to-dns", {}, Direction.EGRESS, dns)]
    found += [Way(f"to-{server}", {}, Direction.EGRESS, servers[server]) for server in ground.calls]
    if ground.webhook:
        found.append(Way("from-api", {}, Direction.INGRESS, Peer(own, (Port(ground.webhook),))))
    if ground.inside:
        near = Peer(Pods(flow_table.named(home), ()), ())
        found += [Way("to-inside", {}, Direction.EGRESS, near), Way("from-inside", {}, Direction.INGRESS, near)]
    return found + _of_zones(home, settings)


def _of_zones(home: str, settings: Settings) -> list[Way]:
    """Return the other ends of the zone table's flows: what this namespace's pods have to do with hospitals' pods."""
    table, found = flow_table.table(), []
    for flow in table.flows:
        calls = table.pods.get(flow.source)
        if calls and calls.namespace == home and flow.port:
            there = Peer(_everywhere(flow.target), (Port(flow.port),))
            found.append(Way(f"to-{flow.target}", dict(calls.labels), Direction.EGRESS, there))
        answers = table.pods.get(flow.target)
        if answers and answers.namespace == home and answers.port:
            back = Peer(_everywhere(flow.source), (Port(answers.port),))
            found.append(Way(f"from-{flow.source}", dict(answers.labels), Direction.INGRESS, back))
    return found if settings.gateway else [way for way in found if not way.name.endswith(f"-{flow_table.GATEWAY}")]


def _everywhere(workload: str) -> Pods:
    """Return the pods of a workload in each hospital's zone; the zone's own end names the hospital's."""
    zone = flow_table.table().workloads[workload].zone
    return Pods(((f"{names.DOMAIN}/zone", zone),), ((names.WORKLOAD_LABEL, workload),))
