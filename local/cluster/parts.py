"""Parts (supervised components) of the embedded environment: commands, ports and health checks."""

import sys
from dataclasses import replace
from pathlib import Path

from local.cluster import charts, control_plane, node, openbao, parts_platform, postgres
from local.cluster.control_plane import CONTROLLER_PORT, ETCD_HEALTH_PORT, SCHEDULER_PORT
from local.cluster.host import CNI_RESULTS
from local.cluster.node import KUBELET_HEALTH_PORT, PROXY_HEALTH_PORT
from local.cluster.part import Part, digest, http, unix_socket
from local.cluster.supervision import Program
from local.ehr import build as ehr_build
from local.ehr import state as ehr_state
from local.keycloak import build as keycloak_build
from local.keycloak import server as keycloak_server
from local.paths import (
    API_PORT,
    API_URL,
    AWS_PORT,
    AWS_URL,
    BAO_PORT,
    BAO_URL,
    CHARTS_PORT,
    EHR_PORT,
    EHR_URL,
    KEYCLOAK_PORT,
    KEYCLOAK_URL,
    KUBELET_PORT,
    NODE_IP,
    POD_CIDR,
    POSTGRES_PORT,
    REPOSITORY,
    Home,
)

METRICS_PORT = 4443
NETPOL_HEALTH_PORT = 28082
_LOOPBACK = "127.0.0.1"
NETPOL_HEALTH_URL = f"http://{_LOOPBACK}:{NETPOL_HEALTH_PORT}/healthz"


def _netpol(home: Home) -> Part:
    command = (
        *(sys.executable, "-m", "local.netpol", "--kubeconfig", str(home.pki / "netpol.kubeconfig")),
        *("--node-ip", NODE_IP, "--pod-cidr", POD_CIDR),
        *("--leases", str(CNI_RESULTS)),
        *("--health-address", f"{_LOOPBACK}:{NETPOL_HEALTH_PORT}"),
    )
    return Part(
        Program("netpol", command, version=digest([REPOSITORY / "local" / "netpol", home.pki / "netpol.crt"])),
        http(NETPOL_HEALTH_URL),
        "NetworkPolicy enforcement",
        ((_LOOPBACK, NETPOL_HEALTH_PORT),),
    )


def _metrics_server(home: Home, kubernetes: Path) -> Part:
    own = home.pki / "metrics-server.kubeconfig"
    command = (
        str(kubernetes / "metrics-server"),
        *(f"--{use}kubeconfig={own}" for use in ("", "authentication-", "authorization-")),
        f"--bind-address={NODE_IP}",
        f"--secure-port={METRICS_PORT}",
        f"--tls-cert-file={home.pki / 'metrics-server-serving.crt'}",
        f"--tls-private-key-file={home.pki / 'metrics-server-serving.key'}",
        f"--kubelet-certificate-authority={home.pki / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--metric-resolution=15s",
    )
    version = digest([home.pki / "metrics-server.crt", home.pki / "metrics-server-serving.crt"])
    # Readiness would require a scrape of the kubelet; liveness does not.
    check = http(f"https://{NODE_IP}:{METRICS_PORT}/livez", client="health")
    return Part(
        Program("metrics-server", command, version=version), check, "resource metrics", ((NODE_IP, METRICS_PORT),)
    )


def _aws(home: Home) -> Part:
    pki = home.pki
    command = (
        *(sys.executable, "-m", "local.aws_emulator", "--address", f"{NODE_IP}:{AWS_PORT}"),
        *("--cert", str(pki / "aws.crt"), "--key", str(pki / "aws.key"), "--data", str(home.root / "aws")),
        *("--oidc-issuer", API_URL, "--oidc-keys", str(pki / "sa.pub")),
        *("--admin-credentials", str(home.root / "aws" / "credentials")),
        *("--eks-endpoint", API_URL, "--eks-authority", str(pki / "ca.crt")),
    )
    version = digest([REPOSITORY / "local" / "aws_emulator", pki / "aws.crt"])
    return Part(
        Program("aws", command, version=version),
        http(f"{AWS_URL}/", accept=(200, 403)),
        "AWS API emulator",
        ((NODE_IP, AWS_PORT),),
    )


def _ehr(home: Home) -> Part:
    database = f"jdbc:h2:file:{ehr_state.database(home) / 'records'}"
    built, certificate, key = ehr_build.folder(), home.pki / "ehr.crt", home.pki / "ehr.key"
    command = ehr_build.command(
        built,
        address=NODE_IP,
        port=EHR_PORT,
        certificate=certificate,
        key=key,
        database=database,
        app=ehr_state.app(home),
    )
    # A search for a patient that does not exist: tests server and database with a small response.
    return Part(
        Program("ehr", command, version=digest([certificate])),
        http(f"{EHR_URL}/Patient/none", accept=(404,)),
        "a hospital's FHIR server",
        ((NODE_IP, EHR_PORT),),
    )


def _keycloak(home: Home) -> Part:
    command = keycloak_server.command(home, keycloak_build.folder())
    # Answers as soon as realms and the database can be used.
    check = http(keycloak_server.discovery(f"{KEYCLOAK_URL}/realms/master"))
    version = digest([home.pki / "keycloak.crt", REPOSITORY / "local" / "keycloak" / "server.py"])
    return Part(
        Program("keycloak", command, version=version),
        check,
        "sign-in of hospitals' staff",
        ((NODE_IP, KEYCLOAK_PORT),),
    )


