"""GuardDuty, Security Hub, AWS Config, alarms, and audit records of predictions."""

import re

from policy_pack.controls.rules import join_check, resource_check, stack_check
from policy_pack.facts.structure import hospital_of, zone_of
from policy_pack.stack.checks import Findings, StackContext, expect, is_set, is_true, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import INFERENCE_SERVICE, NAMESPACE

_DETECTOR = "aws:guardduty/detector:Detector"
_FEATURE = "aws:guardduty/detectorFeature:DetectorFeature"
_FEATURES = {
    "EKS_AUDIT_LOGS": "EKS audit logs",
    "S3_DATA_EVENTS": "S3 data events",
    "RUNTIME_MONITORING": "the runtime of nodes",
}
_IN_EACH_REGION = {
    _DETECTOR: "has no GuardDuty detector",
    "aws:securityhub/account:Account": "has no Security Hub",
}
_RECORDER = "aws:cfg/recorder:Recorder"
_STATUS = "aws:cfg/recorderStatus:RecorderStatus"
_HOST = re.compile(r"^\w+://[^./:]+\.([^./:]+)")


@stack_check("AUD-07")
def the_account_is_monitored(context: StackContext) -> Findings:
    """Require GuardDuty and Security Hub in every region, and an AWS Config recorder, where the stack uses AWS."""
    if not context.graph.uses("aws"):
        return
    regions = {context.region(resource) for resource in context.graph if resource.package == "aws"}
    for kind, message in _IN_EACH_REGION.items():
        for region in sorted(regions - {context.region(service) for service in context.graph.of(kind)}):
            yield violation(f"{message} in {region or 'its region'}")
    if not context.graph.of(_RECORDER):
        yield violation("has no AWS Config recorder")
    elif not any(status.at("isEnabled").value is True for status in context.graph.of(_STATUS)):
        yield violation("does not start its AWS Config recorder")


@resource_check("AUD-07", _DETECTOR)
def detectors_are_enabled(detector: Resource) -> Findings:
    """Refuse a detector that is switched off."""
    yield from expect(detector.at("enable"), lambda value: value is not False, "is switched off")


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


@resource_check("AUD-07", "aws:cloudwatch/metricAlarm:MetricAlarm")
def alarms_have_actions(alarm: Resource) -> Findings:
    """Require an action for every alarm."""
    yield from expect(alarm.at("alarmActions"), is_set, "has no alarm action")
    yield from expect(alarm.at("actionsEnabled"), lambda value: value is not False, "its alarm actions are disabled")


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
