"""PostgreSQL server: its data in the environment's home, run as the user postgres in a mount namespace of its own.

The home belongs to root and is closed to others, so the server's folder is mounted where the user postgres can enter
it; the mount is in a namespace of the process and ends with it. A lock, which the server inherits, shows whether a
killed server still has processes; its pid file shows nothing, since process ids are reused.
"""

import json
import os
import pwd
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from local.errors import UserError
from local.paths import AWS_URL, NODE_IP, POSTGRES_PORT, Home
from local.tools.catalogue import POSTGRES_BINARIES

ADMINISTRATOR = "administrator"
# As RDS does, the environment keeps the administrator's login in Secrets Manager.
SECRET = "hmlops-postgresql-administrator"
USER = "postgres"
# Exists on every machine with the server's package.
MOUNT_POINT = Path("/var/lib/postgresql")
_DATA = MOUNT_POINT / "data"
# The settings of Aurora's parameter group where they apply (infra/databases/aurora.py); the rest keeps it small.
SETTINGS = {
    "unix_socket_directories": "",
    "ssl": "on",
    "ssl_cert_file": str(MOUNT_POINT / "server.crt"),
    "ssl_key_file": str(MOUNT_POINT / "server.key"),
    "ssl_min_protocol_version": "TLSv1.2",
    "password_encryption": "scram-sha-256",
    "shared_preload_libraries": "pgaudit",
    "pgaudit.log": "ddl,role,read,write",
    "pgaudit.log_relation": "on",
    "pgaudit.log_catalog": "off",
    # Parameters and the text of refused statements may contain PHI.
    "pgaudit.log_parameter": "off",
    "log_parameter_max_length_on_error": "0",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "max_wal_size": "256MB",
    # Leaves nothing in /dev/shm when it is killed.
    "dynamic_shared_memory_type": "mmap",
    "jit": "off",
}
_HBA = "hostssl all all 0.0.0.0/0 scram-sha-256\n"


def folder(home: Home) -> Path:
    """Return PostgreSQL's folder."""
    return home.root / "postgres"


def command(home: Home, address: str = NODE_IP, port: int = POSTGRES_PORT) -> tuple[str, ...]:
    """Return the command of the server: with the lock, in a mount namespace, prepare, then become ``postgres``."""
    return (
        *("flock", "--no-fork", str(home.root / "postgres.lock")),
        *("unshare", "--mount", "--propagation", "private", "--"),
        *("sh", "-c", '"$1" -m local.cluster.postgres "$2" "$3" "$4" && shift 4 && exec "$@"', "postgres"),
        *(sys.executable, str(home.root), address, str(port)),
        *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"),
        *(str(POSTGRES_BINARIES / "postgres"), "-D", str(_DATA)),
    )


def problem(address: str = NODE_IP, port: int = POSTGRES_PORT) -> str:
    """Return what is wrong with the server, or an empty string."""
    ask = [str(POSTGRES_BINARIES / "pg_isready"), "-q", "-t", "3", "-h", address, "-p", str(port)]
    answer = subprocess.run(ask, check=False).returncode
    return {0: "", 1: "is starting or stopping"}.get(answer, "does not answer")


def publish_administrator(home: Home, client: Any = None) -> None:
    """Write the administrator's login to the AWS emulator's Secrets Manager, unless it has it.

    Parameters
    ----------
    home
        The environment's home.
    client
        The client of Secrets Manager; by default of the emulator, with the operator's credentials.
    """
    client = client or _secrets_manager(home)
    wanted = json.dumps({"username": ADMINISTRATOR, "password": administrator_password(home)})
    try:
        if client.get_secret_value(SecretId=SECRET)["SecretString"] != wanted:
            client.put_secret_value(SecretId=SECRET, SecretString=wanted)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        client.create_secret(Name=SECRET, SecretString=wanted, Description="Administrator of PostgreSQL")


def _secrets_manager(home: Home) -> Any:
    credentials = str(home.root / "aws" / "credentials")
    session = boto3.Session(region_name="us-east-1")
    session._session.set_config_variable("credentials_file", credentials)
    return session.client("secretsmanager", endpoint_url=AWS_URL, verify=str(home.pki / "ca.crt"))


def prepare(home: Home, address: str, port: int) -> None:
    """Mount the folder, create the database cluster at the first start, and write its configuration.

    Data without the mark of a finished first start come from an interrupted one, and are created again.
    """
    server = folder(home) / "server"
    server.mkdir(parents=True, exist_ok=True)
    folder(home).chmod(0o700)
    _own(server)
    if not _mark(home).exists():
        shutil.rmtree(server / "data", ignore_errors=True)
        _write(_password(home), secrets.token_urlsafe(32).encode())
    if not _password(home).is_file():
        raise UserError(
            f"PostgreSQL's data in {server} have no administrator's password ({_password(home)}): restore it, or run "
            "`make clean` to start with an empty server"
        )
    subprocess.run(["mount", "--bind", str(server), str(MOUNT_POINT)], check=True)
    for suffix, mode in (("crt", 0o644), ("key", 0o600)):
        # A copy: the server reads it as its own user.
        _write(MOUNT_POINT / f"server.{suffix}", (home.pki / f"postgres.{suffix}").read_bytes(), mode, owned=True)
    if not _mark(home).exists():
        _initialise(home)
    (_DATA / "postmaster.pid").unlink(missing_ok=True)
    settings = SETTINGS | {"listen_addresses": address, "port": str(port)}
    rendered = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
    _write(_DATA / "postgresql.conf", rendered.encode(), owned=True)
    _write(_DATA / "pg_hba.conf", _HBA.encode(), owned=True)


def _initialise(home: Home) -> None:
    password = MOUNT_POINT / "password"
    _write(password, _password(home).read_bytes(), owned=True)
    initdb = [
        *(str(POSTGRES_BINARIES / "initdb"), "-D", str(_DATA), "-U", ADMINISTRATOR, "--pwfile", str(password)),
        *("-A", "scram-sha-256", "-E", "UTF8", "--locale", "C.UTF-8", "--data-checksums"),
    ]
    try:
        done = subprocess.run(initdb, user=USER, group=USER, extra_groups=[], cwd="/", check=False)
    finally:
        password.unlink()
    if done.returncode != 0:
        raise UserError("PostgreSQL's initdb failed: the lines before this one have its reason")
    _mark(home).touch()


def administrator_password(home: Home) -> str:
    """Return the administrator's password."""
    return _password(home).read_text(encoding="ascii")


def _mark(home: Home) -> Path:
    return folder(home) / "initialised"


def _password(home: Home) -> Path:
    return folder(home) / "administrator-password"


def _own(path: Path) -> None:
    user = pwd.getpwnam(USER)
    os.chown(path, user.pw_uid, user.pw_gid)


def _write(path: Path, content: bytes, mode: int = 0o600, *, owned: bool = False) -> None:
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    if owned:
        _own(part)
    part.replace(path)


def main(arguments: list[str]) -> int:
    """Prepare a start."""
    try:
        prepare(Home(Path(arguments[0])), arguments[1], int(arguments[2]))
    except (UserError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
