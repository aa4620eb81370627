"""The cluster of the compliant stack: Jobs, a model, and the objects that all hospitals share."""

import string

from policy_pack import tables
from policy_pack.controls.workloads.alerts import required
from policy_pack.facts.releases import source_attributes
from policy_pack.facts.zone_table import PLATFORM, zones
from policy_pack.stack.graph import Resource
from tests.policy.builders import build
from tests.policy.world.admission import admission, priority_classes
from tests.policy.world.gateway import gateway
from tests.policy.world.pods import MODEL_PORT, REPLACED_WHEN_READY, container, labels, meta, pod
from tests.policy.world.zones import namespace, policies

RELEASE = "0123456789abcdef"


_RECORD = {
    "time": "%START_TIME%",
    "method": "%REQ(:METHOD)%",
    "route": "%ROUTE_NAME%",
    "answer": "%RESPONSE_CODE%",
    "certificate": "%DOWNSTREAM_PEER_FINGERPRINT_256%",
    "request": "%REQ(X-REQUEST-ID)%",
    "application": "%REQ(X-APPLICATION)%",
    "flags": "%RESPONSE_FLAGS%",
    "milliseconds": "%DURATION%",
}


def job(hospital: str, workload: str) -> list[Resource]:
    zone = zones().workload_zones[workload]
    template = {
        "metadata": {"labels": labels(hospital, zone, workload)},
        "spec": pod(workload, container("main", server=workload == "planner")),
    }
    return [
        build(
            "kubernetes:core/v1:ServiceAccount",
            f"{hospital}-{workload}",
            {"metadata": meta(workload, hospital, zone), "automountServiceAccountToken": False},
        ),
        build(
            "kubernetes:batch/v1:CronJob",
            f"{hospital}-{workload}",
            {"metadata": meta(workload, hospital, zone), "spec": {"jobTemplate": {"spec": {"template": template}}}},
        ),
    ]


def model(hospital: str) -> list[Resource]:
    """Return a deployed model with its route, alerts and policies."""
    name, zone = "readmission-risk-v1", "serving"
    papers = {
        "release_digest": RELEASE,
        "signature": "key-1",
        "model_card": "s3://models/MODEL_CARD.md",
        "source_attributes": " ".join(attribute.id for attribute in source_attributes()),
        "training_data": "sha256:" + "b" * 64,
        "approval": "cmio:Dr. Example",
        "ethics-approval": "ethics-committee:Dr. Example",
        "gates": "clinical:passed",
        "evaluated": "true",
        "fallback": "lace",
    }
    predictor = pod("model-server")
    del predictor["containers"]
    predictor |= {
        "minReplicas": 2,
        "maxReplicas": 6,
        "deploymentStrategy": REPLACED_WHEN_READY,
        "labels": labels(hospital, zone, "model-server"),
        "topologySpreadConstraints": [{"topologyKey": "topology.kubernetes.io/zone"}],
        "logger": {"mode": "all", "url": f"http://sink.{hospital}-phi.svc"},
        "model": {"runtime": "risk", "storageUri": f"s3://hmlops-prod-{hospital}-models/readmission/v1/{RELEASE}"},
    }
    metadata = meta(name, hospital, zone, **papers)
    metadata["annotations"] |= {"serving.kserve.io/deploymentMode": "Standard"}
    variables = {"serving": f"{hospital}-serving", "data": f"{hospital}-data", "model": name, "threshold": "0"}
    alerts = [
        {
            "alert": what,
            "expr": string.Template(row.expr).substitute(variables),
            "labels": {"watch": row.watch, "severity": "critical", "hospital": hospital},
        }
        for what, row in required().alerts.items()
    ]
    selector = {"matchLabels": {"app.kubernetes.io/name": "model-server"}}
    return [
        build(
            "kubernetes:core/v1:ServiceAccount",
            f"{hospital}-model-server",
            {"metadata": meta("model-server", hospital, zone), "automountServiceAccountToken": False},
        ),
        build(
            "kubernetes:serving.kserve.io/v1alpha1:ServingRuntime",
            f"{hospital}-risk",
            {
                "metadata": meta("risk", hospital, zone),
                "spec": {"containers": [container("kserve-container", server=True)]},
            },
        ),
        build(
            "kubernetes:serving.kserve.io/v1beta1:InferenceService",
            f"{hospital}-{name}",
            {"metadata": metadata, "spec": {"predictor": predictor}},
        ),
        build(
            "kubernetes:policy/v1:PodDisruptionBudget",
            f"{hospital}-model",
            {"metadata": meta("model", hospital, zone), "spec": {"minAvailable": 1, "selector": selector}},
        ),
        build(
            "kubernetes:monitoring.coreos.com/v1:PrometheusRule",
            f"{hospital}-model",
            {"metadata": meta("model", hospital, zone), "spec": {"groups": [{"name": "model", "rules": alerts}]}},
        ),
        *(_monitor(hospital, workload) for workload in ("model-server", "planner", "envoy")),
    ]


