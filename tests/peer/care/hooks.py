"""A published CDS Hooks library (``healthchain``), unchanged, as the EHR: discovery, a call, feedback.

Usage: ``python hooks.py``; reads a JSON object with ``address``, ``ca``, ``tokens`` by path, ``context``, ``prefetch``
and ``hook`` on stdin, and prints what the library read as JSON.
"""

import json
import ssl
import sys
from datetime import UTC, datetime

import httpx
from healthchain.models.hooks.encounterdischarge import EncounterDischargeContext
from healthchain.models.requests.cdsrequest import CDSRequest
from healthchain.models.responses.cdsdiscovery import CDSServiceInformation
from healthchain.models.responses.cdsfeedback import CDSFeedback
from healthchain.models.responses.cdsresponse import CDSResponse

given = json.load(sys.stdin)
http = httpx.Client(base_url=given["address"], verify=ssl.create_default_context(cafile=given["ca"]), timeout=60)


def post(path: str, content: str) -> httpx.Response:
    """Post with the token of a path."""
    headers = {"Authorization": f"Bearer {given['tokens'][path]}", "Content-Type": "application/json"}
    return http.post(path, content=content, headers=headers).raise_for_status()


(service,) = CDSServiceInformation.model_validate(http.get("/cds-services").raise_for_status().json()).services
request = CDSRequest(
    hook=service.hook, context=EncounterDischargeContext(**given["context"]), prefetch=given["prefetch"]
)
path = f"/cds-services/{service.id}"
answer = CDSResponse.model_validate(
    post(path, request.model_dump_json(exclude_none=True, serialize_as_any=True)).json()
)
(card,) = answer.cards
feedback = CDSFeedback(card=str(card.uuid), outcome="accepted", outcomeTimestamp=datetime.now(UTC).isoformat())
post(f"{path}/feedback", json.dumps({"feedback": [feedback.model_dump(mode="json", exclude_none=True)]}))
json.dump({"service": service.id, "summary": card.summary, "link": str(card.links[0].url)}, sys.stdout)
