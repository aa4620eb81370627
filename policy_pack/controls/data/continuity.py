"""Backups, restores, the second region, and servers that survive a node."""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from policy_pack.controls.rules import on, on_join, on_set, on_stack
from policy_pack.stack.checks import About, Findings, between, expect, fault, given, guarded
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    BACKUP_VAULT,
    BUCKET,
    BUCKET_KEYS,
    BUCKET_REPLICATION,
    DATABASES,
    DISRUPTION_BUDGET,
    ID_KEYS,
    INFERENCE,
    INSTANCE,
    VOLUME,
)
from policy_pack.stack.pods import namespace, pod
from policy_pack.stack.values import View

_PLAN, _SELECTION = "aws:backup/plan:Plan", "aws:backup/selection:Selection"
_LOCK = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_RATE = re.compile(r"rate\((\d+) (hour|hours|day|days)\)")
_KEPT_DAYS = 35
_SERVERS = ("k8s:apps/Deployment", "k8s:apps/StatefulSet")


# --- backups -------------------------------------------------------------------------------------
@on_join("BCP-01", BUCKET, *DATABASES, VOLUME, INSTANCE, "aws:efs/fileSystem:FileSystem")
def phi_is_backed_up(store: Resource, about: About) -> Findings:
    """Ask that a plan selects every store of PHI."""
    if not about.settings.phi(about.label(store, "data-class")):
        return
    if not any(_selected(selection, store) for selection in about.graph.of(_SELECTION)):
        yield fault("holds PHI, and no backup plan selects it")


def _selected(selection: Resource, store: Resource) -> bool:
    for item in selection.at("resources").items():
        arn = store.at("arn")
        own = arn.raw if arn.known and isinstance(arn.raw, str) else f"arn:aws:s3:::{store.at('bucket').text()}"
        if not item.known:
            return store.urn in selection.depends.get("resources", ())
        if fnmatchcase(own, item.text()):
            return True
    tags = store.at("tags").value or {}
    return any(
        tag.at("type").text() in ("", "STRINGEQUALS") and tags.get(tag.at("key").text()) == tag.at("value").value
        for tag in selection.at("selectionTags").items()
    )


@on("BCP-01", _PLAN)
def plans_are_daily_and_kept(plan: Resource) -> Findings:
    """Ask for a copy a day that is kept 35 days."""
    for rule in plan.at("rules").items():
        yield from expect(rule.at("schedule"), _daily, "does not run each day")
        kept = rule.at("lifecycle.deleteAfter")
        yield from expect(kept, lambda days: days is None or days >= _KEPT_DAYS, "copies are gone before 35 days")


@on_set("BCP-01", _PLAN)
def plans_copy_to_another_region(plan: Resource, about: About) -> Findings:
    """Ask for a copy in another region; ARNs name the region."""
    for rule in plan.at("rules").items():
        copies = rule.at("copyActions")
        yield from expect(copies, given, "copies nothing to another region")
        for copy in copies.items():
            home = str(plan.provider.get("region") or about.settings.services.regions[0])
            yield from expect(copy.at("destinationVaultArn"), _elsewhere(home), "copies to its own region")


def _elsewhere(home: str) -> Callable[[Any], bool]:
    return lambda arn: f":{home}:" not in str(arn)


def _daily(schedule: str) -> bool:
    rate = _RATE.fullmatch(schedule or "")
    if rate:
        return int(rate[1]) <= (24 if rate[2].startswith("hour") else 1)
    cron = _CRON.fullmatch(schedule or "")
    return cron is not None and cron[3] in ("*", "?") and cron[4] == "*" and cron[5] in ("*", "?")


@on_join("BCP-02", BACKUP_VAULT)
def backups_are_locked(vault: Resource, about: About) -> Findings:
    """Ask for a lock, so that nobody deletes a copy early."""
    if not about.attached(vault, _LOCK, "backupVaultName", ID_KEYS):
        yield fault("is not locked")


@on_stack("BCP-02")
def restores_are_drilled(about: About) -> Findings:
    """Ask for a scheduled restore drill, where the stack keeps data in the cloud."""
    if not about.graph.of(BUCKET, *DATABASES):
        return
    drills = [job for job in about.graph.of("k8s:batch/CronJob") if about.label(job, "purpose") == "restore-drill"]
    plans = about.graph.of("aws:backup/restoreTestingPlan:RestoreTestingPlan")
    if not plans and not any(drill.at("spec.suspend").value is not True for drill in drills):
        yield fault("declares no restore drill (CronJob with label purpose: restore-drill, or a RestoreTestingPlan)")


@on_join("BCP-03", BUCKET)
def phi_has_a_second_region(bucket: Resource, about: About) -> Findings:
    """Ask for replication of PHI with a key of the other region."""
    if not about.settings.phi(about.label(bucket, "data-class")):
        return
    found = about.attached(bucket, BUCKET_REPLICATION, "bucket", BUCKET_KEYS)
    targets = about.graph.pointing(bucket, BUCKET_REPLICATION, "rules", ("arn",))
    if not found and not targets:
        yield fault("has no copy in a second region")
    for replication in found:
        for rule in replication.at("rules").items():
            yield from guarded(_rule(rule), rule.path, replication)


def _rule(rule: View) -> Findings:
    yield from expect(rule.at("status"), lambda value: value == "Enabled", "is switched off")
    key = rule.at("destination.encryptionConfiguration.replicaKmsKeyId")
    yield from expect(key, given, "its copies are encrypted by no key of their own")


# --- servers -------------------------------------------------------------------------------------
@on_set("BCP-04", INFERENCE, *_SERVERS)
def serving_has_two_replicas(resource: Resource, about: About) -> Findings:
    """Ask clinical servers for two replicas over zones, save where data is synthetic."""
    if about.label(resource, "zone") != "serving" or about.synthetic:
        return
    place = "spec.predictor.minReplicas" if resource.kind == INFERENCE else "spec.replicas"
    yield from expect(resource.at(place), between(2, 1000), "has fewer than two replicas")
    spread = pod(resource).spec.at("topologySpreadConstraints")
    yield from expect(spread, given, "may stand in one zone alone")


@on_set("BCP-04", INFERENCE)
def serving_names_its_fallback(service: Resource, about: About) -> Findings:
    """Ask which rule ranks patients when the model does not answer."""
    yield from expect(about.note(service, "fallback"), given, "names no fallback for when it does not answer")


@on_join("BCP-04", INFERENCE, *_SERVERS)
def serving_survives_maintenance(resource: Resource, about: About) -> Findings:
    """Ask for a disruption budget over clinical servers, save where data is synthetic."""
    if about.label(resource, "zone") != "serving" or about.synthetic:
        return
    labels = pod(resource).labels.whole() or {}
    home = namespace(resource).text()
    budgets = about.graph.where("metadata.namespace", home, DISRUPTION_BUDGET)
    if not any(_covers(budget, labels) for budget in budgets):
        yield fault("has no PodDisruptionBudget")


def _covers(budget: Resource, labels: dict[str, str]) -> bool:
    wanted = budget.at("spec.selector.matchLabels").whole() or {}
    return bool(wanted) and wanted.items() <= labels.items()
