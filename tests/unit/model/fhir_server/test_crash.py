"""A run that dies just before or just after any write: what is there stays valid, and the next run completes it."""

import shutil
from pathlib import Path

import pytest

from model.errors import UserError
from model.fhir_server import Landed, land
from model.fhir_server.credentials import Credentials
from model.fhir_server.land import Mode
from model.fhir_server.landing import Landing
from tests.support.model.fhir_server import FhirServer
from tests.support.model.fhir_server_faults import busy
from tests.support.model.fhir_server_resources import TYPES, landed, resource

pytestmark = pytest.mark.process


class DeathError(BaseException):
    """Nothing after this runs."""


@pytest.fixture
def server(running: FhirServer) -> FhirServer:
    running.reset()
    running.needs_token = False
    running.polls = []
    running.per_file = 10
    running.fill(4, "Patient", "Observation")
    return running


def run(server: FhirServer, place: Path, mode: Mode) -> Landed:
    return land(server.base, str(place), credentials=Credentials(ca=server.ca), mode=mode, clock=server.time.clock())


def die(monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> None:
    """Let the process end at a write; both moves and removals count."""
    seen = 0

    def dying(name: str) -> None:
        whole = getattr(Landing, name)

        def write(self: Landing, *arguments: object) -> None:
            nonlocal seen
            seen += 1
            if seen >= at and not after:
                raise DeathError
            whole(self, *arguments)
            if seen >= at:
                raise DeathError

        monkeypatch.setattr(Landing, name, write)

    dying("put")
    dying("drop")


@pytest.mark.parametrize("mode", [Mode.EXPORT, Mode.SEARCH])
@pytest.mark.parametrize("after", [False, True])
def test_no_write_is_one_to_die_at(
    server: FhirServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode, after: bool
) -> None:
    expected = {f"{kind}/{kind.lower()}-{number}/1": 1 for kind in ("Patient", "Observation") for number in range(4)}
    deaths = 0
    run(server, tmp_path / "before", mode)
    # The second run brings everything anew and removes what the first brought.
    server.time.seconds += 30 * 86400
    for at in range(1, 40):
        place = shutil.copytree(tmp_path / "before", tmp_path / str(at))
        with monkeypatch.context() as patched:
            die(patched, at, after=after)
            try:
                run(server, place, mode)
            except DeathError:
                deaths += 1
            else:
                break
        assert set(landed(place)) <= set(expected)
        done = run(server, place, mode)
        assert landed(place) == expected
        assert done.resources == {kind: 4 * (kind in ("Patient", "Observation")) for kind in TYPES} or done.run > 2
        assert not list(place.rglob(".part-*"))
    assert 8 <= deaths < 39


@pytest.mark.parametrize("kinds", [("Patient", "Observation"), ("Observation",)])
@pytest.mark.parametrize("mode", [Mode.EXPORT, Mode.SEARCH])
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_anywhere_in_a_replacement_loses_and_repeats_nothing(
    server: FhirServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: Mode,
    after: bool,
    kinds: tuple[str, ...],
) -> None:
    # With one type alone, what is repeated shows at the last file.
    server.resources = {kind: server.resources[kind] if kind in kinds else [] for kind in TYPES}
    server.ignores_since = {"Patient/$export", "$export", *TYPES}
    server.page = 20
    run(server, tmp_path / "before", mode)
    had = set(server.everything())
    server.time.seconds += 86400
    server.transaction_time = "2025-01-11T00:00:00Z"
    server.resources["Observation"][1] = resource("Observation", 1, version=2, updated="2025-01-10T21:00:00Z")
    deaths = 0
    for at in range(1, 40):
        place = shutil.copytree(tmp_path / "before", tmp_path / str(at))
        with monkeypatch.context() as patched:
            die(patched, at, after=after)
            try:
                run(server, place, mode)
            except DeathError:
                deaths += 1
            else:
                break
        assert set(landed(place)) <= had | set(server.everything())
        run(server, place, mode)
        assert landed(place) == server.everything()
        assert not list(place.rglob(".part-*"))
    assert 8 <= deaths < 39


@pytest.mark.parametrize("mode", [Mode.EXPORT, Mode.SEARCH])
def test_a_run_that_is_killed_while_it_is_given_up_is_not_taken_up_again(
    server: FhirServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    server.fault("Observation" if mode is Mode.SEARCH else "Observation-1.ndjson", *[busy(503)] * 6)
    with pytest.raises(UserError):
        run(server, tmp_path, mode)
    other = Mode.EXPORT if mode is Mode.SEARCH else Mode.SEARCH
    # The second write is the first removal.
    with monkeypatch.context() as patched:
        die(patched, 2, after=True)
        with pytest.raises(DeathError):
            run(server, tmp_path, other)
    run(server, tmp_path, mode)
    assert landed(tmp_path) == server.everything()
