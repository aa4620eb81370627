"""EC2 instances, Auto Scaling groups and load balancers: instance profiles, Session Manager and health checks."""

from policy_pack.controls.rules import join_check, resource_check
from policy_pack.stack.checks import Findings, StackContext, expect, is_set, matches, not_yet_known, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import EC2_INSTANCE, ID_KEYS, LOAD_BALANCERS, ROLE, ROLE_KEYS

_PROFILE = "aws:iam/instanceProfile:InstanceProfile"
_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
_SSM_POLICY = "AmazonSSMManagedInstanceCore"


@resource_check("AC-13", EC2_INSTANCE)
def instances_have_profiles(instance: Resource) -> Findings:
    """Require an instance profile, so that no credentials are stored on the instance."""
    yield from expect(instance.at("iamInstanceProfile"), is_set, "has no instance profile (iamInstanceProfile)")


@join_check("CM-03", EC2_INSTANCE)
def instances_are_managed_by_ssm(instance: Resource, context: StackContext) -> Findings:
    """Require that Systems Manager manages an instance, as SSH is refused."""
    profile_reference = instance.at("iamInstanceProfile")
    if profile_reference.absent:
        return
    profile = context.graph.target(instance, "iamInstanceProfile", (_PROFILE,), ID_KEYS)
    role = context.graph.target(profile, "role", (ROLE,), ROLE_KEYS) if profile else None
    if profile and role is None and not profile.at("role").known:
        yield not_yet_known("role", profile)
        return
    attachments = context.attached(role, _ATTACHMENT, "role", ROLE_KEYS) if role else []
    if not any(attachment.at("policyArn").text().endswith(f"/{_SSM_POLICY}") for attachment in attachments):
        yield violation(f"is not managed by Systems Manager ({_SSM_POLICY} on its role)", profile_reference.path)


@resource_check("BCP-04", "aws:autoscaling/group:Group")
def groups_use_elb_health_checks(group: Resource) -> Findings:
    """Require the ELB health check for groups behind a load balancer, as an instance may run and not answer."""
    has_load_balancer = any(
        not group.at(field).absent for field in ("targetGroupArns", "loadBalancers", "trafficSources")
    )
    if has_load_balancer:
        yield from expect(group.at("healthCheckType"), matches("ELB.*"), "does not use the ELB health check")


@resource_check("BCP-04", *LOAD_BALANCERS)
def load_balancers_are_cross_zone(load_balancer: Resource) -> Findings:
    """Require cross-zone load balancing of network load balancers; application load balancers always have it."""
    if load_balancer.at("loadBalancerType").text() == "network":
        cross_zone = load_balancer.at("enableCrossZoneLoadBalancing")
        yield from expect(cross_zone, lambda value: value in (True, "true"), "has no cross-zone load balancing")
