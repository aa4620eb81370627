"""A hospital's gateway under test: its objects, its callers, and the controller that runs it."""

import socket
import ssl
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from joserfc.jwk import ECKey

from infra.settings import Gateway, Hospital, names
from tests.support.gateway import envoy_gateway as eg
from tests.support.gateway.gateway_callers import EHR, EHR_ISSUER, HOOK, PROGRAM, signing_key, token
from tests.support.gateway.gateway_pki import HospitalAuthority, PairFiles, write
from tests.support.gateway.gateway_services import Service, service
from tests.support.gateway.gateway_settings import HOSPITAL, RECORDER_ACCOUNT, gateway_settings, routes
from tests.support.identity.tls import Pair
from workloads.platform.gateway_class import traffic_spec
from workloads.platform.gateway_records import Recorder
from workloads.serving.gateway_routes import (
    AUTHORITY,
    CLIENT_AUTHORITY,
    NAME,
    REVOCATION_LIST,
    TLS_SECRET,
    HospitalRoutes,
    gateway_objects,
)
from workloads.serving.gateway_security import CLIENT_SECRET


@dataclass(frozen=True)
class World:
    """The gateway, its clients' keys and certificates, and the services behind it.

    Parameters
    ----------
    gateway, hospital
        The settings.
    controller
        The running controller.
    port
        Port of the gateway.
    folder
        Folder of the certificates.
    authority, workloads_authority
        The hospital's certificate authorities: of client applications, and of its workloads.
    ehr_key, login_key
        Keys of the EHR and of the identity provider.
    revoked
        A revoked certificate of the EHR.
    care, planning
        The stand-in services.
    objects
        The objects that the controller reads.
    """

    gateway: Gateway
    hospital: Hospital
    controller: eg.EnvoyGateway
    port: int
    folder: Path
    authority: HospitalAuthority
    workloads_authority: HospitalAuthority
    ehr_key: ECKey
    login_key: ECKey
    revoked: Pair
    care: Service
    planning: Service
    objects: list[eg.Manifest]

    def rotate(self) -> int:
        """Replace the gateway's certificate, and return the serial number of the new one."""
        [secret] = [one for one in self.objects if one["metadata"]["name"] == TLS_SECRET]
        pair = _server_pair(self.workloads_authority, routes(self.gateway, self.hospital))
        secret["data"] |= _encoded({"tls.crt": pair.certificate, "tls.key": pair.key})
        self.controller.apply(self.objects)
        return x509.load_pem_x509_certificate(pair.certificate).serial_number

    def revoke(self, *pairs: Pair) -> None:
        """Replace the revocation list by one with these certificates too."""
        [listed] = [one for one in self.objects if one["metadata"]["name"] == REVOCATION_LIST]
        listed["data"] = {"ca.crl": self.authority.revocation_list([self.revoked, *pairs]).decode()}
        self.controller.apply(self.objects)

    @contextmanager
    def short_connections(self, duration: str) -> Iterator[None]:
        """Let connections of programs be closed after another duration."""
        [policy] = [
            one for one in self.objects if (one["kind"], one["metadata"]["name"]) == ("ClientTrafficPolicy", "machines")
        ]
        limit = policy["spec"]["connection"]["connectionLimit"]
        usual = dict(limit)
        try:
            limit["maxConnectionDuration"] = duration
            self.controller.apply(self.objects)
            yield
        finally:
            limit |= usual
            self.controller.apply(self.objects)

    def serial_number(self) -> int:
        """Return the serial number of the certificate that a new connection gets."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        host = self.gateway.machine_host(HOSPITAL)
        files = self.certificate(EHR)
        context.load_cert_chain(files.certificate, files.key)
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection,
            context.wrap_socket(connection, server_hostname=host) as secured,
        ):
            return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"").serial_number

    def certificate(self, subject: str) -> PairFiles:
        """Return a certificate of the hospital's authority for an application."""
        # A folder of its own: threads of one test ask for the same application's certificate.
        return write(self.authority.issue(subject), Path(tempfile.mkdtemp(dir=self.folder)), subject)

    def client(self, host: str, certificate: PairFiles | None = None) -> httpx.Client:
        """Return a client that calls a host of the gateway, with a certificate or without."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        if certificate:
            context.load_cert_chain(certificate.certificate, certificate.key)
        transport = _ToLoopback(self.port, httpx.HTTPTransport(verify=context))
        return httpx.Client(transport=transport, base_url=f"https://{host}", timeout=30)

    def machines(self, application: str = EHR) -> httpx.Client:
        """Return a client of the host for programs, with the certificate of an application."""
        return self.client(self.gateway.machine_host(HOSPITAL), self.certificate(application))

    def browser(self) -> httpx.Client:
        """Return a client of the host for people."""
        return self.client(self.gateway.browser_host(HOSPITAL))

    def ehr_claims(self, path: str) -> dict[str, Any]:
        """Return the claims of the EHR's token for a path."""
        audience = f"{self.gateway.machine_url(HOSPITAL)}{path}"
        return {"iss": EHR_ISSUER, "aud": audience, "jti": datetime.now(UTC).isoformat()}

    def hook_token(self, **change: Any) -> str:
        """Return a token of the EHR for the discharge hook."""
        return token(self.ehr_key, {**self.ehr_claims(HOOK), **change})

    def program_claims(self, **change: Any) -> dict[str, Any]:
        """Return the claims of a program's access token."""
        claims = {"iss": self.gateway.issuer, "aud": self.gateway.audience, "client_id": PROGRAM}
        return {**claims, "scope": "readmission.scores notes.extract", **change}