def _monitor(hospital: str, workload: str) -> Resource:
    spec = {
        "selector": {"matchLabels": {"app.kubernetes.io/name": workload}},
        "podMetricsEndpoints": [{"path": "/metrics"}],
    }
    metadata = meta(workload, hospital, zones().workload_zones[workload])
    return build(
        "kubernetes:monitoring.coreos.com/v1:PodMonitor",
        f"{hospital}-{workload}",
        {"metadata": metadata, "spec": spec},
    )


def platform() -> list[Resource]:
    """Return the shared resources of the cluster."""
    annotations = {"service.beta.kubernetes.io/aws-load-balancer-internal": "true"}
    log = {
        "format": {"type": "JSON", "json": _RECORD},
        "sinks": [{"type": "File", "file": {"path": "/dev/stdout"}}],
    }
    proxy = {
        "provider": {
            "type": "Kubernetes",
            "kubernetes": {
                "envoyDeployment": {
                    "strategy": REPLACED_WHEN_READY,
                    "container": {"securityContext": {"readOnlyRootFilesystem": True}},
                    "pod": {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}},
                },
                "envoyService": {"type": "LoadBalancer", "annotations": annotations},
            },
        },
        "shutdown": {"drainTimeout": "30s", "minDrainDuration": "10s"},
        "telemetry": {"accessLog": {"settings": [log]}},
    }
    reference = {
        "group": "gateway.envoyproxy.io",
        "kind": "EnvoyProxy",
        "name": "hospitals",
        "namespace": "envoy-gateway-system",
    }
    controller = "gateway.envoyproxy.io/gatewayclass-controller"
    chart = next(one for one in tables.document(PLATFORM)["charts"] if one["name"] == "cert-manager")
    return [
        *priority_classes(),
        *admission(),
        build(
            "kubernetes:gateway.networking.k8s.io/v1:GatewayClass",
            "hospitals",
            {"metadata": {"name": "hospitals"}, "spec": {"controllerName": controller, "parametersRef": reference}},
        ),
        build(
            "kubernetes:gateway.envoyproxy.io/v1alpha1:EnvoyProxy",
            "hospitals",
            {"metadata": {"name": "hospitals", "namespace": "envoy-gateway-system"}, "spec": proxy},
        ),
        build(
            "kubernetes:core/v1:Service",
            "docs",
            {
                "metadata": {"name": "docs", "namespace": "docs"},
                "spec": {"type": "ClusterIP", "ports": [{"port": 8080, "targetPort": 8080}]},
            },
        ),
        build(
            "kubernetes:core/v1:Service",
            "north-model",
            {
                "metadata": {"name": "model", "namespace": "north-serving"},
                "spec": {
                    "selector": {"app.kubernetes.io/name": "planner"},
                    "ports": [{"port": 80, "targetPort": MODEL_PORT}],
                },
            },
        ),
        build(
            "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
            "viewer",
            {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]},
        ),
        build(
            "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
            "viewer",
            {
                "metadata": {"name": "viewer", "namespace": "north-data"},
                "roleRef": {"kind": "ClusterRole", "name": "viewer"},
                "subjects": [{"kind": "ServiceAccount", "name": "trainer", "namespace": "north-data"}],
            },
        ),
        build(
            "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
            "token-review",
            {"rules": [{"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}]},
        ),
        build(
            "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
            "token-review",
            {
                "metadata": {"name": "token-review"},
                "roleRef": {"kind": "ClusterRole", "name": "token-review"},
                "subjects": [{"kind": "ServiceAccount", "name": "ingestor", "namespace": "north-phi"}],
            },
        ),
        build(
            "kubernetes:core/v1:ConfigMap",
            "settings",
            {"metadata": {"name": "settings", "namespace": "north-data"}, "data": {"LOG_LEVEL": "info"}},
        ),
        build(
            "kubernetes:core/v1:Secret",
            "client",
            {"metadata": {"name": "client", "namespace": "north-data"}, "stringData": {"password": "hidden"}},
            secrets="stringData",
        ),
        build(
            "kubernetes:storage.k8s.io/v1:StorageClass",
            "encrypted",
            {"provisioner": "ebs.csi.aws.com", "parameters": {"encrypted": "true", "kmsKeyId": "arn:key"}},
        ),
        build(
            "kubernetes:helm.sh/v3:Release",
            "cert-manager",
            {"chart": chart["chart"], "version": chart["version"], "values": chart["values"]},
        ),
    ]


def hospital(name: str) -> list[Resource]:
    """Return the resources of one hospital in the cluster."""
    table = zones()
    homes = [resource for zone in sorted(table.zones) for resource in namespace(name, zone)]
    jobs = [
        resource for workload in table.workload_zones if workload != "model-server" for resource in job(name, workload)
    ]
    return [*homes, *policies(name), *jobs, *model(name), *gateway(name)]
