"""What is missing without that anything fails: workloads, Secrets, zones, the end of records, limits of requests."""

from collections.abc import Iterable
from typing import Any

import pytest

from policy_pack.controls.audit.trail import selectors_are_complete
from policy_pack.controls.data.disposal import records_end
from policy_pack.controls.network.entry_points import requests_at_once_are_limited
from policy_pack.controls.network.security_groups import rules_are_not_there_twice
from policy_pack.controls.network.zone_placement import every_zone_has_one
from policy_pack.controls.workloads.missing import accounts_have_pods, budgets_have_pods, sign_in_has_its_secret
from policy_pack.controls.workloads.nodes import nodes_keep_other_pods_away
from policy_pack.engine.exemptions import ExemptionMatcher
from policy_pack.engine.results import Result, Status
from policy_pack.settings import load
from policy_pack.stack.checks import Finding, FindingKind, StackContext
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import EKS
from policy_pack.stack.values import UNKNOWN

ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"


def made(type_: str, name: str, props: dict[str, Any], **more: Any) -> Resource:
    return Resource(f"urn:{type_}::{name}", type_, name, props, **more)


def within(*resources: Resource) -> StackContext:
    return StackContext(Graph(resources, "prod"), load())


def texts(findings: Iterable[Finding]) -> list[str]:
    return [finding.message for finding in findings]


# --- availability zones ------------------------------------------------------------------------------
def subnets(*, ids: bool = True) -> list[Resource]:
    return [
        made(
            "aws:ec2/subnet:Subnet",
            f"nodes-{zone}",
            {"vpcId": "vpc", "availabilityZone": f"us-east-1{zone}", **({"id": f"subnet-{zone}"} if ids else {})},
        )
        for zone in "abc"
    ]


def test_what_has_a_subnet_in_each_zone_passes() -> None:
    endpoint = made(ENDPOINT, "kms", {"subnetIds": ["subnet-a", "subnet-b", "subnet-c"]})
    assert list(every_zone_has_one(endpoint, within(*subnets(), endpoint))) == []


def test_a_zone_less_is_refused_by_name() -> None:
    endpoint = made(ENDPOINT, "kms", {"subnetIds": ["subnet-a", "subnet-b"]})
    [text] = texts(every_zone_has_one(endpoint, within(*subnets(), endpoint)))
    assert text == "has no subnet in us-east-1c, where its network has some"


@pytest.mark.parametrize("value", ["subnet-a", UNKNOWN], ids=["known", "not known yet"])
def test_where_no_id_is_told_the_urns_count(value: Any) -> None:
    own = subnets(ids=False)
    depends = {"vpcConfig": tuple(one.urn for one in own[:2])}
    cluster = made(EKS, "eks", {"vpcConfig": {"subnetIds": [value]}}, depends=depends)
    assert texts(every_zone_has_one(cluster, within(*own, cluster))) == [
        "has no subnet in us-east-1c, where its network has some"
    ]


def test_subnets_that_are_not_known_are_judged_later() -> None:
    endpoint = made(ENDPOINT, "kms", {"subnetIds": UNKNOWN})
    [finding] = every_zone_has_one(endpoint, within(*subnets(), endpoint))
    assert finding.kind is FindingKind.UNKNOWN


# --- workloads ---------------------------------------------------------------------------------------
def named(kind: str, name: str, space: str, **props: Any) -> Resource:
    return made(f"kubernetes:{kind}", name, {"metadata": {"name": name, "namespace": space}, **props})


ACCOUNT = named("core/v1:ServiceAccount", "audit-anchor", "north-data")
LABELS = {"app.kubernetes.io/name": "audit-anchor"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"serviceAccountName": "audit-anchor", "containers": []}}
ANCHOR = named("apps/v1:Deployment", "anchor", "north-data", spec={"template": TEMPLATE})
BUDGET = named("policy/v1:PodDisruptionBudget", "anchor", "north-data", spec={"selector": {"matchLabels": LABELS}})


def test_an_account_and_a_budget_need_pods() -> None:
    for check, subject in ((accounts_have_pods, ACCOUNT), (budgets_have_pods, BUDGET)):
        assert list(check(subject, within(subject, ANCHOR))) == []
        assert len(texts(check(subject, within(subject)))) == 1


def test_pods_of_another_hospital_are_none_of_its() -> None:
    other = named("apps/v1:Deployment", "anchor", "south-data", spec={"template": TEMPLATE})
    assert len(list(accounts_have_pods(ACCOUNT, within(ACCOUNT, other)))) == 1


