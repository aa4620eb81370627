"""Where credentials are: in no Secret but those of a table, in no environment variable and on no command line."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml
from kubernetes import client
from pydantic import BaseModel, ConfigDict, TypeAdapter

from local.paths import Home
from local.stack.stack import Stack
from tests.integration.cluster.node_processes import Container, command_line, containers, environment
from tests.integration.support import eventually
from tests.integration.vault.credential_forms import credentials
from tests.support.stack.service_accounts import CLINIC

pytestmark = pytest.mark.skipif(not CLINIC, reason="the stack has no gateway")
TABLE = Path(__file__).with_name("kubernetes_secrets.yaml")
ZONES = ("platform", "phi", "serving", "data")
SECRETS = Path("vault/secrets")
AGENT, AGENT_TOKEN = "vault-agent", Path("home/vault/.vault-token")
# A link from /var/run would lead to the node's own /run.
TOKENS = tuple(
    Path(run) / "secrets" / name
    for run in ("run", "var/run")
    for name in ("vault/token", "aws/token", "token/sa-token")
)
PUBLIC = {"HMLOPS_TRUSTED_KEYS": "public keys that releases are verified with"}
"""Variables whose values look random, and what they are."""


class SecretRow(BaseModel):
    """A Secret that may exist; the fields are described in the table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    namespace: str
    name: str
    type: str
    key: bool
    user: str
    reason: str


@dataclass(frozen=True, order=True)
class SecretFact:
    """What is compared of a Secret."""

    namespace: str
    name: str
    type: str
    key: bool


@pytest.fixture(scope="module")
def hospitals(home: Home) -> list[str]:
    return [str(entry["name"]) for entry in Stack(home).working()]


@pytest.fixture(scope="module")
def pods(core: Any, hospitals: list[str]) -> list[Any]:
    """Return the hospitals' running pods."""
    found = [pod for name in hospitals for zone in ZONES for pod in core.list_namespaced_pod(f"{name}-{zone}").items]
    return [pod for pod in found if pod.status.phase == "Running"]


@pytest.fixture(scope="module")
def running(pods: list[Any]) -> list[Container]:
    """Return the containers of the hospitals' running pods."""
    return [one for pod in pods for one in containers(pod)]


# --- Secrets ------------------------------------------------------------------------------
def allowed(hospitals: list[str]) -> set[SecretFact]:
    """Return the Secrets of the table for these hospitals."""
    rows = TypeAdapter(list[SecretRow]).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8"))["secrets"])
    return {
        SecretFact(Template(row.namespace).substitute(hospital=hospital), row.name, row.type, row.key)
        for row in rows
        for hospital in hospitals
    }


def holds_key(secret: Any) -> bool:
    """Return whether a Secret has a private key, or bytes that are no text."""
    values = [base64.b64decode(value) for value in (secret.data or {}).values()]
    return any(b"PRIVATE KEY" in value or not _is_text(value) for value in values)


def _is_text(value: bytes) -> bool:
    try:
        return value.decode("utf-8").replace("\n", "").isprintable()
    except UnicodeDecodeError:
        return False


def existing(core: Any) -> set[SecretFact]:
    """Return the Secrets of all namespaces."""
    return {
        SecretFact(one.metadata.namespace, one.metadata.name, one.type, holds_key(one))
        for one in core.list_secret_for_all_namespaces().items
    }


def test_the_cluster_has_the_secrets_of_the_table_and_no_other(core: Any, hospitals: list[str]) -> None:
    # cert-manager has the next private key in a Secret while it waits for a certificate.
    eventually(lambda: existing(core) == allowed(hospitals), 30)
    keys = {(one.namespace, one.name) for one in existing(core) if one.key}
    zones = {f"{hospital}-{zone}" for hospital in hospitals for zone in ZONES}
    assert {one for one in keys if one[0] in zones} == {(f"{name}-platform", "gateway-tls") for name in hospitals}


def test_another_secret_or_one_with_a_key_would_be_seen(core: Any, hospitals: list[str]) -> None:
    name, namespace = "credentials-test", "default"
    value = base64.b64encode(b"\x00\xff" * 16).decode()
    body = client.V1Secret(metadata=client.V1ObjectMeta(name=name), data={"key": value}, type="Opaque")
    core.create_namespaced_secret(namespace, body)
    try:
        assert existing(core) - allowed(hospitals) == {SecretFact(namespace, name, "Opaque", key=True)}
    finally:
        core.delete_namespaced_secret(name, namespace)


