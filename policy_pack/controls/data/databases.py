"""Databases: availability, logs, monitoring and patches."""

from policy_pack.controls.rules import context_check, join_check, resource_check
from policy_pack.stack.checks import (
    Findings,
    StackContext,
    between,
    expect,
    has_all,
    is_set,
    is_true,
    not_yet_known,
    violation,
)
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import DATABASES, RDS_CLUSTER, RDS_CLUSTER_INSTANCE, RDS_INSTANCE

_CLUSTER_KEYS = ("clusterIdentifier", "id")


@context_check("BCP-04", *DATABASES)
def databases_have_backups(database: Resource, context: StackContext) -> Findings:
    """Require automated backups of databases, and Multi-AZ for single instances."""
    if context.synthetic:
        return
    if database.kind == RDS_INSTANCE:
        yield from expect(database.at("multiAz"), lambda value: value is True, "is not Multi-AZ")
    yield from expect(
        database.at("backupRetentionPeriod"), between(7, 35), "has a backup retention of less than 7 days"
    )


@join_check("BCP-04", RDS_CLUSTER)
def clusters_are_multi_az(cluster: Resource, context: StackContext) -> Findings:
    """Require two instances in different availability zones; a Multi-AZ DB cluster has three by itself."""
    if context.synthetic or not cluster.at("dbClusterInstanceClass").absent:
        return
    instances = context.attached(cluster, RDS_CLUSTER_INSTANCE, "clusterIdentifier", _CLUSTER_KEYS)
    if len(instances) < 2:
        traced = not context.graph.unresolved(RDS_CLUSTER_INSTANCE, "clusterIdentifier")
        yield violation("has fewer than two instances") if traced else not_yet_known("members")
        return
    zones = [instance.at("availabilityZone").text() for instance in instances]
    if all(zones) and len(set(zones)) == 1:
        yield violation(f"has all its instances in {zones[0]}")


@resource_check("AUD-05", *DATABASES)
def databases_export_logs(database: Resource) -> Findings:
    """Require export of the PostgreSQL log, which has the audit records, to CloudWatch Logs."""
    exports = database.at("enabledCloudwatchLogsExports")
    yield from expect(exports, has_all("postgresql"), "does not export its PostgreSQL log to CloudWatch Logs")


@resource_check("AUD-07", RDS_INSTANCE, RDS_CLUSTER_INSTANCE)
def databases_have_enhanced_monitoring(database: Resource) -> Findings:
    """Require Enhanced Monitoring with an interval of at most one minute."""
    yield from expect(
        database.at("monitoringInterval"), between(1, 60), "has no Enhanced Monitoring (monitoringInterval)"
    )


@resource_check("ENC-07", RDS_INSTANCE, RDS_CLUSTER_INSTANCE)
def queries_are_encrypted(database: Resource) -> Findings:
    """Require a key for Performance Insights, which keeps the text of queries."""
    if is_true(database.at("performanceInsightsEnabled").value):
        message = "keeps the text of its queries with the key of AWS; set performanceInsightsKmsKeyId"
        yield from expect(database.at("performanceInsightsKmsKeyId"), is_set, message)


@resource_check("VM-03", RDS_INSTANCE, RDS_CLUSTER_INSTANCE)
def databases_upgrade_minor_versions(database: Resource) -> Findings:
    """Require automatic minor version upgrades."""
    patched = database.at("autoMinorVersionUpgrade")
    yield from expect(patched, lambda value: value in (None, True, "true"), "has no automatic minor version upgrades")
