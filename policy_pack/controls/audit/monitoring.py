"""GuardDuty, Security Hub, AWS Config, alarms, and audit records of predictions."""

import re
from collections.abc import Iterator

from policy_pack.controls.rules import join_check, resource_check, stack_check
from policy_pack.facts.records.deliveries import CHANNEL
from policy_pack.facts.structure import hospital_of, zone_of
from policy_pack.stack.checks import (
    Findings,
    StackContext,
    expect,
    is_empty,
    is_set,
    is_true,
    one_of,
    violation,
)
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import INFERENCE_SERVICE, NAMESPACE

_DETECTOR = "aws:guardduty/detector:Detector"
_FEATURE = "aws:guardduty/detectorFeature:DetectorFeature"
_FEATURES = {
    "EKS_AUDIT_LOGS": "EKS audit logs",
    "S3_DATA_EVENTS": "S3 data events",
    "RUNTIME_MONITORING": "the runtime of nodes",
}
_SECURITY_HUB = "aws:securityhub/account:Account"
_STANDARD = "aws:securityhub/standardsSubscription:StandardsSubscription"
_STANDARD_ARN = re.compile(r"arn:aws:securityhub:[a-z0-9-]*::(standards|ruleset)/[a-z0-9/.-]+")
_ANALYZER = "aws:accessanalyzer/analyzer:Analyzer"
_IN_EACH_REGION = {
    _DETECTOR: "has no GuardDuty detector",
    _SECURITY_HUB: "has no Security Hub",
}
_RECORDER = "aws:cfg/recorder:Recorder"
_STATUS = "aws:cfg/recorderStatus:RecorderStatus"
_HOST = re.compile(r"^\w+://[^./:]+\.([^./:]+)")


@stack_check("AUD-07")
def the_account_is_monitored(context: StackContext) -> Findings:
    """Require GuardDuty and Security Hub in every region, and an AWS Config recorder, where the stack uses AWS."""
    if not context.graph.uses("aws"):
        return
    regions = {context.region(resource) for resource in context.graph.of_package("aws")}
    for kind, message in _IN_EACH_REGION.items():
        for region in sorted(regions - {context.region(service) for service in context.graph.of(kind)}):
            yield violation(f"{message} in {region or 'its region'}")
    for text in _recorder_problems(context):
        yield violation(text)


def _recorder_problems(context: StackContext) -> Iterator[str]:
    """Return what keeps AWS Config from recording every resource and delivering the record."""
    recorders = context.graph.of(_RECORDER)
    if not recorders:
        yield "has no AWS Config recorder"
        return
    if not context.graph.of(CHANNEL):
        yield "has no delivery channel for its AWS Config recorder"
    started = [status for status in context.graph.of(_STATUS) if status.at("isEnabled").value is True]
    names = {status.at("name").text() for status in started}
    if not any(recorder.at("name").text() in names for recorder in recorders):
        yield "does not start its AWS Config recorder"


@resource_check("AUD-07", _SECURITY_HUB)
def security_hub_enables_new_controls(account: Resource) -> Findings:
    """Require that Security Hub enables the controls that are added to its standards."""
    enabled = account.at("autoEnableControls")
    yield from expect(enabled, lambda value: value is not False, "does not enable new controls of its standards")


@resource_check("AUD-07", _STANDARD)
def security_hub_has_its_standards(subscription: Resource) -> Findings:
    """Require that a subscription names a standard of Security Hub."""
    yield from expect(subscription.at("standardsArn"), _is_standard, "names no standard of Security Hub")


def _is_standard(arn: object) -> bool:
    return _STANDARD_ARN.fullmatch(str(arn)) is not None


@resource_check("AUD-07", _ANALYZER)
def analyzers_find_access_from_outside(analyzer: Resource) -> Findings:
    """Require analyzers of access from outside the account or the organization."""
    yield from expect(analyzer.at("type"), one_of(None, "ACCOUNT", "ORGANIZATION"), "finds no access from outside")


@resource_check("AUD-07", CHANNEL)
def channels_deliver(channel: Resource) -> Findings:
    """Require the bucket to which AWS Config delivers."""
    yield from expect(channel.at("s3BucketName"), is_set, "delivers to no bucket")


@resource_check("AUD-07", _RECORDER)
def recorders_record_everything(recorder: Resource) -> Findings:
    """Require a recorder of all resource types, those of global services included."""
    group = recorder.at("recordingGroup")
    yield from expect(group.at("allSupported"), one_of(None, True), "does not record all resource types")
    yield from expect(group.at("resourceTypes"), is_empty, "records some resource types only")
    yield from expect(group.at("exclusionByResourceTypes"), is_empty, "leaves out resource types")
    strategies = [one.at("useOnly") for one in group.at("recordingStrategies").items()]
    for strategy in strategies:
        yield from expect(strategy, one_of(None, "ALL_SUPPORTED_RESOURCE_TYPES"), "does not record all resource types")
    if not group.absent:
        global_types = group.at("includeGlobalResourceTypes")
        yield from expect(global_types, is_true, "leaves out resources of global services such as IAM")
    mode = recorder.at("recordingMode")
    yield from expect(mode.at("recordingFrequency"), one_of(None, "CONTINUOUS"), "does not record continuously")
    yield from expect(mode.at("recordingModeOverride"), is_empty, "records some resource types less often")


@resource_check("AUD-07", _DETECTOR)
def detectors_are_enabled(detector: Resource) -> Findings:
    """Refuse a detector that is switched off."""
    yield from expect(detector.at("enable"), lambda value: value is not False, "is switched off")
    for path in ("datasources.s3Logs.enable", "datasources.kubernetes.auditLogs.enable"):
        yield from expect(detector.at(path), lambda value: value is not False, "switches a source off")


@join_check("AUD-07", _DETECTOR)
def detectors_have_all_features(detector: Resource, context: StackContext) -> Findings:
    """Require the GuardDuty features for EKS, S3 and nodes."""
    enabled = {
        feature.at("name").text()
        for feature in context.attached(detector, _FEATURE, "detectorId", ("id",))
        if feature.at("status").text() == "ENABLED"
    }
    if "EKS_RUNTIME_MONITORING" in enabled:
        enabled.add("RUNTIME_MONITORING")
    sources = detector.at("datasources")
    if is_true(sources.at("s3Logs.enable").raw):
        enabled.add("S3_DATA_EVENTS")
    if is_true(sources.at("kubernetes.auditLogs.enable").raw):
        enabled.add("EKS_AUDIT_LOGS")
    for feature, what in _FEATURES.items():
        if feature not in enabled:
            yield violation(f"does not monitor {what} ({feature})")


@join_check("AUD-08", INFERENCE_SERVICE)
def payloads_stay_in_the_phi_zone(service: Resource, context: StackContext) -> Findings:
    """Refuse payload logs, which are PHI, to any namespace but the PHI zone of the same hospital."""
    for part in ("predictor", "transformer", "explainer"):
        logger = service.at(f"spec.{part}.logger")
        if logger.absent or logger.at("mode").text() == "none":
            continue
        host = _HOST.match(logger.at("url").text())
        namespaces = context.graph.where("metadata.name", host[1], NAMESPACE) if host else []
        hospital = hospital_of(service, context)
        if not any(
            zone_of(receiver, context) == "phi" and hospital_of(receiver, context) == hospital
            for receiver in namespaces
        ):
            yield violation("logs payloads, which are PHI, outside its hospital's PHI zone", f"spec.{part}.logger")
