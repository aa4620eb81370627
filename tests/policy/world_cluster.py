"""The cluster of the compliant stack: zones, NetworkPolicies, pods, a model, and gateways with their policies."""

import json
from typing import Any

from policy_pack.facts.admission_table import RequiredPolicy, admission_table
from policy_pack.facts.releases import source_attributes
from policy_pack.facts.secret_table import secret_table
from policy_pack.facts.zone_table import pool_table, zones
from policy_pack.stack.graph import Resource
from tests.policy.builders import PREFIX, build

DIGEST = "sha256:" + "a" * 64
IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/workloads@{DIGEST}"
RELEASE = "0123456789abcdef"
MODEL_PORT = 8080
REPLACED_WHEN_READY = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
CLINIC = "10.50.0.0/24"
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
_OWN_HEADERS = {
    "path": {"escapedSlashesAction": "RejectRequest"},
    "headers": {
        "requestID": "Generate",
        "earlyRequestHeaders": {"remove": ["x-application", "x-forwarded-client-cert", "x-envoy-original-path"]},
    },
}
PLACES = {"aws": "10.40.0.0/16:443", "vault": "10.41.0.0/24:8200", "fhir": "10.50.0.0/24:443"}


def labels(hospital: str, zone: str, workload: str = "") -> dict[str, str]:
    known = {f"{PREFIX}/hospital": hospital, f"{PREFIX}/zone": zone, "app.kubernetes.io/name": workload}
    return {name: value for name, value in known.items() if value}


def by_name(namespace: str) -> dict[str, Any]:
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}


def meta(name: str, hospital: str, zone: str, workload: str = "", **notes: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "namespace": f"{hospital}-{zone}",
        "labels": labels(hospital, zone, workload),
    }
    if notes:
        found["annotations"] = {f"{PREFIX}/{key.replace('_', '-')}": value for key, value in notes.items()}
    return found


def namespace(hospital: str, zone: str) -> list[Resource]:
    name = f"{hospital}-{zone}"
    own = {
        **labels(hospital, zone),
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "v1.34",
        f"{PREFIX}/data-class": zones().holds[zone],
        f"{PREFIX}/data-passes": zones().passes[zone],
        f"{PREFIX}/owner": "platform",
        f"{PREFIX}/phi": "true",
        "istio-injection": "enabled",
    }
    notes = {f"{PREFIX}/{key}": "told" for key in ("baa", "security-contact", "notify")}
    closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return [
        build("kubernetes:core/v1:Namespace", name, {"metadata": {"name": name, "labels": own, "annotations": notes}}),
        build(
            "kubernetes:networking.k8s.io/v1:NetworkPolicy",
            f"{name}-default-deny",
            {"metadata": meta("default-deny", hospital, zone), "spec": closed},
        ),
        build(
            "kubernetes:security.istio.io/v1:PeerAuthentication",
            name,
            {
                "metadata": meta("default", hospital, zone),
                "spec": {"mtls": {"mode": "STRICT"}},
            },
        ),
    ]


def opening(
    hospital: str, workload: str, other: str, direction: str, peer: dict[str, Any], ports: list[dict[str, Any]]
) -> Resource:
    zone = zones().workload_zones[workload]
    name = f"{workload}-{'to' if direction == 'Egress' else 'from'}-{other}"
    field, side = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    spec = {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": workload}},
        "policyTypes": [direction],
        field: [{side: [peer], "ports": ports}],
    }
    return build(
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        f"{hospital}-{name}",
        {"metadata": meta(name, hospital, zone), "spec": spec},
    )


