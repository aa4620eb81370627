"""Seeded violations of the controls over namespaces, NetworkPolicies, pods and models, one property at a time."""

from tests.policy.builders import GONE, PREFIX, build, document, policy
from tests.policy.seeds.seed import Seed, absent, extra, seed
from tests.policy.world.aws import key_arn

_NS = "k8s:core/Namespace"
_NP = "k8s:networking.k8s.io/NetworkPolicy"
_JOB = "k8s:batch/CronJob"
_POD = "spec.jobTemplate.spec.template.spec"
_C = f"{_POD}.containers[0]"
_SERVICE = "k8s:core/Service"
_IS = "k8s:serving.kserve.io/InferenceService"
_RUNTIME = "k8s:serving.kserve.io/ServingRuntime"
_PEER = "k8s:security.istio.io/PeerAuthentication"
_ALERTS = "k8s:monitoring.coreos.com/PrometheusRule"
_BUDGET = "k8s:policy/PodDisruptionBudget"
_CONFIG = "k8s:core/ConfigMap"
_STORAGE = "k8s:storage.k8s.io/StorageClass"
_HELM = "k8s:helm.sh/Release"
_VPOLICY = "vault:index/policy:Policy"
_LABELS = "metadata.labels"
_NOTES = f"metadata.annotations.{{{PREFIX}/"
_EVERYBODY = [{"ipBlock": {"cidr": "0.0.0.0/0"}}]
_FORGEABLE = {"matchLabels": {f"{PREFIX}/hospital": "north", f"{PREFIX}/zone": "serving"}}
_PAPERS = ("signature", "model-card", "training-data", "approval", "ethics-approval")
_KEY_TEXT = "-----BEGIN PRIVATE KEY-----\nMIIx\n-----END PRIVATE KEY-----"
_WORKLOAD = f"{_POD[: -len('.spec')]}.metadata.labels.{{app.kubernetes.io/name}}"


def note(name: str) -> str:
    return f"{_NOTES}{name}}}"


def _raw_for_curated(old: str) -> str:
    return old.replace("-curated", "-raw")


SEGMENTS: list[Seed] = [
    absent("SEG-01", _NP, "metadata.namespace", name="*-default-deny"),
    seed("SEG-01", _NP, "spec.policyTypes", ["Ingress"], name="*-default-deny"),
    seed("SEG-01", _NP, "spec.podSelector", {"matchLabels": {"app": "x"}}, name="*-default-deny"),
    seed("SEG-01", _NP, "spec.egress", [{}], name="*-default-deny"),
    seed("SEG-01", _NP, "metadata.namespace", "elsewhere", name="*-default-deny"),
    seed("SEG-02", _NP, "spec.egress[0].to", _EVERYBODY, name="*-to-*"),
    seed("SEG-02", _NP, "spec.egress[0].to", [{"namespaceSelector": {}}], name="*-to-aws"),
    *(
        seed(control, _NP, f"spec.{rule}[0].namespaceSelector", _FORGEABLE, name=name)
        for control in ("SEG-02", "SEG-03")
        for rule, name in (("egress[0].to", "*-planner-to-m*"), ("ingress[0].from", "*-from-planner"))
    ),
    seed("SEG-02", _NP, "spec.egress[0].ports", GONE, name="*-to-aws"),
    seed("SEG-02", _NP, "spec.egress[0].to", GONE, name="*-to-vault"),
    seed("SEG-02", _NP, "spec.ingress[0].from", GONE, name="*-from-*"),
    seed("SEG-02", _NP, "spec.ingress[0].from", [{"namespaceSelector": {}}], name="*-from-*"),
    seed("SEG-02", _NP, "spec.ingress[0].from", _EVERYBODY, name="*-from-*"),
    seed("SEG-02", _NP, "spec.egress[0].ports[0].port", 9999, name="*-to-aws"),
    seed("SEG-02", _NP, "spec.egress[0].to[0].ipBlock.cidr", "203.0.113.0/24", name="*-to-*s*"),
    seed(
        "SEG-02",
        _NP,
        "spec.egress[0].to[0].namespaceSelector.matchLabels.{kubernetes.io/metadata.name}",
        "default",
        name="*-to-dns",
    ),
    seed("SEG-02", _JOB, _WORKLOAD, "stranger"),
    seed("SEG-02", _JOB, "metadata.namespace", "north-serving", name="north-ingestor"),
    seed("SEG-02", _NP, "spec.policyTypes", ["Egress"], name="*-phi-default-deny"),
    absent("SEG-02", _NP, "metadata.namespace", name="*-data-default-deny"),
    seed("SEG-03", _NP, "spec.egress[0].to", _EVERYBODY, name="*-to-*"),
    seed("SEG-03", _NP, "spec.egress[0].to", [{}], name="*-to-*"),
    seed("SEG-03", _NP, "spec.egress[0].to", GONE, name="*-to-aws"),
    seed("SEG-03", _NP, "spec.ingress[0].from", [], name="*-from-*"),
    seed("SEG-03", _NP, "spec.egress[0].to[0].podSelector", {}, name="*-to-dns"),
    seed("SEG-03", _NP, "spec.egress[0].to[0].ipBlock.cidr", "::/0", name="*-to-aws"),
    seed(
        "SEG-03",
        _NP,
        "spec.egress[0].to[0].namespaceSelector.matchLabels.{kubernetes.io/metadata.name}",
        "default",
        name="*-to-dns",
    ),
    *(
        seed("SEG-04", _NS, f"{_LABELS}.{{{label}}}", value)
        for label, value in (
            ("pod-security.kubernetes.io/enforce", "baseline"),
            ("pod-security.kubernetes.io/enforce-version", GONE),
            (f"{PREFIX}/zone", "nowhere"),
            (f"{PREFIX}/hospital", GONE),
            (f"{PREFIX}/data-class", GONE),
            (f"{PREFIX}/data-class", "models"),
            (f"{PREFIX}/data-passes", GONE),
            (f"{PREFIX}/data-passes", "none"),
        )
    ),
    seed("SEG-04", _CONFIG, "metadata.namespace", GONE),
    seed("SEG-04", _JOB, "metadata.namespace", "default"),
    seed("TX-03", _PEER, "spec.mtls.mode", "PERMISSIVE"),
    seed("TX-03", _PEER, "spec.portLevelMtls", {"9090": {"mode": "DISABLE"}}),
]

