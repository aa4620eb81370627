"""EKS control plane logs, flow logs and access logs."""

from policy_pack.controls.rules import join_check, resource_check
from policy_pack.facts.structure import holds_phi
from policy_pack.stack.checks import (
    Findings,
    StackContext,
    expect,
    guarded,
    has_all,
    is_empty,
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
    BUCKET_LOGGING,
    EKS,
    ID_KEYS,
    LOAD_BALANCERS,
    LOG_GROUP,
    VPC,
)

_LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
# What a record of a connection must have, where its format is not the default one.
_FLOW_FIELDS = ("srcaddr", "dstaddr", "srcport", "dstport", "protocol", "start", "end", "action")


@resource_check("AUD-02", EKS)
def the_control_plane_logs_everything(cluster: Resource) -> Findings:
    """Require all five log types of the EKS control plane."""
    yield from expect(
        cluster.at("enabledClusterLogTypes"), has_all(*_LOGS), "does not enable every log type of the control plane"
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
    yield from expect(log.at("logFormat"), _has_flow_fields, "leaves out fields of a connection (logFormat)")
    group = context.graph.target(log, "logDestination", (LOG_GROUP,), ("arn", "id"))
    bucket = context.graph.target(log, "logDestination", (BUCKET,), ("arn",))
    if group:
        yield from guarded(
            expect(group.at("kmsKeyId"), is_set, "its log group is not encrypted with a customer-managed KMS key"),
            resource=group,
        )
        delivery = log.at("logDestinationType")
        yield from expect(delivery, one_of(None, "", "cloud-watch-logs"), "does not deliver to its log group")
        yield from expect(log.at("iamRoleArn"), is_set, "has no role that writes to its log group")
    elif bucket:
        yield from expect(log.at("logDestinationType"), one_of("s3"), "does not deliver to its bucket")
    else:
        destination = log.at("logDestination")
        yield (
            violation("does not write to a log group or bucket of this stack", destination.path)
            if destination.known
            else not_yet_known(destination.path)
        )


def _has_flow_fields(log_format: object) -> bool:
    fields = str(log_format or "").split()
    return not fields or {f"${{{name}}}" for name in _FLOW_FIELDS} <= set(fields)


@join_check("AUD-05", BUCKET)
def buckets_have_access_logs(bucket: Resource, context: StackContext) -> Findings:
    """Require server access logging of every PHI bucket, except the bucket of the access logs."""
    if not holds_phi(bucket, context):
        return
    logging = context.attached(bucket, BUCKET_LOGGING, "bucket", BUCKET_KEYS)
    log_sources = context.graph.referrers(bucket, BUCKET_LOGGING, "targetBucket", BUCKET_KEYS)
    if not logging and not log_sources:
        yield violation("has no server access logging (BucketLogging)")


@resource_check("AUD-05", BUCKET_LOGGING)
def access_logs_are_for_their_bucket(logging: Resource) -> Findings:
    """Refuse grants of the access logs to others."""
    yield from expect(logging.at("targetGrants"), is_empty, "grants its access logs to others (targetGrants)")


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
