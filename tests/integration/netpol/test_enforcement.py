"""What holds beyond single connections: changes, Services, forged packets, and other hands on the rules."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.netpol.addresses import Leases
from local.netpol.compile import TABLE, compile_ruleset
from local.netpol.controller import Controller
from local.netpol.enforce import EnforcementError, Enforcer
from local.netpol.health import Health
from local.netpol.isolate import Isolation
from local.netpol.model import Direction, Policy, Port, Requirement, Rule, Selector
from local.netpol.store import Kind, Store
from tests.netpol.lab import GATEWAY, NETWORK, NODE, OUTSIDE, Lab, enforce, lab_of, shut, snapshot
from tests.netpol.members import PATIENT, QUICK
from tests.netpol.reference import Cluster, Edge
from tests.netpol.simple import cluster, peers, policy

A, B, C = PODS = ("10.246.0.10", "10.246.0.11", "10.246.0.12")
SERVICE = "10.98.0.1"
PORT = 7000

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with lab_of(PODS) as lab:
        yield lab


@pytest.fixture
def enforcer(lab: Lab) -> Enforcer:
    return shut(lab)


def reaches(lab: Lab, source: str, target: str, protocol: str = "TCP", port: int = PORT) -> bool:
    """Tell whether one connection can be made, without waiting long for one that cannot."""
    return bool(lab.reached([Edge(source, target, protocol, port)], QUICK))


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("target", [B, NODE, GATEWAY, OUTSIDE])
def test_a_changed_policy_cuts_what_it_forbids(lab: Lab, enforcer: Enforcer, target: str, protocol: str) -> None:
    enforce(enforcer, cluster(lab))
    kept = lab.members[A].ask("open", target, protocol, PORT)
    assert lab.members[A].ask("talk", kept, PATIENT)
    enforce(enforcer, cluster(lab, policy(A, policyTypes=["Egress"], egress=[{"to": peers(C)}])))
    assert not lab.members[A].ask("talk", kept, QUICK)
    enforce(enforcer, cluster(lab))
    assert lab.members[A].ask("talk", kept, PATIENT)


def test_a_cut_connection_is_silent_in_both_directions(lab: Lab, enforcer: Enforcer) -> None:
    enforce(enforcer, cluster(lab))
    for target in (B, NODE):
        kept = lab.members[A].ask("open", target, "TCP", PORT)
        assert lab.members[A].ask("talk", kept, PATIENT)
        enforce(enforcer, cluster(lab, policy(A, policyTypes=["Egress"])))
        assert lab.members[target].ask("push", "secret") >= 1
        assert lab.members[A].ask("hear", kept, QUICK) == ""
        enforce(enforcer, cluster(lab))


def test_a_forgotten_connection_does_not_come_back_the_other_way_round(lab: Lab, enforcer: Enforcer) -> None:
    """The server's next packet would make it the opener, which it may be, if packets without a beginning passed."""
    enforce(enforcer, cluster(lab))
    kept = lab.members[A].ask("open", B, "TCP", PORT)
    assert lab.members[A].ask("talk", kept, PATIENT)
    enforce(enforcer, cluster(lab, policy(A, policyTypes=["Egress"])))
    assert reaches(lab, B, A)
    subprocess.run(["ip", "netns", "exec", lab.node_netns, "conntrack", "-F"], check=True, capture_output=True)
    assert lab.members[B].ask("push", "secret") >= 1
    assert lab.members[A].ask("hear", kept, QUICK) == ""


def test_both_ends_have_to_agree(lab: Lab, enforcer: Enforcer) -> None:
    out, into = policy(A, policyTypes=["Egress"], egress=[{"to": peers(B)}]), policy(B, ingress=[{"from": peers(C)}])
    enforce(enforcer, cluster(lab, out, into))
    assert not reaches(lab, A, B)
    assert reaches(lab, C, B)
    into["spec"]["ingress"] = [{"from": peers(A)}]
    enforce(enforcer, cluster(lab, out, into))
    assert reaches(lab, A, B)
    assert not reaches(lab, C, B)


