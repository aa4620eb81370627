"""Scanned images, pinned versions, and the dates of scans, tests and audits."""

from datetime import date

from policy_pack.controls.rules import on, on_join, on_stack
from policy_pack.stack.checks import About, Findings, expect, fault, given, matches, one_of
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import HELM, REPOSITORY

_SCANNING = "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration"
_VERSION = r"v?\d+\.\d+\.\d+([-+].*)?"


@on_join("VM-01", REPOSITORY)
def images_are_scanned(repository: Resource, about: About) -> Findings:
    """Ask for a scan on push, or the account's enhanced scanning."""
    enhanced = any(found.at("scanType").text() == "ENHANCED" for found in about.graph.of(_SCANNING))
    if not enhanced:
        scan = repository.at("imageScanningConfiguration.scanOnPush")
        yield from expect(scan, lambda value: value is True, "its images are not scanned")


@on("VM-01", REPOSITORY)
def tags_do_not_move(repository: Resource) -> Findings:
    """Ask that a tag names one image for ever."""
    yield from expect(repository.at("imageTagMutability"), one_of("IMMUTABLE"), "its tags can be moved")


_AGES = {
    "vulnerability_scan": ("vulnerability scan", 180),
    "penetration_test": ("penetration test", 365),
    "compliance_audit": ("compliance audit", 365),
}


@on_stack("VM-02")
def scans_tests_and_audits_are_fresh(about: About) -> Findings:
    """Ask for the dates of what people do, and that they are not too long ago."""
    for field, (what, days) in _AGES.items():
        last: date | None = getattr(about.settings.evidence, field)
        if last is None:
            yield fault(f"nobody tells when the last {what} was (settings: evidence.{field})")
        elif (about.settings.today - last).days > days:
            yield fault(f"the last {what} was on {last}, over {days} days ago")


@on("VM-03", "aws:eks/addon:Addon")
def addons_are_pinned(addon: Resource) -> Findings:
    """Ask for the version of an add-on."""
    yield from expect(addon.at("addonVersion"), given, "takes whatever version there is")


@on("VM-03", *HELM)
def charts_are_pinned(chart: Resource) -> Findings:
    """Ask for an exact version of a chart."""
    yield from expect(chart.at("version"), matches(_VERSION), "takes whatever version of the chart there is")
