"""Where the embedded environment keeps its things, and the addresses that it uses."""

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

API_URL = f"https://{NODE_IP}:{API_PORT}"
BAO_URL = f"https://{NODE_IP}:{BAO_PORT}"
AWS_URL = f"https://{NODE_IP}:{AWS_PORT}"
EHR_URL = f"https://{NODE_IP}:{EHR_PORT}/fhir"


def _folder(variable: str, xdg: str, default: str) -> Path:
    named = os.environ.get(variable)
    if named:
        return Path(named).expanduser()
    base = os.environ.get(xdg)
    return (Path(base) if base else Path.home() / default) / "healthcare-mlops"


def cache() -> Path:
    """Return the folder of what can be built again (``HMLOPS_CACHE``)."""
    return _folder("HMLOPS_CACHE", "XDG_CACHE_HOME", ".cache")


@dataclass(frozen=True)
class Home:
    """The folder of what the running environment holds (``HMLOPS_HOME``)."""

    root: Path

    @classmethod
    def default(cls) -> "Home":
        """Return the home that the environment variables name."""
        return cls(_folder("HMLOPS_HOME", "XDG_STATE_HOME", ".local/state"))

    @property
    def pki(self) -> Path:
        """Certificates, keys and kubeconfigs, one a part."""
        return self.root / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "kubeconfig"

    @property
    def logs(self) -> Path:
        """One log a part."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Sockets and what else belongs to one run only."""
        return self.root / "run"

    @property
    def config(self) -> Path:
        """Rendered configuration files of the parts."""
        return self.root / "config"

    @property
    def pulumi(self) -> Path:
        """The file backend of Pulumi and its passphrase."""
        return self.root / "pulumi"

    @property
    def containerd_socket(self) -> Path:
        """The container runtime's socket."""
        return self.run / "containerd.sock"
