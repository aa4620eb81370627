"""A real server on loopback: first start, kill, restart with its data, an interrupted first start."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import psutil
import psycopg
import pytest
from moto import mock_aws
from pydantic import SecretStr
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from infra.databases import aurora
from local.cluster import host, postgres
from local.paths import REPOSITORY, Home
from model.io.database import DatabaseLogin, DatabaseServer
from services.database import connections
from services.database.administrator import INITIAL_DATABASE
from tests.support.identity.tls import Authority

ADDRESS = "127.0.0.1"
PATIENCE = 60


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home with certificates only, closed to others as an environment's is."""
    made, authority = Home(tmp_path / "home"), Authority()
    authority.issue("postgres").write(made.pki / "postgres.crt", made.pki / "postgres.key")
    (made.pki / "ca.crt").write_bytes(authority.certificate)
    made.root.chmod(0o700)
    return made


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind((ADDRESS, 0))
        return int(free.getsockname()[1])


@contextmanager
def server(home: Home, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the server; at the end it is killed with all its processes."""
    log = home.root / "postgres.log"
    with log.open("ab") as output:
        process = subprocess.Popen(postgres.command(home, ADDRESS, port), cwd=REPOSITORY, stdout=output, stderr=output)
    try:
        waiting = Retrying(stop=stop_after_delay(PATIENCE), wait=wait_fixed(0.1), retry=retry_if_result(bool))
        waiting(lambda: postgres.problem(ADDRESS, port) if process.poll() is None else "")
        assert process.poll() is None, log.read_text(encoding="utf-8")
        yield process
    finally:
        kill(process)


def kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
    process.kill()
    process.wait()


def connect(
    home: Home, port: int, *, password: str | None = None, ca: str | None = None
) -> "psycopg.Connection[tuple[object, ...]]":
    password = password or (postgres.folder(home) / "administrator-password").read_text(encoding="ascii")
    server = DatabaseServer(host=ADDRESS, port=port, ca=ca or str(home.pki / "ca.crt"))
    login = DatabaseLogin(username=postgres.ADMINISTRATOR, password=SecretStr(password))
    return connections.connect(connections.Database(server, INITIAL_DATABASE), login)


@pytest.mark.process
def test_data_survive_a_kill_and_the_stale_files_of_it(home: Home, port: int) -> None:
    with server(home, port), connect(home, port) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        connection.commit()
    stale = postgres.folder(home) / "server" / "data" / "postmaster.pid"
    assert stale.exists()
    # The process id of another process of the same user, which the server would take for a running server.
    content = stale.read_text(encoding="ascii").splitlines()
    with subprocess.Popen(["sleep", "60"], user="postgres", group="postgres", extra_groups=[]) as other:
        stale.write_text("\n".join([str(other.pid), *content[1:]]) + "\n", encoding="ascii")
        with server(home, port), connect(home, port) as connection:
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
        other.kill()


@pytest.mark.process
def test_an_interrupted_first_start_is_begun_again(home: Home, port: int) -> None:
    half = postgres.folder(home) / "server" / "data"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("15", encoding="ascii")
    with server(home, port), connect(home, port) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.process
def test_a_lost_password_is_said_and_no_data_are_removed(home: Home, port: int) -> None:
    with server(home, port):
        pass
    (postgres.folder(home) / "administrator-password").unlink()
    done = subprocess.run(postgres.command(home, ADDRESS, port), cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 2
    assert "run `make clean` to start with an empty server" in done.stderr
    assert (postgres.folder(home) / "server" / "data" / "PG_VERSION").exists()


@pytest.mark.process
def test_a_second_server_waits_for_the_processes_of_the_first(home: Home, port: int) -> None:
    with server(home, port) as first:
        second = subprocess.Popen(postgres.command(home, ADDRESS, port), cwd=REPOSITORY, stdout=subprocess.DEVNULL)
        try:
            lock = home.root / "postgres.lock"
            assert subprocess.run(["flock", "--nonblock", str(lock), "true"], check=False).returncode == 1
            assert second.poll() is None
            # A child that outlives the killed server keeps the lock.
            child = psutil.Process(first.pid).children()[0]
            child.suspend()
            first.kill()
            first.wait()
            assert subprocess.run(["flock", "--nonblock", str(lock), "true"], check=False).returncode == 1
            child.kill()
            waiting = Retrying(stop=stop_after_delay(PATIENCE), wait=wait_fixed(0.1), retry=retry_if_result(bool))
            waiting(lambda: postgres.problem(ADDRESS, port))
        finally:
            kill(second)


@pytest.mark.process
def test_it_ends_in_order_and_leaves_no_mount(home: Home, port: int) -> None:
    with server(home, port) as process, connect(home, port):
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert not host.mounts(postgres.MOUNT_POINT)
    log = (home.root / "postgres.log").read_text(encoding="utf-8")
    assert "database system is shut down" in log


def _connections(process: psutil.Process) -> list[Any]:
    """Return a process's connections: none when it has ended, as a short-lived worker of the server may."""
    try:
        return list(process.net_connections("all"))
    except psutil.NoSuchProcess:
        return []


@pytest.mark.process
def test_it_takes_verified_tls_and_scram_alone_and_runs_as_its_own_user(home: Home, port: int) -> None:
    with server(home, port) as process:
        assert psutil.Process(process.pid).username() == "postgres"
        listening = {
            connection.laddr
            for one in (psutil.Process(process.pid), *psutil.Process(process.pid).children())
            for connection in _connections(one)
            if connection.status == psutil.CONN_LISTEN or connection.family == socket.AF_UNIX
        }
        assert {(address.ip, address.port) for address in listening} == {(ADDRESS, port)}
        with connect(home, port) as connection:
            methods = connection.execute("SELECT DISTINCT type, auth_method FROM pg_hba_file_rules").fetchall()
            assert methods == [("hostssl", "scram-sha-256")]
        for changes in ({"password": "wrong"}, {"ca": "/etc/ssl/certs/ca-certificates.crt"}):
            with pytest.raises(psycopg.OperationalError):
                connect(home, port, **changes)
        with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
            psycopg.connect(host=ADDRESS, port=port, user="administrator", password="x", sslmode="disable")


@pytest.mark.process
def test_statements_are_in_the_audit_log_and_their_values_are_not(home: Home, port: int) -> None:
    with server(home, port), connect(home, port) as connection:
        connection.execute("CREATE TABLE notes (text text UNIQUE)")
        for _ in range(2):
            with contextlib.suppress(psycopg.Error), connection.transaction():
                connection.execute("INSERT INTO notes VALUES (%s)", ["Margaret"])
        with contextlib.suppress(psycopg.Error), connection.transaction():
            connection.execute("SELECT missing FROM notes WHERE text = 'Margaret'")
    log = (home.root / "postgres.log").read_text(encoding="utf-8")
    assert "AUDIT: SESSION" in log
    assert "INSERT INTO notes" in log
    assert "duplicate key" in log
    assert "Margaret" not in log


def test_the_settings_of_production_apply_here() -> None:
    here = {name: value for name, value in postgres.SETTINGS.items() if name in aurora.PARAMETERS}
    switches = {"on": "1", "off": "0"}
    different = {
        name: (value, aurora.PARAMETERS[name][0])
        for name, value in here.items()
        if switches.get(value, value) != aurora.PARAMETERS[name][0]
    }
    assert different == {"shared_preload_libraries": ("pgaudit", "pg_stat_statements,pgaudit")}
    assert {"pgaudit.log", "pgaudit.log_parameter", "log_connections", "password_encryption"} <= here.keys()


def test_the_login_is_published_once_and_again_after_a_change(home: Home) -> None:
    password = postgres.folder(home) / "administrator-password"
    password.parent.mkdir(parents=True)
    with mock_aws():
        client = boto3.client("secretsmanager", region_name="us-east-1")
        for value, versions in (("first", 1), ("first", 1), ("second", 2)):
            password.write_text(value, encoding="ascii")
            postgres.publish_administrator(home, client)
            assert f'"{value}"' in client.get_secret_value(SecretId=postgres.SECRET)["SecretString"]
            assert len(client.list_secret_version_ids(SecretId=postgres.SECRET)["Versions"]) == versions
