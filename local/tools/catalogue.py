"""Catalogue of the embedded environment's tools, with their sources and versions."""

from dataclasses import dataclass, field
from pathlib import Path

from local.paths import REPOSITORY

GO_MODULES = REPOSITORY / "local" / "go"
GO_VERSION = "1.26"
KUBERNETES_VERSION = "v1.36.3"
PULUMI_VERSION = "3.246.0"
KUBERNETES_PROVIDER_VERSION = "4.25.0"
KSERVE_VERSION = "v0.20.0"
HELM_VERSION = "v3.22.0"
ENVOY_GATEWAY_VERSION = "v1.9.1"
CERT_MANAGER_VERSION = "v1.21.2"

_KUBERNETES_LINKER_VALUES = {
    "k8s.io/component-base/version.gitVersion": KUBERNETES_VERSION,
    "k8s.io/component-base/version.gitMajor": "1",
    "k8s.io/component-base/version.gitMinor": "36",
    "k8s.io/component-base/version.gitTreeState": "clean",
    "k8s.io/client-go/pkg/version.gitVersion": KUBERNETES_VERSION,
}
_KUBERNETES_PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4"
_KUBERNETES_COMMANDS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
    "metrics-server",
)


@dataclass(frozen=True)
class GoTool:
    """Tool built from a Go module below ``local/go``, whose ``go.sum`` pins all sources.

    Parameters
    ----------
    name, version
        What the cache calls it.
    packages
        Binary name to Go package.
    source
        Folder below ``local/go`` of its Go module, where that is not its name.
    links
        Further names of the first binary.
    linker_values
        Variables that the linker sets.
    probe
        Arguments that make the binary of this name on PATH print its version; such a binary
        is used instead when it prints ``version``. Empty: always built.
    resources
        A module and a folder of its source that is stored with the binaries, such as the
        manifests that a controller is installed with.
    """

    name: str
    version: str
    packages: dict[str, str]
    source: str = ""
    links: tuple[str, ...] = ()
    linker_values: dict[str, str] = field(default_factory=dict)
    probe: tuple[str, ...] = ()
    resources: tuple[str, str] | None = None

    @property
    def module(self) -> Path:
        """Folder of the tool's ``go.mod``."""
        return GO_MODULES / (self.source or self.name)


# Configures Envoy from objects of the Gateway API; cert-manager renews the gateways' certificates.
ENVOY_GATEWAY = GoTool(
    name="envoy-gateway",
    version=ENVOY_GATEWAY_VERSION,
    packages={"envoy-gateway": "github.com/envoyproxy/gateway/cmd/envoy-gateway"},
    resources=("github.com/envoyproxy/gateway", "charts/gateway-helm"),
)

CERT_MANAGER = GoTool(
    name="cert-manager",
    version=CERT_MANAGER_VERSION,
    packages={"cert-manager": "."},
)

GO_TOOLS = (
    GoTool(
        name="kubernetes",
        version=KUBERNETES_VERSION,
        packages={"kubernetes": ".", "coredns": "./coredns"},
        links=_KUBERNETES_COMMANDS,
        linker_values=_KUBERNETES_LINKER_VALUES,
    ),
    GoTool(
        name="etcd",
        version="3.6.8",
        packages={"etcd": "go.etcd.io/etcd/server/v3"},
        probe=("--version",),
    ),
    GoTool(
        name="cni",
        version="v1.9.1",
        packages={
            name: f"github.com/containernetworking/plugins/plugins/{kind}/{name}"
            for name, kind in (("ptp", "main"), ("loopback", "main"), ("host-local", "ipam"))
        },
    ),
    GoTool(
        name="kserve",
        version=KSERVE_VERSION,
        packages={"kserve-manager": "github.com/kserve/kserve/cmd/manager"},
        resources=("github.com/kserve/kserve", "config"),
    ),
    GoTool(
        name="pulumi",
        version=PULUMI_VERSION,
        packages={"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
        linker_values={"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": f"v{PULUMI_VERSION}"},
        probe=("version",),
    ),
    # In the CLI's module, so that shared packages are downloaded and compiled once.
    GoTool(
        name="pulumi-kubernetes",
        version=KUBERNETES_PROVIDER_VERSION,
        packages={"pulumi-resource-kubernetes": "./kubernetes"},
        source="pulumi",
        linker_values={f"{_KUBERNETES_PROVIDER}/pkg/version.Version": KUBERNETES_PROVIDER_VERSION},
        resources=(_KUBERNETES_PROVIDER, "cmd/pulumi-resource-kubernetes"),
    ),
    CERT_MANAGER,
    ENVOY_GATEWAY,
)

# Renders charts for the policy pack (`make test-charts`); the environment does not need it.
HELM = GoTool(name="helm", version=HELM_VERSION, packages={"helm": "helm.sh/helm/v3/cmd/helm"})

POSTGRES_BINARIES = Path("/usr/lib/postgresql/15/bin")
# Command -> Debian package: the container runtime, tools of the kernel's network, PostgreSQL, and what Keycloak needs.
APT_TOOLS = {
    "/usr/bin/containerd": "containerd",
    "/usr/sbin/runc": "runc",
    "/usr/sbin/nft": "nftables",
    "/usr/sbin/conntrack": "conntrack",
    "/usr/bin/mmdebstrap": "mmdebstrap",
    "/usr/sbin/ip": "iproute2",
    "/usr/sbin/iptables": "iptables",
    "/usr/bin/java": "openjdk-17-jre-headless",
    "/usr/bin/mvn": "maven",
    str(POSTGRES_BINARIES / "postgres"): "postgresql-15",
    "/usr/lib/postgresql/15/lib/pgaudit.so": "postgresql-15-pgaudit",
}
