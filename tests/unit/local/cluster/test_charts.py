"""A rehearsal's chart repositories answer for the charts that the platform's table pins, and for nothing else."""

import gzip
import http.client
import io
import json
import ssl
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.cluster import charts, pki
from local.paths import Home

ROWS = yaml.safe_load(charts.TABLE.read_text())["charts"]
Ask = Callable[[str, str], tuple[int, bytes]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Return a function that asks a host for a path through the proxy, and trusts the environment's authority alone."""
    home = Home(tmp_path_factory.mktemp("home"))
    pki.ensure(home, charts.identity())
    serving = charts.server(home.pki / "charts.crt", home.pki / "charts.key", 0)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    trust = ssl.create_default_context(cafile=str(home.pki / "ca.crt"))

    def asked(host: str, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection("127.0.0.1", serving.server_port, context=trust, timeout=10)
        connection.set_tunnel(host, 443)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    yield asked
    serving.shutdown()
    serving.server_close()


def chart_of(archive: bytes) -> dict[str, Any]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as tar:
        [member] = tar.getmembers()
        content = tar.extractfile(member)
        assert content is not None
        found: dict[str, Any] = yaml.safe_load(content.read())
        return found


@pytest.mark.parametrize("row", [row for row in ROWS if row.get("repository")], ids=lambda row: str(row["name"]))
def test_a_repository_lists_its_chart_and_has_it(ask: Ask, row: dict[str, Any]) -> None:
    host, _, folder = row["repository"].removeprefix("https://").partition("/")
    base = f"/{folder}" if folder else ""
    status, index = ask(host, f"{base}/index.yaml")
    assert status == 200
    [entry] = yaml.safe_load(index)["entries"][row["chart"]]
    assert entry["version"] == str(row["version"])
    status, archive = ask(host, f"{base}/{entry['urls'][0]}")
    assert status == 200
    assert chart_of(archive) == {"apiVersion": "v2", "name": row["chart"], "version": str(row["version"])}


@pytest.mark.parametrize("row", [row for row in ROWS if not row.get("repository")], ids=lambda row: str(row["name"]))
def test_a_registry_has_its_chart_by_tag(ask: Ask, row: dict[str, Any]) -> None:
    host, _, path = row["chart"].removeprefix("oci://").partition("/")
    host = {"docker.io": "registry-1.docker.io"}.get(host, host)
    status, manifest = ask(host, f"/v2/{path}/manifests/{row['version']}")
    assert status == 200
    [layer] = json.loads(manifest)["layers"]
    status, archive = ask(host, f"/v2/{path}/blobs/{layer['digest']}")
    assert (status, len(archive)) == (200, layer["size"])
    assert chart_of(archive)["version"] == row["version"]


@pytest.mark.parametrize("path", ["/v2/jetstack/charts/cert-manager/manifests/v0.0.1", "/v2/other/manifests/v1", "/"])
def test_what_the_table_does_not_pin_is_not_there(ask: Ask, path: str) -> None:
    assert ask("quay.io", path)[0] == 404


def test_another_host_is_refused(ask: Ask) -> None:
    with pytest.raises(OSError, match="403 a rehearsal has no example"):
        ask("example.org", "/")


def test_a_chart_has_the_same_bytes_each_time() -> None:
    assert charts.archive("a", "1.0.0") == charts.archive("a", "1.0.0") != charts.archive("a", "1.0.1")


def test_only_an_environment_with_the_marker_asks_here(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert charts.variables(home) == {}
    charts.marker(home).touch()
    assert charts.variables(home)["SSL_CERT_FILE"] == str(home.pki / "ca.crt")
