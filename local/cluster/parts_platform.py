"""Parts of the embedded environment that stand for production's charts: controllers, webhooks and the entry."""

import sys
from pathlib import Path

from local.cluster import entry as forwarder
from local.cluster.part import Part, digest, http, unix_socket
from local.cluster.supervision import Program
from local.paths import BAO_URL, INJECTOR_PORT, REPOSITORY, WORKLIST_PORT, Home

WEBHOOK_PORT = 9443
KSERVE_HEALTH_PORT = 28081
CERT_MANAGER_HEALTH_PORT = 28083
_LOOPBACK = "127.0.0.1"


def kserve(home: Home, folder: Path) -> Part:
    """Return KServe's controller."""
    # controller-runtime expects its serving certificate below TMPDIR.
    certificates = home.config / "kserve" / "k8s-webhook-server" / "serving-certs"
    certificates.mkdir(parents=True, exist_ok=True)
    for suffix in ("crt", "key"):
        link = certificates / f"tls.{suffix}"
        link.unlink(missing_ok=True)
        link.symlink_to(home.pki / f"kserve-webhook.{suffix}")
    command = (
        str(folder / "kserve-manager"),
        f"--webhook-port={WEBHOOK_PORT}",
        "--metrics-addr=0",
        f"--health-probe-addr={_LOOPBACK}:{KSERVE_HEALTH_PORT}",
    )
    environment = (
        ("KUBECONFIG", str(home.pki / "kserve.kubeconfig")),
        ("POD_NAMESPACE", "kserve"),
        ("TMPDIR", str(home.config / "kserve")),
    )
    version = digest([home.pki / "kserve.crt", home.pki / "kserve-webhook.crt"])
    return Part(
        Program("kserve", command, environment, version),
        http(f"http://{_LOOPBACK}:{KSERVE_HEALTH_PORT}/readyz"),
        "InferenceService controller",
        ((_LOOPBACK, KSERVE_HEALTH_PORT),),
    )


def injector(home: Home) -> Part:
    """Return the injector of Vault's agent."""
    certificate, key, images = (
        home.pki / "injector.crt",
        home.pki / "injector.key",
        REPOSITORY / "build" / "images.json",
    )
    command = (
        *(sys.executable, "-m", "local.injector", "--address", f"{_LOOPBACK}:{INJECTOR_PORT}"),
        *("--cert", str(certificate), "--key", str(key), "--images", str(images)),
        *("--vault", BAO_URL, "--vault-ca", str(home.pki / "ca.crt")),
    )
    return Part(
        Program("injector", command, version=digest([REPOSITORY / "local" / "injector", certificate, images])),
        http(f"https://{_LOOPBACK}:{INJECTOR_PORT}/healthz"),
        "adds Vault's agent to pods",
        ((_LOOPBACK, INJECTOR_PORT),),
    )


def cert_manager(home: Home, folder: Path) -> Part:
    """Return cert-manager's controllers, which renew the certificates of gateways."""
    health = f"{_LOOPBACK}:{CERT_MANAGER_HEALTH_PORT}"
    command = (
        str(folder / "cert-manager"),
        *("--kubeconfig", str(home.pki / "cert-manager.kubeconfig")),
        *("--health-address", health),
    )
    # Vault's certificate is of the environment's authority.
    environment = (("SSL_CERT_FILE", str(home.pki / "ca.crt")),)
    return Part(
        Program("cert-manager", command, environment, digest([home.pki / "cert-manager.crt"])),
        http(f"http://{health}/healthz"),
        "certificates of gateways",
        ((_LOOPBACK, CERT_MANAGER_HEALTH_PORT),),
    )


def entry(home: Home) -> Part:
    """Return the entry from this machine to hospitals' gateways."""
    command = forwarder.command(home)
    return Part(
        Program("entry", command, version=digest([home.config / "entry" / "bootstrap.json"])),
        unix_socket(forwarder.SOCKET),
        "hospitals' gateways on this machine",
        ((_LOOPBACK, WORKLIST_PORT),),
    )
