"""The rule that decides about a request, compared with a real OpenBao on random policies."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import hvac
import pytest

from policy_pack.facts.vault.acl import Acl, common_path
from policy_pack.facts.vault.policies import PathRule, policy_rules
from policy_pack.stack.values import View
from tests.support.vault.bao_server import bao

SEGMENTS = ("a", "b", "ab", "+", "+", "*", "b*", "a*")
CAPABILITIES = ("read", "update", "list", "create", "delete", "deny", "sudo")
POLICIES, PATHS = 120, 40


def rule(path: str, *capabilities: str) -> PathRule:
    return PathRule(path, frozenset(capabilities), "p")


@pytest.mark.parametrize(
    ("paths", "request_path", "expected"),
    [
        (("a/*", "a/b"), "a/b", "a/b"),
        (("a/*", "a/b*"), "a/bc", "a/b*"),
        (("a/+/c", "a/*"), "a/b/c", "a/+/c"),
        (("+/b/c", "a/+/c"), "a/b/c", "a/+/c"),
        (("a/+/+", "a/+/c"), "a/b/c", "a/+/c"),
        (("a/+/*", "a/+/c"), "a/b/c", "a/+/c"),
        (("a/+",), "a/b/c", None),
        (("a/b+",), "a/bx", None),
        (("a/*b",), "a/xb", None),
        (("a",), "a/b", None),
        (("+/b",), "/b", "+/b"),
    ],
)
def test_the_most_specific_path_decides(paths: tuple[str, ...], request_path: str, expected: str | None) -> None:
    decided = Acl(rule(path, "read") for path in paths).rule_for(request_path)
    assert (decided.path if decided else None) == expected


def test_capabilities_of_equal_paths_add_up_and_deny_removes_all() -> None:
    assert Acl([rule("a", "read"), rule("a", "list")]).capabilities("a") == {"read", "list"}
    assert Acl([rule("a", "read"), rule("a", "deny")]).capabilities("a") == frozenset()


def test_a_templated_path_can_match_any_text_and_its_denial_none() -> None:
    templated = rule("{{identity.entity.name}}/kv/*", "read")
    assert Acl([templated]).granting("south/kv/*", frozenset({"read"})) == templated
    assert Acl([rule("a/*", "read"), rule("a/{{x}}", "deny")]).granting("a/b", frozenset({"read"})) is not None


@pytest.mark.parametrize(
    ("path", "base", "expected"),
    [
        ("north/*", "north/kv/*", "north/kv/any-"),
        ("+/kv/data/x", "north/kv/*", "north/kv/data/x"),
        ("north/kv/a", "north/kv/*", "north/kv/a"),
        ("*", "north/kv/*", "north/kv/any-"),
        ("north/+/*", "north/kv/*", "north/kv/any-"),
        ("south/*", "north/kv/*", None),
        ("north/kv", "north/kv/*", None),
        ("+/+/data", "north/kv/*", "north/kv/data"),
        ("+/+/+", "north/kv/da*", "north/kv/daany-"),
    ],
)
def test_a_path_that_two_patterns_have_in_common(path: str, base: str, expected: str | None) -> None:
    assert common_path(rule(path, "read"), base) == expected


# --- a real server -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[hvac.Client]:
    with bao(tmp_path_factory.mktemp("bao")) as server:
        yield server.root


def random_path(random: Random) -> str:
    segments = [random.choice(SEGMENTS) for _ in range(random.randint(1, 4))]
    # Vault does not allow +*, and `*` is a wildcard at the end alone.
    return "/".join(segments)


def random_policy(random: Random) -> str:
    blocks = []
    for _ in range(random.randint(1, 5)):
        listed = ", ".join(f'"{one}"' for one in random.sample(CAPABILITIES, random.randint(1, 3)))
        blocks.append(f'path "{random_path(random)}" {{\n  capabilities = [{listed}]\n}}\n')
    return "".join(blocks)


@pytest.mark.process
@pytest.mark.parametrize("seed", range(4))
def test_capabilities_are_those_of_a_real_server(root: hvac.Client, seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    for number in range(POLICIES // 4):
        texts = [random_policy(random) for _ in range(random.randint(1, 2))]
        names = [f"{tmp_path.name}-{number}-{position}".lower() for position in range(len(texts))]
        for name, text in zip(names, texts, strict=True):
            root.sys.create_or_update_acl_policy(name, text)
        token = root.auth.token.create(policies=names, no_default_policy=True)["auth"]["client_token"]
        paths = [
            "/".join(random.choice(("a", "b", "ab", "abb")) for _ in range(random.randint(1, 4))) for _ in range(PATHS)
        ]
        answer = root.sys.get_capabilities(paths=paths, token=token)["data"]
        acl = Acl(rule for name, text in zip(names, texts, strict=True) for rule in policy_rules(View(text), name))
        for path in paths:
            assert acl.capabilities(path) == frozenset(answer[path]) - {"deny"}, (texts, path)
