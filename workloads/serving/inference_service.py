"""InferenceServices of a hospital, one a release, with ServingRuntime and PodDisruptionBudget (inference protocol v2).

An InferenceService does not depend on which encounters its release answers, so that a promotion or a rollback is a
change of planning's environment and starts no model server (docs/decisions/releases-in-motion.md). Only that of a
shadow, which answers nobody, is in another pool; one that becomes a canary is replaced before it is asked.
"""

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget, PodDisruptionBudgetSpecArgs

from infra.cluster.node_classes import Placement
from infra.cluster.pools import STAGING, priority_class
from infra.settings import FIRST_MODEL, Amount, Hospital, Release, ReleaseRole, Resources, names
from workloads.blocks import deployment, pod, pod_volumes
from workloads.blocks.drain import GRACE_SECONDS, REPLACED_WHEN_READY
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.release_metadata import ReleaseMetadata, release_key
from workloads.blocks.spread import spread_constraint
from workloads.platform.platform import STORAGE_CONTAINER
from workloads.zones.workload_table import MODEL_SERVER, row

RUNTIME = FIRST_MODEL
# Name of the volume that KServe's storage initializer fills.
MODEL_VOLUME = "kserve-provision-location"
MODEL_FOLDER = "/mnt/models"
TARGET_CPU_PERCENT = 70
# Variable of a ServingRuntime, which KServe replaces with the name of the InferenceService.
_SERVICE_NAME = "{{.Name}}"
# Label of its pods, which KServe sets as well.
_RELEASE_LABEL = "serving.kserve.io/inferenceservice"
# Default of a ServingRuntime. InferenceServices set their own, so that a new size changes the InferenceService only.
RUNTIME_RESOURCES = Resources(requests=Amount.of(100, 256), limits=Amount.of(500, 512))


def model_name(version: str) -> str:
    """Return the name of a version of the model in the inference protocol."""
    return f"{FIRST_MODEL}-{version}"


def model_url(hospital: str, release: Release) -> str:
    """Return the URL of a release's model servers in the cluster."""
    return deployment.service_url(hospital, MODEL_SERVER, release.version)


def inference_services(context: HospitalContext, parent: pulumi.Resource) -> list[pulumi.Resource]:
    """Declare the ServingRuntime and, for each release of the hospital, an InferenceService with its Service.

    Returns
    -------
    list of pulumi.Resource
        The InferenceServices, which are ready when they are there.
    """
    identity = context.identities[MODEL_SERVER]
    labels = dict(identity.labels)
    runtime = CustomResource(
        context.logical_name(RUNTIME),
        api_version="serving.kserve.io/v1alpha1",
        kind="ServingRuntime",
        metadata=ObjectMetaArgs(name=RUNTIME, namespace=identity.namespace, labels=labels),
        spec=_serving_runtime(context),
        opts=context.options(parent),
    )
    # The Services that KServe makes have a port for plain HTTP, at which nothing answers.
    active = context.hospital.release
    deployment.cluster_service(context, MODEL_SERVER, parent, selected=_release_label(active) if active else {})
    for release in context.releases:
        label = _release_label(release)
        deployment.cluster_service(context, MODEL_SERVER, parent, suffix=release.version, selected=label)
    # Node drains evict one model server at a time, of whichever release.
    PodDisruptionBudget(
        context.logical_name(RUNTIME),
        metadata=ObjectMetaArgs(name=RUNTIME, namespace=identity.namespace, labels=labels),
        spec=PodDisruptionBudgetSpecArgs(max_unavailable=1, selector=LabelSelectorArgs(match_labels=labels)),
        opts=context.options(parent),
    )
    return [
        _inference_service(context, release, metadata, runtime, parent)
        for release, metadata in context.releases.items()
    ]


