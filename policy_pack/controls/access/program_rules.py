"""Rules of a gateway for programs: a token with the scope, over a connection with the program's own certificate."""

import re

from policy_pack.controls.rules import resource_check
from policy_pack.stack.checks import Findings, violation
from policy_pack.stack.graph import Resource

# The claims that name a program or an EHR; people have others, and no certificate.
_PROGRAM, _ISSUER = "client_id", "iss"
_CERTIFICATE = re.compile(r"connection\.subject_peer_certificate == 'CN=([A-Za-z0-9.-]+)'")


@resource_check("AUTH-01", "k8s:gateway.envoyproxy.io/SecurityPolicy")
def programs_have_certificate_and_scope(policy: Resource) -> Findings:
    """Require that a rule for a program names its certificate, and its token's scope."""
    for rule in policy.at("spec.authorization.rules").items():
        jwt = rule.at("principal.jwt")
        claims = {
            claim.at("name").text(): {value.text() for value in claim.at("values").items()}
            for claim in jwt.at("claims").items()
        }
        if rule.at("action").text() == "Deny" or not claims.keys() & {_PROGRAM, _ISSUER}:
            continue
        certificate = _CERTIFICATE.fullmatch(rule.at("cel").text())
        if certificate is None or certificate[1] not in claims.get(_PROGRAM, {certificate[1]}):
            yield violation("lets a program in with any client certificate; name its own in cel", rule.path)
        if _PROGRAM in claims and not jwt.at("scopes").items():
            yield violation("lets a program in with a token for anything; name the scopes", rule.path)
