"""AWS Backup: which stores the plans of a stack cover, and whether their backups are made, kept and copied."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from policy_pack.facts.data_stores import arn_of
from policy_pack.facts.iam.callers import own_account
from policy_pack.facts.iam.wildcards import matches
from policy_pack.facts.schedules import schedule
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BACKUP_VAULT, BUCKET, EBS_VOLUME, EC2_INSTANCE, ID_KEYS, RDS_CLUSTER, RDS_INSTANCE
from policy_pack.stack.text import known_text
from policy_pack.stack.values import UNKNOWN, NotKnownError, View

PLAN: Final = "aws:backup/plan:Plan"
SELECTION: Final = "aws:backup/selection:Selection"
LOCK: Final = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
RETENTION_DAYS: Final = 35
_REGION_SETTINGS: Final = "aws:backup/regionSettings:RegionSettings"
_TAG: Final = "aws:ResourceTag/"
_VAULT_ARN: Final = re.compile(r"arn:aws:backup:([a-z0-9-]+):(\d*):backup-vault:.+")
# The names of AWS Backup for kinds of stores, by which a region switches them on.
RESOURCE_TYPES: Final = {
    BUCKET: ("S3",),
    RDS_CLUSTER: ("Aurora", "RDS"),
    RDS_INSTANCE: ("RDS",),
    EBS_VOLUME: ("EBS",),
    EC2_INSTANCE: ("EC2",),
    "aws:efs/fileSystem:FileSystem": ("EFS",),
}
# Whether a condition holds for the value of a tag; a tag that a resource does not have is None.
_CONDITIONS: Final[Mapping[str, Callable[[str, str | None], bool]]] = {
    "stringEquals": lambda wanted, value: value == wanted,
    "stringNotEquals": lambda wanted, value: value != wanted,
    "stringLikes": lambda wanted, value: value is not None and matches(wanted, value),
    "stringNotLikes": lambda wanted, value: value is None or not matches(wanted, value),
}


def selects(selection: Resource, resource: Resource) -> bool:
    """Return whether a backup selection covers a resource: by ARN, by tag and by conditions, without its exclusions.

    Raises
    ------
    NotKnownError
        When a value that decides it is not known yet.
    """
    named, tagged = selection.at("resources"), selection.at("selectionTags")
    conditions = [
        (operator, condition)
        for operator in _CONDITIONS
        for group in selection.at("conditions").items()
        for condition in group.at(operator).items()
    ]
    if named.items() and not _names(selection, "resources", resource):
        return False
    if selection.at("notResources").items() and _names(selection, "notResources", resource):
        return False
    tags = resource.at("tags").value or {}
    if tagged.items() and not any(_has_tag(tag, tags) for tag in tagged.items()):
        return False
    if not all(_meets(operator, condition, tags) for operator, condition in conditions):
        return False
    return bool(named.items() or tagged.items() or conditions)


def _names(selection: Resource, path: str, resource: Resource) -> bool:
    """Return whether a list of ARNs, which may have wildcards, names a resource."""
    named, arn = selection.at(path), arn_of(resource)
    for item in named.raw if isinstance(named.raw, list) else [named.raw]:
        if item is UNKNOWN:
            depends = selection.depends.get(path)
            if not depends:
                raise NotKnownError(path)
            return resource.urn in depends
        # Compared as text first, as a selection may name each of many stores.
        if item == arn or (("*" in str(item) or "?" in str(item)) and matches(str(item), arn)):
            return True
    return False


def _has_tag(tag: View, tags: dict[str, object]) -> bool:
    equal = tags.get(tag.at("key").text()) == tag.at("value").value
    return tag.at("type").text() in ("", "STRINGEQUALS") and equal


def _meets(operator: str, condition: View, tags: dict[str, object]) -> bool:
    key = condition.at("key").text()
    value = tags.get(key.removeprefix(_TAG))
    holds = _CONDITIONS[operator](condition.at("value").text(), None if value is None else str(value))
    return key.startswith(_TAG) and holds


def meets_conditions(conditions: View, resource: Resource) -> bool:
    """Return whether conditions on tags hold for a resource."""
    tags = resource.at("tags").value or {}
    found = [(operator, one) for operator in _CONDITIONS for one in conditions.at(operator).items()]
    return all(_meets(operator, one, tags) for operator, one in found)


@dataclass(frozen=True)
class PlanProblem:
    """Requirement that a backup plan does not meet, and where."""

    message: str
    path: str


class BackupPlans:
    """The backup plans of a stack, and what each covers.

    Parameters
    ----------
    graph
        The stack.
    region
        The region of plans whose provider has none.
    """

    def __init__(self, graph: Graph, region: str) -> None:
        self._graph = graph
        self._region = region
        self._selections = [
            (selection, graph.target(selection, "planId", (PLAN,), ID_KEYS)) for selection in graph.of(SELECTION)
        ]

    def covering(self, store: Resource) -> list[Resource]:
        """Return the plans that cover a store.

        Raises
        ------
        NotKnownError
            When there is none, and a value that decides it is not known yet.
        """
        if self._switched_off(store):
            return []
        plans, unknown = [], None
        for selection, plan in self._selections:
            try:
                if not has_role(selection) or not selects(selection, store):
                    continue
                if plan:
                    plans.append(plan)
                elif not selection.at("planId").known:
                    unknown = NotKnownError("planId")
            except NotKnownError as error:
                unknown = error
        if not plans and unknown:
            raise unknown
        return plans

    def unprotected(self, store: Resource) -> bool:
        """Return whether plans cover a store, and none of them makes the backups that are required."""
        plans = self.covering(store)
        return bool(plans) and all(self.problems(plan) for plan in plans)

    def problems(self, plan: Resource) -> list[PlanProblem]:
        """Return why no rule of a plan makes the backups that are required; empty where one does."""
        rules = plan.at("rules").items()
        by_rule = [list(self._rule(plan, rule)) for rule in rules]
        if any(not problems for problems in by_rule):
            return []
        return [problem for problems in by_rule for problem in problems] or [PlanProblem("has no rule", "rules")]

    def _rule(self, plan: Resource, rule: View) -> Iterator[PlanProblem]:
        if not schedule(rule.at("schedule").text()).daily:
            yield PlanProblem("does not run daily", rule.at("schedule").path)
        kept = rule.at("lifecycle.deleteAfter")
        if not _is_kept(kept):
            yield PlanProblem("has a retention of less than 35 days", kept.path)
        if not _windows_fit(rule):
            yield PlanProblem("has a completion window that ends before its start window", rule.path)
        yield from self._vault(rule)
        copies = rule.at("copyActions")
        if not copies.items():
            yield PlanProblem("has no copy action to another region", copies.path)
        own = str(plan.provider.get("region") or self._region)
        if copies.items() and not any(_is_elsewhere(copy, own) for copy in copies.items()):
            yield PlanProblem("copies to its own region", copies.path)
        for copy in copies.items():
            if not is_of_account(copy, own_account(self._graph)):
                yield PlanProblem("copies to a vault of another account", copy.path)
        for copy in copies.items():
            if not _is_kept(copy.at("lifecycle.deleteAfter")):
                yield PlanProblem("has copies with a retention of less than 35 days", copy.path)

    def _vault(self, rule: View) -> Iterator[PlanProblem]:
        """Return why backups are not accepted by the vault of a rule."""
        name = rule.at("targetVaultName")
        if not self._vaults(name.text()):
            yield PlanProblem("has a target vault that the stack does not have", name.path)
        if not self._accepts(name.text(), rule.at("lifecycle.deleteAfter")):
            yield PlanProblem("has a retention that the lock of its vault refuses", rule.path)
        for copy in rule.at("copyActions").items():
            vault = copy.at("destinationVaultArn").text().rpartition(":")[2]
            if not self._accepts(vault, copy.at("lifecycle.deleteAfter")):
                yield PlanProblem("has copies with a retention that the lock of their vault refuses", copy.path)

    def _vaults(self, name: str) -> list[Resource]:
        return [vault for vault in self._graph.of(BACKUP_VAULT) if name and vault.at("name").raw == name]

    def _accepts(self, vault_name: str, kept: View) -> bool:
        """Return whether the locks of the vaults with a name accept a retention; none is forever."""
        days = kept.value
        for vault in self._vaults(vault_name):
            for lock in self._graph.referrers(vault, LOCK, "backupVaultName", ID_KEYS):
                least, most = lock.at("minRetentionDays").value or 1, lock.at("maxRetentionDays").value
                if (days is not None and days < least) or (most is not None and (days is None or days > most)):
                    return False
        return True

    def _switched_off(self, store: Resource) -> bool:
        """Return whether the settings of the region leave the kind of a store out."""
        types = RESOURCE_TYPES.get(store.kind, ())
        preferences = [one.at("resourceTypeOptInPreference") for one in self._graph.of(_REGION_SETTINGS)]
        return any(preference.key(name).value is False for preference in preferences for name in types)


def has_role(selection: Resource) -> bool:
    """Return whether a selection has a role, which may not be known yet."""
    role = selection.at("iamRoleArn")
    return not role.known or not role.absent


def _is_kept(days: View) -> bool:
    return days.value is None or days.value >= RETENTION_DAYS


def _windows_fit(rule: View) -> bool:
    start, end = rule.at("startWindow").value, rule.at("completionWindow").value
    return start is None or end is None or end > start


def _is_elsewhere(copy: View, region: str) -> bool:
    vault = _VAULT_ARN.fullmatch(copy.at("destinationVaultArn").text())
    return vault is not None and vault[1] != region


def is_of_account(copy: View, account: str) -> bool:
    """Return whether a copy goes to a vault of an account, which is empty where it is not known."""
    vault = _VAULT_ARN.fullmatch(copy.at("destinationVaultArn").text())
    if vault is None:
        return not known_text(copy.at("destinationVaultArn"))
    return not account or vault[2] == account


def plans_of(graph: Graph, region: str) -> BackupPlans:
    """Return the backup plans of a stack, computed once."""
    plans: BackupPlans = graph.memo("backup plans", lambda stack: BackupPlans(stack, region))
    return plans
