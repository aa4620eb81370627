"""CloudTrail, EKS and flow logs, access logs, and their retention."""

from policy_pack.controls.rules import join_check, resource_check, stack_check
from policy_pack.facts.data_stores import arn_of
from policy_pack.facts.structure import AUDIT, holds_phi, may_hold
from policy_pack.stack.checks import (
    Findings,
    StackContext,
    expect,
    guarded,
    has_all,
    is_set,
    is_true,
    not_yet_known,
    one_of,
    violation,
)
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    BUCKET,
    BUCKET_KEYS,
    BUCKET_LIFECYCLE,
    BUCKET_LOGGING,
    EKS,
    ID_KEYS,
    LOAD_BALANCERS,
    LOG_GROUP,
    VPC,
)
from policy_pack.stack.values import View

_TRAIL = "aws:cloudtrail/trail:Trail"
_LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_LOG_DAYS, _AUDIT_DAYS = 365, 2190
_OBJECTS = "AWS::S3::Object"
_TRAIL_FIELDS = {
    "isMultiRegionTrail": (is_true, "is not a multi-region trail"),
    "enableLogFileValidation": (is_true, "has no log file validation"),
    "kmsKeyId": (is_set, "is not encrypted with a customer-managed KMS key"),
    "cloudWatchLogsGroupArn": (is_set, "does not send its events to CloudWatch Logs"),
    "enableLogging": (lambda value: value is not False, "is switched off"),
}


@resource_check("AUD-01", _TRAIL)
def trails_are_complete(trail: Resource) -> Findings:
    """Require a multi-region trail with a KMS key, log file validation and CloudWatch Logs."""
    for field, (predicate, message) in _TRAIL_FIELDS.items():
        yield from expect(trail.at(field), predicate, message)


@stack_check("AUD-01")
def the_account_has_a_trail(context: StackContext) -> Findings:
    """Require a trail where the stack uses AWS."""
    if context.graph.uses("aws") and not context.graph.of(_TRAIL):
        yield violation("has no CloudTrail trail")


@join_check("AUD-01", BUCKET)
def trails_record_data_events(bucket: Resource, context: StackContext) -> Findings:
    """Require that a trail records S3 data events, read and write, of every PHI bucket."""
    if not holds_phi(bucket, context):
        return
    trails = context.graph.of(_TRAIL)
    if not any(_records(trail, bucket) for trail in trails):
        yield violation("no trail records its data events (read and write)")


def _records(trail: Resource, bucket: Resource) -> bool:
    arn = arn_of(bucket)
    basic = any(
        selector.at("readWriteType").value in (None, "All") and _basic(selector, arn)
        for selector in trail.at("eventSelectors").items()
    )
    return basic or any(_advanced(selector, arn) for selector in trail.at("advancedEventSelectors").items())


def _basic(selector: View, arn: str) -> bool:
    for data in selector.at("dataResources").items():
        if data.at("type").text() != _OBJECTS:
            continue
        for value in data.at("values").items():
            if value.text() in ("arn:aws:s3", "arn:aws:s3:::") or f"{arn}/".startswith(value.text()):
                return True
    return False


def _advanced(selector: View, arn: str) -> bool:
    fields = {entry.at("field").text(): entry for entry in selector.at("fieldSelectors").items()}
    resource_type = fields.get("resources.type")
    if (
        resource_type is None
        or _OBJECTS not in [item.text() for item in resource_type.at("equals").items()]
        or "readOnly" in fields
    ):
        return False
    selected_arns = fields.get("resources.ARN")
    return selected_arns is None or any(
        f"{arn}/".startswith(start.text()) for start in selected_arns.at("startsWiths").items()
    )


@resource_check("AUD-02", EKS)
def the_control_plane_logs_everything(cluster: Resource) -> Findings:
    """Require all five log types of the EKS control plane."""
    yield from expect(
        cluster.at("enabledClusterLogTypes"), has_all(*_LOGS), "does not enable every log type of the control plane"
    )


@resource_check("AUD-03", LOG_GROUP)
def logs_are_kept_one_year(group: Resource) -> Findings:
    """Require a retention of at least one year; without retention logs are kept forever."""
    yield from expect(
        group.at("retentionInDays"), lambda days: not days or days >= _LOG_DAYS, "has a retention of less than one year"
    )


@join_check("AUD-03", BUCKET)
def audit_records_are_kept_six_years(bucket: Resource, context: StackContext) -> Findings:
    """Require that nothing in the audit bucket, noncurrent versions included, expires before six years."""
    if not may_hold(bucket, AUDIT, context):
        return
    for lifecycle in context.attached(bucket, BUCKET_LIFECYCLE, "bucket", BUCKET_KEYS):
        for rule in lifecycle.at("rules").items():
            yield from guarded(_retention(rule), rule.path, lifecycle)


def _retention(rule: View) -> Findings:
    if rule.at("status").value == "Disabled":
        return
    for destination, what in (
        ("expiration.days", "records"),
        ("noncurrentVersionExpiration.noncurrentDays", "noncurrent versions"),
    ):
        yield from expect(
            rule.at(destination), lambda days: days is None or days >= _AUDIT_DAYS, f"{what} expire before six years"
        )


@join_check("AUD-04", VPC)
def vpcs_have_flow_logs(vpc: Resource, context: StackContext) -> Findings:
    """Require a flow log of all traffic."""
    flow_logs = context.attached(vpc, "aws:ec2/flowLog:FlowLog", "vpcId", ID_KEYS)
    if not flow_logs:
        yield violation("has no flow log")
    for log in flow_logs:
        yield from guarded(_flow_log(log, context), resource=log)


def _flow_log(log: Resource, context: StackContext) -> Findings:
    yield from expect(log.at("trafficType"), one_of("ALL"), "does not record all traffic")
    group = context.graph.target(log, "logDestination", (LOG_GROUP,), ("arn", "id"))
    bucket = context.graph.target(log, "logDestination", (BUCKET,), ("arn",))
    if group:
        yield from guarded(
            expect(group.at("kmsKeyId"), is_set, "its log group is not encrypted with a customer-managed KMS key"),
            resource=group,
        )
    elif not bucket:
        destination = log.at("logDestination")
        yield (
            violation("does not write to a log group or bucket of this stack", destination.path)
            if destination.known
            else not_yet_known(destination.path)
        )


@join_check("AUD-05", BUCKET)
def buckets_have_access_logs(bucket: Resource, context: StackContext) -> Findings:
    """Require server access logging of every PHI bucket, except the bucket of the access logs."""
    if not holds_phi(bucket, context):
        return
    logging = context.attached(bucket, BUCKET_LOGGING, "bucket", BUCKET_KEYS)
    log_sources = context.graph.referrers(bucket, BUCKET_LOGGING, "targetBucket", BUCKET_KEYS)
    if not logging and not log_sources:
        yield violation("has no server access logging (BucketLogging)")


@resource_check("AUD-05", *LOAD_BALANCERS)
def load_balancers_have_access_logs(load_balancer: Resource) -> Findings:
    """Require access logs."""
    yield from expect(load_balancer.at("accessLogs.enabled"), is_true, "has no access logs")
    yield from expect(load_balancer.at("accessLogs.bucket"), is_set, "has no bucket for its access logs")


@join_check("AUD-05", "aws:wafv2/webAcl:WebAcl")
def web_acls_have_logs(web_acl: Resource, context: StackContext) -> Findings:
    """Require logging of a web ACL."""
    kind = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
    if not context.attached(web_acl, kind, "resourceArn", ("arn",)):
        yield violation("has no logging configuration")
