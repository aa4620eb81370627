"""``python -m services.audit``: anchor and verify a hospital's audit chain, and answer questions from it."""

import json
import logging
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from threading import Event
from typing import Annotated, Any
from uuid import uuid4

import typer
from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from model.artifact.trust import trusted_keys
from model.errors import UserError
from model.io.console import Json
from model.io.database import DatabaseServer, sqlstate
from model.io.vault import Vault
from model.release.signing import LocalSigner, Signer, VaultSigner
from services.audit import chain
from services.audit.access import review
from services.audit.anchor import INTERVAL_SECONDS, Anchoring
from services.audit.anchors import AnchorBucket
from services.audit.changes import changes as changes_of
from services.audit.disclosures import YEARS, accounting
from services.audit.erasure import erase as erase_values
from services.audit.errors import AuditError, NotRecordedError
from services.audit.fhir import audit_event
from services.audit.output import moment_of, print_json, print_rows
from services.audit.records import AuditEntry, Record, ReleaseRef
from services.audit.verify import verify as verify_chain
from services.database import connections
from services.database.connections import Database
from services.database.errors import DatabaseError
from services.database.schemas import Schema

KEY_NAME = "audit-signing"
TRUSTED_KEYS = "AUDIT_TRUSTED_KEYS"

app = typer.Typer(name="audit", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Hospital = Annotated[str, typer.Option(envvar="HOSPITAL", help="The hospital.")]
Bucket = Annotated[str, typer.Option(envvar="AUDIT_BUCKET", help="The locked audit bucket, s3://….")]
KeyFile = Annotated[
    Path | None, typer.Option(help="A local signing key instead of Vault's, for development.", show_default=False)
]
Since = Annotated[str, typer.Option("--from", help="Start: ISO 8601, UTC unless it says otherwise.")]
Until = Annotated[str, typer.Option("--to", help="End (exclusive); now by default.")]
About = Annotated[str | None, typer.Option(help="Only this pseudonym of an encounter or a patient.")]


@app.callback()
def about() -> None:
    """Anchor and verify a hospital's audit chain, and answer questions from its records.

    The database login is read from the file that AUDIT_DATABASE_FILE names; DATABASE_HOST, DATABASE_PORT and
    DATABASE_CA name the server.
    """


@app.command()
def verify(hospital: Hospital, bucket: Bucket, key_file: KeyFile = None, as_json: Json = False) -> None:
    """Verify the whole chain against its anchors; exit code 1 if anything is wrong."""
    trusted = _trusted(hospital, key_file)
    with audit_connection(hospital, "REPEATABLE READ") as connection:
        report = verify_chain(
            chain.records(connection),
            AnchorBucket(bucket).all(),
            hospital=hospital,
            trusted=trusted,
            values_of=lambda first, last: chain.feature_values(connection, first, last),
            now=datetime.now(UTC),
        )
    if as_json:
        print_json({"intact": report.intact, **asdict(report)})
    else:
        for fault in report.faults:
            print(fault.sentence)
        for notice in report.notices:
            print(notice)
        anchored = f"to record {report.anchored}" if report.anchors else "nowhere"
        verdict = "The chain is intact" if report.intact else f"The chain has faults: {report.fault_count}"
        print(f"{verdict}. Records: {report.records}; anchors: {report.anchors}; anchored {anchored}.")
    if not report.intact:
        raise typer.Exit(1)


@app.command()
def replay(
    record: Annotated[int, typer.Argument(help="The number of the record.")],
    hospital: Hospital,
    releases: Annotated[
        str, typer.Option(envvar="AUDIT_RELEASES", help="Folder of releases, …/readmission: VERSION/DIGEST below it.")
    ],
    as_json: Json = False,
) -> None:
    """Rebuild the scores of a record bit for bit; exit code 1 if one differs."""
    from services.audit.replay import open_release, release_folder  # scikit-learn takes seconds to import
    from services.audit.replay import replay as replay_record

    @cache
    def opened(release: ReleaseRef) -> Any:
        return open_release(release_folder(releases, release), release, trusted_keys())

    with audit_connection(hospital, "REPEATABLE READ") as connection:
        replays = replay_record(connection, record, opened, hospital=hospital)
    if as_json:
        print_json({"replays": [asdict(item) for item in replays]})
    else:
        for item in replays:
            print(item.sentence)
    if any(item.outcome == "differs" for item in replays):
        raise typer.Exit(1)


@app.command()
def changes(hospital: Hospital, since: Since, until: Until = "", as_json: Json = False) -> None:
    """Say which releases, thresholds and configuration changed between two times, when and by whom."""
    start, end = moment_of(since), moment_of(until)
    with audit_connection(hospital) as connection:
        found = list(changes_of(chain.records(connection, until=end), start, end))
    print_rows(
        [asdict(item) for item in found],
        ("sequence", "at", "subject", "name", "before", "after", "by"),
        "changes",
        as_json=as_json,
    )


@app.command()
def access(hospital: Hospital, since: Since, until: Until = "", about: About = None, as_json: Json = False) -> None:
    """Review access: who made how many requests about how many encounters, and each break-glass."""
    with audit_connection(hospital) as connection:
        callers = review(chain.records(connection, since=moment_of(since), until=moment_of(until), about=about))
    rows = [vars(item) | {"encounters": len(item.encounters)} for item in callers]
    columns = ("caller", "role", "requests", "refused", "encounters", "purposes", "actions", "break_glass", "last")
    print_rows(rows, columns, "callers", as_json=as_json)


@app.command()
def disclosures(
    hospital: Hospital,
    patient: Annotated[str, typer.Argument(help="The patient's pseudonym.")],
    encounter: Annotated[list[str] | None, typer.Option(help="A pseudonym of an encounter of the patient.")] = None,
    since: Annotated[str, typer.Option("--from", help="Start; six years ago by default.")] = "",
    until: Until = "",
    everything: Annotated[bool, typer.Option("--all", help="Also what no accounting has to list.")] = False,
    as_json: Json = False,
) -> None:
    """Account for the disclosures of a patient's data (45 CFR 164.528)."""
    end = moment_of(until)
    start = moment_of(since) if since else end - timedelta(days=365 * YEARS + YEARS // 4 + 1)
    records: dict[int, Record] = {}
    with audit_connection(hospital) as connection:
        for name in (patient, *(encounter or ())):
            records |= {item.sequence: item for item in chain.records(connection, since=start, until=end, about=name)}
    found = accounting([records[sequence] for sequence in sorted(records)], patient, encounter or ())
    print_rows(
        [asdict(item) for item in found if item.accounted or everything],
        ("first", "last", "count", "recipient", "content", "purpose", "basis", "records"),
        "disclosures",
        as_json=as_json,
    )


@app.command()
def events(hospital: Hospital, since: Since, until: Until = "", about: About = None) -> None:
    """Print records as FHIR AuditEvent resources (IHE BALP), one a line."""
    with audit_connection(hospital) as connection:
        for record in chain.records(connection, since=moment_of(since), until=moment_of(until), about=about):
            print(json.dumps(audit_event(record), ensure_ascii=False))


@app.command()
def erase(
    hospital: Hospital,
    by: Annotated[str, typer.Option(help="Who erases: the subject of a user.")],
    reason: Annotated[str, typer.Option(help="A code, such as patient-request.")],
    encounter: Annotated[str | None, typer.Option(help="Pseudonym of the encounter.")] = None,
    patient: Annotated[str | None, typer.Option(help="Pseudonym of the patient.")] = None,
    as_json: Json = False,
) -> None:
    """Delete the kept feature values of an encounter or a patient; the chain stays, and says so."""
    entry = AuditEntry(
        request_id=uuid4(),
        occurred_at=datetime.now(UTC),
        service="planning",
        route="/erase",
        hospital=hospital,
        caller=by,
        purpose="HCOMPL",
        outcome="answered",
        status=200,
        encounter=encounter,
        patient=patient,
        detail=reason,
    )
    with audit_connection(hospital) as connection:
        record, deleted = erase_values(connection, entry)
    if as_json:
        print_json({"record": record.sequence, "erased": deleted})
    else:
        print(f"Erased the feature values of {deleted} scores: record {record.sequence}.")


@app.command()
def anchor(
    hospital: Hospital,
    bucket: Bucket,
    key_file: KeyFile = None,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between anchors.")] = INTERVAL_SECONDS,
    once: Annotated[bool, typer.Option("--once", help="Anchor the head once.")] = False,
    unlocked: Annotated[bool, typer.Option("--unlocked", help="Accept a bucket without object lock.")] = False,
    marks: Annotated[
        Path | None,
        typer.Option(help="Folder of the files `tried` and `anchored`, whose times probes read.", show_default=False),
    ] = None,
) -> None:
    """Sign the chain's head and write it to the locked bucket every few seconds, until it is stopped."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    store = AnchorBucket(bucket)
    if not unlocked:
        store.require_lock()
    signer = _signer(hospital, key_file)
    keys = frozenset(signer.public_keys().values())
    anchoring = Anchoring(hospital, partial(audit_connection, hospital), store, signer, keys, lambda: datetime.now(UTC))
    if once:
        anchoring.anchor(anchoring.last())
        return
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    anchoring.run(stop, interval, marks)


@contextmanager
def audit_connection(
    hospital: str, isolation: str = "READ COMMITTED", *, read_only: bool = False
) -> Iterator[Connection]:
    """Give a connection to the hospital's database ``audit``, with the login that AUDIT_DATABASE_FILE names."""
    database = Database.of(DatabaseServer.from_environment(), hospital, Schema.AUDIT)
    engine = connections.engine(database, connections.login_path(Schema.AUDIT), pool_size=1, max_overflow=0)
    try:
        with engine.connect() as opened:
            yield opened.execution_options(isolation_level=isolation, postgresql_readonly=read_only)
    finally:
        engine.dispose()


def _signer(hospital: str, key_file: Path | None) -> Signer:
    if key_file is not None:
        return LocalSigner(key_file)
    vault = Vault.from_environment()
    if vault is None:
        raise AuditError("Set VAULT_ADDR and VAULT_ROLE to sign with Vault, or give --key-file.")
    return VaultSigner(vault, f"{hospital}/transit", KEY_NAME)


def _trusted(hospital: str, key_file: Path | None) -> Collection[str]:
    """Return the public keys that sign anchors: of ``AUDIT_TRUSTED_KEYS``, of the key file, or of Vault."""
    if key_file is not None and not key_file.is_file():
        raise AuditError(f"There is no signing key at {key_file}; name the file that signed the anchors.")
    return (None if key_file else trusted_keys(TRUSTED_KEYS)) or frozenset(
        _signer(hospital, key_file).public_keys().values()
    )


def main(run: Callable[[], None] = app) -> None:
    """Run the command line; a fault of the user or of a server is one sentence, never a stack trace."""
    try:
        run()
    except (UserError, NotRecordedError, DatabaseError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(2)
    except ValidationError as fault:
        where = ", ".join(sorted({str(error["loc"][0]) for error in fault.errors() if error["loc"]}))
        print(f"error: {where}: not a value that a record can hold; check it.", file=sys.stderr)
        sys.exit(2)
    except SQLAlchemyError as fault:
        state = sqlstate(fault)
        print(f"error: The audit database answers SQLSTATE {state}; check the login and the server.", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
