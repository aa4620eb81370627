"""Records of what happens: trails, logs, flow logs, and how long they are kept."""

from policy_pack.controls.rules import on, on_join, on_stack
from policy_pack.stack.checks import About, Findings, expect, fault, given, guarded, has_all, later, one_of, yes
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    BALANCERS,
    BUCKET,
    BUCKET_KEYS,
    BUCKET_LIFECYCLE,
    BUCKET_LOGGING,
    EKS,
    ID_KEYS,
    LOG_GROUP,
    VPC,
)
from policy_pack.stack.values import View

_TRAIL = "aws:cloudtrail/trail:Trail"
_LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_YEAR_DAYS, _KEPT_DAYS = 365, 2190
_OBJECTS = "AWS::S3::Object"
_TRAIL_FIELDS = {
    "isMultiRegionTrail": (yes, "is of one region only"),
    "enableLogFileValidation": (yes, "its files can be altered unseen"),
    "kmsKeyId": (given, "is encrypted by no key of its own"),
    "cloudWatchLogsGroupArn": (given, "does not reach CloudWatch Logs, so no alarm hears it"),
    "enableLogging": (lambda value: value is not False, "is switched off"),
}


@on("AUD-01", _TRAIL)
def trails_are_whole(trail: Resource) -> Findings:
    """Ask for every region, a key, validation and CloudWatch."""
    for field, (holds, message) in _TRAIL_FIELDS.items():
        yield from expect(trail.at(field), holds, message)


@on_stack("AUD-01")
def a_trail_records_the_account(about: About) -> Findings:
    """Ask for a trail where the stack uses the cloud."""
    if about.graph.uses("aws") and not about.graph.of(_TRAIL):
        yield fault("declares no CloudTrail, so nobody can tell who did what in the account")


@on_join("AUD-01", BUCKET)
def trails_record_reading_phi(bucket: Resource, about: About) -> Findings:
    """Ask that some trail records reading and writing of every PHI bucket's objects."""
    if not about.settings.phi(about.label(bucket, "data-class")):
        return
    trails = about.graph.of(_TRAIL)
    if not any(_records(trail, bucket) for trail in trails):
        yield fault("no trail records who reads and writes its objects")


def _records(trail: Resource, bucket: Resource) -> bool:
    name, arn = bucket.at("bucket"), bucket.at("arn")
    own = arn.raw if arn.known and isinstance(arn.raw, str) else f"arn:aws:s3:::{name.text()}"
    basic = any(
        selector.at("readWriteType").value in (None, "All") and _covers(selector, own)
        for selector in trail.at("eventSelectors").items()
    )
    return basic or any(_advanced(selector, own) for selector in trail.at("advancedEventSelectors").items())


def _covers(selector: View, arn: str) -> bool:
    for data in selector.at("dataResources").items():
        if data.at("type").text() != _OBJECTS:
            continue
        for value in data.at("values").items():
            if value.text() in ("arn:aws:s3", "arn:aws:s3:::") or f"{arn}/".startswith(value.text()):
                return True
    return False


def _advanced(selector: View, arn: str) -> bool:
    fields = {entry.at("field").text(): entry for entry in selector.at("fieldSelectors").items()}
    kind = fields.get("resources.type")
    if kind is None or _OBJECTS not in [item.text() for item in kind.at("equals").items()] or "readOnly" in fields:
        return False
    chosen = fields.get("resources.ARN")
    return chosen is None or any(f"{arn}/".startswith(start.text()) for start in chosen.at("startsWiths").items())


@on("AUD-02", EKS)
def the_cluster_logs_all(cluster: Resource) -> Findings:
    """Ask for all five logs of the control plane."""
    yield from expect(cluster.at("enabledClusterLogTypes"), has_all(*_LOGS), "does not write every control-plane log")


@on("AUD-03", LOG_GROUP)
def logs_stay_a_year(group: Resource) -> Findings:
    """Ask for a year at hand; without a limit logs stay for ever."""
    yield from expect(
        group.at("retentionInDays"), lambda days: not days or days >= _YEAR_DAYS, "is gone before a year has passed"
    )


@on_join("AUD-03", BUCKET)
def audit_records_stay_six_years(bucket: Resource, about: About) -> Findings:
    """Ask that nothing of the audit bucket, old versions included, expires before six years."""
    if about.label(bucket, "data-class") != "audit":
        return
    for lifecycle in about.attached(bucket, BUCKET_LIFECYCLE, "bucket", BUCKET_KEYS):
        for rule in lifecycle.at("rules").items():
            yield from guarded(_kept(rule), rule.path, lifecycle)


def _kept(rule: View) -> Findings:
    if rule.at("status").value == "Disabled":
        return
    for place, what in (
        ("expiration.days", "records"),
        ("noncurrentVersionExpiration.noncurrentDays", "deleted or overwritten records"),
    ):
        yield from expect(
            rule.at(place), lambda days: days is None or days >= _KEPT_DAYS, f"{what} are gone before six years"
        )


@on_join("AUD-04", VPC)
def network_flows_are_recorded(vpc: Resource, about: About) -> Findings:
    """Ask for a flow log of all traffic."""
    found = about.attached(vpc, "aws:ec2/flowLog:FlowLog", "vpcId", ID_KEYS)
    if not found:
        yield fault("has no flow log")
    for log in found:
        yield from guarded(_flow_log(log, about), resource=log)


def _flow_log(log: Resource, about: About) -> Findings:
    yield from expect(log.at("trafficType"), one_of("ALL"), "does not record all traffic")
    group = about.graph.target(log, "logDestination", (LOG_GROUP,), ("arn", "id"))
    bucket = about.graph.target(log, "logDestination", (BUCKET,), ("arn",))
    if group:
        yield from guarded(
            expect(group.at("kmsKeyId"), given, "keeps flow logs without a key of its own"), resource=group
        )
    elif not bucket:
        place = log.at("logDestination")
        yield fault("writes to no log group or bucket of this stack", place.path) if place.known else later(place.path)


@on_join("AUD-05", BUCKET)
def access_to_buckets_is_recorded(bucket: Resource, about: About) -> Findings:
    """Ask for access logs of every PHI bucket, but of the one that they go to."""
    if not about.settings.phi(about.label(bucket, "data-class")):
        return
    logging = about.attached(bucket, BUCKET_LOGGING, "bucket", BUCKET_KEYS)
    sinks = about.graph.pointing(bucket, BUCKET_LOGGING, "targetBucket", BUCKET_KEYS)
    if not logging and not sinks:
        yield fault("nobody records who asks for its objects (BucketLogging)")


@on("AUD-05", *BALANCERS)
def access_to_balancers_is_recorded(balancer: Resource) -> Findings:
    """Ask for access logs."""
    yield from expect(balancer.at("accessLogs.enabled"), yes, "keeps no access log")
    yield from expect(balancer.at("accessLogs.bucket"), given, "its access log goes nowhere")


@on_join("AUD-05", "aws:wafv2/webAcl:WebAcl")
def firewalls_record(firewall: Resource, about: About) -> Findings:
    """Ask for the log of a firewall."""
    kind = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
    if not about.attached(firewall, kind, "resourceArn", ("arn",)):
        yield fault("keeps no log")
