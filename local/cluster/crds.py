"""CRDs of the charts that production installs: for the controllers that run here, and for the objects of a rehearsal.

The CRDs are YAML files of the upstream Go modules, each pinned by ``local/go/crds``; only those with objects in the
stack, or that a controller watches, are used.
"""

from pathlib import Path

from local.tools import modules
from local.tools.catalogue import GO_MODULES

MODULE = GO_MODULES / "crds"
# By Go module: the folder of its CRDs, and those that the stack uses.
TYPES = {
    "github.com/aws/karpenter-provider-aws": (
        "pkg/apis/crds",
        ("karpenter.k8s.aws_ec2nodeclasses", "karpenter.sh_nodepools"),
    ),
    "github.com/cert-manager/cert-manager": (
        "deploy/crds",
        (
            "cert-manager.io_certificaterequests",
            "cert-manager.io_certificates",
            "cert-manager.io_clusterissuers",
            "cert-manager.io_issuers",
        ),
    ),
    "github.com/envoyproxy/gateway": (
        "charts/gateway-helm/charts/crds/crds/generated",
        (
            "gateway.envoyproxy.io_backends",
            "gateway.envoyproxy.io_backendtrafficpolicies",
            "gateway.envoyproxy.io_clienttrafficpolicies",
            "gateway.envoyproxy.io_envoyextensionpolicies",
            "gateway.envoyproxy.io_envoypatchpolicies",
            "gateway.envoyproxy.io_envoyproxies",
            "gateway.envoyproxy.io_httproutefilters",
            "gateway.envoyproxy.io_securitypolicies",
        ),
    ),
    "github.com/prometheus-operator/prometheus-operator": (
        "example/prometheus-operator-crd",
        ("monitoring.coreos.com_podmonitors", "monitoring.coreos.com_prometheusrules"),
    ),
    "sigs.k8s.io/gateway-api": (
        "config/crd/standard",
        (
            "gateway.networking.k8s.io_backendtlspolicies",
            "gateway.networking.k8s.io_gatewayclasses",
            "gateway.networking.k8s.io_gateways",
            "gateway.networking.k8s.io_grpcroutes",
            "gateway.networking.k8s.io_httproutes",
            "gateway.networking.k8s.io_listenersets",
            "gateway.networking.k8s.io_referencegrants",
            "gateway.networking.k8s.io_tcproutes",
            "gateway.networking.k8s.io_tlsroutes",
            "gateway.networking.k8s.io_udproutes",
        ),
    ),
}


def fetched() -> list[Path]:
    """Return the CRD files, downloading modules that are missing in the cache.

    Raises
    ------
    UserError
        If there is no Go, or the module registry does not answer.
    """
    module_folders = modules.folders(MODULE, TYPES)
    return [
        module_folders[module] / folder / f"{name}.yaml" for module, (folder, names) in TYPES.items() for name in names
    ]
