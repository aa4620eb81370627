"""Rollout of ``make up``: deploy the stack, load data, train, release and serve, and discharge a patient."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local.cluster import entry as gateway_entry
from local.ehr import state as ehr_state
from local.errors import UserError
from local.hospitals import discharge, ehr_client, ehr_source, pipeline, population, sign_in
from local.hospitals.discharge import Card
from local.hospitals.pipeline import Landing
from local.paths import API_URL, AWS_URL, BAO_URL, EHR_URL, KEYCLOAK_URL, Home, worklist_url
from local.progress import Steps, Tell
from local.stack import jobs
from local.stack.settings import ACTIVE, CONFIG, HOSPITALS, RELEASE_FIELDS
from local.stack.stack import Stack

EHR_JOB_SECONDS = 3600
# The Job `release` publishes this version unless `promotion` names another.
_TRAINED = "v1@"
_NAME_ONE = (
    f"name one with `pulumi config set --path {HOSPITALS}.{{name}}.release v1@…`, or none (`pulumi config rm --path "
    "…`) to serve the newest."
)


@dataclass(frozen=True)
class HospitalSummary:
    """Summary of one hospital: its release, and the card of a patient.

    Parameters
    ----------
    name, release, endpoint, metrics
        The hospital, its release, the model server's address and the release's figures.
    card
        Card of the hook for one patient, or why there is none; None for a hospital without an EHR.
    worklist
        Address of the worklist; empty without one.
    """

    name: str
    release: str
    endpoint: str
    metrics: dict[str, Any]
    card: Card | None = None
    worklist: str = ""


@dataclass(frozen=True)
class Summary:
    """Result of ``make up``."""

    endpoints: dict[str, str]
    hospitals: tuple[HospitalSummary, ...]
    staff: str = ""
    """File of the demonstration staff's sign-in data; empty without any."""

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        return asdict(self)


def _settle_releases(stack: Stack, store: Any) -> None:
    """Replace configured releases that do not exist.

    A hospital without a release gets the newest finished one, so that a fresh clone keeps the served release. If its
    bucket has none, as after `pulumi destroy`, the model is trained again.
    """
    fixed = {entry["name"] for entry in stack.declared() if entry.get("release")}
    buckets = {entry["Name"] for entry in store.list_buckets()["Buckets"]}
    for entry in stack.working():
        name, named = entry["name"], entry.get("release")
        has_bucket = pipeline.bucket(name, "models") in buckets
        present = pipeline.releases(store, name) if has_bucket else []
        if not named and present:
            stack.set_release(name, present[-1])
        elif named and not present and name not in fixed:
            stack.unset_releases(name)
        elif named and named not in present:
            raise UserError(
                f"{name} is to serve the release {named}, and its bucket has {', '.join(present) or 'none'}: "
                + (f"change `release` in {CONFIG.name}." if name in fixed else _NAME_ONE.format(name=name))
            )


def _land(home: Home, store: Any, entry: dict[str, Any], fhir: Path | None, tell: Tell) -> Landing:
    """Land one hospital's record: the user's own bundles, or the synthetic population."""
    if ehr_source.is_source(entry):
        landing = ehr_source.land(home, store, entry, tell)
        folder = population.synthesized(home, entry, tell)
    else:
        folder = fhir or population.synthesized(home, entry, tell)
        landing = pipeline.land(store, entry["name"], folder, tell)
    population.set_source(home, entry["name"], folder)
    return landing


def _train_one(home: Home, entry: dict[str, Any], fhir: Path | None, tell: Tell) -> str:
    """Land one hospital's record and run its pipeline; return the resulting release."""
    name, store = entry["name"], pipeline.storage()
    landing = _land(home, store, entry, fhir, tell)
    with jobs.connect(home) as api:
        pipeline.train(api, landing, tell, EHR_JOB_SECONDS if ehr_source.is_source(entry) else jobs.JOB_SECONDS)
    return [release for release in pipeline.releases(store, name) if release.startswith(_TRAINED)][-1]


