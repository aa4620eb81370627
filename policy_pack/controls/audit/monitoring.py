"""Who watches: Vault's audit devices, the account's detectors, and the records of predictions."""

import re

from policy_pack.controls.rules import on, on_join, on_stack
from policy_pack.stack.checks import About, Findings, expect, fault, given, not_yes, yes
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import INFERENCE, NAMESPACE, ROUTE, VAULT_AUDIT
from policy_pack.stack.pods import namespace

_DETECTOR = "aws:guardduty/detector:Detector"
_FEATURE = "aws:guardduty/detectorFeature:DetectorFeature"
_FEATURES = {
    "EKS_AUDIT_LOGS": "the cluster's audit logs",
    "S3_DATA_EVENTS": "the buckets",
    "RUNTIME_MONITORING": "the nodes at run time",
}
_IN_EACH_REGION = {
    _DETECTOR: "declares no GuardDuty detector",
    "aws:securityhub/account:Account": "does not switch on Security Hub",
}
_RECORDER = "aws:cfg/recorder:Recorder"
_STATUS = "aws:cfg/recorderStatus:RecorderStatus"
_VIRTUAL = "k8s:networking.istio.io/VirtualService"
_HOST = re.compile(r"^\w+://[^./:]+\.([^./:]+)")


@on_stack("AUD-06")
def vault_records_twice(about: About) -> Findings:
    """Ask for two audit devices that do not fail together, where the stack uses Vault."""
    if not about.graph.uses("vault"):
        return
    devices = {
        (device.at("type").text(), device.at("options.file_path").text(), device.at("options.address").text())
        for device in about.graph.of(VAULT_AUDIT)
    }
    if len(devices) < 2:
        yield fault(f"declares {len(devices)} audit devices of Vault; one that fails would stop Vault or its records")


@on("AUD-06", VAULT_AUDIT)
def audit_devices_hide_values(device: Resource) -> Findings:
    """Refuse raw values in the record."""
    yield from expect(device.at("options.log_raw"), not_yes, "records secrets as they are")
    yield from expect(
        device.at("options.hmac_accessor"), lambda value: value in (None, True, "true"), "records accessors"
    )


@on_stack("AUD-07")
def the_account_is_watched(about: About) -> Findings:
    """Ask for GuardDuty, Security Hub and a Config recorder, where the stack uses the cloud."""
    if not about.graph.uses("aws"):
        return
    used = {_region(resource) for resource in about.graph if resource.package == "aws"}
    for kind, message in _IN_EACH_REGION.items():
        for region in sorted(used - {_region(watcher) for watcher in about.graph.of(kind)}):
            yield fault(f"{message} in {region or 'its region'}")
    if not about.graph.of(_RECORDER):
        yield fault("declares no AWS Config recorder")
    elif not any(status.at("isEnabled").value is True for status in about.graph.of(_STATUS)):
        yield fault("does not switch its AWS Config recorder on")


def _region(resource: Resource) -> str:
    """Return where a resource is, as far as the stack says."""
    return str(resource.props.get("region") or resource.provider.get("region") or "")


@on("AUD-07", _DETECTOR)
def detectors_are_on(detector: Resource) -> Findings:
    """Refuse a detector that is declared and switched off."""
    yield from expect(detector.at("enable"), lambda value: value is not False, "is switched off")


@on_join("AUD-07", _DETECTOR)
def detectors_see_everything(detector: Resource, about: About) -> Findings:
    """Ask for the features that see cluster, buckets and nodes."""
    switched = {
        feature.at("name").text()
        for feature in about.attached(detector, _FEATURE, "detectorId", ("id",))
        if feature.at("status").text() == "ENABLED"
    }
    if "EKS_RUNTIME_MONITORING" in switched:
        switched.add("RUNTIME_MONITORING")
    sources = detector.at("datasources")
    if yes(sources.at("s3Logs.enable").raw):
        switched.add("S3_DATA_EVENTS")
    if yes(sources.at("kubernetes.auditLogs.enable").raw):
        switched.add("EKS_AUDIT_LOGS")
    for feature, what in _FEATURES.items():
        if feature not in switched:
            yield fault(f"does not watch {what} ({feature})")


@on("AUD-07", "aws:cloudwatch/metricAlarm:MetricAlarm")
def alarms_reach_somebody(alarm: Resource) -> Findings:
    """Ask for an action of every alarm."""
    yield from expect(alarm.at("alarmActions"), given, "tells nobody")
    yield from expect(alarm.at("actionsEnabled"), lambda value: value is not False, "its actions are switched off")


@on_join("AUD-08", INFERENCE)
def predictions_go_through_the_gateway(service: Resource, about: About) -> Findings:
    """Ask for a route of the gateway, which writes the record; a model that is called directly leaves none."""
    name, home = service.at("metadata.name").text(), namespace(service).text()
    if not any(name in target for route in about.graph.of(ROUTE, _VIRTUAL) for target in _backends(route, home)):
        yield fault("no route of the gateway leads to it, so its answers leave no audit record")


def _backends(route: Resource, home: str) -> list[str]:
    own = namespace(route).text()
    targets = [target for rule in route.at("spec.rules").items() for target in rule.at("backendRefs").items()]
    named = [t.at("name").text() for t in targets if (t.at("namespace").text() or own) == home]
    hosts = [
        target.at("destination.host").text()
        for rule in route.at("spec.http").items()
        for target in rule.at("route").items()
    ]
    return [*named, *(host for host in hosts if f".{home}." in f"{host}.")]


@on_join("AUD-08", INFERENCE)
def payloads_stay_in_the_phi_zone(service: Resource, about: About) -> Findings:
    """Refuse a log of requests, which are PHI, into any zone but the PHI one of the same hospital."""
    for part in ("predictor", "transformer", "explainer"):
        logger = service.at(f"spec.{part}.logger")
        if logger.absent or logger.at("mode").text() == "none":
            continue
        host = _HOST.match(logger.at("url").text())
        homes = about.graph.where("metadata.name", host[1], NAMESPACE) if host else []
        mine = about.label(service, "hospital")
        if not any(about.label(home, "zone") == "phi" and about.label(home, "hospital") == mine for home in homes):
            yield fault("logs requests, which are PHI, outside of its hospital's PHI zone", f"spec.{part}.logger")
