"""Seeded violations that leave a setting in its place and take its effect: retention, alerts, charts, references."""

import json
from typing import Any

from policy_pack.controls.workloads.alerts import RULES
from tests.policy.builders import GONE, PREFIX, build
from tests.policy.seeds.seed import Seed, absent, extra, seed
from tests.policy.world.aws import key_arn

_LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
_REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
_ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
_TEMPLATE, _NODES = "aws:ec2/launchTemplate:LaunchTemplate", "aws:eks/nodeGroup:NodeGroup"
_GROUP = "aws:cloudwatch/logGroup:LogGroup"
_MEMBER = "aws:rds/clusterInstance:ClusterInstance"
_BLOCK = "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock"
_POLICY = "k8s:networking.k8s.io/NetworkPolicy"
_SERVICE = "k8s:serving.kserve.io/InferenceService"
_JOB = "k8s:batch/CronJob"
_RELEASE = "k8s:helm.sh/Release"
_ROLE = "vault:database/secretBackendRole:SecretBackendRole"
_RESTORE = "aws:backup/restoreTestingPlan:RestoreTestingPlan"
_POD = "spec.jobTemplate.spec.template.spec"
_ALERTS, _NOTES = "spec.groups[0].rules", "metadata.annotations"
_FLAGS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_LATER = {"days": 5000}
_OTHER_HOST = {"metadata": {"namespace": "north-platform", "name": "more"}}


def _edited(**parts: Any) -> Any:
    """Return a change of each alert of a group; a value that is a function is one of the old value."""
    return lambda rules: [
        {**rule, **{key: new(rule[key]) if callable(new) else new for key, new in parts.items()}} for rule in rules
    ]


def _proxy(**deployment: Any) -> Any:
    kubernetes = {"envoyDeployment": deployment}
    props = {**_OTHER_HOST, "spec": {"provider": {"type": "Kubernetes", "kubernetes": kubernetes}}}
    return build("kubernetes:gateway.envoyproxy.io/v1alpha1:EnvoyProxy", "more", props)


def _gateway_object(kind: str, spec: dict[str, Any]) -> Any:
    group = "cert-manager.io/v1" if kind == "Certificate" else "gateway.networking.k8s.io/v1"
    return build(f"kubernetes:{group}:{kind}", "more", {**_OTHER_HOST, "spec": spec})


def _plain(control: str, kind: str, path: str, value: Any, *, name: str = "*") -> Seed:
    """Return a seed of the stack written by hand."""
    return seed(control, kind, path, value, name=name, hides=False).here()