def _refresh(home: Home, stack: Stack, steps: Steps) -> None:
    """Run ingestion and features with this code on the landed records, which keep their release.

    A synthetic population of older code is replaced; bundles of the user's own are left.
    """

    def one(entry: dict[str, Any]) -> None:
        name, store = entry["name"], pipeline.storage()
        landed = pipeline.landed(store, name)
        if ehr_source.is_source(entry):
            return
        own = population.is_own(home, name, landed.files)
        landing = Landing(name, landed.key, fresh=False) if own else _land(home, store, entry, None, tell)
        with jobs.connect(home) as api:
            pipeline.refresh(api, landing, tell)

    with steps() as tell, ThreadPoolExecutor(2) as pool:
        list(pool.map(one, stack.working()))


def _train(home: Home, stack: Stack, fhir: Path | None, steps: Steps) -> bool:
    """Land, ingest and train where needed, hospitals in parallel; return whether an entry changed."""
    entries = [
        entry
        for entry in stack.working()
        if fhir is not None or not entry.get("release") or ehr_source.is_source(entry)
    ]
    with steps() as tell, ThreadPoolExecutor(2) as pool:
        trained = list(pool.map(lambda entry: _train_one(home, entry, fhir, tell), entries))
    changed = False
    for entry, release in zip(entries, trained, strict=True):
        if entry.get("release") != release:
            # They were trained on other records.
            stack.unset_releases(entry["name"], [field for field in RELEASE_FIELDS if field != ACTIVE])
            stack.set_release(entry["name"], release)
            changed = True
    return changed


def _summarise(home: Home, stack: Stack, steps: Steps, staff: Path | None) -> Summary:
    outputs = stack.outputs()
    store = pipeline.storage()
    summaries = []
    with steps() as tell:
        for entry in stack.working():
            name, release = entry["name"], entry["release"]
            metrics = pipeline.release_document(store, name, release, pipeline.METRICS_FILE)
            endpoint = outputs["hospitals"][name]["modelUrl"]
            card, worklist = None, ""
            if stack.reaches_care(entry):
                tell(f"{name}: discharge of a patient")
                card, worklist = discharge.first_card(home, name), worklist_url(name)
            summaries.append(HospitalSummary(name, release, endpoint, metrics, card, worklist))
    server = {"FHIR": EHR_URL} if ehr_state.population(home) else {}
    endpoints = {"Kubernetes": API_URL, "OpenBao": BAO_URL, "AWS": AWS_URL, "Keycloak": KEYCLOAK_URL, **server}
    return Summary(endpoints, tuple(summaries), str(staff or ""))


def roll_out(home: Home, fhir: Path | None, steps: Steps) -> Summary:
    """Deploy, train, release, serve, and discharge a patient; completed steps are skipped.

    If the environment has an EHR, it is the source of the first hospital.

    Raises
    ------
    UserError
        If a step fails, with what to do.
    """
    if fhir is not None:
        pipeline.bundles(fhir)
    stack = Stack(home)
    stack.select()
    with ThreadPoolExecutor(1) as background:
        gateway_entry.publish(home, [entry["name"] for entry in stack.working()])
        applied = background.submit(sign_in.apply, home, stack.working(), stack.gateway)
        with steps() as tell:
            tell("looking for an interrupted update")
            stack.recover()
        ehr_source.declare(stack, on=ehr_state.population(home) is not None)
        ehr_client.declare(home, stack)
        _settle_releases(stack, pipeline.storage())
        # The update publishes the keys of the realms to the databases; Keycloak may still be starting.
        with steps() as tell:
            if not applied.done():
                tell("waiting for Keycloak")
            signed_in = applied.result()
            for name, what in signed_in.done.items():
                tell(f"{name}: sign-in {what}")
    with steps() as tell:
        stack.up(tell)
    if _train(home, stack, fhir, steps):
        with steps() as tell:
            stack.up(tell)
    _refresh(home, stack, steps)
    return _summarise(home, stack, steps, signed_in.staff)


def require_scores(summary: Summary) -> None:
    """Require that the discharge of each hospital with an EHR reached its model.

    Raises
    ------
    UserError
        If one did not, with what answered in its place.
    """
    failures = [
        f"{one.name}: {one.card.failure.rstrip('.')}" for one in summary.hospitals if one.card and one.card.failure
    ]
    if failures:
        raise UserError(
            f"A discharged patient got no score ({'; '.join(failures)}). `make status` says what is not well; then run "
            "`make up` again."
        )
