"""Targets of the load: the model server alone, planning, and the gateway as a program and as the EHR."""

import json
import ssl
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

from bench.load.environment import MODEL_SERVER, PLANNING, Environment, Json
from bench.load.sender import Request, Target
from model.features.feature_file import load
from model.scoring.contract import Contract
from services.planning import release
from services.planning.delivery.releases import Releases
from services.planning.open_inference import tensor_body
from services.transport import Credentials, SpiffeId, TlsFiles, client

SCORES = "/v1/scores"
ENCOUNTERS = 200
TOKEN_SECONDS = 120
ALGORITHM = "ES384"


@dataclass(frozen=True)
class Side:
    """Target of the load with its request.

    Parameters
    ----------
    name
        What the tables call it.
    target
        Where it is.
    requests
        Returns as many requests.
    route
        Route of its audit records; empty where an answer has none.
    """

    name: str
    target: Target
    requests: Callable[[int], Sequence[Request]]
    route: str = ""


@dataclass(frozen=True)
class Encounters:
    """Encounters of the hospital's features file, and the release that scores them.

    Parameters
    ----------
    names
        Pseudonyms of encounter and patient.
    rows
        Their features.
    contract
        Of the active release.
    url
        Path of the model.
    """

    names: Sequence[tuple[str, str]]
    rows: Sequence[Json]
    contract: Contract
    url: str

    @classmethod
    def of(cls, environment: Environment) -> "Encounters":
        """Read the features file and the release that planning uses."""
        variables = environment.variables(PLANNING)
        active = Releases.model_validate_json(variables["RELEASES"]).active
        if active is None:
            raise LookupError(f"{environment.hospital} has no active release")
        trusted = variables["HMLOPS_TRUSTED_KEYS"].split(",")
        scorer = release.read(active.files, active.release, trusted)
        rows = load(variables["ONLINE_FEATURES"])[0].slice(0, ENCOUNTERS).to_pylist()
        names = [(row["index_id"], row["patient_id"]) for row in rows]
        return cls(names, rows, scorer.contract, urlsplit(active.inference_url).path)


def model_server(environment: Environment, encounters: Encounters) -> Side:
    """Return the model server alone, asked with planning's certificate for what planning asks it."""
    files, base = environment.planning_certificate(), environment.address(MODEL_SERVER)
    _verify(base, SpiffeId(environment.hospital, "model-server"), files, "/v2/health/live")
    order, names = encounters.contract.order, encounters.contract.names
    bodies = [json.dumps(tensor_body(order, [[row[name] for name in names]])).encode() for row in encounters.rows]
    target = Target(f"{base}{encounters.url}", Credentials(files, server=False).context())
    return Side("model server alone", target, lambda _: [Request(body) for body in bodies])


def planning(environment: Environment, encounters: Encounters) -> Side:
    """Return planning, asked with the gateway's certificate from the node: the gateway's rate limit is not passed."""
    files, base = environment.gateway_certificate(), environment.address(PLANNING)
    _verify(base, SpiffeId(environment.hospital, "planner"), files, "/healthz")
    target = Target(f"{base}{SCORES}", Credentials(files, server=False).context())
    return Side("planning", target, lambda _: _score_requests(encounters), f"POST {SCORES}")


def program(callers: Json, encounters: Encounters) -> Side:
    """Return the gateway, as a program asks it for scores."""
    token = Path(callers["token"]).read_text(encoding="ascii")
    target = _gateway(callers, SCORES, callers["program"], {"Authorization": f"Bearer {token}"})
    return Side("gateway, scores", target, lambda _: _score_requests(encounters), f"POST {SCORES}")


def ehr(callers: Json) -> Side:
    """Return the gateway, as the EHR calls the hook: each call has a token of its own, and the whole prefetch."""
    key = ECKey.import_key(Path(callers["ehr_key"]).read_text(encoding="ascii"))
    bodies = [json.loads(line) for line in Path(callers["discharges"]).read_text(encoding="utf-8").splitlines()]
    audience = f"{callers['url']}{callers['hook']}"
    header = {"alg": ALGORITHM, "typ": "JWT", "kid": callers["ehr_key_id"]}

    def requests(count: int) -> list[Request]:
        now = int(time.time())
        requests = []
        for number in range(count):
            claims = {"iss": callers["issuer"], "aud": audience, "iat": now, "exp": now + TOKEN_SECONDS}
            token = jwt.encode(header, {**claims, "jti": str(uuid.uuid4())}, key, algorithms=[ALGORITHM])
            body = {**bodies[number % len(bodies)], "hookInstance": str(uuid.uuid4())}
            requests.append(Request(json.dumps(body).encode(), {"Authorization": f"Bearer {token}"}))
        return requests

    return Side(
        "gateway, hook", _gateway(callers, callers["hook"], callers["ehr"]), requests, f"POST {callers['hook']}"
    )


def _gateway(callers: Json, path: str, certificate: str, headers: dict[str, str] | None = None) -> Target:
    named = urlsplit(callers["url"])
    context = ssl.create_default_context(cafile=callers["authority"])
    context.load_cert_chain(certificate)
    return Target(f"https://{callers['address']}:{named.port}{path}", context, named.netloc, headers or {})


def _score_requests(encounters: Encounters) -> list[Request]:
    asked = {"workflow": "discharge-worklist", "purpose": "TREAT"}
    names = ([{"encounter": one, "patient": other}] for one, other in encounters.names)
    return [Request(json.dumps({**asked, "encounters": one}).encode()) for one in names]


def _verify(base: str, server: SpiffeId, files: TlsFiles, path: str) -> None:
    """Check once that the server has the identity that it should have: the load checks its authority alone."""
    with client(base, server, files) as asking:
        asking.get(path)