def _inference_service(
    context: HospitalContext,
    release: Release,
    metadata: ReleaseMetadata,
    runtime: pulumi.Resource,
    parent: pulumi.Resource,
) -> pulumi.Resource:
    """Declare the InferenceService of one release."""
    identity = context.identities[MODEL_SERVER]
    return CustomResource(
        context.logical_name(model_name(release.version)),
        api_version="serving.kserve.io/v1beta1",
        kind="InferenceService",
        metadata=ObjectMetaArgs(
            name=model_name(release.version),
            namespace=identity.namespace,
            labels=dict(identity.labels),
            annotations={
                "serving.kserve.io/deploymentMode": "Standard",
                "serving.kserve.io/autoscalerClass": "hpa",
                "pulumi.com/waitFor": "condition=Ready",
                **metadata.annotations,
            },
        ),
        spec={"predictor": _predictor(context, release)},
        opts=pulumi.ResourceOptions.merge(
            context.options(parent),
            pulumi.ResourceOptions(
                depends_on=[runtime], custom_timeouts=pulumi.CustomTimeouts(create="5m", update="5m")
            ),
        ),
    )


def _serving_runtime(context: HospitalContext) -> dict[str, object]:
    """Return the spec of the ServingRuntime, which is the same for all releases."""
    container = pod.Container(
        name="kserve-container",
        image=context.cluster.images.model_server,
        resources=RUNTIME_RESOURCES,
        env={
            "MLSERVER_MODEL_NAME": _SERVICE_NAME,
            "MLSERVER_MODEL_URI": MODEL_FOLDER,
            **deployment.tls_environment(context.hospital.name, MODEL_SERVER),
            "MLSERVER_MODEL_IMPLEMENTATION": "services.model_server.ReadmissionModel",
            # The model server verifies the release's signature with these public keys.
            "HMLOPS_TRUSTED_KEYS": context.release_keys,
        },
        probes=deployment.probes(MODEL_SERVER),
    )
    mounts = [core.VolumeMountArgs(name=pod_volumes.TMP_VOLUME, mount_path=pod_volumes.TMP_FOLDER)]
    return {
        "supportedModelFormats": [{"name": "sklearn", "version": "1"}],
        "protocolVersions": ["v2"],
        "containers": [pod.container_spec(container, mounts=mounts)],
    }


def _predictor(context: HospitalContext, release: Release) -> dict[str, object]:
    """Return the predictor, to which KServe adds the storage initializer."""
    identity, replicas = context.identities[MODEL_SERVER], context.hospital.replicas
    pool = _pool(context.hospital, release)
    labels = {**identity.labels, **_release_label(release)}
    return {
        "minReplicas": replicas.min,
        "maxReplicas": replicas.max,
        "scaleMetric": "cpu",
        "scaleTarget": TARGET_CPU_PERCENT,
        "labels": labels,
        "annotations": {names.ROLE_ANNOTATION: identity.role_arn, **identity.annotations},
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "deploymentStrategy": REPLACED_WHEN_READY,
        "serviceAccountName": identity.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod.pod_security_context(),
        "topologySpreadConstraints": [spread_constraint(context.cluster, labels)],
        **_placement(context.cluster.placement(row(MODEL_SERVER).zone, pool)),
        "priorityClassName": priority_class(pool),
        "storageContainerName": STORAGE_CONTAINER,
        "volumes": [*pod_volumes.volumes(context.cluster, identity, "64Mi"), _model_volume()],
        "model": {
            "modelFormat": {"name": "sklearn", "version": "1"},
            "runtime": RUNTIME,
            "protocolVersion": "v2",
            "storageUri": context.s3_url("releases", release_key(release)),
            "resources": pod.resource_requirements(context.settings.model_server(context.hospital)),
            # The model server verifies that it loads this release.
            "env": [{"name": "HMLOPS_RELEASE", "value": str(release)}],
        },
    }


def _pool(hospital: Hospital, release: Release) -> str:
    """Return the pool of a release's model servers."""
    is_shadow = hospital.roles.get(ReleaseRole.SHADOW) == release
    return STAGING if is_shadow else row(MODEL_SERVER).pool


def _release_label(release: Release) -> dict[str, str]:
    """Return the label by which the pods of a release are told from those of another."""
    return {_RELEASE_LABEL: model_name(release.version)}


def _placement(placement: Placement) -> dict[str, object]:
    """Return node selector and tolerations, without empty ones."""
    fields: dict[str, object] = {"nodeSelector": placement.node_selector, "tolerations": placement.tolerations}
    return {name: value for name, value in fields.items() if value}


def _model_volume() -> core.VolumeArgs:
    """Return the model volume that KServe would add, with a size limit."""
    return core.VolumeArgs(name=MODEL_VOLUME, empty_dir=core.EmptyDirVolumeSourceArgs(size_limit="256Mi"))
