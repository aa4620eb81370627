"""Detectors of one region: what looks for intruders, holes, and patients' data where none should be."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import accessanalyzer, guardduty, inspector2, macie2, securityhub

from infra.settings import names
from infra.settings.values import Settings

# What GuardDuty looks at, and what it installs by itself to do so.
FEATURES: dict[str, tuple[str, ...]] = {
    "S3_DATA_EVENTS": (),
    "EKS_AUDIT_LOGS": (),
    "EBS_MALWARE_PROTECTION": (),
    "RDS_LOGIN_EVENTS": (),
    "RUNTIME_MONITORING": ("EKS_ADDON_MANAGEMENT",),
}
# Security Hub checks the account against these.
STANDARDS = {
    "foundational": "standards/aws-foundational-security-best-practices/v/1.0.0",
    "nist-800-53": "standards/nist-800-53/v/5.0.0",
}
SCANNED = ("EC2", "ECR")
_OFTEN = "FIFTEEN_MINUTES"


@dataclass(frozen=True)
class DetectorsArgs:
    """Where they look.

    Parameters
    ----------
    settings
        The environment.
    region
        The region, which is the provider's own.
    """

    settings: Settings
    region: str


class Detectors(pulumi.ComponentResource):
    """GuardDuty, Security Hub, Inspector, Access Analyzer and, by option, Macie."""

    def __init__(self, name: str, args: DetectorsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Detectors", name, None, opts)
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        tags = names.tags(settings.environment, phi=False)
        detector = guardduty.Detector(name, enable=True, finding_publishing_frequency=_OFTEN, tags=tags, opts=child)
        for feature, managed in FEATURES.items():
            guardduty.DetectorFeature(
                f"{name}-{feature.lower().replace('_', '-')}",
                detector_id=detector.id,
                name=feature,
                status="ENABLED",
                additional_configurations=[
                    guardduty.DetectorFeatureAdditionalConfigurationArgs(name=more, status="ENABLED")
                    for more in managed
                ],
                opts=child,
            )
        hub = securityhub.Account(name, enable_default_standards=False, auto_enable_controls=True, opts=child)
        for standard, path in STANDARDS.items():
            securityhub.StandardsSubscription(
                f"{name}-{standard}",
                standards_arn=f"arn:aws:securityhub:{args.region}::{path}",
                opts=pulumi.ResourceOptions(parent=self, depends_on=[hub]),
            )
        inspector2.Enabler(name, account_ids=[settings.account], resource_types=list(SCANNED), opts=child)
        accessanalyzer.Analyzer(
            name, analyzer_name=names.stem(settings.environment), type="ACCOUNT", tags=tags, opts=child
        )
        if settings.options.macie:
            macie2.Account(name, finding_publishing_frequency=_OFTEN, status="ENABLED", opts=child)
        self.register_outputs({})
