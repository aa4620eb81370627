"""``python -m services.planning score``: Job that asks the model server for the risk of one discharge."""

import json
import os
import sys
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import httpx
import typer
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from model.errors import UserError
from model.scoring.latest_discharge import Discharge, latest
from services.audit.errors import NotRecordedError
from services.planning.open_inference import MODEL_SERVER, request_body
from services.transport import SpiffeId, client

TIMEOUT_SECONDS = 10.0
PATIENCE_SECONDS = 60.0

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


class _NotYetError(Exception):
    """A transient error of the model server."""


@dataclass(frozen=True)
class Answer:
    """Score of one patient, for the discharge team."""

    patient: str
    risk: float
    decision: str
    action: str
    reasons: list[dict[str, Any]]
    model: str
    version: str
    release: str
    evaluated: bool = True
    caution: str = ""
    return_days: int | None = None


def ask(model_server: httpx.Client, url: str, discharge: Discharge, *, patience: float = PATIENCE_SECONDS) -> Answer:
    """Return a model server's score of one discharge, with retries while it is not ready.

    Parameters
    ----------
    model_server : httpx.Client
        Verifies the server's identity.
    url : str
        The model's ``…/v2/models/NAME/infer``.
    discharge : Discharge
        What the model is asked about.
    patience : float
        Seconds until the last attempt.

    Raises
    ------
    UserError
        When the server refuses the request or cannot be reached in time.
    """
    attempts = Retrying(
        retry=retry_if_exception_type(_NotYetError),
        stop=stop_after_delay(patience),
        wait=wait_exponential(multiplier=0.2, max=5),
        reraise=True,
    )
    try:
        reply = attempts(_post, model_server, url, request_body(discharge.columns))
    except _NotYetError as fault:
        raise UserError(f"The model server at {url} does not answer ({fault}); check the InferenceService.") from None
    return _answer(discharge.patient, reply)


def _post(model_server: httpx.Client, url: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        reply = model_server.post(url, json=body, timeout=TIMEOUT_SECONDS)
    except httpx.InvalidURL:
        raise UserError(f"{url} is not a URL; give https://HOST/v2/models/NAME/infer.") from None
    except httpx.TransportError as fault:
        raise _NotYetError(type(fault).__name__) from None
    if reply.status_code in {404, 429} or reply.status_code >= 500:
        raise _NotYetError(f"status {reply.status_code}")
    if reply.status_code != 200:
        raise UserError(f"The model server refused the request with status {reply.status_code}: {_error(reply)}.")
    try:
        found: dict[str, Any] = reply.json()
    except ValueError:
        return {}
    return found


def _error(reply: httpx.Response) -> str:
    try:
        return str(reply.json().get("error", "no reason given")).rstrip(".")
    except (ValueError, AttributeError):
        return "no reason given"


def _answer(patient: str, reply: dict[str, Any]) -> Answer:
    try:
        outputs = {output["name"]: output["data"][0] for output in reply["outputs"]}
        days = reply["parameters"].get("return_days")
        return Answer(
            patient=patient,
            risk=float(outputs["risk"]),
            decision=str(outputs["decision"]),
            action=str(outputs["action"]),
            reasons=json.loads(outputs["reasons"]),
            model=str(reply["model_name"]),
            version=str(reply["model_version"]),
            release=str(reply["parameters"]["release"]),
            evaluated=bool(reply["parameters"].get("evaluated", True)),
            caution=str(reply["parameters"].get("caution", "")),
            return_days=None if days is None else int(days),
        )
    except (KeyError, IndexError, TypeError, ValueError):
        raise UserError("The response is not from this model; check MODEL_URL.") from None


@app.callback()
def about() -> None:
    """Discharge planning."""


@app.command()
def score(
    hospital: Annotated[str, typer.Option(envvar="HOSPITAL", help="The hospital.")],
    features: Annotated[str, typer.Option(envvar="FEATURES", help="The features file, local or s3://.")],
    url: Annotated[str, typer.Option(envvar="MODEL_URL", help="The model's …/v2/models/NAME/infer.")],
    patient: Annotated[str, typer.Option(help="Pseudonym, or any for the latest discharge.")] = "any",
    patience: Annotated[float, typer.Option(help="Seconds to wait for the server.")] = PATIENCE_SECONDS,
) -> None:
    """Score a patient's latest discharge and print one JSON line."""
    try:
        model_server = client(_full(url), SpiffeId(hospital, MODEL_SERVER))
    except ValueError as fault:
        raise UserError(f"{fault}; correct MODEL_URL.") from None
    answer = asdict(ask(model_server, _full(url), latest(features, patient), patience=patience))
    print(json.dumps({"hospital": hospital} | answer, ensure_ascii=False))


def _full(url: str) -> str:
    """Return the inference address; a server's bare address is completed with the model's name."""
    if url.rstrip("/").endswith("/infer"):
        return url
    name = os.environ.get("MODEL_NAME", "readmission-risk-v1")
    return f"{url.rstrip('/')}/v2/models/{name}/infer"


def main() -> None:
    """Run the command line; faults of the user are one sentence, never a stack trace."""
    try:
        app()
    except (UserError, NotRecordedError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(2)
