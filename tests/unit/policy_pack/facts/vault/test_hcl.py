"""The parser of Vault policies."""

import pytest

from policy_pack.facts.vault.hcl import HclError, Item, Object, parse


def test_blocks_comments_and_values_are_read() -> None:
    text = """
    # a comment with path "x" {}
    name = "n" // another
    path "a/*" { capabilities = ["read", "list",] /* path "b" {
    } */ min_wrapping_ttl = "1s" }
    "path" "c" { allowed_parameters { "*" = [] } required_parameters = [], n = -1.5, ok = true }
    """
    name, first, second = parse(text).items
    assert name == Item(("name",), "n")
    assert first.keys == ("path", "a/*")
    assert first.value.single() == {"capabilities": ["read", "list"], "min_wrapping_ttl": "1s"}
    assert second.value.single() == {
        "allowed_parameters": Object((Item(("*",), []),)),
        "required_parameters": [],
        "n": -1.5,
        "ok": True,
    }


def test_json_keeps_repeated_keys() -> None:
    [path] = parse('{"path": {"a": {}, "a": {"x": [1]}}}').items
    assert [item.keys for item in path.value.items] == [("a",), ("a",)]


def test_escapes_are_resolved() -> None:
    [item] = parse(r'path "a\"b\\c" {}').items
    assert item.keys == ("path", 'a"b\\c')


@pytest.mark.parametrize(
    "text",
    [
        'path "a" {',
        'path "a" }',
        'path "a" = {} }',
        'path "${x}" {}',
        "path <<E\nE\n",
        'path "a\nb" {}',
        'path "a" { capabilities = ["read" "list"] }',
        'path "a" { capabilities = read }',
        "/* path",
        '= "x"',
        '{"path": }',
        r'path "\q" {}',
        "a = 1x",
    ],
)
def test_what_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(HclError):
        parse(text)


def test_a_repeated_or_labelled_key_is_no_field() -> None:
    for text in ("a = 1\na = 2", 'a "b" {}'):
        with pytest.raises(HclError):
            parse(text).single()