def test_services_are_judged_by_their_endpoints(lab: Lab, enforcer: Enforcer) -> None:
    lab.script(
        "table ip proxy { chain pre { type nat hook prerouting priority dstnat;\n"
        f"ip daddr {SERVICE} tcp dport 80 dnat to {B}:7001\n"
        f"ip daddr {SERVICE} tcp dport 443 dnat to {NODE}:7000\n"
        f"ip daddr {SERVICE} tcp dport 90 dnat to {A}:7005\n"
        "}\nchain post { type nat hook postrouting priority srcnat;\n"
        f"ip saddr {A} ip daddr {A} masquerade\n"
        "}\n}"
    )
    try:
        to_b = {"to": peers(B), "ports": [{"port": 7001}]}
        enforce(enforcer, cluster(lab, policy(A, policyTypes=["Egress"], egress=[to_b])))
        assert reaches(lab, A, SERVICE, port=80)
        assert not reaches(lab, A, SERVICE, port=443)
        assert reaches(lab, A, SERVICE, port=90)  # a pod may always reach itself
        assert not reaches(lab, A, B, port=7000)
        kept = lab.members[A].ask("open", SERVICE, "TCP", 80)
        to_node = {"to": [{"ipBlock": {"cidr": f"{NODE}/32"}}]}
        enforce(enforcer, cluster(lab, policy(A, policyTypes=["Egress"], egress=[to_node])))
        assert reaches(lab, A, SERVICE, port=443)
        assert not reaches(lab, A, SERVICE, port=80)
        assert not lab.members[A].ask("talk", kept, QUICK)
    finally:
        lab.script("delete table ip proxy")


def test_the_node_reaches_every_pod(lab: Lab, enforcer: Enforcer) -> None:
    assert reaches(lab, NODE, A)
    enforce(enforcer, cluster(lab, policy(A, policyTypes=["Ingress", "Egress"]), unknown=B))
    assert reaches(lab, NODE, A)
    assert reaches(lab, NODE, B)


def test_an_address_that_changes_hands_is_judged_by_its_new_pod(lab: Lab, enforcer: Enforcer) -> None:
    only_a = policy(B, ingress=[{"from": peers(A)}])
    before = cluster(lab, only_a)
    enforce(enforcer, before)
    kept = lab.members[A].ask("open", B, "TCP", PORT)
    enforce(enforcer, cluster(lab, only_a, unknown=A))
    assert not lab.members[A].ask("talk", kept, QUICK)
    newcomer = {"uid": "new", "name": "new", "namespace": "red", "labels": {"app": "12"}, "creationTimestamp": "2"}
    changed = [{**pod, "metadata": newcomer} if pod["metadata"]["uid"] == A else pod for pod in before.pods]
    enforce(enforcer, replace(before, pods=changed))
    assert not lab.members[A].ask("talk", kept, QUICK)
    assert not reaches(lab, A, B)


def test_a_pod_cannot_lend_itself_another_address(lab: Lab, enforcer: Enforcer) -> None:
    enforce(enforcer, cluster(lab, policy(C, ingress=[{"from": peers(A)}])))
    assert lab.members[B].ask("forge", A, C, 7010)
    assert lab.members[B].ask("forge", NODE, C, 7010)
    assert reaches(lab, A, C, "UDP", 7001)
    assert not reaches(lab, B, C, "UDP")
    # One real packet of A came, and none that only says so: their ports tell them apart.
    assert lab.members[C].ask("ports_of", A) == [7001]
    assert lab.members[C].ask("ports_of", NODE) == []


def test_ipv6_is_no_way_around(lab: Lab, enforcer: Enforcer) -> None:
    enforce(enforcer, cluster(lab))
    shown = subprocess.run(
        ["ip", "-n", lab.node_netns, "-6", "-o", "addr", "show", "dev", "veth0"],
        capture_output=True,
        text=True,
        check=True,
    )
    link_local = shown.stdout.split("inet6 ")[1].split("/")[0]
    assert not lab.members[A].ask("six", link_local, "eth0", PORT, QUICK)
    enforcer.clean()
    assert lab.members[A].ask("six", link_local, "eth0", PORT, PATIENT)


def test_rules_that_the_kernel_refuses_change_nothing(lab: Lab, enforcer: Enforcer) -> None:
    enforce(enforcer, cluster(lab, policy(B)))
    broken = replace(compile_ruleset(snapshot(cluster(lab)), NETWORK), text="table inet hmlops_policy { nonsense }")
    with pytest.raises(EnforcementError):
        enforcer.apply(broken)
    assert not reaches(lab, A, B)
    enforce(enforcer, cluster(lab))
    assert reaches(lab, A, B)


def controller(lab: Lab, enforcer: Enforcer, health: Health, some: Cluster) -> tuple[Controller, Store]:
    """Return a controller that has listed a cluster."""
    store = Store()
    for kind, objects in zip(Kind, (some.pods, some.namespaces, some.policies), strict=True):
        store.replace(kind, objects)
    return Controller(store, Leases(Path("/nonexistent")), enforcer, NETWORK, health, print), store


