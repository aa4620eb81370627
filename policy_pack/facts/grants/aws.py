"""Grants of AWS: what policies, key policies, trust policies and delegations allow, as grants of the table's words."""

from collections import defaultdict
from collections.abc import Iterator

from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.grant import (
    ANONYMOUS,
    ANOTHER_PRINCIPAL,
    EVERYTHING,
    FOREIGN_PRINCIPAL,
    Data,
    Grant,
    Subject,
)
from policy_pack.facts.grants.public_access import PublicAccess
from policy_pack.facts.iam.access import AwsAccess, Holder, account_access
from policy_pack.facts.iam.actions import Action, Level
from policy_pack.facts.iam.assumption import Assumption
from policy_pack.facts.iam.evaluation import Allowed
from policy_pack.facts.iam.policies import Unreadable
from policy_pack.facts.iam.targets import Target
from policy_pack.facts.iam.wildcards import matches, overlap
from policy_pack.facts.principals import (
    ANOTHER_ACCOUNT,
    ANYONE,
    AWS_PRINCIPAL,
    AWS_SERVICE,
    OTHERS,
    PEOPLE,
    SERVICE_ACCOUNT,
    UNKNOWN_TRUST,
    Principal,
)
from policy_pack.facts.verbs import Verb
from policy_pack.stack.graph import Resource

_NAMED_ACTIONS = 3
_OF_NOBODY = Assumption(Principal("a principal", "that policies of another stack allow"), ())


def grants(context: AccessContext) -> Iterator[Grant]:
    """Return what anyone may do with buckets, keys, databases, roles and other targets of the AWS account."""
    if not context.graph.uses("aws"):
        return
    account = account_access(context.graph)
    public = PublicAccess(context.graph)
    for access in account.access():
        if access.holder.caller.account != account.account:
            access = public.without_public(access)
        yield from _grants(context, access)
    holders = {holder.identity.urn: holder for holder in account.holders if holder.identity}
    for resource, unreadable in account.unreadable():
        yield from _unreadable(context, resource, unreadable, holders.get(resource.urn))


def _grants(context: AccessContext, access: AwsAccess) -> Iterator[Grant]:
    target, holder = access.target, access.holder
    for allowed in access.allowed:
        by_verb: dict[tuple[Verb, Level], list[Action]] = defaultdict(list)
        for action in allowed.actions:
            if action.verb:
                by_verb[action.verb, action.level].append(action)
        for (verb, level), actions in by_verb.items():
            label = allowed.by.statement.label
            statement = f"{allowed.by.policy}, statement {label}" if label else allowed.by.policy
            for data, part in _data(context, target, allowed, level):
                left = [action for action in actions if action in allowed.on(part)]
                place = f"{target.kind.place} {_part(target, allowed)}: {_named(left)}"
                for assumption in _assumptions(context, holder, allowed) if left else ():
                    subject = subject_of(context, assumption.principal, holder.identity)
                    path = (*_steps(assumption), statement, place)
                    source, certain = allowed.by.source or target.resource.urn, access.certain and assumption.known
                    yield Grant(subject, data, verb, path, source, certain)


def _assumptions(context: AccessContext, holder: Holder, allowed: Allowed) -> tuple[Assumption, ...]:
    """Return who has an Allow: for one that is open to every principal of the account, another principal of it.

    The roles of a hospital are named nevertheless: its workloads must not have what the platform's roles have.
    """
    for_everyone = allowed.by_resource and allowed.by.statement.any_principal
    if holder.identity and for_everyone and not context.split(holder.identity.name)[0]:
        return (Assumption(OTHERS, ("every principal of the account",)),)
    return holder.assumptions or (_OF_NOBODY,)


def _steps(assumption: Assumption) -> tuple[str, ...]:
    if assumption.principal.kind in (SERVICE_ACCOUNT, AWS_SERVICE, PEOPLE):
        return (assumption.principal.label, *assumption.path)
    return assumption.path


def _named(actions: list[Action]) -> str:
    names = sorted((action.name for action in actions), key=lambda name: (len(name), name))
    more = f" and {len(names) - _NAMED_ACTIONS} more" if len(names) > _NAMED_ACTIONS else ""
    return f"{', '.join(names[:_NAMED_ACTIONS])}{more}"


def _part(target: Target, allowed: Allowed) -> str:
    """Return the name of a target, with the prefix of its contents that is allowed."""
    contents = target.patterns.get(Level.CONTENTS, "")
    prefix = f"{target.arn}/"
    if contents and allowed.part != contents and allowed.part.startswith(prefix):
        return f"{target.resource.name}/{allowed.part.removeprefix(prefix)}"
    return target.resource.name


def _data(context: AccessContext, target: Target, allowed: Allowed, level: Level) -> Iterator[tuple[Data, str]]:
    """Return the data of the parts of a target that an Allow reaches, each with the ARN pattern of the part."""
    parts = context.parts(target.kind.place, target.resource.name)
    if level is not Level.CONTENTS or len(parts) == 1:
        yield parts[-1].data, allowed.part
        return
    patterns = {f"{target.arn}/{part.prefix}*": part for part in parts if part.prefix}
    for pattern, part in patterns.items():
        if overlap(allowed.part, pattern):
            yield part.data, allowed.part if matches(pattern, allowed.part) else pattern
    if not any(matches(pattern, allowed.part) for pattern in patterns):
        yield parts[-1].data, allowed.part


def subject_of(context: AccessContext, principal: Principal, identity: Resource | None) -> Subject:
    """Return a principal of AWS as the table of access names it; ``identity`` is the role that it has assumed."""
    if principal.kind == SERVICE_ACCOUNT:
        return context.service_account(*principal.name.split("/", 1))
    if principal.kind in (AWS_SERVICE, PEOPLE) and identity:
        return context.role(identity.name, principal.name if principal.kind == AWS_SERVICE else "people")
    if principal.kind == AWS_SERVICE:
        return context.service(principal.name)
    if principal == OTHERS or principal.kind == PEOPLE:
        return Subject(ANOTHER_PRINCIPAL)
    if principal.kind == ANOTHER_ACCOUNT or principal == ANYONE:
        return Subject(FOREIGN_PRINCIPAL)
    if principal.kind == ANONYMOUS:
        return Subject(ANONYMOUS)
    if principal == UNKNOWN_TRUST and identity:
        return Subject(f"whoever can assume role {identity.name}")
    if principal.kind == AWS_PRINCIPAL:
        return Subject(f"{AWS_PRINCIPAL} {principal.name.rpartition(':')[2]}")
    return Subject(principal.label)


def _unreadable(
    context: AccessContext, resource: Resource, unreadable: Unreadable, holder: Holder | None
) -> Iterator[Grant]:
    """Return the grants of a policy that cannot be computed: everything, for its principal."""
    reason = (
        "is not known yet" if unreadable.known_later else "cannot be read: give a policy document that the stack has"
    )
    step = f"{unreadable.policy} {reason}"
    if holder is None:
        path: tuple[str, ...] = ("anyone", step, resource.name)
        yield Grant(Subject(ANONYMOUS), Data(EVERYTHING), None, path, unreadable.source, not unreadable.known_later)
        return
    for assumption in holder.assumptions or (_OF_NOBODY,):
        subject = subject_of(context, assumption.principal, resource)
        path = (*_steps(assumption), step)
        yield Grant(subject, Data(EVERYTHING), None, path, unreadable.source, not unreadable.known_later)
