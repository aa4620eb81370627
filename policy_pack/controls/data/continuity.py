"""Backups, restore tests, replication to a second region, and high availability."""

from policy_pack.controls.rules import context_check, join_check, stack_check
from policy_pack.facts.backups import (
    LOCK,
    PLAN,
    RETENTION_DAYS,
    BackupPlans,
    has_role,
    is_of_account,
    meets_conditions,
    plans_of,
)
from policy_pack.facts.iam.callers import own_account
from policy_pack.facts.network.selectors import matches as selector_matches
from policy_pack.facts.schedules import schedule
from policy_pack.facts.structure import holds_phi, namespace_name, zone_of, zone_of_namespace
from policy_pack.stack.checks import Findings, StackContext, between, expect, guarded, is_empty, is_set, violation
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

_STORES = (BUCKET, *DATABASES, EBS_VOLUME, EC2_INSTANCE, "aws:efs/fileSystem:FileSystem")
_RESTORE_PLAN = "aws:backup/restoreTestingPlan:RestoreTestingPlan"
_RESTORE_SELECTION = "aws:backup/restoreTestingSelection:RestoreTestingSelection"
_SERVERS = ("k8s:apps/Deployment", "k8s:apps/StatefulSet")
# Zones whose servers clinicians wait for: models, planning and care.
_CLINICAL_ZONES = ("phi", "serving")


# --- backups -------------------------------------------------------------------------------------
@join_check("BCP-01", *_STORES)
def phi_stores_have_backups(store: Resource, context: StackContext) -> Findings:
    """Require that a backup plan covers every PHI store."""
    if holds_phi(store, context) and not _plans(context).covering(store):
        yield violation("contains PHI, and no backup plan selects it")


@context_check("BCP-01", "k8s:core/PersistentVolumeClaim")
def zones_keep_nothing_on_volumes(claim: Resource, _: StackContext) -> Findings:
    """Refuse volumes in a hospital's zones, whose data no backup plan covers."""
    if zone_of_namespace(namespace_name(claim)):
        yield violation("keeps data of a zone on a volume, which no backup plan covers; use a bucket or a database")


@join_check("BCP-01", PLAN)
def plans_make_the_required_backups(plan: Resource, context: StackContext) -> Findings:
    """Require daily backups, kept for 35 days and copied to another region, of every PHI store that a plan covers.

    One rule of one of its plans is enough for a store.
    """
    plans = _plans(context)
    for store in context.graph.of(*_STORES):
        if not holds_phi(store, context):
            continue
        covering = plans.covering(store)
        if plan in covering and plans.unprotected(store):
            for problem in plans.problems(plan):
                yield violation(problem.message, problem.path)
            return


@join_check("AC-18", PLAN)
def plans_copy_to_vaults_of_the_account(plan: Resource, context: StackContext) -> Findings:
    """Refuse copies of backups to another account, whichever rule makes them."""
    for rule in plan.at("rules").items():
        for copy in rule.at("copyActions").items():
            if not is_of_account(copy, own_account(context.graph)):
                yield violation("copies to a vault of another account", copy.path)


def _plans(context: StackContext) -> BackupPlans:
    return plans_of(context.graph, context.settings.services.regions[0])


@join_check("BCP-02", BACKUP_VAULT)
def backup_vaults_are_locked(vault: Resource, context: StackContext) -> Findings:
    """Require a vault lock in compliance mode, so that nobody deletes a recovery point early."""
    locks = context.attached(vault, LOCK, "backupVaultName", ID_KEYS)
    if not locks:
        yield violation("has no vault lock")
    for lock in locks:
        # Without a grace time the lock is in governance mode, which administrators can remove.
        yield from guarded(
            expect(lock.at("changeableForDays"), between(3, 36500), "its lock can be removed (changeableForDays)"),
            resource=lock,
        )
        shortest = lock.at("minRetentionDays")
        yield from guarded(
            expect(shortest, between(RETENTION_DAYS, 36500), "its lock keeps recovery points for less than 35 days"),
            resource=lock,
        )


