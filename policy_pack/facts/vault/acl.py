"""Vault ACLs: the rule of several policies that decides about a request, by Vault's own priority."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from policy_pack.facts.vault.policies import DENY, PathRule

ANY = "any-"
"""A segment that no policy names, for requests whose name is free."""


class Acl:
    """The rules of a token's policies.

    Capabilities of equal paths add up, and ``deny`` removes all of them. A templated path can match any text: it counts
    as a grant beside the rule that decides, and its ``deny`` does not count.
    """

    def __init__(self, rules: Iterable[PathRule]) -> None:
        by_path: dict[str, list[PathRule]] = defaultdict(list)
        for rule in rules:
            by_path[rule.path].append(rule)
        merged = [_merged(same) for same in by_path.values()]
        self._exact = {rule.path: rule for rule in merged if not rule.templated and not _has_wildcard(rule.path)}
        patterns = [rule for rule in merged if not rule.templated and _has_wildcard(rule.path)]
        self._patterns = [(rule.pattern, rule) for rule in sorted(patterns, key=_priority, reverse=True)]
        self._templated = [(rule.pattern, rule) for rule in merged if rule.templated and not rule.denied]
        self.rules = tuple(rule for rule in merged if rule.capabilities and not rule.denied)

    def rule_for(self, path: str) -> PathRule | None:
        """Return the rule that decides about a path."""
        exact = self._exact.get(path)
        return exact or next((rule for pattern, rule in self._patterns if pattern.fullmatch(path)), None)

    def granting(self, path: str, capabilities: frozenset[str]) -> PathRule | None:
        """Return the rule that grants one of some capabilities on a path; ``*`` at its end is any rest.

        For a path with any rest, one request is tried for each rule: a path that both match.
        """
        for request in self._requests(path):
            rule = self.rule_for(request)
            if rule and not rule.denied and rule.capabilities & capabilities:
                return rule
            for pattern, templated in self._templated:
                if templated.capabilities & capabilities and pattern.fullmatch(request):
                    return templated
        return None

    def capabilities(self, path: str) -> frozenset[str]:
        """Return the capabilities on a path."""
        rule = self.rule_for(path)
        return frozenset() if rule is None or rule.denied else rule.capabilities

    def _requests(self, path: str) -> Iterator[str]:
        if not path.endswith("*"):
            yield path
            return
        yield f"{path.removesuffix('*')}{ANY}"
        for rule in self.rules:
            request = common_path(rule, path)
            if request is not None:
                yield request


def common_path(rule: PathRule, path: str) -> str | None:
    """Return a path that both a rule and a path with any rest match; None where there is none."""
    prefix = path.removesuffix("*")
    own = rule.path.removesuffix("*").split("/")
    base = prefix.split("/")
    segments = []
    for number, part in enumerate(own):
        given = base[number] if number < len(base) else ""
        is_last_given = number >= len(base) - 1
        free = part == "+" or "{{" in part
        segments.append((f"{given}{ANY}" if is_last_given else given) if free else part)
    request = "/".join(segments)
    if rule.path.endswith("*"):
        # The rule's rest is free: continue with the base where it is longer.
        request = f"{prefix if prefix.startswith(request) else request}{ANY}"
        longer = "/".join(segments + base[len(segments) :]) + ANY
        candidates: tuple[str, ...] = (request, longer)
    else:
        candidates = (request,)
    return next((one for one in candidates if one.startswith(prefix) and rule.pattern.fullmatch(one)), None)


def _merged(rules: list[PathRule]) -> PathRule:
    capabilities = frozenset(capability for rule in rules for capability in rule.capabilities)
    policies = ", ".join(sorted({rule.policy for rule in rules}))
    capabilities = frozenset((DENY,)) if DENY in capabilities else capabilities
    return PathRule(rules[0].path, capabilities, policies, all(rule.certain for rule in rules))


def _has_segment_wildcard(path: str) -> bool:
    return path == "+" or "/+" in path or path.startswith("+/")


def _has_wildcard(path: str) -> bool:
    return path.endswith("*") or _has_segment_wildcard(path)


def _priority(rule: PathRule) -> tuple[int, bool, int, int, str]:
    """Return the priority of a path with wildcards: Vault applies the one with the highest alone."""
    path = rule.path
    bare = path.removesuffix("*")
    wildcard = path.find("+") if _has_segment_wildcard(path) else len(bare)
    segments = bare.split("/").count("+") if _has_segment_wildcard(path) else 0
    return (wildcard, not path.endswith("*"), -segments, len(bare), bare)
