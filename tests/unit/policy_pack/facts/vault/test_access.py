"""Who has access by Vault policies: cases worked out by hand."""

import pytest

from tests.policy.access_resources import path_rule, vault_access_by
from tests.policy.builders import build


@pytest.mark.parametrize(
    ("policy", "verbs"),
    [
        (path_rule("north/transit/hmac/pseudonym", "update"), {"pseudonymise"}),
        (path_rule("north/transit/hmac/pseudonym", "read"), set()),
        (
            path_rule("north/transit/+/pseudonym", "update"),
            {"pseudonymise", "sign", "decrypt", "encrypt", "rewrap", "verify", "manage"},
        ),
        (
            path_rule("north/transit/hmac/*", "update") + path_rule("north/transit/hmac/pseudonym", "deny"),
            {"pseudonymise"},
        ),
        (path_rule("north/transit/hmac/pse*", "deny") + path_rule("north/transit/hmac/*", "update"), set()),
        (path_rule("south/transit/hmac/pseudonym", "update"), set()),
        (path_rule("north/kv/data/fhir", "read"), {"read"}),
        (path_rule("north/transit/export/+/pseudonym", "read"), {"export"}),
    ],
)
def test_vault_applies_the_most_specific_path(policy: str, verbs: set[str]) -> None:
    # The longer form of a request, with its hash, is another path: a denial of the short one alone leaves it open.
    found = vault_access_by(policy)
    assert {one.verb for one in found} == verbs
    assert {one.principal.label for one in found} <= {"ServiceAccount north-phi/ingestor"}


def test_a_policy_without_role_is_that_of_a_token_made_elsewhere() -> None:
    other = build(
        "vault:index/policy:Policy",
        "south",
        {"name": "south", "policy": path_rule("north/transit/hmac/pseudonym", "update")},
    )
    assert [one.principal.label for one in vault_access_by(path_rule("x/y", "read"), other)] == [
        "a token with Vault policy south"
    ]


def test_access_to_system_paths_is_listed() -> None:
    [one] = vault_access_by(path_rule("sys/policies/acl/*", "update"))
    assert (one.verb, one.parts) == ("configure Vault: update", ("sys/policies/acl/*",))