def policies(hospital: str) -> list[Resource]:
    """Return both ends of every flow of the zone table."""
    table, found = zones(), []
    dns = {
        "namespaceSelector": by_name("kube-system"),
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    for flow in table.flows:
        if flow.source in table.endpoints:
            if flow.source == "clinic":
                block = {"ipBlock": {"cidr": CLINIC}}
                found.append(opening(hospital, flow.target, "clinic", "Ingress", block, [{"port": flow.port}]))
            continue
        if flow.target in table.endpoints:
            if flow.target == "dns":
                ports = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
                found.append(opening(hospital, flow.source, "dns", "Egress", dns, ports))
            elif flow.target in PLACES:
                network, _, port = PLACES[flow.target].rpartition(":")
                block = {"ipBlock": {"cidr": network}}
                found.append(opening(hospital, flow.source, flow.target, "Egress", block, [{"port": int(port)}]))
            continue
        ends = ((flow.source, flow.target, "Egress"), (flow.target, flow.source, "Ingress"))
        for one, other, direction in ends:
            peer = {
                "namespaceSelector": by_name(f"{hospital}-{table.workload_zones[other]}"),
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": other}},
            }
            found.append(opening(hospital, one, other, direction, peer, [{"port": flow.port, "protocol": "TCP"}]))
    return found


def container(name: str, *, server: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "image": IMAGE,
        "env": [{"name": "AWS_REGION", "value": "us-east-1"}],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if server:
        probe = {"httpGet": {"path": "/", "port": MODEL_PORT}}
        found |= {
            "ports": [{"name": "http1", "containerPort": MODEL_PORT}],
            "livenessProbe": probe,
            "readinessProbe": probe,
            "lifecycle": {"preStop": {"sleep": {"seconds": 8}}},
        }
    return found


def pod(workload: str, *containers: dict[str, Any]) -> dict[str, Any]:
    classes = pool_table().of_accounts.get(workload, ())
    return {
        "serviceAccountName": workload,
        **({"priorityClassName": classes[0]} if classes else {}),
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}],
        "containers": list(containers),
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
    alerts = [
        {"alert": what, "expr": f'x{{model="{name}"}}', "labels": {"watch": what}}
        for what in ("drift", "calibration", "errors", "latency")
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
            {"metadata": meta(name, hospital, zone, **papers), "spec": {"predictor": predictor}},
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
    ]


def gateway(hospital: str) -> list[Resource]:
    """Return the gateway of a hospital, with its certificate, its policies and its route to planning."""
    zone, service, secret = "platform", "planner", {"kind": "Secret", "name": "gateway-tls"}
    target = {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gateway"}]}
    listener = {
        "name": "machines",
        "protocol": "HTTPS",
        "port": 443,
        "tls": {"mode": "Terminate", "certificateRefs": [secret]},
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }
    clients = {"kind": "ConfigMap", "name": "client-authority"}
    validation = {"caCertificateRefs": [clients], "crl": {"refs": [{"kind": "ConfigMap", "name": "gateway-revoked"}]}}
    provider = {
        "name": "idp",
        "issuer": "https://idp",
        "audiences": ["risk"],
        "remoteJWKS": {"uri": "https://idp/keys"},
        "claimToHeaders": [{"claim": "client_id", "header": "x-application"}],
    }
    principal = {"jwt": {"provider": "idp", "claims": [{"name": "client_id", "values": [f"{hospital}-ehr"]}]}}
    security = {
        "jwt": {"providers": [provider]},
        "authorization": {"defaultAction": "Deny", "rules": [{"action": "Allow", "principal": principal}]},
    }
    limit = {"limit": {"requests": 300, "unit": "Minute"}}
    route = {
        "parentRefs": [{"name": "gateway"}],
        "rules": [
            {
                "matches": [{"method": "POST", "path": {"type": "Exact", "value": "/v1/scores"}}],
                "backendRefs": [{"name": service, "namespace": f"{hospital}-serving", "port": 8443}],
            }
        ],
    }
    source = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": f"{hospital}-{zone}"}
    specs: dict[str, tuple[str, dict[str, Any]]] = {
        "cert-manager.io/v1:Certificate": (
            "gateway",
            {"secretName": "gateway-tls", "issuerRef": {"kind": "ClusterIssuer", "name": f"{hospital}-gateway"}},
        ),
        "gateway.networking.k8s.io/v1:Gateway": ("gateway", {"gatewayClassName": "hospitals", "listeners": [listener]}),
        "gateway.envoyproxy.io/v1alpha1:ClientTrafficPolicy": (
            "gateway",
            {**target, **_OWN_HEADERS, "tls": {"minVersion": "1.3", "clientValidation": validation}},
        ),
        "gateway.envoyproxy.io/v1alpha1:SecurityPolicy": ("gateway", {**target, **security}),
        "gateway.envoyproxy.io/v1alpha1:BackendTrafficPolicy": (
            "gateway",
            {**target, "rateLimit": {"local": {"rules": [limit]}}},
        ),
        "gateway.networking.k8s.io/v1:HTTPRoute": ("model", route),
    }
    objects = [
        build(f"kubernetes:{kind}", f"{hospital}-gateway", {"metadata": meta(name, hospital, zone), "spec": spec})
        for kind, (name, spec) in specs.items()
    ]
    issuer = {"vault": {"server": "https://vault.example:8200", "path": f"{hospital}/workload-pki/sign/envoy"}}
    grant = {"from": [source], "to": [{"group": "", "kind": "Service", "name": service}]}
    selector, port = {"app.kubernetes.io/name": service}, {"port": 8443, "targetPort": MODEL_PORT}
    return [
        *objects,
        build("vault:index/mount:Mount", f"{hospital}-pki", {"path": f"{hospital}/pki", "type": "pki"}, protect=True),
        build(
            "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
            f"{hospital}-pki",
            {
                "backend": f"{hospital}/pki",
                "type": "internal",
                "certificate": f"authority of {hospital}",
                "keyType": "ec",
                "keyBits": 384,
                "maxPathLength": 0,
                "ttl": "315360000s",
            },
            protect=True,
        ),
        build(
            "kubernetes:core/v1:ConfigMap",
            f"{hospital}-client-authority",
            {"metadata": meta("client-authority", hospital, zone), "data": {"ca.crt": f"authority of {hospital}"}},
        ),
        build(
            "kubernetes:core/v1:Service",
            f"{hospital}-{service}",
            {"metadata": meta(service, hospital, "serving"), "spec": {"selector": selector, "ports": [port]}},
        ),
        build(
            "kubernetes:cert-manager.io/v1:ClusterIssuer",
            f"{hospital}-gateway",
            {
                "metadata": {"name": f"{hospital}-gateway", "labels": {f"{PREFIX}/hospital": hospital}},
                "spec": issuer,
            },
        ),
        build(
            "kubernetes:gateway.networking.k8s.io/v1beta1:ReferenceGrant",
            f"{hospital}-gateway",
            {"metadata": meta("gateway", hospital, "serving"), "spec": grant},
        ),
    ]


def priority_classes() -> list[Resource]:
    """Return the PriorityClasses of the pool table."""
    return [
        build(
            "kubernetes:scheduling.k8s.io/v1:PriorityClass",
            name,
            {
                "metadata": {"name": name},
                "value": value,
                "preemptionPolicy": "PreemptLowerPriority" if preempts else "Never",
            },
        )
        for name, (value, preempts) in pool_table().classes.items()
    ]


def admission() -> list[Resource]:
    """Return the policies of the admission table, and their bindings."""
    table = admission_table()
    values: dict[str, Any] = {
        "accounts": table.accounts,
        "audiences": table.audiences,
        "registries": {zone: ["hmlops.local/"] for zone in table.accounts},
        "tagged": {zone: [] for zone in table.accounts},
        "priorities": table.priorities,
        "selectors": {zone: {} for zone in table.accounts},
        "tolerations": {zone: {} for zone in table.accounts},
        "deployers": ["system:masters"],
        "administrators": ["system:masters"],
        "kserve": sorted(table.kserve)[0],
        "buckets": "hmlops-prod-",
        "injections": secret_table().annotations,
        "agent_image": f"hmlops.local/agent@{DIGEST}",
        "agent_script": sorted(table.agent_scripts)[0],
        **table.constants,
    }
    return [one for required in table.policies for one in _admission_policy(required, values)]


def _admission_policy(required: RequiredPolicy, values: dict[str, Any]) -> list[Resource]:
    name, api = f"healthcare-mlops-{required.name}", "kubernetes:admissionregistration.k8s.io/v1"
    rules = [
        {"apiGroups": [group], "apiVersions": ["*"], "operations": sorted(required.operations), "resources": [resource]}
        for group, resource in sorted(required.resources)
    ]
    variables = [
        {"name": key, "expression": json.dumps(values[key]) if text is None else text}
        for key, text in required.variables.items()
    ]
    condition = [{"name": "condition", "expression": required.condition}] if required.condition else []
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": rules},
        "matchConditions": condition,
        "variables": variables,
        "validations": [{"expression": expression} for expression in required.rules.values()],
    }
    own = [{"key": f"{PREFIX}/hospital", "operator": "Exists"}]
    bound: dict[str, Any] = {"policyName": name, "validationActions": ["Deny", "Audit"]}
    if not required.everywhere:
        bound["matchResources"] = {"namespaceSelector": {"matchExpressions": own}}
    return [
        build(f"{api}:ValidatingAdmissionPolicy", name, {"metadata": {"name": name}, "spec": spec}),
        build(f"{api}:ValidatingAdmissionPolicyBinding", name, {"metadata": {"name": name}, "spec": bound}),
    ]


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
        "telemetry": {"accessLog": {"settings": [log]}},
    }
    reference = {
        "group": "gateway.envoyproxy.io",
        "kind": "EnvoyProxy",
        "name": "hospitals",
        "namespace": "envoy-gateway-system",
    }
    controller = "gateway.envoyproxy.io/gatewayclass-controller"
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
            {"chart": "cert-manager", "version": "1.18.2", "values": {"replicas": 2}},
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
