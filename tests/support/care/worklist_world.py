"""A worklist on a real PostgreSQL: one hospital's database with its identity provider's keys, and entries in it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

from sqlalchemy import Engine, text

from services.care.worklist import sessions
from services.care.worklist.placements import Placement, place
from services.care.worklist.ports import Access, Identity, Override, PastScore, ScoresUnavailableError
from services.care.worklist.scores import FeatureValue, Feed, Reason, Release, Score
from services.care.worklist.settings import WorklistSettings
from services.database import signing_keys
from services.database.schemas import Schema, role_name
from tests.support.databases.postgres import Database, PostgresServer
from tests.support.identity.sign_in import COORDINATOR, Issuer, User

RELEASE = Release(name="readmission-risk-v1", version="v1", digest="796fbb301358")


@dataclass
class Register:
    """Identities in memory, which record every access."""

    known: dict[str, Identity] = field(default_factory=dict)
    accesses: list[tuple[tuple[str, ...], Access]] = field(default_factory=list)

    def reveal(self, encounters: Sequence[str], access: Access) -> Mapping[str, Identity]:
        self.accesses.append((tuple(encounters), access))
        return {encounter: self.known[encounter] for encounter in encounters if encounter in self.known}

    def find(self, record_number: str, access: Access) -> tuple[str, ...]:
        self.accesses.append(((), access))
        return tuple(key for key, identity in self.known.items() if identity.record_number == record_number)


@dataclass
class Planning:
    """Planning in memory, which may be down."""

    down: bool = False
    overrides: list[Override] = field(default_factory=list)
    past: dict[str, tuple[PastScore, ...]] = field(default_factory=dict)

    def history(self, encounter: str) -> tuple[PastScore, ...]:
        if self.down:
            raise ScoresUnavailableError
        return self.past.get(encounter, ())

    def feedback(self, override: Override) -> None:
        if self.down:
            raise ScoresUnavailableError
        self.overrides.append(override)


@dataclass(frozen=True)
class World:
    """A hospital with its worklist."""

    database: Database
    issuer: Issuer
    identities: Register = field(default_factory=Register)
    planning: Planning = field(default_factory=Planning)

    @classmethod
    def create(cls, postgres: PostgresServer, hospital: str | None = None) -> "World":
        """Create the database of a hospital, and publish its identity provider's keys as the owner."""
        database = postgres.database(Schema.CARE, hospital)
        world = cls(database, Issuer(database.hospital))
        world.publish()
        return world

    @cached_property
    def engine(self) -> Engine:
        return self.database.engine("care-service")

    @property
    def settings(self) -> WorklistSettings:
        return WorklistSettings(
            hospital=self.database.hospital,
            hospital_title=f"{self.database.hospital.capitalize()} Hospital",
            issuer=self.issuer.url,
            audience=self.issuer.audience,
            time_zone="America/New_York",
        )

    def publish(self, *, idle: timedelta = signing_keys.IDLE, longest: timedelta = signing_keys.LONGEST) -> None:
        provider = signing_keys.Provider(
            self.issuer.url, self.issuer.audience, self.database.hospital, idle=idle, longest=longest
        )
        with self.database.administrator() as connection:
            connection.execute(text(f'SET ROLE "{role_name(self.database.hospital, "owner")}"'))
            signing_keys.publish(connection, provider, self.issuer.jwks)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def reset(self) -> None:
        """Empty the worklist, end all sessions, and forget what planning and the lookup were asked."""
        with self.database.administrator() as connection:
            tables = ("entries", "sessions", "forms", "drafts")
            connection.execute(text(f"TRUNCATE {', '.join(f'care.worklist_{name}' for name in tables)} CASCADE"))
        self.publish()
        self.identities.known.clear()
        self.identities.accesses.clear()
        self.planning.overrides.clear()
        self.planning.past.clear()
        self.planning.down = False

    def session(self, user: User = COORDINATOR) -> AbstractContextManager[sessions.Session]:
        return sessions.transaction(self.engine, self.database.hospital, self.issuer.token(user))

    def place(
        self,
        number: int,
        score: Score,
        *,
        unit: str = "cardiology",
        name: str = "",
        hours: float = 2,
        scored: float = 1,
    ) -> str:
        """Place a discharge of so many hours ago, scored some hours ago, and return its entry's ID."""
        encounter = f"v1-{number:012x}"
        now = datetime.now(UTC)
        self.identities.known[encounter] = Identity(
            name or f"Patient {number}", f"MRN-{number:05}", datetime(1940 + number % 50, 1, 2).date(), "555-0100"
        )
        with self.engine.begin() as connection:
            return place(
                connection,
                Placement(
                    encounter,
                    f"v1-{number + 1000:012x}",
                    unit,
                    now - timedelta(hours=hours),
                    now - timedelta(hours=scored),
                    score,
                ),
            )


def scored(risk: float, *, freshness: float = 3, record: int = 1) -> Score:
    """Return a model's score."""
    return Score(
        status="scored",
        risk=risk,
        lace=9,
        decision="high" if risk >= 0.2 else "low",
        reasons=(
            Reason(feature="chf", text="congestive heart failure: yes, raises the risk", value="yes", effect="raises"),
            Reason(feature="stays", text="stays in 6 months: 2, raises the risk", value=2, effect="raises"),
            Reason(feature="home", text="home health care: yes, lowers the risk", value="yes", effect="lowers"),
        ),
        release=RELEASE,
        threshold=0.2,
        threshold_approved_by=("clinical-safety-officer", "ethics-committee"),
        freshness_hours=freshness,
        record=record,
        features=(
            FeatureValue(name="age", text="age in years, 90 for all older", value=78, unit="years"),
            FeatureValue(name="stay_days", text="length of stay", value=6, unit="days"),
            FeatureValue(name="sodium", text="last sodium of the stay", unit="mmol/L", imputed=True),
        ),
        missing=("last sodium of the stay",),
        feeds=(
            Feed(name="Admissions, discharges, transfers", arrived_at=datetime.now(UTC) - timedelta(hours=freshness)),
            Feed(name="Laboratory", arrived_at=datetime.now(UTC) - timedelta(hours=freshness + 5)),
            Feed(name="Pharmacy"),
        ),
    )


def fallback(lace: int, reason: str = "model-unavailable") -> Score:
    """Return a ranking by LACE."""
    return Score(status="fallback", lace=lace, fallback_reason=reason, freshness_hours=2, record=2)


def not_scored(reason: str = "features-missing") -> Score:
    """Return the answer for a patient without features."""
    return Score(status="not-scored", not_scored_reason=reason, record=3, missing=("length of stay",))


def populate(world: World) -> dict[str, str]:
    """Place a discharge of each kind in cardiology and one in medicine, and return the entries by kind."""
    entries = {
        "not scored": world.place(1, not_scored(), name="Okafor, Ngozi"),
        "fallback": world.place(2, fallback(13), name="Lindqvist, Bengt-Åke Johan"),
        "stale": world.place(3, scored(0.31, freshness=33), name="Tanaka, Hiroshi"),
        "scored": world.place(4, scored(0.42), name="Delacroix-Fernández, María de los Ángeles"),
    }
    world.planning.past["v1-000000000004"] = (
        PastScore(world.now(), "scored", 0.4, 9, "readmission-risk-v1 v1", 12),
        PastScore(world.now(), "fallback", None, 9, "", 11),
    )
    world.place(5, scored(0.5), unit="medicine", name="Other, Oz")
    return entries
