"""Backups, restore tests, replication to a second region, and high availability."""

import re
from collections.abc import Callable
from typing import Any

from policy_pack.controls.rules import context_check, join_check, resource_check, stack_check
from policy_pack.facts.backups import PLAN, SELECTION, selects
from policy_pack.facts.network.selectors import matches as selector_matches
from policy_pack.facts.structure import holds_phi, zone_of
from policy_pack.stack.checks import Findings, StackContext, between, expect, guarded, is_set, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    BACKUP_VAULT,
    BUCKET,
    BUCKET_KEYS,
    BUCKET_REPLICATION,
    DATABASES,
    DISRUPTION_BUDGET,
    EBS_VOLUME,
    EC2_INSTANCE,
    ID_KEYS,
    INFERENCE_SERVICE,
)
from policy_pack.stack.pods import namespace, pod
from policy_pack.stack.values import View

_LOCK = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_RATE = re.compile(r"rate\((\d+) (hour|hours|day|days)\)")
_RETENTION_DAYS = 35
_SERVERS = ("k8s:apps/Deployment", "k8s:apps/StatefulSet")


# --- backups -------------------------------------------------------------------------------------
@join_check("BCP-01", BUCKET, *DATABASES, EBS_VOLUME, EC2_INSTANCE, "aws:efs/fileSystem:FileSystem")
def phi_stores_have_backups(store: Resource, context: StackContext) -> Findings:
    """Require that a backup plan selects every PHI store."""
    if not holds_phi(store, context):
        return
    if not any(selects(selection, store) for selection in context.graph.of(SELECTION)):
        yield violation("contains PHI, and no backup plan selects it")


@resource_check("BCP-01", PLAN)
def plans_are_daily(plan: Resource) -> Findings:
    """Require a daily backup with a retention of 35 days."""
    for rule in plan.at("rules").items():
        yield from expect(rule.at("schedule"), _daily, "does not run daily")
        retention = rule.at("lifecycle.deleteAfter")
        yield from expect(
            retention, lambda days: days is None or days >= _RETENTION_DAYS, "has a retention of less than 35 days"
        )


@context_check("BCP-01", PLAN)
def plans_copy_to_another_region(plan: Resource, context: StackContext) -> Findings:
    """Require a copy in another region, by the region in its ARN."""
    for rule in plan.at("rules").items():
        copies = rule.at("copyActions")
        yield from expect(copies, is_set, "has no copy action to another region")
        for copy in copies.items():
            region = str(plan.provider.get("region") or context.settings.services.regions[0])
            yield from expect(copy.at("destinationVaultArn"), _in_another_region(region), "copies to its own region")


def _in_another_region(region: str) -> Callable[[Any], bool]:
    return lambda arn: f":{region}:" not in str(arn)


def _daily(schedule: str) -> bool:
    rate = _RATE.fullmatch(schedule or "")
    if rate:
        return int(rate[1]) <= (24 if rate[2].startswith("hour") else 1)
    cron = _CRON.fullmatch(schedule or "")
    return cron is not None and cron[3] in ("*", "?") and cron[4] == "*" and cron[5] in ("*", "?")


@join_check("BCP-02", BACKUP_VAULT)
def backup_vaults_are_locked(vault: Resource, context: StackContext) -> Findings:
    """Require a vault lock, so that no recovery point is deleted early."""
    if not context.attached(vault, _LOCK, "backupVaultName", ID_KEYS):
        yield violation("has no vault lock")


@stack_check("BCP-02")
def restores_are_tested(context: StackContext) -> Findings:
    """Require a scheduled restore test, where the stack has data in AWS."""
    if not context.graph.of(BUCKET, *DATABASES):
        return
    drills = [job for job in context.graph.of("k8s:batch/CronJob") if context.label(job, "purpose") == "restore-drill"]
    plans = context.graph.of("aws:backup/restoreTestingPlan:RestoreTestingPlan")
    if not plans and not any(drill.at("spec.suspend").value is not True for drill in drills):
        yield violation("has no restore test (CronJob with label purpose: restore-drill, or a RestoreTestingPlan)")


@join_check("BCP-03", BUCKET)
def phi_buckets_are_replicated(bucket: Resource, context: StackContext) -> Findings:
    """Require replication of PHI buckets with a KMS key of the other region."""
    if not holds_phi(bucket, context):
        return
    replications = context.attached(bucket, BUCKET_REPLICATION, "bucket", BUCKET_KEYS)
    targets = context.graph.referrers(bucket, BUCKET_REPLICATION, "rules", ("arn",))
    if not replications and not targets:
        yield violation("is not replicated to a second region")
    for replication in replications:
        for rule in replication.at("rules").items():
            yield from guarded(_rule(rule), rule.path, replication)


def _rule(rule: View) -> Findings:
    yield from expect(rule.at("status"), lambda value: value == "Enabled", "is switched off")
    key = rule.at("destination.encryptionConfiguration.replicaKmsKeyId")
    yield from expect(key, is_set, "its replicas are not encrypted with a customer-managed KMS key")


# --- high availability ---------------------------------------------------------------------------
def _is_clinical(resource: Resource, context: StackContext) -> bool:
    """Return whether a server is one of clinical serving: an InferenceService always is, wherever it runs."""
    return resource.kind == INFERENCE_SERVICE or zone_of(resource, context) == "serving"


@context_check("BCP-04", INFERENCE_SERVICE, *_SERVERS)
def serving_has_two_replicas(resource: Resource, context: StackContext) -> Findings:
    """Require two replicas spread over availability zones for clinical servers, except with synthetic data."""
    if context.synthetic or not _is_clinical(resource, context):
        return
    replicas_path = "spec.predictor.minReplicas" if resource.kind == INFERENCE_SERVICE else "spec.replicas"
    yield from expect(resource.at(replicas_path), between(2, 1000), "has fewer than two replicas")
    spread = pod(resource).spec.at("topologySpreadConstraints")
    yield from expect(
        spread, is_set, "has no topologySpreadConstraints, so all replicas can be in one availability zone"
    )


@context_check("BCP-04", INFERENCE_SERVICE)
def serving_has_a_fallback(service: Resource, context: StackContext) -> Findings:
    """Require a fallback rule for when the model does not answer."""
    yield from expect(context.annotation(service, "fallback"), is_set, "has no fallback (annotation fallback)")


@join_check("BCP-04", INFERENCE_SERVICE, *_SERVERS)
def serving_has_disruption_budgets(resource: Resource, context: StackContext) -> Findings:
    """Require a PodDisruptionBudget for clinical servers, except with synthetic data."""
    if context.synthetic or not _is_clinical(resource, context):
        return
    labels = pod(resource).labels.whole() or {}
    namespace_name = namespace(resource).text()
    budgets = context.graph.where("metadata.namespace", namespace_name, DISRUPTION_BUDGET)
    if not any(_selects(budget, labels) for budget in budgets):
        yield violation("has no PodDisruptionBudget")


def _selects(budget: Resource, labels: dict[str, str]) -> bool:
    selector = budget.at("spec.selector").whole() or {}
    return bool(selector) and selector_matches(selector, labels)
