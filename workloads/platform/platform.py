"""Platform that hospitals share: admission policies, priority and gateway classes, namespaces, charts, NodePools.

KServe's storage initializer is here too.

A cluster outside the stack already has the charts; `local/` installs KServe in the embedded one.
"""

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.cluster.cluster import Cluster
from infra.cluster.node_pools import NodePools
from infra.settings import Settings, names
from workloads.admission.admission_policies import AdmissionPolicies
from workloads.blocks import pod, pod_volumes
from workloads.platform.charts import Charts, ChartsArgs
from workloads.platform.gateway_class import CLASS, Gateways
from workloads.platform.namespaces import PlatformNamespaces, PlatformNamespacesArgs
from workloads.platform.priority_classes import priority_classes
from workloads.zones import workload_table
from workloads.zones.workload_table import MODEL_SERVER

STORAGE_CONTAINER = "s3"


class Platform(pulumi.ComponentResource):
    """Namespaces and Helm releases of the platform, gateway class, and ClusterStorageContainer of KServe."""

    def __init__(self, name: str, settings: Settings, cluster: Cluster) -> None:
        opts = pulumi.ResourceOptions(providers={"kubernetes": cluster.provider})
        super().__init__("healthcare-mlops:workloads:Platform", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        AdmissionPolicies(f"{name}-admission", settings, cluster, child)
        depends_on: list[pulumi.Resource] = [*priority_classes(child)]
        if cluster.installs_platform:
            namespaces = PlatformNamespaces(f"{name}-grounds", PlatformNamespacesArgs(settings, cluster), child)
            after_namespaces = pulumi.ResourceOptions(parent=self, depends_on=[namespaces])
            charts = Charts(f"{name}-charts", ChartsArgs(settings, namespaces.namespaces), after_namespaces)
            depends_on.append(charts)
            if cluster.node_launch:
                after_charts = pulumi.ResourceOptions(parent=self, depends_on=[charts])
                NodePools(f"{name}-nodes", settings, cluster.node_launch, after_charts)
        if settings.gateway:
            Gateways(CLASS, pulumi.ResourceOptions(parent=self, depends_on=[*depends_on]))
        CustomResource(
            STORAGE_CONTAINER,
            api_version="serving.kserve.io/v1alpha1",
            kind="ClusterStorageContainer",
            metadata=ObjectMetaArgs(name=STORAGE_CONTAINER, labels=names.labels()),
            spec={
                "container": _storage_initializer(settings, cluster),
                "supportedUriFormats": [{"prefix": "s3://"}],
                "workloadType": "initContainer",
                "supportsMultiModelDownload": False,
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=depends_on),
        )
        self.register_outputs({})


def _storage_initializer(settings: Settings, cluster: Cluster) -> core.ContainerArgs:
    """Return the init container that KServe adds to pods of model servers.

    The pod's annotation has the IAM role, and the pod's volumes have the token, so all hospitals share it.
    """
    init_resources = workload_table.row(MODEL_SERVER).pods.init_resources
    if init_resources is None:
        raise ValueError(f"workload {MODEL_SERVER} has no init_resources; add them to workloads.yaml")
    role = core.EnvVarSourceArgs(
        field_ref=core.ObjectFieldSelectorArgs(field_path=f"metadata.annotations['{names.ROLE_ANNOTATION}']")
    )
    return pod.container_spec(
        pod.Container(
            name="storage-initializer",
            image=cluster.images.storage_initializer,
            resources=init_resources,
            env=pod.aws_environment(cluster, settings.region),
        ),
        env=[core.EnvVarArgs(name="AWS_ROLE_ARN", value_from=role)],
        mounts=[
            core.VolumeMountArgs(name=pod_volumes.TMP_VOLUME, mount_path=pod_volumes.TMP_FOLDER),
            *pod_volumes.aws_volume_mounts(cluster),
        ],
    )
