"""Seeded violations of the allow list of resource types, and of volumes and nodes of Karpenter."""

from typing import Any

from policy_pack.stack.graph import Resource
from tests.policy.builders import GONE, build, put
from tests.policy.seeds.seed import Seed, absent, extra, seed
from tests.policy.world.pods import REPLACED_WHEN_READY, container, pod

_META = {"name": "x", "namespace": "north-data"}
_CLASS, _POOL = "k8s:karpenter.k8s.aws/EC2NodeClass", "k8s:karpenter.sh/NodePool"
_TEMPLATE = {"metadata": {}, "spec": pod("trainer", container("main", server=True))}


def _object(type_: str, **props: Any) -> Resource:
    return build(f"kubernetes:{type_}", "x", {"metadata": _META, **props})


# Types that nobody reviewed: kinds, groups, versions, patches, lists, dynamic types, plugins and other providers.
REFUSED_TYPES = (
    "kubernetes:example.com/v1:Widget",
    "kubernetes:apps/v1beta2:Deployment",
    "kubernetes:policy/v1beta1:PodDisruptionBudget",
    "kubernetes:apps/v1:DeploymentPatch",
    "kubernetes:core/v1:ConfigMapPatch",
    "kubernetes:example.com/v1:WidgetPatch",
    "kubernetes:core/v1:List",
    "kubernetes:core/v1:PodList",
    "kubernetes:core/v1:Endpoints",
    "kubernetes:core/v1:Node",
    "kubernetes:discovery.k8s.io/v1:EndpointSlice",
    "kubernetes:node.k8s.io/v1:RuntimeClass",
    "kubernetes:resource.k8s.io/v1:DeviceClass",
    "kubernetes:apiregistration.k8s.io/v1:APIService",
    "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
    "kubernetes:admissionregistration.k8s.io/v1:MutatingWebhookConfiguration",
    "kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration",
    "kubernetes:certificates.k8s.io/v1:CertificateSigningRequest",
    "kubernetes:argoproj.io/v1alpha1:Application",
    "kubernetes:argoproj.io/v1alpha1:Workflow",
    "kubernetes:argoproj.io/v1alpha1:CronWorkflow",
    "kubernetes:sparkoperator.k8s.io/v1beta2:SparkApplication",
    "kubernetes:serving.kserve.io/v1alpha1:InferenceGraph",
    "kubernetes:serving.kserve.io/v1alpha1:LLMInferenceService",
    "kubernetes:serving.kserve.io/v1alpha2:InferenceService",
    "kubernetes:serving.kserve.io/v1alpha1:TrainedModel",
    "kubernetes:gateway.envoyproxy.io/v1alpha1:EnvoyPatchPolicy",
    "kubernetes:gateway.networking.k8s.io/v1alpha2:TCPRoute",
    "kubernetes:monitoring.coreos.com/v1:Prometheus",
    "kubernetes:helm.sh/v2:Chart",
    "kubernetes:yaml/v3:ConfigGroup",
    "kubernetes:cilium.io/v2:CiliumNetworkPolicy",
    "pulumi-python:dynamic:Resource",
    "pulumi-nodejs:dynamic:Resource",
    "pulumi:pulumi:StackReference",
    "pulumi:providers:command",
    "pulumi:providers:healthcare-mlops",
    "command:local:Command",
    "docker:index/container:Container",
    "random:index/randomPassword:RandomPassword",
    "tls:index/privateKey:PrivateKey",
    "eks:index:Cluster",
    "awsx:ec2:Vpc",
    "aws-native:s3:Bucket",
    "aws:ec2/networkInterface:NetworkInterface",
    "aws:eks/fargateProfile:FargateProfile",
    "aws:iam/samlProvider:SamlProvider",
    "aws:ssm/association:Association",
    "aws:rds/proxy:Proxy",
    "vault:index/token:Token",
    "vault:generic/secret:Secret",
    "vault:approle/authBackendRole:AuthBackendRole",
)

_PLAN = "aws:backup/plan:Plan"
_DRILL = "aws:backup/restoreTestingPlan:RestoreTestingPlan"
_DRILL_OF = "aws:backup/restoreTestingSelection:RestoreTestingSelection"
_SCANS = "aws:inspector2/enabler:Enabler"
# The time limits of the proposed rule.
_LIMITS: list[Seed] = [
    seed("BCP-05", _DRILL, "startWindowHours", 60),
    seed("BCP-05", _DRILL, "scheduleExpression", "cron(0 9 1 1 ? *)"),
    seed("BCP-05", _DRILL_OF, "validationWindowHours", 96),
    seed("BCP-05", _DRILL_OF, "restoreTestingPlanName", "elsewhere", hides=False),
    absent("BCP-05", _DRILL_OF, name="*[sS]3"),
    seed("BCP-06", _PLAN, "rules[0].completionWindow", 2880, hides=False),
    seed("BCP-06", _PLAN, "rules[0].startWindow", 1440, hides=False),
    seed("BCP-06", _PLAN, "rules[0].schedule", "rate(2 days)", hides=False),
    seed("BCP-06", _PLAN, "rules[0].copyActions", [], hides=False),
    # The program also enables it in regions without machines.
    seed("VM-04", _SCANS, "resourceTypes", ["LAMBDA"]).here(),
    absent("VM-04", _SCANS, name="*").here(),
    *(seed("VM-04", _POOL, "spec.template.spec.expireAfter", age) for age in ("Never", "361h", "400h", "", "720h0m")),
]