def _charts(home: Home) -> Part:
    certificate, key = home.pki / "charts.crt", home.pki / "charts.key"
    command = (sys.executable, "-m", "local.cluster.charts", "--cert", str(certificate), "--key", str(key))
    version = digest([certificate, charts.TABLE, REPOSITORY / "local" / "cluster" / "charts.py"])
    return Part(
        Program("charts", command, version=version),
        http(f"http://{_LOOPBACK}:{CHARTS_PORT}/healthz"),
        "chart repositories of a rehearsal",
        ((_LOOPBACK, CHARTS_PORT),),
    )


def _openbao(home: Home) -> Part:
    # 429: standby, 472/473: secondary, 501: not initialised, 503: sealed.
    check = http(f"{BAO_URL}/v1/sys/health")
    version = digest([home.pki / "openbao.crt", REPOSITORY / "local" / "cluster" / "openbao.py"])
    command = tuple(openbao.command(home))
    return Part(
        Program("openbao", command, openbao.environment(home), version),
        check,
        "Vault-compatible secrets",
        ((NODE_IP, BAO_PORT), (_LOOPBACK, 8201)),
    )


def _postgres(home: Home) -> Part:
    version = digest([home.pki / "postgres.crt", REPOSITORY / "local" / "cluster" / "postgres.py"])
    # INT: ends sessions and writes a checkpoint; TERM would wait for the end of every session.
    program = Program("postgres", postgres.command(home), version=version, stop_signal="INT")
    return Part(program, lambda _: postgres.problem(), "PostgreSQL", ((NODE_IP, POSTGRES_PORT),))


def _control_plane(home: Home, tools: dict[str, Path]) -> list[Part]:
    kubernetes = tools["kubernetes"]
    certificates = digest(path for path in home.pki.iterdir() if path.suffix in (".crt", ".yaml", ".pub"))
    parts = [
        Part(
            Program("etcd", control_plane.etcd(home, tools["etcd"] / "etcd")),
            http(f"http://{_LOOPBACK}:{ETCD_HEALTH_PORT}/health"),
            "cluster state",
            ((_LOOPBACK, 2379), (_LOOPBACK, 2380), (_LOOPBACK, ETCD_HEALTH_PORT)),
        ),
        Part(
            Program("kube-apiserver", control_plane.apiserver(home, kubernetes / "kube-apiserver")),
            http(f"{API_URL}/readyz", client="health"),
            "Kubernetes API",
            ((NODE_IP, API_PORT),),
        ),
        Part(
            Program(
                "kube-controller-manager",
                control_plane.controller_manager(home, kubernetes / "kube-controller-manager"),
            ),
            http(f"https://{_LOOPBACK}:{CONTROLLER_PORT}/healthz"),
            "controllers",
            ((_LOOPBACK, CONTROLLER_PORT),),
        ),
        Part(
            Program("kube-scheduler", control_plane.scheduler(home, kubernetes / "kube-scheduler")),
            http(f"https://{_LOOPBACK}:{SCHEDULER_PORT}/healthz"),
            "scheduler",
            ((_LOOPBACK, SCHEDULER_PORT),),
        ),
    ]
    return [replace(part, program=replace(part.program, version=certificates)) for part in parts]


def _node(home: Home, kubernetes: Path) -> list[Part]:
    def version(*names: str) -> str:
        return digest(home.config / name for name in names)

    return [
        Part(
            Program("containerd", node.containerd(home), version=version("containerd.toml", "cni")),
            unix_socket("containerd.sock"),
            "container runtime",
        ),
        Part(
            Program("kubelet", node.kubelet(home, kubernetes / "kubelet"), version=version("kubelet.yaml")),
            http(f"http://{_LOOPBACK}:{KUBELET_HEALTH_PORT}/healthz"),
            "node agent",
            ((NODE_IP, KUBELET_PORT), (_LOOPBACK, KUBELET_HEALTH_PORT)),
        ),
        Part(
            Program("kube-proxy", node.proxy(home, kubernetes / "kube-proxy"), version=version("kube-proxy.yaml")),
            http(f"http://{_LOOPBACK}:{PROXY_HEALTH_PORT}/healthz"),
            "Service addresses",
            ((_LOOPBACK, PROXY_HEALTH_PORT),),
        ),
    ]


def parts(home: Home, tools: dict[str, Path]) -> dict[str, Part]:
    """Return all supervised parts by name, in the order of their start."""
    listed = [
        *_control_plane(home, tools),
        _openbao(home),
        _aws(home),
        _postgres(home),
        _netpol(home),
        *_node(home, tools["kubernetes"]),
        parts_platform.kserve(home, tools["kserve"]),
        parts_platform.injector(home),
        parts_platform.cert_manager(home, tools["cert-manager"]),
        parts_platform.entry(home),
        _metrics_server(home, tools["kubernetes"]),
    ]
    # A rehearsal of production has the charts; its hospitals have their own identity providers.
    listed.append(_charts(home) if charts.marker(home).exists() else _keycloak(home))
    if ehr_state.population(home):
        listed.append(_ehr(home))
    return {part.name: part for part in listed}
