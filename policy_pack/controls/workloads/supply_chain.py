"""Image scanning, pinned versions, and the dates of scans, tests and audits."""

from datetime import date

from policy_pack.controls.rules import join_check, resource_check, stack_check
from policy_pack.stack.checks import Findings, StackContext, expect, is_empty, is_set, matches, one_of, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import HELM_CHARTS, REPOSITORY

_SCANNING = "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration"
_VERSION = r"v?\d+\.\d+\.\d+([-+].*)?"


@join_check("VM-01", REPOSITORY)
def images_are_scanned(repository: Resource, context: StackContext) -> Findings:
    """Require scan on push, or enhanced scanning of the registry."""
    enhanced = any(configuration.at("scanType").text() == "ENHANCED" for configuration in context.graph.of(_SCANNING))
    if not enhanced:
        scan = repository.at("imageScanningConfiguration.scanOnPush")
        yield from expect(scan, lambda value: value is True, "its images are not scanned")


@resource_check("VM-01", _SCANNING)
def registries_are_scanned_by_inspector(configuration: Resource) -> Findings:
    """Require enhanced scanning of the registry, by Amazon Inspector, wherever it is configured."""
    yield from expect(configuration.at("scanType"), one_of("ENHANCED"), "does not let Amazon Inspector scan images")


@resource_check("VM-01", REPOSITORY)
def image_tags_are_immutable(repository: Resource) -> Findings:
    """Require immutable image tags."""
    yield from expect(repository.at("imageTagMutability"), one_of("IMMUTABLE"), "its image tags are mutable")


_MAX_AGES = {
    "vulnerability_scan": ("vulnerability scan", 180),
    "penetration_test": ("penetration test", 365),
    "compliance_audit": ("compliance audit", 365),
}


@stack_check("VM-02")
def scans_tests_and_audits_are_recent(context: StackContext) -> Findings:
    """Require recent dates of vulnerability scan, penetration test and compliance audit."""
    for field, (what, days) in _MAX_AGES.items():
        yield from _recent(context, field, what, days)


@stack_check("INV-04")
def the_inventory_was_reviewed(context: StackContext) -> Findings:
    """Require a recent date of the review of inventory and network map."""
    yield from _recent(context, "inventory_review", "review of inventory and network map", 365)


def _recent(context: StackContext, field: str, what: str, days: int) -> Findings:
    last: date | None = getattr(context.settings.evidence, field)
    if last is None:
        yield violation(f"has no date of the last {what} (settings: evidence.{field})")
    elif last > context.settings.today:
        yield violation(f"the date of the last {what}, {last}, is in the future")
    elif (context.settings.today - last).days > days:
        yield violation(f"the last {what} was on {last}, over {days} days ago")


@resource_check("VM-03", "aws:eks/addon:Addon")
def addons_are_pinned(addon: Resource) -> Findings:
    """Require the version of an EKS add-on."""
    yield from expect(addon.at("addonVersion"), is_set, "has no pinned version")


@resource_check("VM-03", *HELM_CHARTS)
def charts_are_pinned(chart: Resource) -> Findings:
    """Require an exact version of a Helm chart, whose objects and values nothing else changes."""
    yield from expect(chart.at("version"), matches(_VERSION), "has no pinned chart version")
    yield from expect(chart.at("valueYamlFiles"), is_empty, "has values in files, which are not evaluated")
    yield from expect(chart.at("postrender"), is_empty, "changes its objects by a program, which is not evaluated")
