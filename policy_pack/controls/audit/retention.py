"""Retention of records: log groups, the buckets to which records are delivered, and AWS Config."""

from collections.abc import Iterator

from policy_pack.controls.rules import join_check, resource_check
from policy_pack.facts.records.deliveries import record_buckets
from policy_pack.facts.records.table import records
from policy_pack.facts.structure import AUDIT, may_hold
from policy_pack.stack.checks import Findings, StackContext, expect, guarded, is_empty, one_of, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    BUCKET,
    BUCKET_KEYS,
    BUCKET_LIFECYCLE,
    DATABASES,
    EKS,
    LOG_GROUP,
    RDS_CLUSTER,
    RDS_INSTANCE,
)
from policy_pack.stack.values import View

_DATABASE_LOGS = {RDS_CLUSTER: ("cluster", "clusterIdentifier"), RDS_INSTANCE: ("instance", "identifier")}
_CONFIG_RETENTION = "aws:cfg/retentionConfiguration:RetentionConfiguration"


@resource_check("AUD-03", LOG_GROUP)
def logs_are_kept_one_year(group: Resource) -> Findings:
    """Require a retention of at least one year; without retention logs are kept forever."""
    yield from expect(
        group.at("retentionInDays"),
        lambda days: not days or days >= records().log_days,
        "has a retention of less than one year",
    )
    # Groups of the class DELIVERY keep their events for two days.
    yield from expect(
        group.at("logGroupClass"),
        one_of(None, "", "STANDARD", "INFREQUENT_ACCESS"),
        "is of a class that keeps its events for days",
    )


@join_check("AUD-03", *DATABASES, EKS)
def logs_of_services_are_declared(service: Resource, context: StackContext) -> Findings:
    """Require the log groups to which a service writes: it makes them itself otherwise, without key and retention."""
    for name in _log_groups(service):
        if not context.graph.where("name", name, LOG_GROUP):
            yield violation(f"writes to the log group {name}, which the stack does not declare; declare it")


def _log_groups(service: Resource) -> Iterator[str]:
    """Return the names of a service's log groups, as AWS makes them."""
    if service.kind == EKS:
        if not service.at("enabledClusterLogTypes").absent:
            yield f"/aws/eks/{service.at('name').text()}/cluster"
        return
    kind, name = _DATABASE_LOGS[service.kind]
    if service.at(name).text():
        for log in service.at("enabledCloudwatchLogsExports").items():
            yield f"/aws/rds/{kind}/{service.at(name).text()}/{log.text()}"


@resource_check("AUD-03", _CONFIG_RETENTION)
def configuration_history_is_kept_six_years(retention: Resource) -> Findings:
    """Require that AWS Config keeps its history for six years."""
    days = retention.at("retentionPeriodInDays")
    yield from expect(
        days, lambda value: value is None or value >= records().bucket_days, "keeps the history for less than six years"
    )


@join_check("AUD-03", BUCKET)
def audit_records_are_kept_six_years(bucket: Resource, context: StackContext) -> Findings:
    """Require that no record expires before six years, where records are kept or delivered.

    A rule counts in full, whatever its filter is: it selects some records.
    """
    if not may_hold(bucket, AUDIT, context) and bucket.urn not in record_buckets(context.graph):
        return
    for lifecycle in context.attached(bucket, BUCKET_LIFECYCLE, "bucket", BUCKET_KEYS):
        for rule in lifecycle.at("rules").items():
            yield from guarded(_retention(rule), rule.path, lifecycle)
    for rule in bucket.at("lifecycleRules").items():
        yield from guarded(_retention(rule), rule.path)


def _retention(rule: View) -> Findings:
    if rule.at("status").value == "Disabled" or rule.at("enabled").value is False:
        return
    for destination, what in (
        ("expiration.days", "records"),
        ("noncurrentVersionExpiration.noncurrentDays", "noncurrent versions"),
        ("noncurrentVersionExpiration.days", "noncurrent versions"),
    ):
        yield from expect(
            rule.at(destination),
            lambda days: days is None or days >= records().bucket_days,
            f"{what} expire before six years",
        )
    yield from expect(rule.at("expiration.date"), is_empty, "records expire on a date, whatever their age")
