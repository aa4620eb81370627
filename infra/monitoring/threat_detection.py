"""Threat detection in one region: GuardDuty, Security Hub, Inspector, IAM Access Analyzer and Macie."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import accessanalyzer, guardduty, inspector2, macie2, securityhub

from infra.settings import Settings, names

# GuardDuty features, and the additional configuration of each.
FEATURES: dict[str, tuple[str, ...]] = {
    "S3_DATA_EVENTS": (),
    "EKS_AUDIT_LOGS": (),
    "EBS_MALWARE_PROTECTION": (),
    "RDS_LOGIN_EVENTS": (),
    "RUNTIME_MONITORING": ("EKS_ADDON_MANAGEMENT",),
}
# Security Hub standards.
STANDARDS = {
    "foundational": "standards/aws-foundational-security-best-practices/v/1.0.0",
    "nist-800-53": "standards/nist-800-53/v/5.0.0",
}
INSPECTOR_RESOURCE_TYPES = ("EC2", "ECR")
_FREQUENCY = "FIFTEEN_MINUTES"


@dataclass(frozen=True)
class ThreatDetectionArgs:
    """Arguments of threat detection.

    Parameters
    ----------
    settings
        The stack's settings.
    region
        The region of the provider.
    """

    settings: Settings
    region: str


class ThreatDetection(pulumi.ComponentResource):
    """GuardDuty, Security Hub, Inspector, IAM Access Analyzer and, with the option ``macie``, Macie."""

    def __init__(self, name: str, args: ThreatDetectionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Detectors", name, None, opts)
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        tags = names.tags(settings.environment, phi=False)
        detector = guardduty.Detector(name, enable=True, finding_publishing_frequency=_FREQUENCY, tags=tags, opts=child)
        for feature, additional in FEATURES.items():
            guardduty.DetectorFeature(
                f"{name}-{feature.lower().replace('_', '-')}",
                detector_id=detector.id,
                name=feature,
                status="ENABLED",
                additional_configurations=[
                    guardduty.DetectorFeatureAdditionalConfigurationArgs(name=configuration, status="ENABLED")
                    for configuration in additional
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
        inspector2.Enabler(
            name, account_ids=[settings.account], resource_types=list(INSPECTOR_RESOURCE_TYPES), opts=child
        )
        accessanalyzer.Analyzer(
            name, analyzer_name=names.stem(settings.environment), type="ACCOUNT", tags=tags, opts=child
        )
        if settings.options.macie:
            macie2.Account(name, finding_publishing_frequency=_FREQUENCY, status="ENABLED", opts=child)
        self.register_outputs({})
