"""The one hardened pod: every container of every workload comes from here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_kubernetes.core import v1 as core

from infra.blocks import workload_roles
from infra.cluster.cluster import CA_CONFIG_MAP, CA_KEY, Cluster
from infra.cluster.node_classes import Placement
from infra.settings.values import Resources, Settings

USER = 65532
TOKEN_SECONDS = 3600
AWS_TOKEN = "aws-token"
VAULT_TOKEN = "vault-token"
CA = "platform-ca"
TMP = "tmp"
TMP_FOLDER = "/tmp"
_CA_FOLDER = "/var/run/secrets/ca"
_AWS_FOLDER = "/var/run/secrets/aws"
_VAULT_FOLDER = "/var/run/secrets/vault"


@dataclass(frozen=True)
class Account:
    """Who a pod is: its ServiceAccount, its role in AWS and, where it has one, in Vault; and which nodes are for it."""

    workload: str
    namespace: pulumi.Output[str]
    service_account: pulumi.Output[str]
    role_arn: pulumi.Output[str]
    vault_role: str | None
    labels: Mapping[str, str]
    placement: Placement


@dataclass(frozen=True)
class Server:
    """Where a server answers, and what it answers when it is alive and when it is ready."""

    port: int
    live: str
    ready: str


@dataclass(frozen=True)
class Program:
    """One container.

    Parameters
    ----------
    name, image, resources
        As in the pod; the image by digest.
    args
        Arguments to the image's own entry point.
    env
        Settings that only this program needs.
    server
        Given for a program that answers requests; then the pod is probed.
    """

    name: str
    image: str
    resources: Resources
    args: Sequence[pulumi.Input[str]] = ()
    env: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    server: Server | None = None


@dataclass(frozen=True)
class Pod:
    """What runs together: programs one after the other, and then one.

    Parameters
    ----------
    account
        Who the pod is.
    main
        The program that the pod is for.
    before
        Programs that run first, each to its end.
    scratch
        Size of ``/tmp``, the one place that programs can write to, and which they share.
    """

    account: Account
    main: Program
    before: Sequence[Program] = ()
    scratch: str = "256Mi"


def pod_spec(cluster: Cluster, settings: Settings, pod: Pod) -> core.PodSpecArgs:
    """Return the pod of a job."""
    env = environment(cluster, settings, pod.account)
    mounts = volume_mounts(cluster, pod.account)
    return core.PodSpecArgs(
        service_account_name=pod.account.service_account,
        automount_service_account_token=False,
        enable_service_links=False,
        restart_policy="Never",
        node_selector=pod.account.placement.node_selector or None,
        tolerations=[_toleration(each) for each in pod.account.placement.tolerations] or None,
        security_context=pod_security(),
        init_containers=[container(program, env, mounts) for program in pod.before] or None,
        containers=[container(pod.main, env, mounts)],
        volumes=volumes(cluster, pod.account, pod.scratch),
    )


def _toleration(known: Mapping[str, str]) -> core.TolerationArgs:
    return core.TolerationArgs(
        key=known["key"], operator=known["operator"], value=known["value"], effect=known["effect"]
    )


def pod_security() -> core.PodSecurityContextArgs:
    """Return what holds for every container of a pod."""
    return core.PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=USER,
        run_as_group=USER,
        fs_group=USER,
        seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
    )


def container_security() -> core.SecurityContextArgs:
    """Return what a container may do: compute, and write where a volume is mounted."""
    return core.SecurityContextArgs(
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        run_as_non_root=True,
        run_as_user=USER,
        run_as_group=USER,
        capabilities=core.CapabilitiesArgs(drop=["ALL"]),
        seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
    )


def container(
    program: Program, env: Sequence[core.EnvVarArgs] = (), mounts: Sequence[core.VolumeMountArgs] = ()
) -> core.ContainerArgs:
    """Return a hardened container."""
    own = [core.EnvVarArgs(name=name, value=value) for name, value in program.env.items()]
    server = program.server
    return core.ContainerArgs(
        name=program.name,
        image=program.image,
        # A digest names one content, so what the node has is what is meant.
        image_pull_policy="IfNotPresent",
        args=list(program.args) or None,
        env=[*env, *own] or None,
        resources=resource_requirements(program.resources),
        security_context=container_security(),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=list(mounts) or None,
        ports=[core.ContainerPortArgs(container_port=server.port, name="http1", protocol="TCP")] if server else None,
        startup_probe=_probe(server.ready, server.port, period=2, failures=60) if server else None,
        readiness_probe=_probe(server.ready, server.port, period=5, failures=3) if server else None,
        liveness_probe=_probe(server.live, server.port, period=10, failures=3) if server else None,
    )


def resource_requirements(resources: Resources) -> core.ResourceRequirementsArgs:
    """Return requests and limits."""
    return core.ResourceRequirementsArgs(requests=resources.requests.quantities, limits=resources.limits.quantities)


def environment(cluster: Cluster, settings: Settings, account: Account) -> list[core.EnvVarArgs]:
    """Return how a pod finds AWS and Vault, and proves there who it is."""
    values: dict[str, pulumi.Input[str]] = {
        **aws_environment(cluster, settings.region),
        "AWS_ROLE_ARN": account.role_arn,
    }
    if account.vault_role:
        values |= {"VAULT_ADDR": cluster.vault.url, "VAULT_ROLE": account.vault_role}
        if settings.vault.namespace:
            values["VAULT_NAMESPACE"] = settings.vault.namespace
        if cluster.private_ca:
            values["VAULT_CACERT"] = f"{_CA_FOLDER}/{CA_KEY}"
    return [core.EnvVarArgs(name=name, value=value) for name, value in values.items()]


def aws_environment(cluster: Cluster, region: str) -> dict[str, pulumi.Input[str]]:
    """Return what every pod needs to call AWS, save its role."""
    values: dict[str, pulumi.Input[str]] = {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_WEB_IDENTITY_TOKEN_FILE": f"{_AWS_FOLDER}/token",
    }
    if cluster.aws_url:
        values["AWS_ENDPOINT_URL"] = cluster.aws_url
    if cluster.private_ca:
        values["AWS_CA_BUNDLE"] = f"{_CA_FOLDER}/{CA_KEY}"
    return values


def volumes(cluster: Cluster, account: Account, scratch: str) -> list[core.VolumeArgs]:
    """Return a pod's volumes: scratch space and the few credentials that it needs, each for one audience."""
    found = [
        core.VolumeArgs(name=TMP, empty_dir=core.EmptyDirVolumeSourceArgs(size_limit=scratch)),
        _token(AWS_TOKEN, workload_roles.TOKEN_AUDIENCE),
    ]
    if account.vault_role:
        found.append(_token(VAULT_TOKEN, None))
    if cluster.private_ca:
        items = [core.KeyToPathArgs(key=CA_KEY, path=CA_KEY)]
        published = core.ConfigMapVolumeSourceArgs(name=CA_CONFIG_MAP, items=items)
        found.append(core.VolumeArgs(name=CA, config_map=published))
    return found


