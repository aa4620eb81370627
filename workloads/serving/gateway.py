"""Gateway of a hospital: mutual TLS, JWT authentication, rate limit, and a route to the model server only.

It runs in the hospital's platform zone. Server and client certificates are issued by the hospital's certificate
authority in Vault, so clients of another hospital fail in the TLS handshake.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.cluster.cluster import Cluster
from infra.settings import Gateway, Hospital, Release, names
from workloads.platform.charts import CERT_MANAGER
from workloads.platform.gateway_class import API, APPLICATION_HEADER, CLASS, ENVOY_API, replicas
from workloads.serving.inference_service import model_name
from workloads.zones import workload_table
from workloads.zones.workload_table import GATEWAY, MODEL_SERVER

NAME = "gateway"
TLS_SECRET = "gateway-tls"
CLIENT_CLAIM = "client_id"
HTTPS_PORT = 443
PREDICTOR_PORT = 80
_CERT_MANAGER_API = "cert-manager.io/v1"
_JWT_PROVIDER = "hospital"


@dataclass(frozen=True)
class HospitalGatewayArgs:
    """Arguments of a hospital's gateway.

    Parameters
    ----------
    gateway
        The stack's settings of gateways.
    hospital, cluster
        The hospital's entry and the cluster.
    auth_path
        Mount path of Vault's Kubernetes auth method.
    vault_namespace
        Namespace of a managed Vault.
    namespaces
        Namespaces by zone.
    """

    gateway: Gateway
    hospital: Hospital
    cluster: Cluster
    auth_path: pulumi.Input[str]
    vault_namespace: str | None
    namespaces: Mapping[str, pulumi.Output[str]]


class HospitalGateway(pulumi.ComponentResource):
    """Gateway with its certificate and policies and, for a hospital with a release, the route to the model server."""

    def __init__(self, name: str, args: HospitalGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:HospitalGateway", name, None, opts)
        self._name, self._args = name, args
        self._row = workload_table.row(GATEWAY)
        host = args.gateway.host(args.hospital.name)
        certificate = self._certificate(host)
        gateway = self._custom_resource("Gateway", API, NAME, _gateway(host), depends_on=[certificate])
        self._policies(gateway)
        release = args.hospital.release
        if release:
            self._route(release, host, gateway)
        self.url = f"https://{host}"
        self.register_outputs({"url": self.url})

    def _custom_resource(
        self,
        kind: str,
        api: str,
        name: str,
        spec: dict[str, object],
        *,
        depends_on: list[pulumi.Resource] | None = None,
        zone: str | None = None,
    ) -> CustomResource:
        zone = zone or self._row.zone
        labels = names.labels(self._args.hospital.name, zone, self._row.service_account)
        return CustomResource(
            f"{self._name}-{kind.lower()}",
            api_version=api,
            kind=kind,
            metadata=ObjectMetaArgs(name=name, namespace=self._args.namespaces[zone], labels=labels),
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self, depends_on=depends_on),
        )

    def _certificate(self, host: str) -> CustomResource:
        issuer = CustomResource(
            f"{self._name}-issuer",
            api_version=_CERT_MANAGER_API,
            kind="ClusterIssuer",
            metadata=ObjectMetaArgs(
                name=self._name,
                labels=names.labels(self._args.hospital.name, self._row.zone, self._row.service_account),
            ),
            spec=_issuer(self._args),
            opts=pulumi.ResourceOptions(parent=self),
        )
        certificate = _certificate(host, self._name)
        return self._custom_resource("Certificate", _CERT_MANAGER_API, NAME, certificate, depends_on=[issuer])

    def _policies(self, gateway: CustomResource) -> None:
        args, target = self._args, [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": NAME}]
        ca_certificate = {"kind": "Secret", "name": TLS_SECRET}
        tls = {"minVersion": "1.2", "clientValidation": {"optional": False, "caCertificateRefs": [ca_certificate]}}
        # A local rate limit applies to each replica.
        limit = {"requests": max(1, args.gateway.requests_per_minute // replicas()), "unit": "Minute"}
        specs: dict[str, dict[str, object]] = {
            "ClientTrafficPolicy": {"tls": tls},
            "SecurityPolicy": _security_policy(args.gateway, args.hospital),
            "BackendTrafficPolicy": {
                "rateLimit": {"type": "Local", "local": {"rules": [{"limit": limit}]}},
                "timeout": {"http": {"requestTimeout": "10s"}},
            },
        }
        for kind, spec in specs.items():
            self._custom_resource(kind, ENVOY_API, NAME, {"targetRefs": target, **spec}, depends_on=[gateway])

    def _route(self, release: Release, host: str, gateway: CustomResource) -> None:
        model = model_name(release.version)
        service, serving_zone = f"{model}-predictor", workload_table.row(MODEL_SERVER).zone
        reference_grant = self._custom_resource(
            "ReferenceGrant",
            "gateway.networking.k8s.io/v1beta1",
            NAME,
            {
                "from": [
                    {
                        "group": "gateway.networking.k8s.io",
                        "kind": "HTTPRoute",
                        "namespace": self._args.namespaces[self._row.zone],
                    }
                ],
                "to": [{"group": "", "kind": "Service", "name": service}],
            },
            zone=serving_zone,
        )
        path = {"type": "PathPrefix", "value": f"/v2/models/{model}"}
        backend = {"name": service, "namespace": self._args.namespaces[serving_zone], "port": PREDICTOR_PORT}
        route: dict[str, object] = {
            "parentRefs": [{"name": NAME}],
            "hostnames": [host],
            "rules": [{"matches": [{"path": path}], "backendRefs": [backend]}],
        }
        self._custom_resource("HTTPRoute", API, model, route, depends_on=[gateway, reference_grant])


def _issuer(args: HospitalGatewayArgs) -> dict[str, object]:
    """Return the Vault issuer: cert-manager logs in with its ServiceAccount, for a Vault role of this hospital only."""
    server = workload_table.row(GATEWAY).service_account
    kubernetes_auth = {
        "mountPath": pulumi.Output.concat("/v1/auth/", args.auth_path),
        "role": names.vault_role(args.hospital.name, server),
        "serviceAccountRef": {"name": CERT_MANAGER, "audiences": [args.cluster.audience]},
    }
    vault: dict[str, object] = {
        "server": args.cluster.vault.url,
        "path": names.certificate_path(args.hospital.name, server),
        "auth": {"kubernetes": kubernetes_auth},
    }
    return {"vault": vault | ({"namespace": args.vault_namespace} if args.vault_namespace else {})}


def _certificate(host: str, issuer: str) -> dict[str, object]:
    return {
        "secretName": TLS_SECRET,
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
        "port": HTTPS_PORT,
        "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": TLS_SECRET}]},
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }
    return {"gatewayClassName": CLASS, "listeners": [listener]}


def _security_policy(gateway: Gateway, hospital: Hospital) -> dict[str, object]:
    """Return the spec of the SecurityPolicy: a valid JWT whose client is one of the hospital's applications."""
    provider = {
        "name": _JWT_PROVIDER,
        "issuer": gateway.issuer,
        "audiences": [gateway.audience],
        "remoteJWKS": {"uri": gateway.jwks.url},
        "claimToHeaders": [{"claim": CLIENT_CLAIM, "header": APPLICATION_HEADER}],
    }
    claims = [{"name": CLIENT_CLAIM, "values": list(hospital.applications)}]
    principal = {"jwt": {"provider": _JWT_PROVIDER, "claims": claims}}
    rule = {"name": "applications", "action": "Allow", "principal": principal}
    return {"jwt": {"providers": [provider]}, "authorization": {"defaultAction": "Deny", "rules": [rule]}}
