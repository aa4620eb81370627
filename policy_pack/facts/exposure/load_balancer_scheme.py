"""Whether the load balancer of a Service is internal, by the rules of the AWS cloud provider and its controller."""

from collections.abc import Mapping

from policy_pack.facts.exposure.table import Reach

_PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
_INTERNAL, _SCHEME, _TYPE = f"{_PREFIX}internal", f"{_PREFIX}scheme", f"{_PREFIX}type"
# Load balancers of the AWS Load Balancer Controller, which alone reads the annotation for the scheme.
_CONTROLLER_TYPES = ("external", "nlb-ip")
_CONTROLLER_CLASS = "service.k8s.aws/nlb"


def scheme(annotations: Mapping[str, str], load_balancer_class: str = "") -> tuple[Reach, str]:
    """Return where clients of a Service of type LoadBalancer can be, and the reason.

    A load balancer of the cloud provider is public without the annotation ``internal``. The controller reads the
    annotation for the scheme as well, which takes precedence.
    """
    chosen, internal = annotations.get(_SCHEME), annotations.get(_INTERNAL)
    by_controller = annotations.get(_TYPE) in _CONTROLLER_TYPES or load_balancer_class == _CONTROLLER_CLASS
    if load_balancer_class not in ("", _CONTROLLER_CLASS):
        return Reach.INTERNET, f"the load balancer class {load_balancer_class} is not evaluated"
    if chosen not in (None, "internal"):
        return Reach.INTERNET, f"the annotation {_SCHEME} is {chosen}"
    if internal == "true" or (chosen == "internal" and by_controller and internal is None):
        return Reach.VPC, ""
    return Reach.INTERNET, f"its load balancer is public without the annotation {_INTERNAL}"
