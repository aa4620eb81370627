"""A hospital's gateway: its programs show a certificate and a token, and reach the model, and nothing else.

It runs in the hospital's platform zone. Its certificate, and the authority of its callers' certificates, come from the
hospital's own authority in Vault, so no other hospital's program gets as far as showing a token.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.cluster.cluster import Cluster
from infra.settings import names
from infra.settings.values import Gateway, Hospital, Release
from workloads.platform.charts import CERT_MANAGER
from workloads.platform.gateway_class import API, APPLICATION_HEADER, CLASS, ENVOY_API, REPLICAS
from workloads.serving.inference_service import model_name
from workloads.zones import flow_table

NAME = "gateway"
ZONE = "platform"
SECRET = "gateway-tls"
CLAIM = "client_id"
PORT = 443
MODEL_PORT = 80
_CERTIFICATES = "cert-manager.io/v1"
_TOKENS = "hospital"


@dataclass(frozen=True)
class HospitalGatewayArgs:
    """Whose gateway it is.

    Parameters
    ----------
    gateway
        What the environment says of gateways.
    hospital, cluster
        Whose it is, and where it runs.
    login_path
        Where pods log in to Vault.
    vault_namespace
        The namespace of a managed Vault.
    namespaces
        The hospital's zones.
    """

    gateway: Gateway
    hospital: Hospital
    cluster: Cluster
    login_path: pulumi.Input[str]
    vault_namespace: str | None
    namespaces: Mapping[str, pulumi.Output[str]]


class HospitalGateway(pulumi.ComponentResource):
    """Certificate, gateway, who may come in, and the route to the model once there is one."""

    def __init__(self, name: str, args: HospitalGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:HospitalGateway", name, None, opts)
        self._name, self._args = name, args
        self._labels = names.labels(args.hospital.name, ZONE, flow_table.GATEWAY)
        host = args.gateway.host(args.hospital.name)
        certificate = self._certificate(host)
        gateway = self._object("Gateway", API, NAME, _gateway(host), after=[certificate])
        self._policies(gateway)
        release = args.hospital.release
        if release:
            self._route(release, host, gateway)
        self.url = f"https://{host}"
        self.register_outputs({"url": self.url})

    def _object(
        self,
        kind: str,
        api: str,
        name: str,
        spec: dict[str, object],
        *,
        after: list[pulumi.Resource] | None = None,
        zone: str = ZONE,
    ) -> CustomResource:
        labels = names.labels(self._args.hospital.name, zone, flow_table.GATEWAY)
        return CustomResource(
            f"{self._name}-{kind.lower()}",
            api_version=api,
            kind=kind,
            metadata=ObjectMetaArgs(name=name, namespace=self._args.namespaces[zone], labels=labels),
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )

    def _certificate(self, host: str) -> CustomResource:
        issuer = CustomResource(
            f"{self._name}-issuer",
            api_version=_CERTIFICATES,
            kind="ClusterIssuer",
            metadata=ObjectMetaArgs(name=self._name, labels=self._labels),
            spec=_issuer(self._args),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return self._object("Certificate", _CERTIFICATES, NAME, _certificate(host, self._name), after=[issuer])

    def _policies(self, gateway: CustomResource) -> None:
        args, target = self._args, [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": NAME}]
        authority = {"kind": "Secret", "name": SECRET}
        tls = {"minVersion": "1.2", "clientValidation": {"optional": False, "caCertificateRefs": [authority]}}
        # Each replica counts for itself.
        limit = {"requests": max(1, args.gateway.requests_per_minute // REPLICAS), "unit": "Minute"}
        specs: dict[str, dict[str, object]] = {
            "ClientTrafficPolicy": {"tls": tls},
            "SecurityPolicy": _applications(args.gateway, args.hospital),
            "BackendTrafficPolicy": {
                "rateLimit": {"type": "Local", "local": {"rules": [{"limit": limit}]}},
                "timeout": {"http": {"requestTimeout": "10s"}},
            },
        }
        for kind, spec in specs.items():
            self._object(kind, ENVOY_API, NAME, {"targetRefs": target, **spec}, after=[gateway])

    def _route(self, release: Release, host: str, gateway: CustomResource) -> None:
        model = model_name(release.version)
        service = f"{model}-predictor"
        granted = self._object(
            "ReferenceGrant",
            "gateway.networking.k8s.io/v1beta1",
            NAME,
            {
                "from": [
                    {
                        "group": "gateway.networking.k8s.io",
                        "kind": "HTTPRoute",
                        "namespace": self._args.namespaces[ZONE],
                    }
                ],
                "to": [{"group": "", "kind": "Service", "name": service}],
            },
            zone="serving",
        )
        path = {"type": "PathPrefix", "value": f"/v2/models/{model}"}
        backend = {"name": service, "namespace": self._args.namespaces["serving"], "port": MODEL_PORT}
        route: dict[str, object] = {
            "parentRefs": [{"name": NAME}],
            "hostnames": [host],
            "rules": [{"matches": [{"path": path}], "backendRefs": [backend]}],
        }
        self._object("HTTPRoute", API, model, route, after=[gateway, granted])


def _issuer(args: HospitalGatewayArgs) -> dict[str, object]:
    """Return how cert-manager asks the hospital's authority: in its own name, by a role for this hospital alone."""
    login = {
        "mountPath": pulumi.Output.concat("/v1/auth/", args.login_path),
        "role": names.vault_role(args.hospital.name, flow_table.GATEWAY),
        "serviceAccountRef": {"name": CERT_MANAGER, "audiences": [args.cluster.audience]},
    }
    vault: dict[str, object] = {
        "server": args.cluster.vault.url,
        "path": names.certificate_path(args.hospital.name, flow_table.GATEWAY),
        "auth": {"kubernetes": login},
    }
    return {"vault": vault | ({"namespace": args.vault_namespace} if args.vault_namespace else {})}


def _certificate(host: str, issuer: str) -> dict[str, object]:
    return {
        "secretName": SECRET,
        "dnsNames": [host],
        "issuerRef": {"kind": "ClusterIssuer", "name": issuer},
        "duration": "720h",
        "renewBefore": "240h",
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["digital signature", "server auth"],
    }


def _gateway(host: str) -> dict[str, object]:
    listener = {
        "name": "https",
        "hostname": host,
        "port": PORT,
        "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": SECRET}]},
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }
    return {"gatewayClassName": CLASS, "listeners": [listener]}


def _applications(gateway: Gateway, hospital: Hospital) -> dict[str, object]:
    """Return who may come in: holders of a checked token that names one of the hospital's applications."""
    provider = {
        "name": _TOKENS,
        "issuer": gateway.issuer,
        "audiences": [gateway.audience],
        "remoteJWKS": {"uri": gateway.jwks.url},
        "claimToHeaders": [{"claim": CLAIM, "header": APPLICATION_HEADER}],
    }
    named = {"provider": _TOKENS, "claims": [{"name": CLAIM, "values": list(hospital.applications)}]}
    rule = {"name": "applications", "action": "Allow", "principal": {"jwt": named}}
    return {"jwt": {"providers": [provider]}, "authorization": {"defaultAction": "Deny", "rules": [rule]}}
