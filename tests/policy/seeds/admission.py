"""Seeded violations of the controls over admission policies, and over identity and placement of pods."""

from collections.abc import Callable

from tests.policy.builders import GONE, PREFIX
from tests.policy.seeds.seed import Seed, absent, seed

_JOB = "k8s:batch/CronJob"
_PRIORITY_CLASS = "k8s:scheduling.k8s.io/PriorityClass"
_SA = "k8s:core/ServiceAccount"
_TEMPLATE = "spec.jobTemplate.spec.template"
_POD = f"{_TEMPLATE}.spec"
_WORKLOAD = f"{_TEMPLATE}.metadata.labels.{{app.kubernetes.io/name}}"
_VAP = "k8s:admissionregistration.k8s.io/ValidatingAdmissionPolicy"
_VAP_BINDING = "k8s:admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding"
_EVERYTHING = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
_FORGEABLE = {"matchLabels": {f"{PREFIX}/hospital": "north", f"{PREFIX}/zone": "serving"}}


def _widened(name: str, expression: str) -> Callable[[list[dict[str, str]]], list[dict[str, str]]]:
    """Return a change of one variable of an admission policy, which must have it."""

    def change(old: list[dict[str, str]]) -> list[dict[str, str]]:
        if not any(one["name"] == name for one in old):
            raise KeyError(name)
        return [{**one, "expression": expression} if one["name"] == name else one for one in old]

    return change


POLICIES: list[Seed] = [
    absent("SEG-13", _VAP),
    absent("SEG-13", _VAP_BINDING),
    seed("SEG-13", _VAP, "spec.failurePolicy", "Ignore"),
    seed("SEG-13", _VAP, "spec.paramKind", {"apiVersion": "v1", "kind": "ConfigMap"}),
    seed("SEG-13", _VAP, "spec.validations[0].expression", "true"),
    seed("SEG-13", _VAP, "spec.validations", lambda old: old[:-1]),
    seed("SEG-13", _VAP, "spec.matchConditions", [{"name": "others", "expression": "false"}]),
    seed("SEG-13", _VAP, "spec.matchConstraints.namespaceSelector", _FORGEABLE),
    seed("SEG-13", _VAP, "spec.matchConstraints.objectSelector", _FORGEABLE),
    seed("SEG-13", _VAP, "spec.matchConstraints.matchPolicy", "Exact"),
    seed("SEG-13", _VAP, "spec.matchConstraints.excludeResourceRules", [_EVERYTHING]),
    seed("SEG-13", _VAP, "spec.matchConstraints.resourceRules", []),
    *(
        seed("SEG-13", _VAP, f"spec.matchConstraints.resourceRules[0].{field}", value)
        for field, value in (
            ("resourceNames", ["one"]),
            ("operations", ["DELETE"]),
            ("resources", ["configmaps"]),
            ("apiGroups", ["example.com"]),
            ("apiVersions", ["v9"]),
            ("scope", "Cluster"),
        )
    ),
    seed("SEG-13", _VAP, "spec.variables", _widened("is_deployer", "true"), name="*-zone-objects"),
    *(
        seed("SEG-13", _VAP, "spec.variables", _widened(name, value), name=f"*-{policy}")
        for policy, name, value in (
            ("pods", "registries", '{"phi": ["docker.io/"]}'),
            ("pods", "registries", '{"phi": [""]}'),
            ("pods", "tagged", '{"phi": ["docker.io/envoyproxy/gateway:v1.9.1"]}'),
            ("pods", "accounts", '{"phi": {"default": "ingestor"}}'),
            ("pods", "audiences", '{"features": [""]}'),
            ("pods", "priorities", '{"features": ["healthcare-mlops-clinical"]}'),
            ("pods", "tolerations", '{"phi": {"x": [{"key": "", "operator": "Exists", "value": "", "effect": ""}]}}'),
            ("pods", "selectors", '{"phi": {"x": {"kubernetes.io/hostname": "x"}}}'),
            ("zone-objects", "deployers", '["system:authenticated"]'),
            ("zone-objects", "deployers", "variables.groups"),
            ("pod-access", "administrators", '["system:authenticated"]'),
            ("zone-objects", "cleaners", '["north"]'),
            ("inference-services", "kserve", '"north"'),
            ("service-accounts", "gateway_controller", '"north"'),
            ("inference-services", "buckets", '""'),
        )
    ),
    seed("SEG-13", _VAP_BINDING, "spec.validationActions", ["Audit"]),
    seed("SEG-13", _VAP_BINDING, "spec.validationActions", ["Warn"]),
    seed("SEG-13", _VAP_BINDING, "spec.paramRef", {"name": "x"}),
    seed("SEG-13", _VAP_BINDING, "spec.policyName", "another"),
    seed("SEG-13", _VAP_BINDING, "spec.matchResources.namespaceSelector", _FORGEABLE),
    seed("SEG-13", _VAP_BINDING, "spec.matchResources.objectSelector", _FORGEABLE),
    seed("SEG-13", _VAP_BINDING, "spec.matchResources.matchPolicy", "Exact"),
    seed("SEG-13", _VAP_BINDING, "spec.matchResources.excludeResourceRules", [_EVERYTHING]),
    seed("SEG-13", _VAP_BINDING, "spec.matchResources.resourceRules", [_EVERYTHING]),
]

