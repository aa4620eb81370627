"""Volumes of a pod and where its containers mount them: tokens, the CA, scratch space."""

from pulumi_kubernetes.core import v1 as core

from infra.blocks.role_policies import TOKEN_AUDIENCE
from infra.cluster.cluster import CA_CONFIG_MAP, CA_FOLDER, CA_KEY, Cluster
from workloads.blocks.database_authorities import authorities_mounts, authorities_volumes
from workloads.blocks.pod_identity import PodIdentity

TOKEN_SECONDS = 3600
AWS_TOKEN_VOLUME = "aws-token"
VAULT_TOKEN_VOLUME = "vault-token"
CA_VOLUME = "platform-ca"
TMP_VOLUME = "tmp"
TMP_FOLDER = "/tmp"
AWS_FOLDER = "/var/run/secrets/aws"
_VAULT_FOLDER = "/var/run/secrets/vault"


def volumes(cluster: Cluster, identity: PodIdentity, tmp_size: str) -> list[core.VolumeArgs]:
    """Return a pod's volumes: ``/tmp``, and a projected token for each audience that it uses."""
    tmp = core.EmptyDirVolumeSourceArgs(size_limit=tmp_size)
    pod_volumes = [core.VolumeArgs(name=TMP_VOLUME, empty_dir=tmp)]
    if identity.role_arn is not None:
        pod_volumes.append(_token_volume(AWS_TOKEN_VOLUME, TOKEN_AUDIENCE))
    if identity.vault_role:
        pod_volumes.append(_token_volume(VAULT_TOKEN_VOLUME, None))
    if cluster.private_ca:
        items = [core.KeyToPathArgs(key=CA_KEY, path=CA_KEY)]
        root_ca = core.ConfigMapVolumeSourceArgs(name=CA_CONFIG_MAP, items=items)
        pod_volumes.append(core.VolumeArgs(name=CA_VOLUME, config_map=root_ca))
    return [*pod_volumes, *authorities_volumes(identity.database)]


def volume_mounts(cluster: Cluster, identity: PodIdentity) -> list[core.VolumeMountArgs]:
    """Return the volume mounts of a container."""
    mounts = [core.VolumeMountArgs(name=TMP_VOLUME, mount_path=TMP_FOLDER)]
    if identity.role_arn is not None:
        mounts.append(_aws_token_mount())
    mounts += _ca_mounts(cluster)
    if identity.vault_role:
        mounts.append(core.VolumeMountArgs(name=VAULT_TOKEN_VOLUME, mount_path=_VAULT_FOLDER, read_only=True))
    return [*mounts, *authorities_mounts(identity.database)]


def aws_volume_mounts(cluster: Cluster) -> list[core.VolumeMountArgs]:
    """Return the mounts of the token for AWS and, with a private CA, of its certificate."""
    return [_aws_token_mount(), *_ca_mounts(cluster)]


def _aws_token_mount() -> core.VolumeMountArgs:
    return core.VolumeMountArgs(name=AWS_TOKEN_VOLUME, mount_path=AWS_FOLDER, read_only=True)


def _ca_mounts(cluster: Cluster) -> list[core.VolumeMountArgs]:
    mount = core.VolumeMountArgs(name=CA_VOLUME, mount_path=CA_FOLDER, read_only=True)
    return [mount] if cluster.private_ca else []


def _token_volume(name: str, audience: str | None) -> core.VolumeArgs:
    token = core.ServiceAccountTokenProjectionArgs(path="token", audience=audience, expiration_seconds=TOKEN_SECONDS)
    source = core.VolumeProjectionArgs(service_account_token=token)
    return core.VolumeArgs(name=name, projected=core.ProjectedVolumeSourceArgs(sources=[source]))
