"""Serving: one InferenceService of KServe, which loads a release and answers the Open Inference Protocol v2."""

from collections.abc import Mapping

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget, PodDisruptionBudgetSpecArgs

from infra.cluster.node_classes import Placement
from infra.settings import names
from infra.settings.values import Amount, DataClass, Release, Resources
from workloads.blocks import pod
from workloads.blocks.hospital_context import Site
from workloads.blocks.release_metadata import RELEASES
from workloads.platform.platform import STORAGE_CONTAINER

RUNTIME = "readmission-risk"
PORT = 8080
MODELS = "kserve-provision-location"
MODEL_FOLDER = "/mnt/models"
TARGET_CPU_PERCENT = 70
_SERVICE_NAME = "{{.Name}}"
# For a service that names no resources. Ours all do, so that a changed size changes the InferenceService alone.
RUNTIME_RESOURCES = Resources(requests=Amount(100, 256), limits=Amount(500, 512))


def model_name(version: str) -> str:
    """Return the name by which clients call a version of the model."""
    return f"readmission-risk-{version}"


def service_url(hospital: str, version: str) -> str:
    """Return the address of a hospital's model server inside the cluster."""
    return f"http://{model_name(version)}-predictor.{names.namespace(hospital, 'serving')}.svc.cluster.local"


def inference_url(hospital: str, version: str) -> str:
    """Return where a version of the model answers."""
    return f"{service_url(hospital, version)}/v2/models/{model_name(version)}/infer"


def serving(site: Site, parent: pulumi.Resource) -> None:
    """Declare how a model server is started and, once the hospital names a release, the server."""
    account = site.accounts["model-server"]
    labels = dict(account.labels)
    runtime = CustomResource(
        site.name(RUNTIME),
        api_version="serving.kserve.io/v1alpha1",
        kind="ServingRuntime",
        metadata=ObjectMetaArgs(name=RUNTIME, namespace=account.namespace, labels=labels),
        spec=_runtime(site),
        opts=site.after_ground(parent),
    )
    # Maintenance of nodes takes the servers one by one, and so never the last of them where there are two.
    PodDisruptionBudget(
        site.name(RUNTIME),
        metadata=ObjectMetaArgs(name=RUNTIME, namespace=account.namespace, labels=labels),
        spec=PodDisruptionBudgetSpecArgs(max_unavailable=1, selector=LabelSelectorArgs(match_labels=labels)),
        opts=site.after_ground(parent),
    )
    release, papers = site.hospital.release, site.papers
    if release is None or papers is None:
        return
    CustomResource(
        site.name(model_name(release.version)),
        api_version="serving.kserve.io/v1beta1",
        kind="InferenceService",
        metadata=ObjectMetaArgs(
            name=model_name(release.version),
            namespace=account.namespace,
            labels=labels,
            annotations={
                "serving.kserve.io/deploymentMode": "Standard",
                "serving.kserve.io/autoscalerClass": "hpa",
                "pulumi.com/waitFor": "condition=Ready",
                **papers.notes,
            },
        ),
        spec={"predictor": _predictor(site, release)},
        opts=pulumi.ResourceOptions.merge(
            site.after_ground(parent),
            pulumi.ResourceOptions(
                depends_on=[runtime], custom_timeouts=pulumi.CustomTimeouts(create="5m", update="5m")
            ),
        ),
    )


def _runtime(site: Site) -> dict[str, object]:
    """Return how a model server is started, whichever release it loads: KServe puts the service's name in."""
    program = pod.Program(
        name="kserve-container",
        image=site.settings.images.model_server,
        resources=RUNTIME_RESOURCES,
        env={
            "MLSERVER_MODEL_NAME": _SERVICE_NAME,
            "MLSERVER_MODEL_URI": MODEL_FOLDER,
            "MLSERVER_MODEL_IMPLEMENTATION": "services.model_server.ReadmissionModel",
            # The server loads no release that this hospital's key in Vault did not sign.
            "HMLOPS_TRUSTED_KEYS": site.release_keys,
        },
        server=pod.Server(port=PORT, live="/v2/health/live", ready=f"/v2/models/{_SERVICE_NAME}/ready"),
    )
    mounts = [core.VolumeMountArgs(name=pod.TMP, mount_path=pod.TMP_FOLDER)]
    return {
        "supportedModelFormats": [{"name": "sklearn", "version": "1"}],
        "protocolVersions": ["v2"],
        "containers": [pod.container(program, mounts=mounts)],
    }


def _predictor(site: Site, release: Release) -> dict[str, object]:
    """Return the pod around the server: KServe adds the initializer that fetches the release."""
    account, replicas = site.accounts["model-server"], site.hospital.replicas
    return {
        "minReplicas": replicas.least,
        "maxReplicas": replicas.most,
        "scaleMetric": "cpu",
        "scaleTarget": TARGET_CPU_PERCENT,
        "labels": dict(account.labels),
        "annotations": {names.ROLE_ANNOTATION: account.role_arn},
        "serviceAccountName": account.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod.pod_security(),
        "topologySpreadConstraints": [_spread(site, account.labels)],
        **_placed(account.placement),
        "storageContainerName": STORAGE_CONTAINER,
        "volumes": [*pod.volumes(site.cluster, account, "64Mi"), _release_volume()],
        "model": {
            "modelFormat": {"name": "sklearn", "version": "1"},
            "runtime": RUNTIME,
            "protocolVersion": "v2",
            "storageUri": site.place(DataClass.MODELS, f"{RELEASES}{release.version}/{release.digest}"),
            "resources": pod.resource_requirements(site.hospital.model_server),
            # Nor another than this one, whatever lies in the bucket.
            "env": [{"name": "HMLOPS_RELEASE", "value": str(release)}],
        },
    }


def _spread(site: Site, labels: Mapping[str, str]) -> core.TopologySpreadConstraintArgs:
    """Return that the servers stand in different zones; a cluster of one's own machines may have but one."""
    return core.TopologySpreadConstraintArgs(
        max_skew=1,
        topology_key="topology.kubernetes.io/zone",
        when_unsatisfiable=site.cluster.when_unsatisfiable,
        label_selector=LabelSelectorArgs(match_labels=labels),
    )


def _placed(placement: Placement) -> dict[str, object]:
    """Return which nodes the servers may be on, where the cluster has classes of nodes."""
    found: dict[str, object] = {"nodeSelector": placement.node_selector, "tolerations": placement.tolerations}
    return {name: value for name, value in found.items() if value}


def _release_volume() -> core.VolumeArgs:
    """Return the volume that KServe would add by this name, but with a limit."""
    return core.VolumeArgs(name=MODELS, empty_dir=core.EmptyDirVolumeSourceArgs(size_limit="256Mi"))