def test_nobody_runs_pods_as_a_person() -> None:
    person = named("core/v1:ServiceAccount", "analyst", "north-data")
    assert list(accounts_have_pods(person, within(person))) == []


def test_a_sign_in_needs_its_secret() -> None:
    oidc = {"clientSecret": {"name": "client"}}
    policy = named("gateway.envoyproxy.io/v1alpha1:SecurityPolicy", "list", "north-platform", spec={"oidc": oidc})
    secret = named("core/v1:Secret", "client", "north-platform")
    elsewhere = named("core/v1:Secret", "client", "south-platform")
    assert list(sign_in_has_its_secret(policy, within(policy, secret))) == []
    assert len(list(sign_in_has_its_secret(policy, within(policy, elsewhere)))) == 1


def test_a_route_with_pods_needs_a_limit_of_requests_at_once() -> None:
    target = {"kind": "HTTPRoute", "name": "scores"}
    policy = named("gateway.envoyproxy.io/v1alpha1:BackendTrafficPolicy", "scores", "x", spec={"targetRefs": [target]})
    for backends, count in (([{"name": "planner"}], 1), ([], 0)):
        rules = {"rules": [{"backendRefs": backends}]}
        route = named("gateway.networking.k8s.io/v1:HTTPRoute", "scores", "x", spec=rules)
        assert len(list(requests_at_once_are_limited(policy, within(policy, route)))) == count


# --- AWS ---------------------------------------------------------------------------------------------
def test_a_rule_that_a_group_has_already_is_refused() -> None:
    content = {"securityGroupId": "sg", "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": "10.1.0.0/24"}
    first, second = (made(EGRESS, name, {**content, "description": name}) for name in ("north", "south"))
    other = made(EGRESS, "other", {**content, "cidrIpv4": "10.2.0.0/24"})
    [text] = texts(rules_are_not_there_twice(first, within(first, second, other)))
    assert "is the same as south" in text
    assert list(rules_are_not_there_twice(other, within(first, second, other))) == []


def test_a_taint_that_nothing_tolerates_is_refused() -> None:
    key = "healthcare-mlops/node-class"
    own = {"key": key, "value": "serving", "effect": "NO_SCHEDULE"}
    for taints, count in (([own], 0), ([own, {"key": "x", "effect": "NO_SCHEDULE"}], 1)):
        nodes = made("aws:eks/nodeGroup:NodeGroup", "nodes", {"labels": {key: "serving"}, "taints": taints})
        assert len(list(nodes_keep_other_pods_away(nodes, within(nodes)))) == count


@pytest.mark.parametrize(
    ("current", "replaced", "count"), [(2555, 2555, 0), (None, 2555, 1), (2555, None, 1), (4000, 4000, 2)]
)
def test_records_end_after_ten_years_at_most(current: int | None, replaced: int | None, count: int) -> None:
    rule = {
        "status": "Enabled",
        "expiration": {"days": current},
        "noncurrentVersionExpiration": {"noncurrentDays": replaced},
    }
    bucket = made("aws:s3/bucket:Bucket", "north-audit", {"bucket": "audit"})
    lifecycle = made(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "north-audit",
        {"bucket": "audit", "rules": [rule]},
    )
    assert len(list(records_end(lifecycle, within(bucket, lifecycle)))) == count


def test_a_selector_has_operators_of_cloudtrail() -> None:
    fields = [{"field": "eventCategory", "equals": ["Data"]}, {"field": "resources.ARN", "startsWith": ["arn:"]}]
    trail = made("aws:cloudtrail/trail:Trail", "watch", {"advancedEventSelectors": [{"fieldSelectors": fields}]})
    assert texts(selectors_are_complete(trail)) == [
        "has a selector with startsWith, which is no operator of CloudTrail"
    ]


def test_an_exemption_of_one_finding_is_of_no_other() -> None:
    plan = made("aws:backup/plan:Plan", "backup", {})
    matcher = ExemptionMatcher(load(), Graph([plan], "dev"), ("BCP-01",))

    def status(message: str) -> Status:
        result = Result("BCP-01", plan.urn, "backup", message, "", Status.REFUSED, whole_stack=True, kind=plan.kind)
        return matcher.apply(result).status

    assert status("has no copy action to another region") is Status.EXEMPT
    assert status("does not run daily") is Status.REFUSED
