"""Certificates that PKI roles can issue, each field set wider."""

from typing import Any

import pytest

from policy_pack.facts.vault.certificates import PKI_ROLE, Certificate, certificates
from policy_pack.stack.graph import Graph
from policy_pack.stack.values import UNKNOWN
from tests.policy.builders import GONE, STACK, build

NARROW = {
    "backend": "north/pki",
    "name": "envoy",
    "allowedDomains": ["north.example"],
    "allowBareDomains": True,
    "allowLocalhost": False,
    "allowIpSans": False,
    "serverFlag": True,
    "clientFlag": False,
    "keyUsages": ["DigitalSignature"],
    "maxTtl": "86400",
}
SERVER = ("server", "north.example")


def issued(mount_ttl: int = 86400, **fields: Any) -> list[Certificate]:
    values = {key: value for key, value in {**NARROW, **fields}.items() if value is not GONE}
    mount = build("vault:index/mount:Mount", "north-pki", {"path": "north/pki", "maxLeaseTtlSeconds": mount_ttl})
    role = build(PKI_ROLE, "envoy", values)
    return list(certificates(role, Graph([role, mount], STACK)))


def test_a_narrow_role_issues_its_name_alone() -> None:
    assert [(one.use, one.name) for one in issued()] == [SERVER]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("clientFlag", GONE),
        ("clientFlag", True),
        ("allowAnyName", True),
        ("allowSubdomains", True),
        ("allowGlobDomains", True),
        ("allowLocalhost", GONE),
        ("allowIpSans", GONE),
        ("allowedDomainsTemplate", True),
        ("allowedDomains", ["north.example", "south.example"]),
        ("allowedUriSans", ["spiffe://*"]),
        ("allowedOtherSans", ["*"]),
        ("allowedUserIds", ["*"]),
        ("extKeyUsages", ["ClientAuth"]),
        ("extKeyUsages", ["CodeSigning"]),
        ("extKeyUsageOids", ["1.3.6.1.5.5.7.3.2"]),
        ("keyUsages", ["CertSign"]),
        ("codeSigningFlag", True),
        ("emailProtectionFlag", True),
        ("basicConstraintsValidForNonCa", True),
        ("cnValidations", ["disabled"]),
        ("policyIdentifiers", ["1.2"]),
        ("maxTtl", "8760h"),
        ("maxTtl", "forever"),
        ("notAfter", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_wider_field_issues_more(field: str, value: Any) -> None:
    assert {(one.use, one.name) for one in issued(**{field: value})} > {SERVER}


def test_without_a_ttl_the_mount_s_own_counts() -> None:
    assert len(issued(maxTtl=GONE)) == 1
    assert len(issued(maxTtl=GONE, mount_ttl=315360000)) == 2


def test_wildcards_need_subdomains() -> None:
    assert len(issued(allowWildcardCertificates=True)) == 1
    assert len(issued(allowWildcardCertificates=True, allowSubdomains=True)) == 3


@pytest.mark.parametrize(
    "field", ["allowAnyName", "allowedDomains", "maxTtl", "keyUsages", "notAfter", "allowedUriSans"]
)
def test_an_unknown_field_counts_and_is_not_certain(field: str) -> None:
    unknown: dict[str, Any] = {field: UNKNOWN}
    assert any(not one.certain for one in issued(**unknown))
