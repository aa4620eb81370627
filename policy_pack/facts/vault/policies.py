"""Vault policies: their paths and capabilities, as Vault reads them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from policy_pack.facts.vault.hcl import HclError, Item, Object, parse
from policy_pack.stack.values import NotKnownError, View

CAPABILITIES = frozenset(
    ("create", "read", "update", "delete", "list", "patch", "sudo", "scan", "recover", "subscribe")
)
DENY = "deny"
_LEGACY = {
    "deny": frozenset((DENY,)),
    "read": frozenset(("read", "list")),
    "write": frozenset(("create", "read", "update", "delete", "list")),
    "sudo": frozenset(("create", "read", "update", "delete", "list", "sudo")),
}
# These limit a request and never widen it, so the path counts as granted without the limit.
_LIMITS = frozenset(
    (
        "comment",
        "allowed_parameters",
        "denied_parameters",
        "required_parameters",
        "min_wrapping_ttl",
        "max_wrapping_ttl",
        "mfa_methods",
        "pagination_limit",
        "expiration",
        "list_scan_response_keys_filter_path",
        "control_group",
        "subscribe_event_types",
    )
)
_TEMPLATE = re.compile(r"\{\{.*?\}\}")


@dataclass(frozen=True)
class PathRule:
    """A path of a policy with its capabilities; ``deny`` alone where the path is denied.

    Parameters
    ----------
    path, capabilities, policy
        The path as written, the capabilities, and the name of the policy.
    certain
        Whether the rule was read from the policy; a policy that is unknown or unreadable counts as ``*`` with every
        capability.
    """

    path: str
    capabilities: frozenset[str]
    policy: str
    certain: bool = True

    @property
    def denied(self) -> bool:
        """Whether the path is denied."""
        return DENY in self.capabilities

    @property
    def templated(self) -> bool:
        """Whether the path has a template, such as ``{{identity.entity.name}}``."""
        return "{{" in self.path

    @property
    def pattern(self) -> re.Pattern[str]:
        """The paths that it can match: ``+`` is one segment, ``*`` at the end any rest, a template any text."""
        is_prefix, path = self.path.endswith("*"), self.path.removesuffix("*")
        segments = ["[^/]*" if part == "+" else _segment(part) for part in path.split("/")]
        return re.compile("/".join(segments) + (".*" if is_prefix else ""), re.DOTALL)


def _segment(text: str) -> str:
    return ".*".join(re.escape(part) for part in _TEMPLATE.split(text))


def policy_rules(view: View, policy: str) -> tuple[PathRule, ...]:
    """Return the rules of a policy; an unknown or unreadable policy counts as one that allows everything."""
    try:
        return tuple(_rules(view.text(), policy))
    except (NotKnownError, HclError):
        return (everything(policy, certain=False),)


def unreadable(view: View) -> str:
    """Return why a policy cannot be read; empty where it can, or is not known yet."""
    try:
        list(_rules(view.text(), ""))
    except NotKnownError:
        return ""
    except HclError as error:
        return str(error)
    return ""


def policy_paths(view: View) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return the paths of a policy with their capabilities.

    Raises
    ------
    NotKnownError
        When the policy is not known yet.
    HclError
        When it cannot be read.
    """
    for rule in _rules(view.text(), ""):
        yield rule.path, tuple(sorted(rule.capabilities))


def everything(policy: str, *, certain: bool = True) -> PathRule:
    """Return the rule of a policy that allows everything, as ``root`` does."""
    return PathRule("*", CAPABILITIES, policy, certain)


def _rules(text: str, policy: str) -> Iterator[PathRule]:
    for item in parse(text).items:
        if item.keys == ("name",) and isinstance(item.value, str):
            continue
        if item.keys[0] != "path":
            raise HclError(f"unknown key {item.keys[0]}")
        for path, body in _blocks(item):
            yield PathRule(_checked(path), _capabilities(body), policy)


def _blocks(item: Item) -> Iterable[tuple[str, Object]]:
    """Return the blocks of one item: ``path "a" {}`` in HCL; in JSON an object of paths, or a list of such objects."""
    if len(item.keys) == 2 and isinstance(item.value, Object):
        return [(item.keys[1], item.value)]
    objects = item.value if isinstance(item.value, list) else [item.value]
    if len(item.keys) != 1 or not all(isinstance(one, Object) for one in objects):
        raise HclError("a path is not a block")
    pairs = [pair for one in objects for pair in one.single().items()]
    if not all(isinstance(body, Object) for _, body in pairs):
        raise HclError("a path is not a block")
    return pairs


def _checked(path: str) -> str:
    path = path.removeprefix("/")
    if "+*" in path:
        raise HclError(f"path {path} has +*, which Vault does not allow")
    if path.count("{{") != path.count("}}") or "\n" in path:
        raise HclError(f"path {path} has an unbalanced template")
    return path


def _capabilities(body: Object) -> frozenset[str]:
    fields: dict[str, Any] = body.single()
    unknown = fields.keys() - _LIMITS - {"capabilities", "policy"}
    if unknown:
        raise HclError(f"unknown key {min(unknown)}")
    listed = fields.get("capabilities", [])
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise HclError("capabilities are not a list of texts")
    capabilities = frozenset(listed)
    if fields.get("policy"):
        if fields["policy"] not in _LEGACY:
            raise HclError("unknown value of policy")
        capabilities |= _LEGACY[fields["policy"]]
    if DENY in capabilities:
        return frozenset((DENY,))
    if capabilities - CAPABILITIES:
        raise HclError(f"unknown capability {min(capabilities - CAPABILITIES)}")
    return capabilities
