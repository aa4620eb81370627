"""Load balancers of AWS as entry points, with the protections of their listeners."""

from collections.abc import Iterator
from functools import partial

from policy_pack.facts.exposure.entry_points import PLACE, EntryPoint
from policy_pack.facts.exposure.table import AllowedEntryPoint, Protection, Reach
from policy_pack.stack.checks import StackContext
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import LISTENERS, LOAD_BALANCERS
from policy_pack.stack.values import View

LISTENER_RULES = ("aws:lb/listenerRule:ListenerRule", "aws:alb/listenerRule:ListenerRule")
_ARN_KEYS = ("arn", "id")
TLS_POLICIES = r"ELBSecurityPolicy-(TLS13-1-[23]|FS-1-2|TLS-1-2).*"


def load_balancers(load_balancer: Resource, context: StackContext) -> Iterator[EntryPoint]:
    """Return a load balancer, which is public unless it is internal."""
    internal = load_balancer.at("internal").value is True
    reach, why = (Reach.VPC, "") if internal else (Reach.INTERNET, "internal is not true")
    label, gaps = f"load balancer {load_balancer.name}", partial(_gaps, load_balancer, context)
    yield EntryPoint("load-balancer", load_balancer, label, reach, why, "", "internal", gaps=gaps)


def listeners_elsewhere(listener: Resource, context: StackContext) -> Iterator[EntryPoint]:
    """Return a listener of a load balancer that is not in the stack, which can be public."""
    reference = listener.at("loadBalancerArn")
    if context.graph.target(listener, "loadBalancerArn", LOAD_BALANCERS, _ARN_KEYS) is None:
        # An unknown reference is read here, and checked at the update.
        why = f"its load balancer {reference.text()} is not in this stack"
        yield EntryPoint(
            "load-balancer", listener, f"listener {listener.name}", Reach.INTERNET, why, "", reference.path
        )


def listeners_of(load_balancer: Resource, context: StackContext) -> list[Resource]:
    """Return the listeners of a load balancer; raises `NotKnownError` where a reference is not known yet."""
    kinds = [kind for kind in LOAD_BALANCERS if kind != load_balancer.kind]
    return [
        listener
        for kind in LISTENERS
        for listener in context.attached(load_balancer, kind, "loadBalancerArn", _ARN_KEYS, *kinds)
    ]


def _gaps(
    load_balancer: Resource, context: StackContext, protection: Protection, _: AllowedEntryPoint
) -> Iterator[str]:
    if protection is Protection.TLS:
        # Control TX-01 evaluates each listener, whether its load balancer is in the stack or not.
        return
    if protection is not Protection.MUTUAL_TLS:
        yield f"{protection} is not computed for load balancers"
        return
    for listener in listeners_of(load_balancer, context):
        if only_redirects(listener):
            continue
        verification = listener.at("mutualAuthentication")
        if verification.at("mode").text() != "verify" or verification.at("trustStoreArn").absent:
            yield f"client certificates are not verified (mutualAuthentication){PLACE}listener {listener.name}"
        elif verification.at("ignoreClientCertificateExpiry").value is True:
            yield f"expired client certificates are accepted (mutualAuthentication){PLACE}listener {listener.name}"


def only_redirects(listener: Resource) -> bool:
    """Return whether the default action of a listener of plain HTTP is a redirect to HTTPS."""
    actions = listener.at("defaultActions").items()
    return listener.at("protocol").text() == "HTTP" and bool(actions) and all(map(redirects_to_https, actions))


def redirects_to_https(action: View) -> bool:
    """Return whether an action is a redirect to HTTPS."""
    return action.at("type").text() == "redirect" and action.at("redirect.protocol").text() == "HTTPS"
