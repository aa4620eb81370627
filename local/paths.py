"""Paths and network addresses of the embedded environment."""

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

NODE_NAME = "hmlops-node"
NODE_IP = "172.31.250.1"
POD_CIDR = "10.245.0.0/16"
SERVICE_CIDR = "10.97.0.0/16"
API_SERVICE_IP = "10.97.0.1"
DNS_IP = "10.97.0.10"

API_PORT = 6443
KUBELET_PORT = 10250
BAO_PORT = 8200
AWS_PORT = 4566
EHR_PORT = 8444
CHARTS_PORT = 8445
INJECTOR_PORT = 9444
KEYCLOAK_PORT = 8446
WORKLIST_PORT = 8447
WORKLIST_DOMAIN = "localhost"
# Where the gateway listens: names below `localhost` are not known to every resolver.
LOOPBACK = "127.0.0.1"
POSTGRES_PORT = 5432

API_URL = f"https://{NODE_IP}:{API_PORT}"
BAO_URL = f"https://{NODE_IP}:{BAO_PORT}"
AWS_URL = f"https://{NODE_IP}:{AWS_PORT}"
KEYCLOAK_URL = f"https://{NODE_IP}:{KEYCLOAK_PORT}"
# In the cluster: Envoy Gateway takes no address in place of a token endpoint's host name.
KEYCLOAK_HOST = "keycloak.kube-system.svc.cluster.local"
EHR_URL = f"https://{NODE_IP}:{EHR_PORT}/fhir"


def _folder(variable: str, xdg: str, default: str) -> Path:
    named = os.environ.get(variable)
    if named:
        return Path(named).expanduser()
    base = os.environ.get(xdg)
    return (Path(base) if base else Path.home() / default) / "healthcare-mlops"


def worklist_url(hospital: str) -> str:
    """Return the address at which a hospital's gateway serves its staff."""
    return f"https://{hospital}.{WORKLIST_DOMAIN}:{WORKLIST_PORT}"


def machine_url(hospital: str) -> str:
    """Return the address at which a hospital's gateway serves its EHR and programs."""
    return f"https://{hospital}.api.{WORKLIST_DOMAIN}:{WORKLIST_PORT}"


def cache() -> Path:
    """Return the cache folder of build results (``HMLOPS_CACHE``)."""
    return _folder("HMLOPS_CACHE", "XDG_CACHE_HOME", ".cache")


@dataclass(frozen=True)
class Home:
    """State folder of the running environment (``HMLOPS_HOME``)."""

    root: Path

    @classmethod
    def default(cls) -> "Home":
        """Return the home given by the environment variables."""
        return cls(_folder("HMLOPS_HOME", "XDG_STATE_HOME", ".local/state"))

    @property
    def pki(self) -> Path:
        """Folder of certificates, keys and kubeconfigs of the parts."""
        return self.root / "pki"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of the administrator."""
        return self.root / "kubeconfig"

    @property
    def logs(self) -> Path:
        """Folder of the logs, one per part."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Folder of sockets and other files of one run."""
        return self.root / "run"

    @property
    def config(self) -> Path:
        """Folder of the parts' rendered configuration files."""
        return self.root / "config"

    @property
    def pulumi(self) -> Path:
        """Folder of Pulumi's file backend and its passphrase."""
        return self.root / "pulumi"

    @property
    def containerd_socket(self) -> Path:
        """Socket of the container runtime."""
        return self.run / "containerd.sock"
