"""Replacement of the pods of a workload that answers: the new one is ready first, and the old one drains.

A pod that ends is taken from its Services and, at the same time, told to stop. It goes on for `DRAIN_SECONDS`, until
every caller knows. Then the server asks for `CLOSING_SECONDS` of ``services/transport/server.py`` that callers close
their connections, and completes for its `DRAIN_SECONDS` what is in progress; all three fit into `GRACE_SECONDS`.
"""

from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core

DRAIN_SECONDS = 8
GRACE_SECONDS = 40
# In the form of custom resources that have the strategy of a Deployment.
REPLACED_WHEN_READY = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def drain() -> core.LifecycleArgs:
    """Return the pause before a server is told to stop, in which Services learn that its pod ends."""
    return core.LifecycleArgs(pre_stop=core.LifecycleHandlerArgs(sleep=core.SleepActionArgs(seconds=DRAIN_SECONDS)))


def replaced_when_ready() -> apps.DeploymentStrategyArgs:
    """Return the strategy by which a new pod is ready before an old one ends."""
    rolling_update = apps.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0)
    return apps.DeploymentStrategyArgs(type="RollingUpdate", rolling_update=rolling_update)