def volume_mounts(cluster: Cluster, account: Account) -> list[core.VolumeMountArgs]:
    """Return where a container finds the pod's volumes."""
    found = [core.VolumeMountArgs(name=TMP, mount_path=TMP_FOLDER), *aws_mounts(cluster)]
    if account.vault_role:
        found.append(core.VolumeMountArgs(name=VAULT_TOKEN, mount_path=_VAULT_FOLDER, read_only=True))
    return found


def aws_mounts(cluster: Cluster) -> list[core.VolumeMountArgs]:
    """Return where a container finds its token for AWS and the authority of AWS's certificate."""
    found = [core.VolumeMountArgs(name=AWS_TOKEN, mount_path=_AWS_FOLDER, read_only=True)]
    if cluster.private_ca:
        found.append(core.VolumeMountArgs(name=CA, mount_path=_CA_FOLDER, read_only=True))
    return found


def _token(name: str, audience: str | None) -> core.VolumeArgs:
    token = core.ServiceAccountTokenProjectionArgs(path="token", audience=audience, expiration_seconds=TOKEN_SECONDS)
    source = core.VolumeProjectionArgs(service_account_token=token)
    return core.VolumeArgs(name=name, projected=core.ProjectedVolumeSourceArgs(sources=[source]))


def _probe(path: str, port: int, *, period: int, failures: int) -> core.ProbeArgs:
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path=path, port=port, scheme="HTTP"),
        period_seconds=period,
        failure_threshold=failures,
        timeout_seconds=2,
    )