PODS: list[Seed] = [
    seed("CM-06", _JOB, f"{_POD}.serviceAccountName", "ingestor", name="*-trainer"),
    seed("CM-06", _JOB, f"{_POD}.serviceAccountName", GONE),
    seed("CM-06", _SA, "metadata.name", "stranger"),
    seed("CM-06", _JOB, _WORKLOAD, "reidentifier", name="*-ingest*"),
    *(
        seed("CM-06", _JOB, f"{_TEMPLATE}.metadata.labels.{{{PREFIX}/{label}}}", "other")
        for label in ("hospital", "zone")
    ),
    *(
        seed("CM-06", _JOB, f"{_POD}.{field}", value)
        for field, value in (
            ("nodeName", "node-1"),
            ("schedulerName", "mine"),
            ("priorityClassName", "system-node-critical"),
            ("priorityClassName", GONE),
            ("affinity", {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}),
            ("nodeSelector", {"kubernetes.io/hostname": "node-1"}),
            ("securityContext.sysctls", [{"name": "net.ipv4.ip_forward", "value": "1"}]),
        )
    ),
    # A Job with the priority of what clinicians wait for.
    seed("CM-06", _JOB, f"{_POD}.priorityClassName", "healthcare-mlops-clinical", name="*-features"),
    *(
        seed("CM-06", _PRIORITY_CLASS, field, value, name=f"*-{pool}")
        for pool, field, value in (
            ("batch", "metadata.name", "urgent"),
            ("batch", "value", 2_000_000),
            ("batch", "preemptionPolicy", GONE),
            ("clinical", "preemptionPolicy", "Never"),
            ("clinical", "globalDefault", True),
        )
    ),
    *(
        seed("CM-06", _JOB, f"{_POD}.tolerations", [toleration])
        for toleration in (
            {"operator": "Exists"},
            {"key": "node.kubernetes.io/not-ready", "operator": "Exists"},
            {"key": f"{PREFIX}/node-class", "value": "phi-of-another", "effect": "NoSchedule"},
            {"key": f"{PREFIX}/node-class", "operator": "Exists"},
        )
    ),
    *(
        seed("CM-06", _JOB, f"{_POD}.volumes[0]", {"name": "more", **volume})
        for volume in (
            {"csi": {"driver": "x"}},
            {"persistentVolumeClaim": {"claimName": "x"}},
            {"projected": {"sources": [{"secret": {"name": "x"}}]}},
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "https://elsewhere"}}]}},
        )
    ),
    seed(
        "CM-06",
        _JOB,
        f"{_POD}.volumes[0]",
        {"name": "more", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        name="*-envoy",
    ).here(),
]

SEEDS = [*POLICIES, *PODS]
