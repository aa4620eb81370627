"""Pods of a hospital's gateway, of which Envoy Gateway completes what an EnvoyProxy does not say."""

from policy_pack.controls.rules import resource_check
from policy_pack.facts.structure import namespace_name, zone_of_namespace
from policy_pack.facts.zone_table import pool_table
from policy_pack.stack.checks import Findings, expect, is_set, one_of
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import ENVOY_PROXY
from policy_pack.stack.values import View

# The ServiceAccount of the gateway in the table of workloads.
_ACCOUNT = "envoy"
_KUBERNETES = "spec.provider.kubernetes"


@resource_check("INT-05", ENVOY_PROXY)
def gateways_run_the_image_of_the_stack(proxy: Resource) -> Findings:
    """Require the image of Envoy: without it, the controller takes one of its own, by tag, from a public registry."""
    if zone_of_namespace(namespace_name(proxy)):
        message = "has no image, so Envoy Gateway runs its own by tag from a public registry; give the stack's"
        yield from expect(_workload(proxy).at("container.image"), is_set, message)


@resource_check("CM-06", ENVOY_PROXY)
def gateways_have_the_priority_of_their_pool(proxy: Resource) -> Findings:
    """Require the priority class of the gateway's pool, so that no Job takes the place of its pods."""
    if zone_of_namespace(namespace_name(proxy)):
        allowed = pool_table().of_accounts[_ACCOUNT]
        message = f"has not the priority class of the gateway's pool; set it to {' or '.join(allowed)}"
        yield from expect(_workload(proxy).at("pod.priorityClassName"), one_of(*allowed), message)


def _workload(proxy: Resource) -> View:
    """Return what the pods are declared by: a Deployment, or a DaemonSet where there is one."""
    daemons = proxy.at(f"{_KUBERNETES}.envoyDaemonSet")
    return proxy.at(f"{_KUBERNETES}.envoyDeployment") if daemons.absent else daemons
