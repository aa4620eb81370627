"""A real OpenBao in memory, on loopback, with one hospital's transit engine and the logins of its workloads."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hvac
import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from infra.vault.hospital import VaultPolicyRule, policy_text
from model.io.vault import Vault
from tests.support.stack.service_accounts import VAULT_RULES

BINARY = Path(sys.executable).parent / "bao"
ROOT = "root-of-a-test"
HOSPITAL = "north"
PATIENCE = 30.0
LOOKUP_KEY = "identity-lookup"
LOOKUP_RULES = {
    "identity-writer": ("hmac/pseudonym/*", f"encrypt/{LOOKUP_KEY}", f"hmac/{LOOKUP_KEY}/*"),
    "care": ("hmac/pseudonym/*", f"encrypt/{LOOKUP_KEY}", f"decrypt/{LOOKUP_KEY}", f"hmac/{LOOKUP_KEY}/*"),
}
"""Paths of the transit engine that the writer of the identity lookup and its reader may use."""


@dataclass(frozen=True)
class Bao:
    """The running server and how its workloads log in."""

    url: str
    unseal_key: str
    key: ec.EllipticCurvePrivateKey
    folder: Path

    @property
    def root(self) -> hvac.Client:
        """A client that may do everything."""
        return hvac.Client(url=self.url, token=ROOT)

    def token_file(self, workload: str) -> Path:
        """Return the file of a workload's service account token."""
        now = datetime.now(UTC)
        claims = {"iss": "test", "sub": workload, "aud": "vault", "exp": now + timedelta(hours=1), "iat": now}
        path = self.folder / f"{workload}.token"
        path.write_text(jwt.encode(claims, self.key, algorithm="ES256"))
        return path

    def vault(self, workload: str, patience: float = PATIENCE) -> Vault:
        """Return the product's client, to log in as a workload."""
        return Vault(self.url, f"{HOSPITAL}-{workload}", None, self.token_file(workload), patience)

    def admit(self, workload: str, rules: Sequence[VaultPolicyRule]) -> None:
        """Let a workload log in, with the rules of its policy."""
        name = f"{HOSPITAL}-{workload}"
        self.root.sys.create_or_update_acl_policy(name, policy_text(HOSPITAL, rules))
        role = {
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": ["vault"],
            "bound_subject": workload,
            "token_policies": [name],
            "token_ttl": "15m",
        }
        self.root.write_data(f"auth/kubernetes/role/{name}", data=role)

    def rotate(self, key: str) -> None:
        """Make a new version of a key."""
        self.root.secrets.transit.rotate_key(key, mount_point=f"{HOSPITAL}/transit")


@contextmanager
def bao(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Bao]:
    """Give a laid-out server; the policies are those that the stack writes."""
    if not BINARY.exists():
        pytest.skip(f"OpenBao is not installed at {BINARY}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "bao.log"
    arguments = [str(BINARY), "server", "-dev", f"-dev-root-token-id={ROOT}", "-dev-no-store-token"]
    arguments.append(f"-dev-listen-address=127.0.0.1:{port}")
    with log.open("wb") as output:
        environment = {**os.environ, **(environment or {})}
        process = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, cwd=folder, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        unseal_key = _open(url, log)
        made = Bao(url, unseal_key, ec.generate_private_key(ec.SECP256R1()), folder)
        _lay_out(made)
        yield made
    finally:
        process.kill()
        process.wait()


def _open(url: str, log: Path) -> str:
    """Wait until the server answers and has said its unseal key."""
    passing = retry_if_exception_type((requests.RequestException, StopIteration))
    for attempt in Retrying(retry=passing, wait=wait_fixed(0.05), stop=stop_after_delay(PATIENCE)):
        with attempt:
            requests.get(f"{url}/v1/sys/health", timeout=5).raise_for_status()
            said = next(line for line in log.read_text().splitlines() if line.startswith("Unseal Key"))
    return said.partition(":")[2].strip()


def _lay_out(server: Bao) -> None:
    root = server.root
    mount = f"{HOSPITAL}/transit"
    root.sys.enable_secrets_engine("transit", path=mount)
    root.write_data(f"{mount}/keys/pseudonym", data={"type": "hmac", "key_size": 32})
    for key in ("identity", LOOKUP_KEY):
        root.secrets.transit.create_key(name=key, key_type="aes256-gcm96", mount_point=mount)
    root.sys.enable_auth_method("jwt", path="kubernetes")
    public = server.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    root.write_data("auth/kubernetes/config", data={"jwt_validation_pubkeys": [public.decode()]})
    for workload in ("ingestor", "reidentifier"):
        server.admit(workload, VAULT_RULES[workload])
    for workload, paths in LOOKUP_RULES.items():
        server.admit(workload, [VaultPolicyRule(path=f"transit/{path}", capability="update") for path in paths])
