"""Pod and container specs of all workloads, compliant with the Pod Security Standard "restricted"."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_kubernetes.core import v1 as core

from infra.cluster.cluster import PLATFORM_CA_FILE, Cluster
from infra.databases.databases import DatabaseServer
from infra.settings import Resources, Settings
from workloads.blocks.drain import drain
from workloads.blocks.pod_identity import PodIdentity
from workloads.blocks.pod_volumes import AWS_FOLDER, volume_mounts, volumes
from workloads.blocks.spread import spread_constraint

USER_ID = 65532
DEFAULT_TMP_SIZE = "256Mi"


@dataclass(frozen=True)
class CommandProbes:
    """Port of a mutual TLS server, if there is one, and the commands of the liveness and the readiness probe.

    The kubelet has no client certificate, so a command in the container asks with the pod's own.
    """

    port: int | None
    liveness: Sequence[str]
    readiness: Sequence[str]


@dataclass(frozen=True)
class Container:
    """A container.

    Parameters
    ----------
    name, image, resources
        As in the pod spec; the image by digest.
    args
        Arguments of the image's entry point.
    env
        Environment variables besides those of all containers.
    probes
        Probes of a container that runs all the time.
    """

    name: str
    image: str
    resources: Resources
    args: Sequence[pulumi.Input[str]] = ()
    env: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    probes: CommandProbes | None = None


@dataclass(frozen=True)
class Pod:
    """A pod of a Job or of a service.

    Parameters
    ----------
    identity
        Identity and placement.
    main
        The main container.
    init_containers
        Containers that run before it, in order.
    tmp_size
        Size limit of ``/tmp``, the only writable directory, which the containers share.
    grace_seconds
        Of a service, the time to complete requests when it is stopped; None for a Job.
    """

    identity: PodIdentity
    main: Container
    init_containers: Sequence[Container] = ()
    tmp_size: str = DEFAULT_TMP_SIZE
    grace_seconds: int | None = None


def pod_spec(cluster: Cluster, settings: Settings, pod: Pod) -> core.PodSpecArgs:
    """Return the pod spec of a Job or of a service."""
    env = environment(cluster, settings, pod.identity)
    mounts = volume_mounts(cluster, pod.identity)
    placement = pod.identity.placement
    is_service = pod.grace_seconds is not None
    return core.PodSpecArgs(
        service_account_name=pod.identity.service_account,
        automount_service_account_token=False,
        enable_service_links=False,
        restart_policy="Always" if is_service else "Never",
        termination_grace_period_seconds=pod.grace_seconds,
        priority_class_name=pod.identity.priority_class,
        node_selector=placement.node_selector or None,
        tolerations=[_toleration(toleration) for toleration in placement.tolerations] or None,
        topology_spread_constraints=[spread_constraint(cluster, pod.identity.labels)] if is_service else None,
        security_context=pod_security_context(),
        init_containers=[container_spec(container, env, mounts) for container in pod.init_containers] or None,
        containers=[container_spec(pod.main, env, mounts)],
        volumes=volumes(cluster, pod.identity, pod.tmp_size),
    )


def _toleration(toleration: Mapping[str, str]) -> core.TolerationArgs:
    return core.TolerationArgs(
        key=toleration["key"],
        operator=toleration["operator"],
        value=toleration["value"],
        effect=toleration["effect"],
    )


def pod_security_context() -> core.PodSecurityContextArgs:
    """Return the security context of a pod."""
    return core.PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=USER_ID,
        run_as_group=USER_ID,
        fs_group=USER_ID,
        seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
    )


def container_security_context() -> core.SecurityContextArgs:
    """Return the security context of a container: no root, no capabilities, read-only root filesystem."""
    return core.SecurityContextArgs(
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        run_as_non_root=True,
        run_as_user=USER_ID,
        run_as_group=USER_ID,
        capabilities=core.CapabilitiesArgs(drop=["ALL"]),
        seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
    )


def container_spec(
    container: Container, env: Sequence[core.EnvVarArgs] = (), mounts: Sequence[core.VolumeMountArgs] = ()
) -> core.ContainerArgs:
    """Return the spec of a container."""
    own_env = [core.EnvVarArgs(name=name, value=value) for name, value in container.env.items()]
    probes = container.probes
    return core.ContainerArgs(
        name=container.name,
        image=container.image,
        # Images are pinned by digest, so a cached image is the same.
        image_pull_policy="IfNotPresent",
        args=list(container.args) or None,
        env=[*env, *own_env] or None,
        resources=resource_requirements(container.resources),
        security_context=container_security_context(),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=list(mounts) or None,
        ports=[_port(probes.port)] if probes and probes.port else None,
        startup_probe=_probe(probes.readiness, period=2, failures=60) if probes else None,
        readiness_probe=_probe(probes.readiness, period=5, failures=3) if probes else None,
        # A machine under load lets a command wait; to restart the container then would lose requests and help nobody.
        liveness_probe=_probe(probes.liveness, period=10, failures=6, timeout=20) if probes else None,
        lifecycle=drain() if probes and probes.port else None,
    )


def resource_requirements(resources: Resources) -> core.ResourceRequirementsArgs:
    """Return the resource requirements of a container."""
    return core.ResourceRequirementsArgs(requests=resources.requests.quantities, limits=resources.limits.quantities)


def environment(cluster: Cluster, settings: Settings, identity: PodIdentity) -> list[core.EnvVarArgs]:
    """Return the environment variables with which clients of AWS, Vault and the database connect and log in."""
    values: dict[str, pulumi.Input[str]] = {}
    if identity.role_arn is not None:
        values |= {**aws_environment(cluster, settings.region), "AWS_ROLE_ARN": identity.role_arn}
    if identity.vault_role:
        values |= {"VAULT_ADDR": cluster.vault.url, "VAULT_ROLE": identity.vault_role}
        if settings.vault.namespace:
            values["VAULT_NAMESPACE"] = settings.vault.namespace
        if cluster.private_ca:
            values["VAULT_CACERT"] = PLATFORM_CA_FILE
    if identity.database:
        values |= _database_environment(identity.database)
    return [core.EnvVarArgs(name=name, value=value) for name, value in values.items()]


def _database_environment(server: DatabaseServer) -> dict[str, pulumi.Input[str]]:
    return {"DATABASE_HOST": server.host, "DATABASE_PORT": str(server.port), "DATABASE_CA": server.ca_file}


def aws_environment(cluster: Cluster, region: str) -> dict[str, pulumi.Input[str]]:
    """Return the environment variables of AWS clients, without the role."""
    values: dict[str, pulumi.Input[str]] = {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_WEB_IDENTITY_TOKEN_FILE": f"{AWS_FOLDER}/token",
    }
    if cluster.aws_url:
        values["AWS_ENDPOINT_URL"] = cluster.aws_url
    if cluster.private_ca:
        values["AWS_CA_BUNDLE"] = PLATFORM_CA_FILE
    return values


def _port(number: int) -> core.ContainerPortArgs:
    return core.ContainerPortArgs(container_port=number, name="https", protocol="TCP")


def _probe(command: Sequence[str], *, period: int, failures: int, timeout: int = 10) -> core.ProbeArgs:
    # A command starts an interpreter, so it is asked less often and has more time.
    return core.ProbeArgs(
        exec_=core.ExecActionArgs(command=list(command)),
        period_seconds=2 * period,
        failure_threshold=failures,
        timeout_seconds=timeout,
    )
