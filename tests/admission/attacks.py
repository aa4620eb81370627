"""An attacker's own list: what somebody who may create objects in a zone would try."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from policy_pack.stack.graph import Graph

Json = dict[str, Any]
_DIGEST = "@sha256:" + "b" * 64
HOME = "north-serving"


@dataclass(frozen=True)
class PodShape:
    """A kind of object with a pod template, and the path to it."""

    api: str
    kind: str
    path: tuple[str, ...]
    spec: Json

    def manifest(self, graph: Graph) -> Json:
        """Return the object with the pod of a workload of the stack, which is admitted."""
        found = next(r for r in graph.of("k8s:apps/Deployment") if r.name == "north-planning")
        template = copy.deepcopy(found.props["spec"]["template"])
        body: Json = copy.deepcopy(self.spec)
        place = body
        for key in self.path:
            place = place.setdefault(key, {})
        template["spec"]["restartPolicy"] = "Always" if self.kind == "Deployment" else "Never"
        place.update(template)
        labels, annotations = template["metadata"]["labels"], template["metadata"]["annotations"]
        return {
            "apiVersion": self.api,
            "kind": self.kind,
            **body,
            "metadata": {"name": "tried", "namespace": HOME, "labels": labels, "annotations": annotations},
        }

    def template(self, manifest: Json) -> Json:
        """Return the part of an object that has the pod's metadata and spec."""
        for key in self.path:
            manifest = manifest[key]
        return manifest


_SELECTOR = {"matchLabels": {"app.kubernetes.io/managed-by": "pulumi"}}
_STRATEGY = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
POD_SHAPES = (
    PodShape("v1", "Pod", (), {}),
    PodShape("apps/v1", "Deployment", ("spec", "template"), {"spec": {"selector": _SELECTOR, "strategy": _STRATEGY}}),
    PodShape(
        "batch/v1",
        "CronJob",
        ("spec", "jobTemplate", "spec", "template"),
        {"spec": {"schedule": "0 0 1 1 *", "suspend": True}},
    ),
)


def _spec(**fields: Any) -> Callable[[Json], None]:
    return lambda template: template["spec"].update(fields)


def _container(**fields: Any) -> Callable[[Json], None]:
    return lambda template: template["spec"]["containers"][0].update(fields)


def _security(**fields: Any) -> Callable[[Json], None]:
    def change(template: Json) -> None:
        template["spec"]["containers"][0]["securityContext"].update(fields)

    return change


def _labels(**labels: str) -> Callable[[Json], None]:
    named = {"name": "app.kubernetes.io/name", "hospital": "healthcare-mlops/hospital", "zone": "healthcare-mlops/zone"}
    return lambda template: template["metadata"]["labels"].update({named[key]: text for key, text in labels.items()})


def _annotations(**annotations: str) -> Callable[[Json], None]:
    own = {f"vault.hashicorp.com/{name}": text for name, text in annotations.items()}
    return lambda template: template["metadata"]["annotations"].update(own)


def _volume(**source: Any) -> Callable[[Json], None]:
    return lambda template: template["spec"]["volumes"].append({"name": "more", **source})


def _token(audience: str) -> Callable[[Json], None]:
    return _volume(projected={"sources": [{"serviceAccountToken": {"path": "token", "audience": audience}}]})


_OF_SERVERS = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports")


def _more(field: str, **fields: Any) -> Callable[[Json], None]:
    def change(template: Json) -> None:
        spec = template["spec"]
        # An init container with probes is invalid, whatever the policies say.
        own = {name: value for name, value in spec["containers"][0].items() if name not in _OF_SERVERS}
        spec[field] = [{**own, "name": "more", **fields}]

    return change


def _writable_init(template: Json) -> None:
    own = template["spec"]["containers"][0]["securityContext"]
    _more("initContainers", securityContext={**own, "readOnlyRootFilesystem": False})(template)


