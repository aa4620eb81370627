"""Single machines and groups of them: who they are, how people reach them, and that a broken one is replaced."""

from policy_pack.controls.rules import on, on_join
from policy_pack.stack.checks import About, Findings, expect, fault, given, later, matches
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import BALANCERS, ID_KEYS, INSTANCE, ROLE, ROLE_KEYS

_PROFILE = "aws:iam/instanceProfile:InstanceProfile"
_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
_SESSIONS = "AmazonSSMManagedInstanceCore"


@on("AC-13", INSTANCE)
def machines_have_roles(machine: Resource) -> Findings:
    """Ask for a role, as a machine without one is given keys by hand."""
    yield from expect(machine.at("iamInstanceProfile"), given, "has no role of its own (iamInstanceProfile)")


@on_join("CM-03", INSTANCE)
def machines_are_reached_through_sessions(machine: Resource, about: About) -> Findings:
    """Ask that a machine's role lets Systems Manager manage it, as SSH is refused."""
    named = machine.at("iamInstanceProfile")
    if named.absent:
        return
    profile = about.graph.target(machine, "iamInstanceProfile", (_PROFILE,), ID_KEYS)
    role = about.graph.target(profile, "role", (ROLE,), ROLE_KEYS) if profile else None
    if profile and role is None and not profile.at("role").known:
        yield later("role", profile)
        return
    held = about.attached(role, _ATTACHMENT, "role", ROLE_KEYS) if role else []
    if not any(attachment.at("policyArn").text().endswith(f"/{_SESSIONS}") for attachment in held):
        yield fault(f"Systems Manager does not manage it ({_SESSIONS} on its role)", named.path)


@on("BCP-04", "aws:autoscaling/group:Group")
def groups_replace_what_does_not_answer(group: Resource) -> Findings:
    """Ask a group behind a balancer for the balancer's own health check, as a machine may run and not answer."""
    behind = any(not group.at(field).absent for field in ("targetGroupArns", "loadBalancers", "trafficSources"))
    if behind:
        yield from expect(group.at("healthCheckType"), matches("ELB.*"), "keeps machines that do not answer")


@on("BCP-04", *BALANCERS)
def balancers_reach_every_zone(balancer: Resource) -> Findings:
    """Ask of a network balancer what an application balancer always does: to reach targets of other zones."""
    if balancer.at("loadBalancerType").text() == "network":
        crosses = balancer.at("enableCrossZoneLoadBalancing")
        yield from expect(crosses, lambda value: value in (True, "true"), "reaches targets of its own zone alone")