_ENVOY = "spec.provider.kubernetes.envoyDeployment"
_SERVER = container("main", server=True)


def _deployment(path: str, value: object) -> Resource:
    own = {"spec": {"strategy": REPLACED_WHEN_READY, "template": {"metadata": {}, "spec": pod("trainer", _SERVER)}}}
    return _object("apps/v1:Deployment", **put(own, path, value))


_OWN = "spec.template.spec.containers[0]"
# Servers that lose requests when their pods are replaced.
_DRAINS: list[Seed] = [
    extra("BCP-04", _deployment(f"{_OWN}.lifecycle", {})),
    extra("BCP-04", _deployment(f"{_OWN}.lifecycle.preStop.sleep.seconds", 0)),
    extra("BCP-04", _deployment(f"{_OWN}.lifecycle.preStop.sleep.seconds", 30)),
    extra("BCP-04", _deployment("spec.template.spec.terminationGracePeriodSeconds", 5)),
    extra("BCP-04", _deployment("spec.strategy.type", "Recreate")),
    extra("BCP-04", _deployment("spec.strategy.rollingUpdate.maxUnavailable", "25%")),
    extra("BCP-04", _deployment("spec.strategy", None)),
    seed("BCP-04", "k8s:serving.kserve.io/ServingRuntime", "spec.containers[0].lifecycle", GONE),
    seed("BCP-04", "k8s:serving.kserve.io/InferenceService", "spec.predictor.deploymentStrategy", GONE),
    seed("BCP-04", "k8s:gateway.envoyproxy.io/EnvoyProxy", f"{_ENVOY}.strategy.rollingUpdate.maxUnavailable", 1),
]


def _proxy(path: str, value: object) -> Resource:
    return _object("gateway.envoyproxy.io/v1alpha1:EnvoyProxy", **put({}, path, value))


def mounts(path: str, **more: object) -> dict[str, object]:
    """Return a container of a patch that mounts a volume."""
    return {"name": "shutdown-manager", "volumeMounts": [{"name": "drained", "mountPath": path, **more}]}


def patch_of(*containers: object, **more: object) -> dict[str, object]:
    """Return a patch of the containers of a Deployment."""
    return {"value": {"spec": {"template": {"spec": {"containers": list(containers)}}}}, **more}


