"""Chart repositories of a rehearsal, which replace the public ones because these may be unreachable.

The charts have the names and versions that the platform's table pins, and are empty. Helm really fetches and installs
them; their workloads do not run here.
"""

import argparse
import gzip
import hashlib
import io
import json
import ssl
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from local.cluster.pki import Identity
from local.paths import CHARTS_PORT, NODE_IP, REPOSITORY, Home

TABLE = REPOSITORY / "workloads" / "platform" / "charts.yaml"
_LOOPBACK = "127.0.0.1"
# The registry's name differs from its host.
_HOSTS = {"docker.io": "registry-1.docker.io"}
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.cncf.helm.config.v1+json"
_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


@dataclass(frozen=True)
class Answer:
    """Response body with its content type."""

    body: bytes
    kind: str = "application/octet-stream"

    @property
    def digest(self) -> str:
        """Digest of the body in OCI notation."""
        return f"sha256:{hashlib.sha256(self.body).hexdigest()}"


def archive(name: str, version: str) -> bytes:
    """Return an empty chart archive, always with the same bytes."""
    text = yaml.safe_dump({"apiVersion": "v2", "name": name, "version": version}).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo(f"{name}/Chart.yaml")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    return gzip.compress(packed.getvalue(), mtime=0)


def _registry(path: str, name: str, version: str) -> dict[str, Answer]:
    """Return the responses of an OCI registry for one chart, by path."""
    layer = Answer(archive(name, version))
    config = Answer(json.dumps({"name": name, "version": version, "apiVersion": "v2"}).encode())
    parts = {
        "config": {"mediaType": _CONFIG, "digest": config.digest, "size": len(config.body)},
        "layers": [{"mediaType": _LAYER, "digest": layer.digest, "size": len(layer.body)}],
    }
    manifest = Answer(json.dumps({"schemaVersion": 2, "mediaType": _MANIFEST, **parts}).encode(), _MANIFEST)
    tags = Answer(json.dumps({"name": path, "tags": [version]}).encode(), "application/json")
    answers_by_path = {f"blobs/{blob.digest}": blob for blob in (layer, config)}
    answers_by_path |= {"tags/list": tags, f"manifests/{version}": manifest, f"manifests/{manifest.digest}": manifest}
    return {"/v2/": Answer(b"{}", "application/json")} | {
        f"/v2/{path}/{key}": value for key, value in answers_by_path.items()
    }


def answers(charts: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Answer]]:
    """Return the responses by host and path, for the rows of the platform's table."""
    answers_by_host: dict[str, dict[str, Answer]] = {}
    for row in charts:
        chart, version = str(row["chart"]), str(row["version"])
        place = urlsplit(row.get("repository") or chart)
        host = answers_by_host.setdefault(_HOSTS.get(place.netloc, place.netloc), {})
        if place.scheme == "oci":
            path = place.path.strip("/")
            host |= _registry(path, path.rpartition("/")[2], version)
        else:
            file = f"{chart}-{version}.tgz"
            entry = {"apiVersion": "v2", "name": chart, "version": version, "urls": [file]}
            index = {"apiVersion": "v1", "entries": {chart: [entry]}}
            folder = place.path.rstrip("/")
            host[f"{folder}/index.yaml"] = Answer(yaml.safe_dump(index).encode(), "application/yaml")
            host[f"{folder}/{file}"] = Answer(archive(chart, version))
    return answers_by_host


def known() -> dict[str, dict[str, Answer]]:
    """Return the responses for the charts of the platform."""
    return answers(yaml.safe_load(TABLE.read_text(encoding="utf-8"))["charts"])


def identity() -> Identity:
    """Return the server certificate for the replaced hosts."""
    return Identity("charts", "charts", names=(*sorted(known()), _LOOPBACK))


def marker(home: Home) -> Path:
    """Return the marker file of an environment with these repositories."""
    return home.root / "charts"


def variables(home: Home) -> dict[str, str]:
    """Return the proxy variables for Helm; empty if the environment has no such repositories."""
    if not marker(home).exists():
        return {}
    here = ",".join((NODE_IP, _LOOPBACK, "localhost"))
    return {
        **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), f"http://{_LOOPBACK}:{CHARTS_PORT}"),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), here),
        "SSL_CERT_FILE": str(home.pki / "ca.crt"),
    }


class _Proxy(BaseHTTPRequestHandler):
    """HTTPS proxy that serves the responses of the requested hosts itself."""

    protocol_version = "HTTP/1.1"
    tls: ssl.SSLContext
    hosts: Mapping[str, Mapping[str, Answer]]
    host = ""

    def do_CONNECT(self) -> None:
        host = self.path.partition(":")[0]
        if host not in self.hosts:
            self.send_error(HTTPStatus.FORBIDDEN, f"a rehearsal has no {host}")
            return
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        self.host, self.close_connection = host, False
        self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)

    def do_GET(self) -> None:
        healthy = {"/healthz": Answer(b"ok", "text/plain")}
        answer = self.hosts.get(self.host, healthy).get(urlsplit(self.path).path)
        if answer is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Docker-Content-Digest", answer.digest)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(answer.body)

    def do_HEAD(self) -> None:
        self.do_GET()


def server(certificate: Path, key: Path, port: int) -> ThreadingHTTPServer:
    """Return the proxy server, bound to the loopback address."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    handler = type("Proxy", (_Proxy,), {"tls": tls, "hosts": known()})
    return ThreadingHTTPServer((_LOOPBACK, port), handler)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cert", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    arguments = parser.parse_args()
    server(arguments.cert, arguments.key, CHARTS_PORT).serve_forever()