def test_a_long_name_stops_no_later_policy(lab: Lab, enforcer: Enforcer) -> None:
    health = Health()
    long = policy(C, policyTypes=["Ingress"])
    long["metadata"]["name"] = "a" * 253
    made, store = controller(lab, enforcer, health, cluster(lab, long))
    made.step()
    assert (health.problem, health.closed) == ("", ())
    assert not reaches(lab, A, C)
    assert reaches(lab, A, B)
    store.put(Kind.POLICIES, policy(B, policyTypes=["Ingress"]))
    made.step()
    assert not reaches(lab, A, B)
    assert reaches(lab, B, A)


def test_an_undefined_value_closes_the_policys_own_pods_alone(lab: Lab, enforcer: Enforcer) -> None:
    health = Health()
    made, store = controller(lab, enforcer, health, cluster(lab))
    made.step()
    unknown = policy(C, policyTypes=["Ingress"], ingress=[{"from": [{"fqdn": "a.example"}]}])
    store.put(Kind.POLICIES, unknown)
    store.put(Kind.POLICIES, policy(B, ingress=[{"from": peers(A)}]))
    made.step()
    assert health.problem == ""
    assert "about-10.246.0.12" in health.closed[0]
    assert not reaches(lab, A, C)
    assert reaches(lab, C, A)
    assert reaches(lab, A, B)
    assert not reaches(lab, C, B)


def test_a_policy_that_the_kernel_refuses_closes_its_own_pods_alone(lab: Lab, enforcer: Enforcer) -> None:
    isolation, some = Isolation(enforcer, NETWORK), snapshot(cluster(lab, policy(B, ingress=[{"from": peers(A)}])))
    pods = Selector((Requirement("app", "In", frozenset({"12"})),))
    rules = {Direction.INGRESS: (Rule(ports=(Port("NONSENSE"),)),)}
    _, _, closed = isolation.enforce(replace(some, policies=(*some.policies, Policy("red", "bad", pods, rules))))
    assert [(one.name, one.problem[:21]) for one in closed] == [("bad", "nftables refuses it (")]
    assert "/dev/stdin" not in closed[0].problem
    assert not reaches(lab, A, C)
    assert reaches(lab, C, A)
    assert reaches(lab, A, B)
    assert not reaches(lab, C, B)


def test_rules_outlive_their_controller_and_the_next_one_takes_them_over(lab: Lab, enforcer: Enforcer) -> None:
    enforce(enforcer, cluster(lab, policy(B)))
    successor = lab.enforcer()
    assert not reaches(lab, A, B)
    assert reaches(lab, A, C)
    enforce(successor, cluster(lab))
    assert successor.intact()
    assert reaches(lab, A, B)
    listed = subprocess.run(
        [*lab.nft, "list", "table", *TABLE.split()], capture_output=True, text=True, check=True
    ).stdout
    assert "about-" not in listed


def test_rules_that_somebody_removes_come_back(lab: Lab, enforcer: Enforcer) -> None:
    enforce(enforcer, cluster(lab, policy(B)))
    lab.script("flush ruleset")
    assert reaches(lab, A, B)
    assert not enforcer.intact()
    enforce(enforcer, cluster(lab, policy(B)))
    assert enforcer.intact()
    assert not reaches(lab, A, B)


def test_hundreds_of_policies_take_effect_within_a_second(lab: Lab, enforcer: Enforcer) -> None:
    """Two hundred pods in twenty namespaces, each with fifteen policies of its own."""
    base = cluster(lab)
    labels = [{"app": str(number % 10)} for number in range(200)]
    pods = [
        {
            "metadata": {"uid": f"p{n}", "name": f"p{n}", "namespace": f"n{n % 20}", "labels": labels[n]},
            "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 8000 + n % 3}]}]},
            "status": {"podIP": f"10.246.{1 + n // 100}.{1 + n % 100}", "phase": "Running"},
        }
        for n in range(200)
    ]
    namespaces = [{"metadata": {"uid": f"n{n}", "name": f"n{n}", "labels": {"zone": str(n % 4)}}} for n in range(20)]
    policies = [
        {
            "metadata": {"uid": f"{n}-{k}", "name": f"policy-{k}", "namespace": f"n{n}"},
            "spec": {
                "podSelector": {"matchLabels": {"app": str(k % 10)}} if k else {},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [
                    {
                        "from": [{"namespaceSelector": {"matchLabels": {"zone": str(k % 4)}}}],
                        "ports": [{"port": "web"}, {"port": 9000 + k, "endPort": 9100 + k}],
                    }
                ],
                "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [f"10.{k}.0.0/16"]}}]}],
            },
        }
        for n in range(20)
        for k in range(15)
    ]
    big = lab.cluster([*base.namespaces, *namespaces], [*base.pods, *pods], [*policies, policy(B)])
    began = time.monotonic()
    enforce(enforcer, big)
    took = time.monotonic() - began
    assert not reaches(lab, A, B)
    assert reaches(lab, A, C)
    assert took < 1.0