PODS: list[Seed] = [
    *(seed("CM-01", _JOB, f"{_POD}.{field}", True) for field in ("hostPID", "hostIPC", "hostNetwork")),
    seed("CM-01", _JOB, f"{_POD}.volumes[0]", {"name": "x", "hostPath": {"path": "/"}}),
    *(
        seed("CM-01", _JOB, f"{_C}.securityContext.{field}", value)
        for field, value in (
            ("privileged", True),
            ("allowPrivilegeEscalation", True),
            ("allowPrivilegeEscalation", GONE),
            ("runAsNonRoot", False),
            ("runAsUser", 0),
            ("procMount", "Unmasked"),
            ("capabilities.drop", []),
            ("capabilities.add", ["SYS_ADMIN"]),
            ("seccompProfile.type", "Unconfined"),
        )
    ),
    seed("CM-01", _JOB, f"{_C}.ports", [{"containerPort": 80, "hostPort": 80}]),
    seed("CM-01", _IS, "spec.predictor.securityContext.runAsNonRoot", False),
    seed("CM-01", _RUNTIME, "spec.containers[0].securityContext.privileged", True),
    seed("CM-02", _JOB, f"{_C}.securityContext.readOnlyRootFilesystem", GONE),
    *(
        seed("CM-02", _JOB, f"{_C}.resources.{side}.{what}", GONE)
        for side in ("requests", "limits")
        for what in ("cpu", "memory")
    ),
    seed("CM-02", _JOB, f"{_POD}.securityContext.runAsUser", 1000),
    seed("CM-02", _JOB, f"{_C}.securityContext.runAsUser", 1000),
    seed("CM-02", _RUNTIME, "spec.containers[0].livenessProbe", GONE),
    seed("CM-02", _RUNTIME, "spec.containers[0].readinessProbe", GONE),
    seed("CM-05", _SERVICE, "spec.ports[0].port", 22),
    seed("CM-05", _SERVICE, "spec.ports[0].targetPort", 9999, name="north-model"),
    seed("CM-05", _SERVICE, "spec.ports[0].targetPort", 3389),
    seed("CM-05", _RUNTIME, "spec.containers[0].ports[0].containerPort", 2375),
    seed("INT-05", _JOB, f"{_C}.image", "123456789012.dkr.ecr.us-east-1.amazonaws.com/workloads:latest"),
    seed("INT-05", _JOB, f"{_C}.image", "docker.io/library/python@sha256:" + "a" * 64),
    seed("INT-05", _JOB, f"{_C}.image", f"999999999999.dkr.ecr.us-east-1.amazonaws.com/w@sha256:{'a' * 64}"),
    seed("INT-05", _RUNTIME, "spec.containers[0].image", GONE),
    seed("ENC-04", _STORAGE, "parameters.encrypted", "false"),
    seed("ENC-04", _STORAGE, "parameters.kmsKeyId", GONE),
    seed("ENC-09", _JOB, f"{_C}.env", [{"name": "DB_PASSWORD", "value": "opensesame"}], hides=False),
    seed(
        "ENC-09",
        _JOB,
        f"{_C}.env",
        [{"name": "DB", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}],
        hides=False,
    ),
    seed("ENC-09", _JOB, f"{_C}.envFrom", [{"secretRef": {"name": "x"}}], hides=False),
    seed("ENC-09", _JOB, f"{_C}.args", ["--key", _KEY_TEXT], hides=False),
    seed("ENC-09", _CONFIG, "data.client-secret", "opensesame"),
    seed("ENC-09", _CONFIG, "data.settings", '{"kty":"EC","d":"abcdefghijklmnopqrstuvwxyz012345"}', hides=False),
    seed("ENC-09", _HELM, "values.adminPassword", "opensesame"),
    seed("ENC-09", _HELM, "values.database", "postgres://app:opensesame@db:5432/x", hides=False),
    seed("ENC-09", "aws:rds/cluster:Cluster", "masterPassword", "opensesame"),
    seed(
        "ENC-09",
        "aws:ec2/launchTemplate:LaunchTemplate",
        "userData",
        "ZXhwb3J0IEtFWT1BS0lBQUJDREVGR0hJSktMTU5PUA==",
        hides=False,
    ),
    extra("ENC-09", build("kubernetes:core/v1:Secret", "open", {"stringData": {"word": "opensesame"}})),
    seed("VM-03", _HELM, "version", "latest"),
    seed("VM-03", _HELM, "version", GONE),
    seed("VM-03", _HELM, "valueYamlFiles", ["more.yaml"]),
    seed("VM-03", _HELM, "postrender", "./change"),
    *(seed("INV-01", _NS, f"{_LABELS}.{{{PREFIX}/{label}}}", GONE) for label in ("hospital", "zone", "owner", "phi")),
    *(seed("INV-02", _NS, note(name), GONE, name="*-phi") for name in ("baa", "security-contact", "notify")),
]