@stack_check("BCP-02")
def restores_are_tested(context: StackContext) -> Findings:
    """Require a restore test that runs every month, where the stack has data in AWS."""
    if not context.graph.of(BUCKET, *DATABASES):
        return
    plans = context.graph.of(_RESTORE_PLAN)
    if not plans:
        yield violation("has no restore test (RestoreTestingPlan)")
    elif not any(_tests_restores(plan, context) for plan in plans):
        yield violation("has no restore test that runs every month, with a selection and a vault")


def _tests_restores(plan: Resource, context: StackContext) -> bool:
    selected = [
        selection
        for selection in context.graph.referrers(plan, _RESTORE_SELECTION, "restoreTestingPlanName", ID_KEYS)
        if not selection.at("protectedResourceType").absent and has_role(selection)
    ]
    points = plan.at("recoveryPointSelection")
    return (
        bool(selected)
        and all(_finds_stores(selection, context) for selection in selected)
        and schedule(plan.at("scheduleExpression").text()).monthly
        and any(_is_vault(vault, context) for vault in points.at("includeVaults").items())
        and points.at("excludeVaults").absent
        and not points.at("recoveryPointTypes").absent
        and (points.at("selectionWindowDays").value or 0) <= RETENTION_DAYS
    )


def _is_vault(included: View, context: StackContext) -> bool:
    """Return whether a restore test takes recovery points of a vault of the stack, or of every vault."""
    name = included.text().rpartition(":")[2]
    return name == "*" or any(name == vault.at("name").raw for vault in context.graph.of(BACKUP_VAULT))


def _finds_stores(selection: Resource, context: StackContext) -> bool:
    """Return whether the conditions of a restore test's selection hold for a store of the stack."""
    conditions = selection.at("protectedResourceConditions")
    return conditions.absent or any(meets_conditions(conditions, store) for store in context.graph.of(*_STORES))


@join_check("BCP-03", BUCKET)
def phi_buckets_are_replicated(bucket: Resource, context: StackContext) -> Findings:
    """Require replication of PHI buckets with a KMS key of the other region, and whole replication of any bucket."""
    replications = context.attached(bucket, BUCKET_REPLICATION, "bucket", BUCKET_KEYS)
    targets = context.graph.referrers(bucket, BUCKET_REPLICATION, "rules", ("arn",))
    if not replications and not targets and holds_phi(bucket, context):
        yield violation("is not replicated to a second region")
    for replication in replications:
        yield from guarded(expect(replication.at("role"), is_set, "has no role that replicates"), resource=replication)
        for rule in replication.at("rules").items():
            yield from guarded(_rule(rule), rule.path, replication)


def _rule(rule: View) -> Findings:
    yield from expect(rule.at("status"), lambda value: value == "Enabled", "is switched off")
    selected = rule.at("filter")
    yield from expect(selected.at("prefix"), is_empty, "replicates some objects only (filter)")
    yield from expect(rule.at("prefix"), is_empty, "replicates some objects only (prefix)")
    for path in ("tag", "and"):
        yield from expect(selected.at(path), is_empty, "replicates some objects only (filter)")
    encrypted = rule.at("sourceSelectionCriteria.sseKmsEncryptedObjects.status")
    yield from expect(encrypted, lambda value: value == "Enabled", "leaves objects encrypted with KMS out")
    key = rule.at("destination.encryptionConfiguration.replicaKmsKeyId")
    yield from expect(key, is_set, "its replicas are not encrypted with a customer-managed KMS key")


# --- high availability ---------------------------------------------------------------------------
def _is_clinical(resource: Resource, context: StackContext) -> bool:
    """Return whether clinicians wait for a server: for an InferenceService always, wherever it runs."""
    return resource.kind == INFERENCE_SERVICE or zone_of(resource, context) in _CLINICAL_ZONES


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
