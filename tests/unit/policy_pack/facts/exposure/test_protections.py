"""Protections of a gateway: the sign-in of people."""

import pytest

from policy_pack.facts.exposure.protections import sign_in
from policy_pack.stack.external_endpoints import TrustedIssuer

IDP = "https://idp.example/realms/north"
PEOPLE = TrustedIssuer(
    issuer=IDP,
    audiences=("north-care",),
    keys=f"{IDP}/certs",
    claims={},
    sign_in=True,
    sign_in_urls={"authorizationEndpoint": f"{IDP}/auth", "tokenEndpoint": f"{IDP}/token"},
)


@pytest.mark.parametrize(
    ("provider", "says"),
    [
        ({"issuer": IDP, "authorizationEndpoint": f"{IDP}/auth", "tokenEndpoint": f"{IDP}/token"}, ""),
        ({"issuer": IDP}, ""),
        ({"issuer": IDP, "authorizationEndpoint": "https://evil.example/auth"}, "oidc.provider.authorizationEndpoint"),
        ({"issuer": IDP, "tokenEndpoint": "https://evil.example/token"}, "oidc.provider.tokenEndpoint"),
        ({"issuer": "https://evil.example"}, "oidc.provider.issuer"),
    ],
)
def test_people_sign_in_at_the_addresses_of_the_stack_s_configuration(provider: dict[str, str], says: str) -> None:
    spec = {"oidc": {"provider": provider, "redirectURL": "https://north.example/callback"}}
    gaps = list(sign_in(spec, (PEOPLE,)))
    assert [says in gap for gap in gaps] == ([True] if says else [])
