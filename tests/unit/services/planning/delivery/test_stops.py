"""Stops without a database: what is not known to be allowed is not, and a stop that cannot be written stays."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from services.audit.http import Recorder
from services.audit.records import ReleaseRef
from services.database.schemas import Schema
from services.planning.delivery.stops import Cause, Stop, Stops
from services.planning.tables import STOPS
from tests.support.databases.postgres import PostgresServer

DIGEST, OTHER = "ab" * 32, "cd" * 32
RELEASE = ReleaseRef(model="readmission-risk-v2", version="v2", digest=DIGEST)
STOP = Stop(Cause.LATENCY, {"pairs": 20, "evidence": 512.5})


def away() -> sa.Engine:
    """Return an engine of a server that does not answer."""
    return sa.create_engine("postgresql+psycopg://127.0.0.1:1/planning?connect_timeout=1")


def test_a_process_that_has_not_read_the_stops_allows_no_canary() -> None:
    stops = Stops(away(), Recorder("planning", "north", away()))
    assert not stops.allows(DIGEST)
    with pytest.raises(OperationalError):
        stops.refresh()
    assert not stops.allows(DIGEST)


@pytest.mark.process
def test_a_stop_is_written_once_the_database_answers_and_by_one_process(postgres: PostgresServer) -> None:
    databases = postgres.hospital(None, Schema.PLANNING, Schema.AUDIT)
    engine, audit = (
        databases[Schema.PLANNING].engine("planning-service"),
        databases[Schema.AUDIT].engine("audit-writer"),
    )
    hospital = databases[Schema.AUDIT].hospital
    unrecorded = Stops(engine, Recorder("planning", hospital, away()))
    unrecorded.refresh()
    assert unrecorded.allows(DIGEST)
    unrecorded.stop("v2@abababababab", RELEASE, STOP)
    # Without a record in the audit chain there is no row, and this process gives the canary nothing.
    assert not unrecorded.allows(DIGEST)
    assert unrecorded.allows(OTHER)
    with engine.connect() as connection:
        assert connection.execute(sa.select(STOPS)).all() == []
    recorder = Recorder("planning", hospital, audit)
    unrecorded._recorder = recorder
    unrecorded.refresh()
    other = Stops(engine, recorder)
    other.refresh()
    assert not other.allows(DIGEST)
    Stops(engine, recorder).stop("v2@abababababab", RELEASE, Stop(Cause.ERROR_RATE, {"calls": 3}))
    with engine.connect() as connection:
        [row] = connection.execute(sa.select(STOPS)).all()
    assert (row.cause, row.figures, row.record) == ("latency", dict(STOP.figures), 1)
    with databases[Schema.AUDIT].administrator() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM audit.records")).scalar_one() == 1