MODELS: list[Seed] = [
    seed("AUD-08", _IS, "spec.predictor.logger.url", "http://sink.elsewhere.svc"),
    seed("AUD-08", _IS, "spec.predictor.logger.url", "http://sink.south-phi.svc", name="north-*"),
    seed("INT-04", _IS, "spec.predictor.model.storageUri", "s3://hmlops-prod-north-models/readmission/latest"),
    seed("INT-04", _IS, "spec.predictor.model.storageUri", "s3://elsewhere/readmission/v1/0123456789abcdef"),
    seed("INT-04", _IS, "spec.predictor.model.storageUri", "s3://hmlops-prod-north-raw/x/v1/0123456789abcdef"),
    seed(
        "INT-04",
        _IS,
        "spec.predictor.model.storageUri",
        "s3://hmlops-prod-south-models/readmission/v1/0123456789abcdef",
        name="north-*",
    ),
    seed("INT-04", _IS, note("release-digest"), "f" * 16),
    seed("INT-04", _IS, note("release-digest"), GONE),
    *(seed("ML-01", _IS, note(name), GONE) for name in _PAPERS),
    seed("ML-01", _IS, note("training-data"), "yesterday"),
    seed("ML-01", _IS, note("source-attributes"), GONE),
    seed("ML-01", _IS, note("source-attributes"), lambda ids: ids.replace("1.i ", "")),
    seed("ML-01", _IS, note("source-attributes"), "31"),
    seed("ML-02", _IS, note("gates"), GONE),
    seed("ML-02", _IS, note("gates"), "clinical:failed"),
    seed("ML-02", _IS, note("gates"), "demonstration:passed"),
    seed("ML-02", _IS, note("evaluated"), GONE),
    seed("ML-02", _IS, note("evaluated"), "false"),
    absent("ML-03", _ALERTS),
    *(seed("ML-03", _ALERTS, f"spec.groups[0].rules[{n}].labels.watch", "other") for n in range(4)),
    seed("ML-03", _ALERTS, "spec.groups[0].rules[0].expr", "up == 0"),
    seed(
        "ML-04",
        "aws:iam/rolePolicy:RolePolicy",
        "policy",
        document({"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::hmlops-prod-north-raw/*"}),
        name="*north-trainer",
    ).here(),
    seed(
        "ML-04",
        "aws:iam/rolePolicy:RolePolicy",
        "policy",
        document({"Effect": "Allow", "Action": "kms:*", "Resource": key_arn("north-raw")}),
        name="*north-features",
    ).here(),
    seed("ML-04", "aws:iam/rolePolicy:RolePolicy", "policy", _raw_for_curated, name="*-trainer"),
    seed("ML-04", _VPOLICY, "policy", policy("north/transit/hmac/pseudonym"), name="north-trainer"),
    seed("BCP-04", _IS, "spec.predictor.minReplicas", 1),
    seed("BCP-04", _IS, "spec.predictor.topologySpreadConstraints", GONE),
    seed("BCP-04", _IS, note("fallback"), GONE),
    absent("BCP-04", _BUDGET, "metadata.namespace"),
    seed("BCP-04", _BUDGET, "spec.selector", {"matchLabels": {"app": "other"}}),
]

SEEDS = [*SEGMENTS, *PODS, *MODELS]