DISPOSAL = [
    _plain("INT-01", _LIFECYCLE, "rules[0].expiration", {"days": 1}, name="*raw"),
    _plain("INT-01", _LIFECYCLE, "rules[0].expiration", _LATER, name="*curated"),
    _plain("INT-01", _LIFECYCLE, "rules[0].expiration", GONE, name="*raw"),
    _plain("INT-01", _LIFECYCLE, "rules[0].expiration", _LATER, name="*models"),
    _plain("INT-01", _LIFECYCLE, "rules[0].noncurrentVersionExpiration", GONE, name="*raw"),
    _plain("INT-01", _LIFECYCLE, "rules[0].noncurrentVersionExpiration", {"noncurrentDays": 400}, name="*curated"),
    seed("INT-03", _GROUP, "", None).unprotected(),
    seed("INT-03", "aws:ecr/repository:Repository", "", None).unprotected(),
    absent("AUD-03", _GROUP, name="aws-eks-eks-cluster").here(),
    absent("AUD-03", _GROUP, name="aws-rds-cluster-warehouse-postgresql").here(),
]
CLOUD = [
    extra("AC-05", build(_BLOCK, "other", {**dict.fromkeys(_FLAGS, True), "accountId": "999999999999"})),
    _plain("AC-18", _REPLICATION, "role", "arn:aws:iam::999999999999:role/x"),
    _plain("SEG-09", _ENDPOINT, "securityGroupIds", []),
    _plain("SEG-09", _ENDPOINT, "subnetIds", GONE),
    _plain("ENC-07", _MEMBER, "performanceInsightsEnabled", True),
    _plain("CM-03", _TEMPLATE, "networkInterfaces[0].securityGroups", GONE),
    _plain("CM-03", _NODES, "labels", {}),
    _plain("CM-03", _NODES, "taints", []),
    _plain("CM-03", _NODES, "launchTemplate.id", GONE),
    _plain("BCP-02", _RESTORE, "recoveryPointSelection.includeVaults", ["arn:aws:backup:us-east-1:1:backup-vault:x"]),
    extra("INV-01", build("aws:sqs/queue:Queue", "north-more", {"kmsMasterKeyId": key_arn("south-curated")})).here(),
    _plain("AC-12", "vault:index/policy:Policy", "policy", json.dumps({"Version": "2012-10-17", "Statement": []})),
    _plain("AC-16", _ROLE, "revocationStatements", ['DROP ROLE "{{name}}";']),
    _plain("AC-16", _ROLE, "revocationStatements", ["SELECT pg_terminate_backend(1);"]),
]
CLUSTER = [
    _plain("SEG-03", _POLICY, "spec.policyTypes", ["Ingress"], name="north-*-to-aws"),
    _plain("SEG-03", _POLICY, "spec.podSelector", {"matchExpressions": []}, name="north-*-to-aws"),
    extra("INT-05", _proxy(pod={"priorityClassName": f"{PREFIX}-clinical"})),
    extra("CM-06", _proxy(container={"image": "x"}, pod={"priorityClassName": f"{PREFIX}-batch"})),
    _plain("CM-01", _SERVICE, f"{_NOTES}.{{serving.kserve.io/deploymentMode}}", "Serverless"),
    _plain("SEG-12", _SERVICE, f"{_NOTES}.{{serving.kserve.io/deploymentMode}}", GONE),
    _plain("CM-01", _SERVICE, f"{_NOTES}.{{internal.serving.kserve.io/agent}}", "true"),
    _plain(
        "CM-01",
        _SERVICE,
        "spec.predictor.annotations",
        {"internal.serving.kserve.io/storage-initializer-sourceuri": "s3://x"},
    ),
    _plain("CM-01", _JOB, f"{_POD}.securityContext.seccompProfile", {"type": "Localhost"}),
    _plain(
        "CM-01",
        _JOB,
        f"{_POD}.containers[0].env",
        [{"name": "X", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    ),
    absent("CM-02", "k8s:core/ResourceQuota").here(),
    absent("CM-02", "k8s:core/LimitRange").here(),
    _plain("CM-02", "k8s:core/ResourceQuota", "spec.scopes", ["BestEffort"]),
    _plain("INV-01", "k8s:core/Namespace", f"{_NOTES}.{{{PREFIX}/notify}}", "somebody@else.example", name="north-phi"),
    extra("INV-01", _gateway_object("Certificate", {"dnsNames": ["south.api.risk.example"]})).here(),
    extra("INV-01", _gateway_object("HTTPRoute", {"hostnames": ["south.risk.example"]})).here(),
]
CHARTS = [
    _plain("INV-03", _RELEASE, "name", "elsewhere"),
    _plain("INV-03", _RELEASE, "chart", "oci://attacker.example/x"),
    _plain("INV-03", _RELEASE, "version", "v0.0.1"),
    _plain("INV-03", _RELEASE, "repositoryOpts", {"repo": "https://attacker.example"}),
    _plain("INV-03", _RELEASE, "postrender", "sh"),
    _plain("INV-03", _RELEASE, "disableWebhooks", True),
    _plain("INV-03", _RELEASE, "values.webhook.replicaCount", 1),
    _plain("INV-03", _RELEASE, "values.extraObjects", [{"kind": "ClusterRoleBinding"}]),
]
ALERTS = [
    _plain("ML-03", RULES, _ALERTS, _edited(expr=lambda text: text.replace("> 0", "> 1000"))),
    _plain("ML-03", RULES, _ALERTS, _edited(**{"for": "8760h"})),
    _plain("ML-03", RULES, _ALERTS, _edited(**{"for": "soon"})),
    _plain("ML-03", RULES, _ALERTS, _edited(labels=lambda labels: {**labels, "severity": "none"})),
    _plain("ML-03", RULES, _ALERTS, _edited(labels=lambda labels: {**labels, "hospital": "elsewhere"})),
    _plain("ML-03", RULES, "spec.groups[0].interval", "1y"),
    _plain("ML-03", RULES, "spec.groups[0].limit", 1),
    absent("ML-03", "k8s:monitoring.coreos.com/PodMonitor").here(),
]
SEEDS: list[Seed] = [*DISPOSAL, *CLOUD, *CLUSTER, *CHARTS, *ALERTS]