_BESIDE = {"hostNetwork": True, "containers": [mounts("/tmp")]}
PATCHES: list[dict[str, object]] = [
    {"value": {}},
    {"value": None},
    {"value": {"spec": None}},
    {"value": {"spec": {"template": None}}},
    {"value": {"spec": {"replicas": 0, "template": {"spec": {"containers": [mounts("/tmp")]}}}}},
    {"value": {"spec": {"template": {"spec": _BESIDE}}}},
    {"value": {"spec": {"template": {"metadata": {"labels": {}}, "spec": {"containers": [mounts("/tmp")]}}}}},
    {"value": {"spec": {"template": {"spec": {"$patch": "replace", "containers": [mounts("/tmp")]}}}}},
    {"value": {"spec": {"template": {"spec": {"containers": None}}}}},
    {"value": {"spec": {"template": {"spec": {"$setElementOrder/containers": [], "containers": [mounts("/tmp")]}}}}},
    patch_of(mounts("/tmp"), type="JSONMerge"),
    patch_of(mounts("/tmp"), more=True),
    patch_of({**mounts("/tmp"), "name": "envoy"}),
    patch_of({**mounts("/tmp"), "name": "shell"}),
    patch_of({**mounts("/tmp"), "image": "alpine"}),
    patch_of({**mounts("/tmp"), "securityContext": None}),
    patch_of({**mounts("/tmp"), "securityContext": {"readOnlyRootFilesystem": None}}),
    patch_of({**mounts("/tmp"), "$patch": "delete"}),
    patch_of({"name": "shutdown-manager"}),
    patch_of({"$patch": "replace"}),
    patch_of("shutdown-manager"),
    patch_of({"name": "shutdown-manager", "volumeMounts": {"name": "x"}}),
    patch_of(mounts("/tmp", subPath="..")),
    patch_of(mounts("/tmp", mountPropagation="Bidirectional")),
    patch_of(mounts("/tmp", readOnly="no")),
    patch_of({"name": "shutdown-manager", "volumeMounts": [{"$patch": "delete", "mountPath": "/tmp"}]}),
    patch_of({"name": "shutdown-manager", "volumeMounts": [{"name": "drained"}]}),
]
SEEDS: list[Seed] = [
    *_LIMITS,
    *_DRAINS,
    *(extra("INV-03", build(type_, "x", {"metadata": {"namespace": "north-data"}})) for type_ in REFUSED_TYPES),
    extra("INV-03", _object("core/v1:ConfigMap", kind="Pod", apiVersion="v1", data={})),
    extra("INV-03", _object("core/v1:ConfigMap", kind="ConfigMap", apiVersion="v2", data={})),
    extra("INV-03", build("pulumi:providers:vault", "other", {"pluginDownloadURL": "https://evil.example"})),
    extra("INV-03", build("pulumi:providers:kubernetes", "other", {"renderYamlToDirectory": "/tmp/x"})),
    *(extra("INV-03", _proxy(f"{_ENVOY}.patch", patch)) for patch in PATCHES),
    extra("CM-01", _proxy(f"{_ENVOY}.patch", patch_of(mounts("/usr")))),
    extra("CM-02", _proxy("spec.provider.type", "Kubernetes")),
    extra("CM-02", _proxy(f"{_ENVOY}.container.securityContext", {"runAsNonRoot": True})),
    extra("CM-02", _proxy("spec.provider.kubernetes.envoyDaemonSet.container", {"name": "x"})),
    extra("INV-03", _object("serving.kserve.io/v1beta1:InferenceService", spec={"router": {"containers": [{}]}})),
    extra("INV-03", _object("helm.sh/v3:Release", values={"server": {"extraInitContainers": [{"name": "x"}]}})),
    extra("INV-03", _object("argoproj.io/v1alpha1:Rollout", spec={})),
    extra("INV-03", _object("argoproj.io/v1alpha1:Rollout", spec={"workloadRef": {"kind": "Deployment", "name": "y"}})),
    extra("CM-01", _object("serving.kserve.io/v1beta1:InferenceService", spec={"predictor": {}})),
    extra("CM-01", _object("core/v1:PersistentVolume", spec={"hostPath": {"path": "/"}})),
    extra("CM-01", _object("core/v1:PersistentVolume", spec={"local": {"path": "/"}})),
    extra("CM-01", _object("core/v1:PersistentVolume", spec={"nfs": {"server": "x", "path": "/"}})),
    extra("ENC-04", _object("core/v1:PersistentVolume", spec={"csi": {"driver": "hostpath.csi.k8s.io"}})),
    extra("ENC-04", _object("snapshot.storage.k8s.io/v1:VolumeSnapshotClass", driver="x.csi")),
    extra("ENC-04", _object("snapshot.storage.k8s.io/v1:VolumeSnapshotContent", spec={"driver": "x.csi"})),
    seed("ENC-04", "k8s:storage.k8s.io/StorageClass", "provisioner", "rancher.io/local-path"),
    seed("CM-03", _CLASS, "spec.metadataOptions.httpTokens", "optional"),
    seed("CM-03", _CLASS, "spec.metadataOptions.httpPutResponseHopLimit", 2),
    seed("CM-03", _CLASS, "spec.userData", "#!/bin/sh"),
    seed("CM-03", _CLASS, "spec.amiSelectorTerms[0].alias", "al2023@latest"),
    # A spec that is made of the stack's own ids is taken as a whole.
    *(
        seed("CM-03", _CLASS, path, "elsewhere", hides=False).here()
        for path in ("spec.instanceProfile", "spec.securityGroupSelectorTerms[0].id", "spec.subnetSelectorTerms[0].id")
    ),
    seed("ENC-04", _CLASS, "spec.blockDeviceMappings", []),
    seed("ENC-04", _CLASS, "spec.blockDeviceMappings[0].ebs.encrypted", False),
    seed("ENC-04", _CLASS, "spec.blockDeviceMappings[0].ebs.kmsKeyID", ""),
    seed("SEG-07", _CLASS, "spec.associatePublicIPAddress", True),
    seed("CM-03", _POOL, "spec.template.spec.nodeClassRef.name", "elsewhere"),
    seed("CM-03", _POOL, "spec.template.spec.taints", GONE, name="*phi*"),
    seed("CM-03", _POOL, "spec.template.spec.terminationGracePeriod", "48h"),
    seed("BCP-04", _POOL, "spec.disruption.budgets[0].nodes", "100%"),
    seed("BCP-04", _POOL, "spec.disruption.budgets", []),
]
