"""Status of a hospital's worklist: whether the gateway answers a browser at its address."""

import ssl

import httpx
import requests
from hvac.exceptions import VaultError

from local.cluster.openbao import operator
from local.hospitals.application import server_authority
from local.hospitals.gateway_call import send
from local.hospitals.hospital_status import Finding
from local.paths import Home, worklist_url

_TIMEOUT = 5.0
_UNAUTHENTICATED = 401


def finding(home: Home, hospital: str) -> Finding:
    """Return whether the gateway answers: without a session it sends a browser to the sign-in."""
    address = worklist_url(hospital)
    problem = _problem(home, hospital, f"{address}/worklist")
    advice = "`make status` names the gateway's parts, `make up` starts them" if problem else ""
    return Finding(hospital, f"worklist {address}", "answers, asks for sign-in", problem, advice)


def _problem(home: Home, hospital: str, url: str) -> str:
    vault = operator(home)
    try:
        context = ssl.create_default_context(cadata=server_authority(vault, hospital))
    except (VaultError, requests.RequestException, ssl.SSLError, KeyError, TypeError):
        return "the authority of its gateway cannot be read from Vault"
    try:
        answer = send("GET", url, context, _TIMEOUT)
    except httpx.HTTPError as fault:
        return f"does not answer ({type(fault).__name__})"
    expected = answer.is_redirect or answer.status_code == _UNAUTHENTICATED
    return "" if expected else f"answers {answer.status_code} instead of asking for sign-in"
