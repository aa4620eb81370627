"""Limits of the zones of hospitals: what all pods of a namespace may take, and what a container takes by default."""

from policy_pack.controls.rules import join_check
from policy_pack.facts.structure import namespace_name, zone_of_namespace
from policy_pack.stack.checks import Findings, StackContext, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import NAMESPACE

_QUOTA, _RANGE = "k8s:core/ResourceQuota", "k8s:core/LimitRange"
# What makes a quota one of some pods only, such as those of a pool.
_SCOPES = ("scopeSelector", "scopes")


@join_check("CM-02", NAMESPACE)
def zones_have_limits(zone: Resource, context: StackContext) -> Findings:
    """Require a ResourceQuota and a LimitRange in each zone of a hospital."""
    name = namespace_name(zone)
    if not zone_of_namespace(name):
        return
    quotas = context.graph.where("metadata.namespace", name, _QUOTA)
    if not any(_is_of_all_pods(quota) for quota in quotas):
        yield violation("has no ResourceQuota of all its pods, which may take what other zones need; declare one")
    if not context.graph.where("metadata.namespace", name, _RANGE):
        yield violation("has no LimitRange, so a container without limits takes the whole node; declare one")


def _is_of_all_pods(quota: Resource) -> bool:
    return not quota.at("spec.hard").absent and all(quota.at(f"spec.{scope}").absent for scope in _SCOPES)