_NODE_AFFINITY = {
    "requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}]
    }
}
POD_ATTACKS: dict[str, Callable[[Json], None]] = {
    "an image by tag": _container(image="hmlops.local/workloads:latest"),
    "an image of another registry": _container(image=f"docker.io/library/python{_DIGEST}"),
    "a registry whose name begins alike": _container(image=f"hmlops.local.example/workloads{_DIGEST}"),
    "a tag that looks like a digest": _container(image="hmlops.local/workloads:sha256-" + "b" * 64),
    "an init container by tag": _more("initContainers", image="hmlops.local/workloads:latest"),
    "an init container with a writable root": _writable_init,
    "another workload's ServiceAccount": _spec(serviceAccountName="model-server"),
    "the default ServiceAccount": _spec(serviceAccountName="default"),
    "a ServiceAccount of another zone": _spec(serviceAccountName="ingestor"),
    "another workload's label": _labels(name="model-server"),
    "another hospital's label": _labels(hospital="south"),
    "another zone's label": _labels(zone="phi"),
    "no labels": lambda template: template["metadata"].update(labels={}),
    "a writable root": _security(readOnlyRootFilesystem=False),
    "privileged": _security(privileged=True, allowPrivilegeEscalation=True),
    "privilege escalation": _security(allowPrivilegeEscalation=True),
    "a capability": _security(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]}),
    "no dropped capabilities": _security(capabilities={}),
    "root": _security(runAsUser=0, runAsNonRoot=False),
    "unconfined seccomp": _security(seccompProfile={"type": "Unconfined"}),
    "hostPath": _volume(hostPath={"path": "/"}),
    "an NFS volume": _volume(nfs={"server": "10.0.0.1", "path": "/"}),
    "a CSI volume": _volume(csi={"driver": "secrets-store.csi.k8s.io"}),
    "a Secret as a volume": _volume(secret={"secretName": "gateway-tls"}),
    "a Secret as a variable": _container(envFrom=[{"secretRef": {"name": "gateway-tls"}}]),
    "hostNetwork": _spec(hostNetwork=True),
    "hostPID": _spec(hostPID=True),
    "a port of the node": _container(ports=[{"containerPort": 8080, "hostPort": 8080}]),
    "a sysctl": lambda template: template["spec"]["securityContext"].update(
        sysctls=[{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    ),
    "all tolerations": _spec(tolerations=[{"operator": "Exists"}]),
    "the toleration of another node class": _spec(
        tolerations=[{"key": "healthcare-mlops/node-class", "value": "phi", "effect": "NoSchedule"}]
    ),
    "the priority class of another pool": _spec(priorityClassName="healthcare-mlops-batch"),
    "a system priority class": _spec(priorityClassName="system-cluster-critical"),
    "nodeName": _spec(nodeName="hmlops-node"),
    "a node selector": _spec(nodeSelector={"kubernetes.io/hostname": "hmlops-node"}),
    "node affinity": _spec(affinity={"nodeAffinity": _NODE_AFFINITY}),
    "another scheduler": _spec(schedulerName="mine"),
    "a token for another audience": _token("https://elsewhere.example"),
    "another workload's role in Vault": _annotations(role="north-ingestor"),
    "another hospital's role in Vault": _annotations(role="south-planner"),
    "a secret of another workload": _annotations(**{"agent-inject-secret-fhir": "north/kv/data/fhir"}),
    "another template of a secret": _annotations(**{"agent-inject-template-tls.key": "{{ key }}"}),
    "another image of the agent": _annotations(**{"agent-image": f"docker.io/library/python{_DIGEST}"}),
    "a container with the name of the agent": _more("initContainers", name="vault-agent-init"),
    "an injector of a mesh": lambda template: template["metadata"]["annotations"].update(
        {"sidecar.istio.io/inject": "true"}
    ),
    "the automatic token": _spec(automountServiceAccountToken=True),
}


def attacked_objects(graph: Graph) -> dict[str, Json]:
    """Return the other objects by title."""

    def of(api: str, kind: str, namespace: str = HOME, **body: Any) -> Json:
        return {"apiVersion": api, "kind": kind, "metadata": {"name": "tried", "namespace": namespace}, **body}

    def service(**spec: Any) -> Json:
        return of("v1", "Service", spec={"selector": _SELECTOR["matchLabels"], "ports": [{"port": 80}], **spec})

    found = next(r for r in graph.of("k8s:serving.kserve.io/InferenceService") if r.name.startswith("north-"))

    def model(**fields: Any) -> Json:
        spec = copy.deepcopy(found.props["spec"])
        spec["predictor"]["model"].update(fields)
        metadata = {**copy.deepcopy(found.props["metadata"]), "name": "tried"}
        return {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": metadata,
            "spec": spec,
        }

    container = {"name": "kserve-container", "image": f"docker.io/library/python{_DIGEST}"}
    anyone = {"kind": "Group", "name": "system:authenticated", "apiGroup": "rbac.authorization.k8s.io"}
    edit = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    secrets = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    owner = {"healthcare-mlops/hospital": "north", "healthcare-mlops/zone": "serving"}
    slice_: Json = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}], "ports": [{"port": 80}]}
    return {
        "NetworkPolicy: opens everything": of(
            "networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}, "ingress": [{}], "egress": [{}]}
        ),
        "Service: externalIPs": service(externalIPs=["198.51.100.7"]),
        "Service: ExternalName": service(type="ExternalName", externalName="elsewhere.example"),
        "Service: NodePort": service(type="NodePort"),
        "Service: LoadBalancer": service(type="LoadBalancer"),
        "EndpointSlice: an address of its own": of("discovery.k8s.io/v1", "EndpointSlice", **slice_),
        "ServiceAccount: a new one": of("v1", "ServiceAccount", automountServiceAccountToken=False),
        "Role: reads Secrets": of("rbac.authorization.k8s.io/v1", "Role", rules=secrets),
        "RoleBinding: everybody edits": of(
            "rbac.authorization.k8s.io/v1", "RoleBinding", subjects=[anyone], roleRef=edit
        ),
        "InferenceService: an image of its own": model(image="docker.io/library/python:3"),
        "InferenceService: another hospital's release": model(
            storageUri="s3://hmlops-dev-south-models/readmission/v1/x"
        ),
        "InferenceService: a release of elsewhere": model(storageUri="s3://elsewhere/readmission/v1/x"),
        "ServingRuntime: an image of its own": of(
            "serving.kserve.io/v1alpha1", "ServingRuntime", spec={"containers": [container]}
        ),
        "Ingress: a way in": of(
            "networking.k8s.io/v1",
            "Ingress",
            spec={"defaultBackend": {"service": {"name": "tried", "port": {"number": 80}}}},
        ),
        "ResourceQuota: a second one": of("v1", "ResourceQuota", spec={"hard": {"pods": "1000"}}),
        "Namespace: the labels of a zone": {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "tried", "labels": owner},
        },
    }