def test_no_pod_reads_a_secret_as_a_variable_or_a_volume(pods: list[Any]) -> None:
    assert pods
    for pod in pods:
        sources = [source for volume in pod.spec.volumes for source in (volume, *_projected(volume))]
        assert not [one for one in sources if one.secret], pod.metadata.name
        for one in (*(pod.spec.init_containers or ()), *pod.spec.containers):
            assert not [source for source in one.env_from or () if source.secret_ref], pod.metadata.name
            values = [variable.value_from for variable in one.env or () if variable.value_from]
            assert not [value for value in values if value.secret_key_ref], pod.metadata.name


def _projected(volume: Any) -> list[Any]:
    return list(volume.projected.sources) if volume.projected else []


# --- environment variables ----------------------------------------------------------------
PLANTED = {
    "private": ("SETTINGS", "-----BEGIN EC PRIVATE KEY-----"),
    "encoded": ("VAULT_CONFIG", base64.b64encode(b'{"key": "-----BEGIN PRIVATE KEY-----"}').decode()),
    "jwt": ("SETTINGS", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwbGFubmVyIn0.c2lnbmF0dXJl"),
    "vault": ("SETTINGS", "s.5fTLcRmNkKqgXVyZabcdEFGH"),
    "vault's new": ("SETTINGS", "hvs.CAESIJ1Yv9kXq7yKabcdefgh"),
    "aws": ("SETTINGS", "AKIAIOSFODNN7EXAMPLE"),
    "url": ("DATABASE_URL", "postgresql://planner:x7@172.31.250.1:5432/planning"),
    "parameters": ("DSN", "host=db user=planner password=abcd1234"),
    "jwk": ("KEYS", '{"kty": "EC", "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}'),
    "name": ("PGPASSWORD", "short"),
    "random": ("SETTINGS", "A1a-9bZkQw7RtYx3"),
}


@pytest.mark.parametrize(("name", "value"), PLANTED.values(), ids=PLANTED.keys())
def test_a_credential_is_recognised(name: str, value: str) -> None:
    assert credentials(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/aws/token"),
        ("VAULT_ADDR", "https://172.31.250.1:8200"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/hmlops-dev-north-planner"),
        ("TLS_CALLERS", "spiffe://hmlops/north/care,spiffe://hmlops/north/envoy"),
        ("PATH", "/usr/local/bin:/usr/bin"),
        ("VAULT_TOKEN", ""),
    ],
)
def test_a_setting_is_no_credential(name: str, value: str) -> None:
    assert not credentials(name, value)


def test_no_process_has_a_credential_in_its_environment_or_on_its_command_line(running: list[Container]) -> None:
    found, unread = [], []
    for one in running:
        variables = [(process, environment(process)) for process in one.processes]
        if not any(own for _, own in variables):
            unread.append(one)
        for process, own in variables:
            found += [
                f"{one.namespace}/{one.pod}/{one.name}: {what}"
                for name, value in own.items()
                for what in credentials(name, value)
                if not (name in PUBLIC and what.startswith("a random"))
            ]
            found += [
                f"{one.namespace}/{one.pod}/{one.name}: {what}"
                for argument in command_line(process)
                for what in credentials("its command line", argument)
                if not what.startswith("a random")
            ]
    assert not unread
    assert sorted(set(found)) == []


def values_in_use(one: Container) -> set[str]:
    """Return the credentials that a container reads from files: passwords, keys and tokens."""
    root, values = one.root, set()
    for path in (root / SECRETS).glob("database-*.json"):
        values.add(str(json.loads(path.read_text())["password"]))
    keys = [path.read_text() for path in (root / SECRETS).glob("*.key")]
    values |= {key.splitlines()[1] for key in keys}
    values |= {(root / path).read_text().strip() for path in (*TOKENS, AGENT_TOKEN) if (root / path).is_file()}
    return values


def test_the_credentials_that_are_in_use_are_in_no_environment(running: list[Container]) -> None:
    values = {value for one in running for value in values_in_use(one)}
    agents = [one for one in running if one.name == AGENT]
    assert agents
    # Each agent has a token and writes a password or a key.
    assert len(values) >= 2 * len(agents)
    for one in running:
        for process in one.processes:
            text = "\0".join([*environment(process).values(), *command_line(process)])
            assert not [value for value in values if value in text], f"{one.namespace}/{one.pod}/{one.name}"
