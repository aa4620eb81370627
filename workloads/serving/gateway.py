"""Gateway of a hospital: the routes of ``routes.yaml``, each with its own authentication, limits and backend.

It runs in the hospital's platform zone. Its certificate is one of the hospital's workloads, with which it calls its
services too; client certificates are issued by another authority of the hospital, so programs of another hospital, and
workloads, fail in the TLS handshake.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.cluster.cluster import Cluster
from infra.settings import FIRST_MODEL, Gateway, Hospital, names
from workloads.platform.charts import CERT_MANAGER
from workloads.platform.gateway_class import ENVOY_API, ProxyPods, proxy_spec
from workloads.serving import routes
from workloads.serving.gateway_routes import (
    AUTHORITY,
    CLIENT_AUTHORITY,
    NAME,
    REVOCATION_LIST,
    TLS_SECRET,
    GatewayObject,
    HospitalRoutes,
    gateway_objects,
    hospital_routes,
)
from workloads.serving.gateway_security import CLIENT_SECRET
from workloads.zones import workload_table
from workloads.zones.workload_table import GATEWAY, Workload

_CERT_MANAGER_API = "cert-manager.io/v1"
# Hours: cert-manager renews the certificate, and Envoy takes it without closing a connection.
_CERTIFICATE_HOURS, _RENEW_BEFORE_HOURS = 24, 8
_PUBLIC_CLIENT = "public-client-without-secret"


@dataclass(frozen=True)
class HospitalGatewayArgs:
    """Arguments of a hospital's gateway.

    Parameters
    ----------
    gateway
        The stack's settings of gateways.
    hospital, cluster
        The hospital's entry and the cluster.
    workloads
        The hospital's workloads.
    auth_path
        Mount path of Vault's Kubernetes auth method.
    vault_namespace
        Namespace of a managed Vault.
    namespaces
        Namespaces by zone.
    authority
        Certificate of the authority of the hospital's workloads, as PEM.
    client_authority, revocation_list
        Certificate and revocation list of the authority of its client applications, as PEM.
    """

    gateway: Gateway
    hospital: Hospital
    cluster: Cluster
    workloads: Mapping[str, Workload]
    auth_path: pulumi.Input[str]
    vault_namespace: str | None
    namespaces: Mapping[str, pulumi.Output[str]]
    authority: pulumi.Output[str]
    client_authority: pulumi.Output[str]
    revocation_list: pulumi.Output[str]


def routes_of(gateway: Gateway, hospital: Hospital, workloads: Mapping[str, Workload]) -> HospitalRoutes:
    """Return the routes of a hospital, from the route table, to the workloads that the stack declares."""
    served = routes.table().served(workloads, FIRST_MODEL, hospital.release, hospital.models)
    return hospital_routes(gateway, hospital, served, workloads)


class HospitalGateway(pulumi.ComponentResource):
    """Gateway with its certificate, its routes and their policies."""

    def __init__(self, name: str, args: HospitalGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:HospitalGateway", name, None, opts)
        self._name, self._args = name, args
        self._row = workload_table.row(GATEWAY)
        own = routes_of(args.gateway, args.hospital, args.workloads)
        prerequisites: list[pulumi.Resource] = [self._certificate(own), *self._configuration(own)]
        for one in (self._proxy(own), *gateway_objects(own)):
            created = self._custom_resource(one, prerequisites)
            if one.kind in ("EnvoyProxy", "Gateway", "HTTPRouteFilter", "ReferenceGrant"):
                prerequisites = [*prerequisites, created]
        self.url = args.gateway.machine_url(args.hospital.name)
        self.register_outputs({"url": self.url})

    def _metadata(self, name: str, zone: str) -> ObjectMetaArgs:
        labels = names.labels(self._args.hospital.name, zone, self._row.service_account)
        return ObjectMetaArgs(name=name, namespace=self._args.namespaces[zone], labels=labels)

    def _custom_resource(self, one: GatewayObject, depends_on: list[pulumi.Resource]) -> CustomResource:
        suffix = "" if one.name == NAME else f"-{one.name.removeprefix(f'{NAME}-')}"
        return CustomResource(
            f"{self._name}-{one.kind.lower()}{suffix}",
            api_version=one.api,
            kind=one.kind,
            metadata=self._metadata(one.name, one.zone),
            spec=one.spec,
            opts=pulumi.ResourceOptions(parent=self, depends_on=depends_on),
        )

    def _proxy(self, own: HospitalRoutes) -> GatewayObject:
        cluster, hospital = self._args.cluster, self._args.hospital
        pods = ProxyPods(
            image=cluster.images.envoy,
            replicas=self._row.pods.number(hospital),
            load_balancer=cluster.installs_platform,
            private_ca=cluster.private_ca,
        )
        spec = proxy_spec(names.namespace(hospital.name, own.zone), TLS_SECRET, pods, own.recorder)
        return GatewayObject("EnvoyProxy", ENVOY_API, NAME, own.zone, spec)

    def _configuration(self, own: HospitalRoutes) -> list[pulumi.Resource]:
        """Declare what policies refer to: public certificates, the revocation list, and the name of a public client."""
        child = pulumi.ResourceOptions(parent=self)
        args, verified = self._args, {workload.zone for workload in own.backends.values()}
        zones = sorted(verified | ({own.zone} if own.recorder else set()))
        declared: list[pulumi.Resource] = [
            core.ConfigMap(
                f"{self._name}-{AUTHORITY}-{zone}",
                metadata=self._metadata(AUTHORITY, zone),
                data={"ca.crt": args.authority},
                opts=child,
            )
            for zone in zones
        ]
        clients = {
            CLIENT_AUTHORITY: {"ca.crt": args.client_authority},
            REVOCATION_LIST: {"ca.crl": args.revocation_list},
        }
        declared += [
            core.ConfigMap(f"{self._name}-{name}", metadata=self._metadata(name, own.zone), data=data, opts=child)
            for name, data in clients.items()
        ]
        if not own.has_browsers:
            return declared
        client = core.Secret(
            f"{self._name}-{CLIENT_SECRET}",
            metadata=self._metadata(CLIENT_SECRET, own.zone),
            string_data={"client-secret": _PUBLIC_CLIENT},
            opts=child,
        )
        return [*declared, client]

    def _certificate(self, own: HospitalRoutes) -> CustomResource:
        child = pulumi.ResourceOptions(parent=self)
        issuer = CustomResource(
            f"{self._name}-issuer",
            api_version=_CERT_MANAGER_API,
            kind="ClusterIssuer",
            metadata=ObjectMetaArgs(
                name=self._name,
                labels=names.labels(self._args.hospital.name, self._row.zone, self._row.service_account),
            ),
            spec=_issuer(self._args),
            opts=child,
        )
        certificate = _certificate(own, self._row.service_account, self._name)
        certificate_object = GatewayObject("Certificate", _CERT_MANAGER_API, NAME, self._row.zone, certificate)
        return self._custom_resource(certificate_object, [issuer])


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


def _certificate(own: HospitalRoutes, service_account: str, issuer: str) -> dict[str, object]:
    """Return the certificate by which clients know the gateway, and by which its services do."""
    return {
        "secretName": TLS_SECRET,
        "dnsNames": own.hosts,
        "uris": [names.spiffe_uri(own.hospital.name, service_account)],
        "issuerRef": {"kind": "ClusterIssuer", "name": issuer},
        "duration": f"{_CERTIFICATE_HOURS}h",
        "renewBefore": f"{_RENEW_BEFORE_HOURS}h",
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["digital signature", "server auth", "client auth"],
    }
