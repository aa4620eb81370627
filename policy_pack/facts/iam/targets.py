"""Targets of AWS actions: buckets, keys, databases, roles and others, with the ARNs by which policies name them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from string import Formatter

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables
from policy_pack.facts.iam.actions import Action, Level
from policy_pack.facts.iam.policies import PolicyStatement, Unreadable, parsed
from policy_pack.facts.iam.wildcards import matches
from policy_pack.facts.verbs import Verb
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET
from policy_pack.stack.text import known_text

TABLE = Path(__file__).with_name("targets.yaml")
OTHER_SECRETS = "not of the stack"
_SECRET = "aws:secretsmanager/secret:Secret"
_ANY_SECRET = "arn:aws:secretsmanager:*:*:secret:*"
_REFERENCES = ("bucket", "id", "url", "arn", "keyId", "name")


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class RequestKind:
    """Requests of some actions that have a verb of their own.

    Parameters
    ----------
    verb
        The verb.
    actions
        Patterns of the actions, such as ``kms:Generate*``; of those that a pattern matches, the ones with a verb count.
    keys
        Condition keys of the requests in lower case; None is a key that they do not have.
    """

    verb: Verb
    actions: tuple[str, ...]
    keys: Mapping[str, str | None]

    def among(self, actions: Iterable[Action]) -> frozenset[Action]:
        """Return those of some actions that are requested so, with the verb of the requests."""
        return frozenset(
            replace(action, verb=self.verb)
            for action in actions
            if action.verb and any(matches(pattern.lower(), action.name.lower()) for pattern in self.actions)
        )


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class TargetKind:
    """A kind of target, as a row of the table."""

    place: str
    services: tuple[str, ...]
    arn: str = "{arn}"
    contents: str = ""
    copies: str = ""
    inline: str = ""
    policy: Mapping[str, str] = field(default_factory=dict)
    requests: tuple[RequestKind, ...] = ()


@dataclass(frozen=True)
class Target:
    """A target of the stack.

    Parameters
    ----------
    resource, kind
        The resource, and its row of the table.
    patterns
        Its ARN pattern for each level. The ARN of a target that is not known yet is a pattern that may be it.
    """

    resource: Resource
    kind: TargetKind
    patterns: Mapping[Level, str]

    @property
    def arn(self) -> str:
        """The ARN of the target itself."""
        return self.patterns[Level.STORE]


@cache
def kinds() -> dict[str, TargetKind]:
    """Return the table of targets."""
    return tables.read(TypeAdapter(dict[str, TargetKind]).validate_python, TABLE)


def targets(graph: Graph) -> list[Target]:
    """Return every target of a stack, and the secrets that others create, such as a database administrator's."""
    declared = [_target(resource, row) for kind, row in kinds().items() for resource in graph.of(kind)]
    secrets = kinds()[_SECRET]
    outside = Resource(f"urn:pulumi:{graph.stack}::secrets", _SECRET, OTHER_SECRETS, {"arn": _ANY_SECRET})
    return [*declared, _target(outside, secrets)]


def _target(resource: Resource, row: TargetKind) -> Target:
    arn = _filled_in(row.arn, resource) or _from_name(resource, row)
    values = {"arn": arn}
    patterns = {Level.STORE: arn}
    for level, pattern in ((Level.CONTENTS, row.contents), (Level.COPIES, row.copies)):
        if pattern:
            patterns[level] = _filled_in(pattern, resource, values) or f"arn:aws:{row.services[0]}*"
    return Target(resource, row, patterns)


def _from_name(resource: Resource, row: TargetKind) -> str:
    """Return the ARN of a bucket by its name; for another target, a pattern of every ARN of its service."""
    name = known_text(resource.at("bucket")) if resource.kind == BUCKET else ""
    return f"arn:aws:s3:::{name or '*'}" if resource.kind == BUCKET else f"arn:aws:{row.services[0]}:*"


def _filled_in(pattern: str, resource: Resource, values: Mapping[str, str] | None = None) -> str:
    """Return a pattern with the properties that it names; empty where one is not known."""
    names = [name for _, name, _, _ in Formatter().parse(pattern) if name]
    texts = {name: (values or {}).get(name) or known_text(resource.at(name)) for name in names}
    return pattern.format(**texts) if all(texts.values()) else ""


@dataclass(frozen=True)
class ResourcePolicy:
    """The resource policies of a target.

    Parameters
    ----------
    statements
        Their statements; None where the target has none, so that the default of AWS applies.
    unreadable
        Policies that are not known yet, or that are no policy document.
    """

    statements: tuple[PolicyStatement, ...] | None
    unreadable: tuple[Unreadable, ...]


def resource_policy(graph: Graph, resource: Resource) -> ResourcePolicy:
    """Return the resource policies of a target."""
    row = kinds().get(resource.kind)
    holders = [(resource, row.inline)] if row and row.inline and _has(resource, row.inline) else []
    for kind, path in (row.policy if row else {}).items():
        others = [(policy, "policy") for policy in graph.referrers(resource, kind, path, _REFERENCES)]
        holders += [pair for pair in others if _has(*pair)]
    statements: list[PolicyStatement] = []
    unreadable: list[Unreadable] = []
    for holder, path in holders:
        found = parsed(holder, holder.at(path), f"{_word(holder)} of {resource.name}")
        if isinstance(found, Unreadable):
            unreadable.append(found)
        else:
            statements += found
    return ResourcePolicy(tuple(statements) if holders else None, tuple(unreadable))


def has_policy(resource: Resource) -> bool:
    """Return whether resources of this kind can have a resource policy."""
    row = kinds().get(resource.kind)
    return row is not None and bool(row.policy)


def _has(holder: Resource, path: str) -> bool:
    view = holder.at(path)
    return not view.known or not view.absent


def _word(holder: Resource) -> str:
    name = holder.kind.rpartition(":")[2]
    return "access point policy" if name == "AccessPoint" else "policy"
