"""Vault policies as Vault reads them; those that are not understood count as everything."""

import pytest

from policy_pack.facts.vault.policies import CAPABILITIES, policy_paths, policy_rules, unreadable
from policy_pack.stack.values import UNKNOWN, View


def rules(text: str) -> list[tuple[str, tuple[str, ...]]]:
    return list(policy_paths(View(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('path "a" { capabilities = ["read", "update"] }', [("a", ("read", "update"))]),
        ('path "/a/*" { policy = "write" }', [("a/*", ("create", "delete", "list", "read", "update"))]),
        ('path "a" { capabilities = ["read", "deny"] }', [("a", ("deny",))]),
        (
            'path "a" { capabilities = ["list"] policy = "sudo" }',
            [("a", tuple(sorted({*["create", "read", "update", "delete", "list", "sudo"]})))],
        ),
        ('path "a" {}\npath "a" { capabilities = ["read"] }', [("a", ()), ("a", ("read",))]),
        ('path "a" { capabilities = ["read"] allowed_parameters = { "b" = ["c"] } }', [("a", ("read",))]),
        ('{"path": {"a": {"capabilities": ["read"]}}}', [("a", ("read",))]),
        (
            '{"path": [{"a": {"capabilities": ["read"]}}, {"b": {"policy": "read"}}]}',
            [("a", ("read",)), ("b", ("list", "read"))],
        ),
        ('name = "x"', []),
        ("", []),
    ],
)
def test_paths_and_capabilities(text: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    assert rules(text) == expected
    assert unreadable(View(text)) == ""


@pytest.mark.parametrize(
    "text",
    [
        'path "a" { capabilities = ["reed"] }',
        'path "a" { capabilities = "read" }',
        'path "a" { capabilites = ["read"] }',
        'path "a" { policy = "all" }',
        'path "a" "b" { capabilities = ["read"] }',
        'path "a+*" { capabilities = ["read"] }',
        'path "{{identity.entity.id" { capabilities = ["read"] }',
        'paths "a" { capabilities = ["read"] }',
        "path = [1]",
        'path { capabilities = ["read"] }',
        'path "a" { capabilities = ["read"] capabilities = ["update"] }',
        '{"path": {"a": ["read"]}}',
        '{"path": {"a": {}, "a": {}}}',
    ],
)
def test_a_policy_that_cannot_be_read_counts_as_everything(text: str) -> None:
    [rule] = policy_rules(View(text), "p")
    assert (rule.path, rule.capabilities, rule.certain) == ("*", CAPABILITIES, False)
    assert unreadable(View(text))


def test_an_unknown_policy_counts_as_everything() -> None:
    [rule] = policy_rules(View(UNKNOWN), "p")
    assert (rule.path, rule.certain) == ("*", False)
    assert unreadable(View(UNKNOWN)) == ""
