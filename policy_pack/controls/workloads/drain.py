"""Replacement of servers' pods: a new pod is ready first, and an old one drains before it stops."""

from policy_pack.controls.rules import resource_check
from policy_pack.stack.checks import Findings, expect, guarded, is_set, one_of
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import ENVOY_PROXY, INFERENCE_SERVICE, SERVING_RUNTIMES
from policy_pack.stack.pods import Container, Pod, pods
from policy_pack.stack.values import View

_DEPLOYMENT, _STATEFUL_SET = "k8s:apps/Deployment", "k8s:apps/StatefulSet"
# A StatefulSet has no rolling update that begins with a new pod; its PodDisruptionBudget and replicas are checked.
_STRATEGIES = {
    _DEPLOYMENT: "spec.strategy",
    INFERENCE_SERVICE: "spec.predictor.deploymentStrategy",
    ENVOY_PROXY: "spec.provider.kubernetes.envoyDeployment.strategy",
}
_NONE = (0, "0", "0%")
# Kubernetes' own, where a pod sets none.
_GRACE_SECONDS = 30


@resource_check("BCP-04", _DEPLOYMENT, _STATEFUL_SET, *SERVING_RUNTIMES)
def servers_drain(resource: Resource) -> Findings:
    """Require that a container with a port goes on for a while when its pod ends, until Services know it."""
    for pod in pods(resource):
        for container in pod.own_containers:
            if _answers(container):
                yield from guarded(_drains(pod, container.view), container.view.path)


def _answers(container: Container) -> bool:
    """Return whether a container has a port, or may have one."""
    ports = container.view.at("ports")
    return container.main and (not ports.known or bool(ports.raw))


def _drains(pod: Pod, container: View) -> Findings:
    hook = container.at("lifecycle.preStop")
    yield from expect(
        hook, is_set, "answers on a port and has no preStop hook, so requests are lost when its pod is replaced"
    )
    pause = hook.at("sleep.seconds")
    yield from expect(pause, lambda seconds: seconds is None or seconds > 0, "its preStop hook does not wait")
    if pod.whole and pause.value:
        grace = pod.spec.at("terminationGracePeriodSeconds")
        yield from expect(
            grace,
            lambda seconds: (_GRACE_SECONDS if seconds is None else seconds) > pause.value,
            "its preStop hook takes all of terminationGracePeriodSeconds, so its server is killed",
        )


@resource_check("BCP-04", *_STRATEGIES)
def new_pods_are_ready_before_old_ones_end(resource: Resource) -> Findings:
    """Require it of servers, also where the number of pods is one."""
    own = [container for pod in pods(resource) for container in pod.own_containers]
    if resource.kind == _DEPLOYMENT and not any(_answers(container) for container in own):
        return
    strategy = resource.at(_STRATEGIES[resource.kind])
    yield from expect(
        strategy.at("type"), one_of(None, "RollingUpdate"), "ends all of its pods before it starts new ones"
    )
    yield from expect(
        strategy.at("rollingUpdate.maxUnavailable"),
        lambda most: most in _NONE,
        "ends a pod before another one is ready; set maxUnavailable to 0",
    )
