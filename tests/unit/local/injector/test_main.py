"""The webhook over HTTPS, as the API server calls it, and the agent that its configuration starts."""

import base64
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import requests
from hvac.exceptions import VaultError

from local.injector.__main__ import main, server
from local.injector.annotations import parse
from local.injector.mutation import Injector
from tests.support.identity.tls import Authority
from tests.support.vault.bao_server import BINARY, HOSPITAL, bao
from tests.unit.local.injector.test_mutation import INJECTOR, SPEC

pytestmark = pytest.mark.process

ANNOTATIONS = {
    "vault.hashicorp.com/agent-inject": "true",
    "vault.hashicorp.com/role": "north-planner",
    "vault.hashicorp.com/agent-run-as-same-user": "true",
    "vault.hashicorp.com/agent-service-account-token-volume-name": "vault-token",
    "vault.hashicorp.com/agent-inject-secret-a": "north/kv/data/a",
}


def review(annotations: dict[str, str] | None, spec: dict[str, Any] = SPEC) -> dict[str, Any]:
    metadata: dict[str, Any] = {"generateName": "score-"} | ({"annotations": annotations} if annotations else {})
    pod = {"metadata": metadata, "spec": spec}
    request = {"uid": "1", "operation": "CREATE", "object": pod}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    Authority().issue("webhook").write(tmp_path / "a.crt", tmp_path / "a.key")
    running = server(INJECTOR, "127.0.0.1:0", tmp_path / "a.crt", tmp_path / "a.key")
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()


def ask(url: str, body: Any, path: str = "/mutate?timeout=10s") -> requests.Response:
    return requests.post(url + path, data=body, verify=False, timeout=10)


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_an_annotated_pod_gets_a_patch_that_the_api_server_can_apply(url: str) -> None:
    sent = review(ANNOTATIONS)
    response = ask(url, json.dumps(sent)).json()["response"]
    assert (response["allowed"], response["uid"], response["patchType"]) == (True, "1", "JSONPatch")
    pod = jsonpatch.apply_patch(sent["request"]["object"], json.loads(base64.b64decode(response["patch"])))
    assert pod["metadata"]["annotations"]["vault.hashicorp.com/agent-inject-status"] == "injected"
    assert {"vault-agent-init", "vault-agent"} < {one["name"] for one in pod["spec"]["initContainers"]}
    again = ask(url, json.dumps(review(pod["metadata"]["annotations"], pod["spec"]))).json()["response"]
    assert "patch" not in again


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_other_pods_are_left_alone_and_wrong_annotations_refused_with_a_reason(url: str) -> None:
    assert ask(url, json.dumps(review(None))).json()["response"] == {"uid": "1", "allowed": True}
    wrong = ANNOTATIONS | {"vault.hashicorp.com/agent-image": "other"}
    refused = ask(url, json.dumps(review(wrong))).json()["response"]
    assert refused["allowed"] is False
    assert "agent-image is not supported" in refused["status"]["message"]


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("body", ["", "{", "[]", "{}", '{"request": {"uid": "1"}}', '{"request": null}'])
def test_what_is_no_review_is_a_bad_request(url: str, body: str) -> None:
    assert ask(url, body).status_code == 400
    assert ask(url, json.dumps(review(None)), "/other").status_code == 400
    assert requests.get(f"{url}/healthz", verify=False, timeout=10).status_code == 200


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_silent_client_does_not_block_others(url: str) -> None:
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))):
        assert requests.get(f"{url}/healthz", verify=False, timeout=10).status_code == 200


def test_a_missing_image_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ("--cert", "c", "--key", "k", "--images", str(tmp_path / "images.json"), "--vault-ca", "ca")
    assert main(["--address", "127.0.0.1:0", "--vault", "https://v", *files]) == 2
    assert "names no image of the agent" in capsys.readouterr().err


def test_the_agent_renders_a_pair_of_the_allowed_identity_and_nothing_for_another(tmp_path: Path) -> None:
    """Run the agent with the configuration that a pod gets; only its login differs, which needs a cluster."""
    uri = "spiffe://hmlops/north/planner"
    with bao(tmp_path) as vault:
        root, mount = vault.root, f"{HOSPITAL}/workload-pki"
        root.sys.enable_secrets_engine("pki", path=mount)
        root.write_data(f"{mount}/root/generate/internal", data={"common_name": "north", "key_type": "ec"})
        role = {"allowed_uri_sans": uri, "require_cn": False, "key_type": "ec", "key_bits": 256, "ttl": "4h"}
        root.write_data(f"{mount}/roles/planner", data=role)
        root.sys.create_or_update_policy("issue", f'path "{mount}/issue/planner" {{ capabilities = ["update"] }}')
        for name, asked, rendered in (("own", uri, True), ("other", "spiffe://hmlops/north/care", False)):
            call = f'{{{{ with secret "{mount}/issue/planner" "uri_sans={asked}" }}}}'
            annotations = ANNOTATIONS | {
                "vault.hashicorp.com/agent-inject-template-a": call + "{{ .Data.certificate }}{{ end }}"
            }
            folder = tmp_path / name
            folder.mkdir()
            token = root.auth.token.create(policies=["issue"], ttl="5m")["auth"]["client_token"]
            (folder / "token").write_text(token)
            done = _run_agent(vault.url, annotations, folder)
            assert ((folder / "a").exists(), done) == (rendered, 0 if rendered else 1)
        with pytest.raises(VaultError, match="not valid for this role"):
            root.write_data(f"{mount}/issue/planner", data={"uri_sans": "spiffe://hmlops/south/planner"})


def _run_agent(url: str, annotations: dict[str, str], folder: Path) -> int:
    spec = Injector("image", url, "").inject(SPEC, parse(annotations))
    env = {one["name"]: one["value"] for one in spec["initContainers"][1]["env"]}
    config = json.loads(base64.b64decode(env["VAULT_CONFIG"]))
    assert config["exit_after_auth"] is True
    login = {"type": "token_file", "config": {"token_file_path": str(folder / "token")}}
    config["auto_auth"] = {"method": login, "sink": [{"type": "file", "config": {"path": str(folder / "sink")}}]}
    config["pid_file"] = str(folder / "pid")
    config["template"][0]["destination"] = str(folder / "a")
    config["vault"]["retry"] = {"num_retries": 1}
    (folder / "config.json").write_text(json.dumps(config))
    command = [sys.executable, str(BINARY), "agent", f"-config={folder / 'config.json'}"]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode
