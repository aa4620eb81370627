"""The faults: how each begins and ends, and what no client may get while it lasts."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psutil
from sqlalchemy import text

from services.database.schemas import Schema
from services.transport import SpiffeId
from tests.faults.load import GOOD, HOOK, PLANNING, WORKLIST
from tests.support.care.clinical_path import CERTIFICATE_LIFE, ClinicalPath
from tests.support.care.clinical_path import PLANNING as PLANNER
from tests.support.care.service_process import Service
from tests.support.vault.bao_server import HOSPITAL

STALE_SECONDS = 48 * 3600
ALL = (PLANNING, HOOK, WORKLIST)
DISK_MEBIBYTES = 32
LEFT_BYTES = 128 * 1024
"""Free space that the full disk keeps, for a few records more."""
SCORED = frozenset({"scored", "card with a score"})
Lasting = AbstractContextManager[None]


@dataclass(frozen=True)
class Fault:
    """A fault.

    Parameters
    ----------
    name
        What is wrong.
    lasting
        Begins and ends it; it lasts while the context is open.
    clients
        Who asks meanwhile.
    seen
        What each client sees of it: the fault lasts until each has got one of these.
    never
        What no client may get from requests that began and ended while it lasted.
    """

    name: str
    lasting: Callable[[ClinicalPath], Lasting]
    seen: dict[str, frozenset[str]]
    never: frozenset[str] = field(default=frozenset())

    @property
    def clients(self) -> tuple[str, ...]:
        """Who asks meanwhile."""
        return tuple(self.seen)


@contextmanager
def planning_killed(path: ClinicalPath) -> Iterator[None]:
    """End planning with ``kill -9``, and start it again."""
    path.planning.kill()
    yield
    path.planning.start(wait=False)


@contextmanager
def care_killed(path: ClinicalPath) -> Iterator[None]:
    """End care with ``kill -9``, and start it again."""
    path.care.kill()
    yield
    path.care.start(wait=False)


@contextmanager
def postgres_killed(path: ClinicalPath) -> Iterator[None]:
    """End the database server and its processes with ``kill -9``, and start it again."""
    lines = (path.postgres.data / "postmaster.pid").read_text().splitlines()
    postmaster = psutil.Process(int(lines[0]))
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        process.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, timeout=30)
    yield
    path.postgres.control("start")


@contextmanager
def audit_closed(path: ClinicalPath) -> Iterator[None]:
    """Close the database ``audit`` to everybody, and open it again; the other databases stay."""
    _connections(path, allowed=False)
    yield
    _connections(path, allowed=True)


@contextmanager
def audit_disk_full(path: ClinicalPath) -> Iterator[None]:
    """Let the disk under the database ``audit`` be full, and give it room again."""
    filler = disk_of_audit(path) / "filler"
    with filler.open("wb") as file:
        status = os.statvfs(filler.parent)
        os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - LEFT_BYTES)
    yield
    filler.unlink()


@contextmanager
def vault_sealed(path: ClinicalPath) -> Iterator[None]:
    """Seal Vault, and unseal it."""
    path.bao.root.sys.seal()
    yield
    path.bao.root.sys.submit_unseal_key(path.bao.unseal_key)


@contextmanager
def fhir_server_down(path: ClinicalPath) -> Iterator[None]:
    """Stop the FHIR server, and start it again."""
    path.fhir.stop()
    yield
    path.fhir.start()


@contextmanager
def features_stale(path: ClinicalPath) -> Iterator[None]:
    """Let the features file be two days old, and new again."""
    written = path.features.stat().st_mtime
    os.utime(path.features, (written, written - STALE_SECONDS))
    yield
    os.utime(path.features)


@contextmanager
def certificate_expired(path: ClinicalPath) -> Iterator[None]:
    """Let the certificate of planning have expired, and issue a new one."""
    own, name = path.certificates[PLANNER], str(SpiffeId(HOSPITAL, PLANNER))
    path.authority.issue(own, name, life=-timedelta(minutes=1))
    yield
    path.authority.issue(own, name, life=CERTIFICATE_LIFE)


@contextmanager
def planning_frozen(path: ClinicalPath) -> Iterator[None]:
    """Let planning answer nothing while connections to it stay open, as behind a partition of the network."""
    path.planning.freeze()
    yield
    path.planning.thaw()


def clock_off(service: Callable[[ClinicalPath], Service], offset: str) -> Callable[[ClinicalPath], Lasting]:
    """Let the clock of a service be off, and right again; the service is restarted for both."""

    @contextmanager
    def lasting(path: ClinicalPath) -> Iterator[None]:
        service(path).set_clock(offset)
        yield
        service(path).set_clock("")

    return lasting


def model_fault(name: str) -> Callable[[ClinicalPath], Lasting]:
    """Let the model server have one of its faults."""

    @contextmanager
    def lasting(path: ClinicalPath) -> Iterator[None]:
        path.model.fail(name)
        yield
        path.model.fail("none")

    return lasting


@contextmanager
def small_disk(path: ClinicalPath) -> Iterator[None]:
    """Move the database ``audit`` to a small disk in memory of its own, and take it away at the end."""
    disk, database = disk_of_audit(path), path.databases[Schema.AUDIT].name
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MEBIBYTES}m", "tmpfs", str(disk)], check=True)
    try:
        space = disk / "space"
        space.mkdir()
        owner = path.postgres.data.stat()
        for folder in (disk, space):
            os.chown(folder, owner.st_uid, owner.st_gid)
        _connections(path, allowed=False)
        with path.postgres.administrator.autocommit() as connection:
            connection.execute(text(f"CREATE TABLESPACE small LOCATION '{space}'"))
            connection.execute(text(f'ALTER DATABASE "{database}" SET TABLESPACE small'))
        _connections(path, allowed=True)
        yield
    finally:
        # The server has files open there until it stops.
        subprocess.run(["umount", "--lazy", str(disk)], check=False)


def disk_of_audit(path: ClinicalPath) -> Path:
    """Return the folder of the small disk."""
    return path.postgres.folder / "small-disk"


def _connections(path: ClinicalPath, *, allowed: bool) -> None:
    database = path.databases[Schema.AUDIT].name
    with path.postgres.administrator.autocommit() as connection:
        connection.execute(text(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS {str(allowed).lower()}'))
        if not allowed:
            connection.execute(
                text("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :name"),
                {"name": database},
            )


def _each(*outcomes: str, clients: tuple[str, ...] = ALL) -> dict[str, frozenset[str]]:
    return dict.fromkeys(clients, frozenset(outcomes))


NO_ANSWER = ("no connection", "no answer in time")
NO_RECORD = "503 Audit record not written"
NO_PAGE = "503"
NO_DATABASE = ("503 Database unavailable", "503 Database not available", NO_RECORD, NO_PAGE)
BY_LACE = "card ranked by LACE"


def _model(reason: str) -> dict[str, frozenset[str]]:
    return {PLANNING: frozenset({f"fallback: {reason}"}), HOOK: frozenset({BY_LACE})}


_AS_EVER = {
    PLANNING: frozenset({"scored"}),
    HOOK: frozenset({"card with a score"}),
    WORKLIST: frozenset({"worklist"}),
}
_REFUSED = {HOOK: frozenset({"401 Token refused"}), WORKLIST: frozenset({"401"})}
FAULTS: tuple[Fault, ...] = (
    Fault(
        "planning killed",
        planning_killed,
        {PLANNING: frozenset(NO_ANSWER), HOOK: frozenset({"card without a score"}), WORKLIST: frozenset({"worklist"})},
        SCORED,
    ),
    Fault("care killed", care_killed, _each(*NO_ANSWER, clients=(HOOK, WORKLIST))),
    Fault("database server killed", postgres_killed, _each(*NO_DATABASE), SCORED | {"worklist"}),
    Fault("audit database closed", audit_closed, _each(NO_RECORD), SCORED | {"worklist"}),
    Fault("disk full under the audit", audit_disk_full, _each(NO_RECORD)),
    Fault(
        "Vault sealed",
        vault_sealed,
        {
            HOOK: frozenset({"503 Key not available"}),
            WORKLIST: frozenset({"worklist without names"}),
            PLANNING: frozenset({"scored"}),
        },
        frozenset({"card with a score"}),
    ),
    Fault("FHIR server down", fhir_server_down, {HOOK: frozenset({"card with a score"})}),
    Fault("model server slow", model_fault("slow"), _model("model-slow"), SCORED),
    Fault("model server gone", model_fault("closed"), _model("model-unavailable"), SCORED),
    Fault("another release answers", model_fault("other-digest"), _model("wrong-release"), SCORED),
    Fault("features file two days old", features_stale, {PLANNING: frozenset({"fallback: features-stale"})}),
    Fault(
        "certificate of planning expired",
        certificate_expired,
        {PLANNING: frozenset(NO_ANSWER), HOOK: frozenset({"card without a score"}), WORKLIST: frozenset({"worklist"})},
        SCORED,
    ),
    Fault(
        "planning answers nothing (a partition)",
        planning_frozen,
        {PLANNING: frozenset(NO_ANSWER), HOOK: frozenset({"card without a score"}), WORKLIST: frozenset({"worklist"})},
        SCORED,
    ),
    Fault("clock of planning an hour ahead", clock_off(lambda path: path.planning, "+1h"), _AS_EVER),
    Fault("clock of planning an hour behind", clock_off(lambda path: path.planning, "-1h"), _AS_EVER),
    # Tokens of EHRs and of people are good for minutes, by the clock of care.
    Fault("clock of care an hour ahead", clock_off(lambda path: path.care, "+1h"), _REFUSED, GOOD),
    Fault("clock of care an hour behind", clock_off(lambda path: path.care, "-1h"), _REFUSED, GOOD),
)