class _ToLoopback(httpx.BaseTransport):
    """Sends requests to a port on loopback, with the host's name in TLS and in the header."""

    def __init__(self, port: int, transport: httpx.HTTPTransport) -> None:
        self._port, self._transport = port, transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions.setdefault("sni_hostname", request.url.host)
        request.url = request.url.copy_with(host="127.0.0.1", port=self._port)
        return self._transport.handle_request(request)

    def close(self) -> None:
        self._transport.close()


@contextmanager
def world(folder: Path, recorder_port: int | None = None) -> Iterator[World]:
    """Run the gateway with its stand-in services; refusals go to a recorder at a port."""
    ehr_key, login_key = signing_key("ehr-1"), signing_key("login-1")
    authority, internal = HospitalAuthority("hospital north"), HospitalAuthority("workloads of hospital north")
    gateway, hospital = gateway_settings(folder, ehr_key)
    (folder / "ca.crt").write_bytes(internal.certificate)
    own = routes(gateway, hospital, recorder=recorder_port is not None)
    pairs = {
        name: write(_service_pair(internal, row.service_account), folder, name) for name, row in own.backends.items()
    }
    revoked = authority.issue(EHR)
    controller_folder = folder / "controller"
    controller_folder.mkdir()
    with service(pairs["care"], folder / "ca.crt") as care, service(pairs["planning"], folder / "ca.crt") as planning:
        ports = {
            own.workloads["care"].service_account: care.port,
            own.workloads["planning"].service_account: planning.port,
        }
        if recorder_port is not None:
            ports[RECORDER_ACCOUNT] = recorder_port
        key_set = {"keys": [login_key.as_dict(private=False)]}
        issuers = [gateway.issuer, *([hospital.sign_in.issuer] if hospital.sign_in else [])]
        stand_ins = eg.StandIns(eg.free_port(), ports, dict.fromkeys(issuers, key_set))
        manifests = [*_manifests(own, (authority, internal), revoked), *_of_gateway(own, stand_ins)]
        with eg.running(controller_folder, manifests, stand_ins.port) as controller:
            yield World(
                gateway,
                hospital,
                controller,
                stand_ins.port,
                folder,
                authority,
                internal,
                ehr_key,
                login_key,
                revoked,
                care,
                planning,
                manifests,
            )


def _service_pair(authority: HospitalAuthority, service_account: str) -> Pair:
    return authority.issue(service_account, x509.UniformResourceIdentifier(names.spiffe_uri(HOSPITAL, service_account)))


def _server_pair(authority: HospitalAuthority, own: HospitalRoutes) -> Pair:
    identity = x509.UniformResourceIdentifier(names.spiffe_uri(HOSPITAL, "envoy"))
    return authority.issue("gateway", *(x509.DNSName(host) for host in own.hosts), identity)


def _of_gateway(own: HospitalRoutes, stand_ins: eg.StandIns) -> list[eg.Manifest]:
    namespace = f"{HOSPITAL}-{own.zone}"
    objects = gateway_objects(own)
    services = [
        eg.backend(row.service_account, f"{HOSPITAL}-{row.zone}", stand_ins.backends[row.service_account])
        for row in own.backends.values()
    ]
    recorder = None
    if own.recorder:
        recorder = Recorder(own.recorder.name, None, "gateway.envoyproxy.io", "Backend")
        services.append(eg.backend(recorder.name, namespace, stand_ins.backends[recorder.name]))
    proxy = traffic_spec(namespace, TLS_SECRET, recorder)
    return [*eg.for_host(objects, HOSPITAL, stand_ins), *services, *eg.gateway_class(NAME, namespace, proxy)]


def _manifests(
    own: HospitalRoutes, authorities: tuple[HospitalAuthority, HospitalAuthority], revoked: Pair
) -> list[eg.Manifest]:
    """Return the objects that the stack, cert-manager and the controller's installation declare besides."""
    namespace = f"{HOSPITAL}-{own.zone}"
    authority, internal = authorities
    server = _server_pair(internal, own)
    tls = {"tls.crt": server.certificate, "tls.key": server.key, "ca.crt": internal.certificate}
    zones = sorted({row.zone for row in own.backends.values()} | ({own.zone} if own.recorder else set()))
    text, clients = internal.certificate.decode(), authority.certificate.decode()
    return [
        *(
            eg.manifest("v1", "Namespace", name)
            for name in sorted({eg.SYSTEM, namespace, *(f"{HOSPITAL}-{z}" for z in zones)})
        ),
        eg.manifest("v1", "Secret", TLS_SECRET, namespace, type="kubernetes.io/tls", data=_encoded(tls)),
        eg.manifest("v1", "Secret", CLIENT_SECRET, namespace, data=_encoded({"client-secret": b"public"})),
        eg.manifest("v1", "Secret", "envoy-oidc-hmac", eg.SYSTEM, data=_encoded({"hmac-secret": b"0" * 32})),
        eg.manifest(
            "v1",
            "ConfigMap",
            REVOCATION_LIST,
            namespace,
            data={"ca.crl": authority.revocation_list([revoked]).decode()},
        ),
        eg.manifest("v1", "ConfigMap", CLIENT_AUTHORITY, namespace, data={"ca.crt": clients}),
        *(eg.manifest("v1", "ConfigMap", AUTHORITY, f"{HOSPITAL}-{zone}", data={"ca.crt": text}) for zone in zones),
    ]


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {name: b64encode(value).decode() for name, value in data.items()}
