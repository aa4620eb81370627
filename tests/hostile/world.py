"""What hostile requests know of the hospital: a discharge that was scored, an entry of the worklist, good tokens."""

import random
import re
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from model.definitions.features import definitions
from tests.hostile.request import Builder
from tests.hostile.tokens import Tokens, of_ehr, of_people
from tests.support.care.care_world import ADDRESS
from tests.support.care.clinical_path import CARE, GATEWAY, HOOK_PATH, UNIT, ClinicalPath
from tests.support.identity.sign_in import User

COORDINATOR = User(units=(UNIT,))
FEEDBACK_PATH = f"{HOOK_PATH}/feedback"
_FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


@dataclass
class World:
    """What a generator of requests works with."""

    path: ClinicalPath
    source: random.Random
    card: str
    entry: str
    encounter: str
    patient: str
    record: int
    builder: Builder = field(init=False)
    hook_tokens: Tokens = field(init=False)
    feedback_tokens: Tokens = field(init=False)
    people_tokens: Tokens = field(init=False)

    def __post_init__(self) -> None:
        self.builder = Builder(self.source)
        self.hook_tokens = of_ehr(self.path, self.source, ADDRESS + HOOK_PATH)
        self.feedback_tokens = of_ehr(self.path, self.source, ADDRESS + FEEDBACK_PATH)
        self.people_tokens = of_people(self.path, self.source, COORDINATOR)

    def sign_in(self) -> str:
        """Return a good access token."""
        return self.path.provider.issuer.token(COORDINATOR)

    def form_token(self) -> str:
        """Return the token of a form that a page has."""
        with self.path.care.client(self.path.certificates[GATEWAY]) as browser:
            page = browser.get(f"/worklist/entries/{self.entry}", headers={"Authorization": f"Bearer {self.sign_in()}"})
        found = _FORM_TOKEN.search(page.text)
        assert found, page.status_code
        return found[1]

    def scores(self) -> dict[str, Any]:
        """Return a good request for scores."""
        encounter: dict[str, Any] = {"encounter": self.encounter, "patient": self.patient}
        if self.source.random() < 0.5:
            values = {name: self.source.choice((None, 0, 1, 40.5)) for name in definitions().names}
            encounter |= {"features": values, "features_as_of_hours": 1.0, "missing": []}
        return {"workflow": "discharge-worklist", "purpose": "TREAT", "encounters": [encounter]}

    def feedback(self) -> dict[str, Any]:
        """Return good feedback for planning."""
        return {
            "workflow": "feedback",
            "purpose": "TREAT",
            "encounter": self.encounter,
            "record": self.record,
            "code": "accepted",
        }

    def hook(self) -> dict[str, Any]:
        """Return a hook without a prefetch: it is answered after little work."""
        whole = deepcopy(self.path.discharge)
        return {name: value for name, value in whole.items() if name != "prefetch"} | {"hookInstance": str(uuid4())}

    def card_feedback(self) -> dict[str, Any]:
        """Return good feedback on a card."""
        return {"feedback": [{"card": self.card, "outcome": "accepted", "outcomeTimestamp": "2026-11-03T09:30:00Z"}]}


def world(path: ClinicalPath, seed: int) -> World:
    """Discharge a patient and open the worklist once, as a good EHR and a good coordinator do."""
    headers = {"Authorization": f"Bearer {path.token()}"}
    with path.care.client(path.certificates[GATEWAY]) as gateway:
        answer = gateway.post(HOOK_PATH, json=path.discharge, headers=headers).raise_for_status()
        page = gateway.get("/worklist", headers={"Authorization": f"Bearer {path.sign_in()}"}).raise_for_status()
    entry = re.search(r"/worklist/entries/([0-9a-f-]{36})", page.text)
    assert entry
    scored = next(one for one in path.records() if one.entry.scores)
    [score] = scored.entry.scores
    return World(
        path=path,
        source=random.Random(seed),
        card=answer.json()["cards"][0]["uuid"],
        entry=entry[1],
        encounter=score.encounter,
        patient=str(score.patient),
        record=scored.sequence,
    )


CALLERS = {"planning": CARE, "care": GATEWAY}
"""Whose certificate may call each service."""
