"""A real emulator process on a free loopback port, with its own certificate authority and identity issuer."""

import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import jwt
from botocore import UNSIGNED
from botocore.config import Config
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.support.identity.tls import self_signed
from tests.support.repository import REPOSITORY

# boto3-stubs wants literal service names.
make_client: Any = boto3.client
ISSUER = "https://127.0.0.1:6443"
CLUSTER = "https://127.0.0.1:6443"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Emulator:
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    issuer_key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self_signed("emulator under test").write(self.folder / "tls.crt", self.folder / "tls.key")
        public = self.issuer_key.public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        (self.folder / "sa.pub").write_bytes(pem)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        f = self.folder
        command = f"--address 127.0.0.1:{self.port} --cert {f}/tls.crt --key {f}/tls.key --data {f}/data".split()
        command += f"--oidc-issuer {ISSUER} --oidc-keys {f}/sa.pub --admin-credentials {f}/credentials".split()
        command += f"--eks-endpoint {CLUSTER} --eks-authority {f}/tls.crt".split()
        return [sys.executable, "-m", "local.aws_emulator", *command]

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(self.command(), cwd=REPOSITORY, stderr=log)
        log.close()
        self._await()

    @retry(retry=retry_if_exception_type(OSError), stop=stop_after_delay(60), wait=wait_fixed(0.1), reraise=True)
    def _await(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        if not (self.folder / "credentials").exists():
            raise FileNotFoundError("credentials")
        socket.create_connection(("127.0.0.1", self.port), 1).close()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.kill()
        (self.folder / "credentials").unlink()
        self.start()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def client(self, service: str, **keys: Any) -> Any:
        """Return a client of the administrator, or of the given keys."""
        if "aws_access_key_id" not in keys:
            lines = dict(
                line.split(" = ") for line in (self.folder / "credentials").read_text().splitlines() if "=" in line
            )
            keys |= {
                "aws_access_key_id": lines["aws_access_key_id"],
                "aws_secret_access_key": lines["aws_secret_access_key"],
            }
        signature = keys.pop("signature", None)
        region = keys.pop("region", "us-east-1")
        config = Config(
            signature_version=signature,
            s3={"addressing_style": "path"},
            retries={"max_attempts": 1},
            connect_timeout=5,
            read_timeout=20,
        )
        return make_client(
            service,
            region_name=region,
            endpoint_url=self.url,
            verify=str(self.folder / "tls.crt"),
            config=config,
            **keys,
        )

    def token(self, subject: str, **claims: Any) -> str:
        key = claims.pop("key", self.issuer_key)
        body = {"iss": ISSUER, "sub": subject, "aud": ["sts.amazonaws.com"], "exp": time.time() + 600, **claims}
        return jwt.encode(body, key, algorithm="RS256")

    def session(self, role: str, token: str) -> dict[str, str]:
        """Return the client arguments of a session, as a pod gets them."""
        made = self.anonymous("sts").assume_role_with_web_identity(
            RoleArn=role, RoleSessionName="pod", WebIdentityToken=token
        )["Credentials"]
        return {
            "aws_access_key_id": made["AccessKeyId"],
            "aws_secret_access_key": made["SecretAccessKey"],
            "aws_session_token": made["SessionToken"],
        }

    def anonymous(self, service: str) -> Any:
        return make_client(
            service,
            region_name="us-east-1",
            endpoint_url=self.url,
            verify=str(self.folder / "tls.crt"),
            config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}),
        )
