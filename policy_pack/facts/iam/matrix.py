"""The access of each principal to the data stores of the AWS account, as rows of the access matrix."""

from collections import defaultdict
from collections.abc import Iterator

from policy_pack.facts.access import Access, merge_access
from policy_pack.facts.data_stores import kinds as data_stores
from policy_pack.facts.iam.access import AwsAccess, account_access
from policy_pack.facts.iam.actions import Level
from policy_pack.facts.iam.evaluation import Allowed
from policy_pack.facts.iam.targets import Target
from policy_pack.facts.iam.wildcards import literal_prefix
from policy_pack.facts.principals import ANYONE, NOBODY, OTHERS, Principal
from policy_pack.facts.verbs import Verb
from policy_pack.stack.graph import Graph


class IamAccess:
    """The data stores of an AWS account, and the access that IAM allows to them."""

    def __init__(self, graph: Graph) -> None:
        self._account = account_access(graph)
        kinds = data_stores()
        self.stores = {urn: one for urn, one in self._account.targets.items() if one.resource.kind in kinds}

    def access(self) -> list[Access]:
        """Return all access, by store, principal and verb."""
        return merge_access([row for one in self._account.access() for row in self._rows(one)])

    def unresolved_policies(self) -> list[tuple[str, str]]:
        """Return (identity, policy) where the document of a policy is not in the state."""
        return [(resource.name, one.policy) for resource, one in self._account.unreadable()]

    def _rows(self, access: AwsAccess) -> Iterator[Access]:
        if access.target.resource.urn not in self.stores:
            return
        # What any administrator of the account could do is in the table of access, and not in the matrix.
        if access.holder.assumptions and access.holder.assumptions[0].principal == OTHERS:
            return
        holder = access.holder
        role = (f"{holder.identity.kind.rpartition(':')[2].lower()} {holder.identity.name}",) if holder.identity else ()
        principals = sorted({one.principal for one in holder.assumptions}) or [NOBODY]
        by_verb: dict[tuple[Verb, Level], list[Allowed]] = defaultdict(list)
        for allowed in access.allowed:
            for verb, level in {(action.verb, action.level) for action in allowed.actions if action.verb}:
                by_verb[verb, level].append(allowed)
        for (verb, level), group in by_verb.items():
            for principal in principals:
                yield _row(access.target, _shown(principal, group), verb, level, group, role)


def _shown(principal: Principal, group: list[Allowed]) -> Principal:
    """Return anyone for a principal of another account that only a Principal of ``*`` allows."""
    return ANYONE if all(one.by_resource and one.by.statement.any_principal for one in group) else principal


def _row(
    target: Target, principal: Principal, verb: Verb, level: Level, group: list[Allowed], role: tuple[str, ...]
) -> Access:
    whole_part = target.patterns[level]
    prefix = literal_prefix(whole_part)
    whole = any(one.part == whole_part for one in group)
    parts = () if whole else tuple(sorted({one.part.removeprefix(prefix) or one.part for one in group}))
    unconditional = any(not one.conditions for one in group)
    conditions = () if unconditional else tuple(sorted({text for one in group for text in one.conditions}))
    policies = sorted({one.by.policy for one in group})
    return Access(target.resource.urn, principal, verb.value, parts, (*role, *policies), conditions)
