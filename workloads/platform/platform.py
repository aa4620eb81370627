"""What all hospitals share: the platform's namespaces and charts, and how KServe fetches a release.

A cluster that brings KServe itself gets no charts: `local/` brings it to the embedded one.
"""

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.cluster.cluster import Cluster
from infra.settings import names
from infra.settings.values import Amount, Resources, Settings
from workloads.blocks import pod
from workloads.platform.charts import Charts, ChartsArgs
from workloads.platform.gateway_class import CLASS, Gateways, GatewaysArgs
from workloads.platform.namespaces import Grounds, GroundsArgs
from workloads.zones.flow_table import table

STORAGE_CONTAINER = "s3"
INITIALIZER = Resources(requests=Amount(50, 128), limits=Amount(500, 512))


class Platform(pulumi.ComponentResource):
    """Namespaces, charts, and the storage container of KServe."""

    def __init__(self, name: str, settings: Settings, cluster: Cluster) -> None:
        provided = pulumi.ResourceOptions(providers={"kubernetes": cluster.provider})
        super().__init__("healthcare-mlops:workloads:Platform", name, None, provided)
        child = pulumi.ResourceOptions(parent=self)
        brought: list[pulumi.Resource] = []
        if cluster.installs_platform:
            grounds = Grounds(f"{name}-grounds", GroundsArgs(settings, cluster), child)
            after = pulumi.ResourceOptions(parent=self, depends_on=[grounds])
            charts = Charts(f"{name}-charts", ChartsArgs(settings, grounds.namespaces), after)
            brought.append(charts)
            if settings.gateway:
                controller = grounds.namespaces[table().pods["gateway-control"].namespace]
                Gateways(CLASS, GatewaysArgs(controller), pulumi.ResourceOptions(parent=self, depends_on=[charts]))
        CustomResource(
            STORAGE_CONTAINER,
            api_version="serving.kserve.io/v1alpha1",
            kind="ClusterStorageContainer",
            metadata=ObjectMetaArgs(name=STORAGE_CONTAINER, labels=names.labels()),
            spec={
                "container": _initializer(settings, cluster),
                "supportedUriFormats": [{"prefix": "s3://"}],
                "workloadType": "initContainer",
                "supportsMultiModelDownload": False,
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=brought),
        )
        self.register_outputs({})


def _initializer(settings: Settings, cluster: Cluster) -> core.ContainerArgs:
    """Return the container that KServe merges into each pod that loads a release.

    It belongs to no hospital: whose role it takes and whose token it shows comes from the pod that it is put into.
    """
    role = core.EnvVarSourceArgs(
        field_ref=core.ObjectFieldSelectorArgs(field_path=f"metadata.annotations['{names.ROLE_ANNOTATION}']")
    )
    return pod.container(
        pod.Program(
            name="storage-initializer",
            image=settings.images.storage_initializer,
            resources=INITIALIZER,
            env=pod.aws_environment(cluster, settings.region),
        ),
        env=[core.EnvVarArgs(name="AWS_ROLE_ARN", value_from=role)],
        mounts=[core.VolumeMountArgs(name=pod.TMP, mount_path=pod.TMP_FOLDER), *pod.aws_mounts(cluster)],
    )
