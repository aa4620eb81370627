"""AWS's conformance pack for HIPAA: every rule has its verdict, and each verdict holds."""

import pytest

from policy_pack.controls.rows import table
from policy_pack.controls.rules import rules
from policy_pack.engine.aws_rules import aws_rules
from tests.policy import world
from tests.policy.builders import build
from tests.policy.evaluation import BROKEN, results, statuses
from tests.policy.seeds.seed import extra

RULES = aws_rules()
IN_PACK = 130
# Where a rule looks at types that its control would not need for anything else: the function must look at them too.
EVALUATED = {
    "ALB_WAF_ENABLED": ("SEG-05", "aws:lb/loadBalancer:LoadBalancer"),
    "AUTOSCALING_GROUP_ELB_HEALTHCHECK_REQUIRED": ("BCP-04", "aws:autoscaling/group:Group"),
    "AUTOSCALING_LAUNCH_CONFIG_PUBLIC_IP_DISABLED": ("SEG-07", "aws:ec2/launchConfiguration:LaunchConfiguration"),
    "AURORA_RESOURCES_PROTECTED_BY_BACKUP_PLAN": ("BCP-01", "aws:rds/cluster:Cluster"),
    "CLOUDWATCH_ALARM_ACTION_CHECK": ("AUD-07", "aws:cloudwatch/metricAlarm:MetricAlarm"),
    "DB_INSTANCE_BACKUP_ENABLED": ("BCP-04", "aws:rds/instance:Instance"),
    "EBS_IN_BACKUP_PLAN": ("BCP-01", "aws:ebs/volume:Volume"),
    "EBS_SNAPSHOT_PUBLIC_RESTORABLE_CHECK": ("AC-05", "aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess"),
    "EC2_EBS_ENCRYPTION_BY_DEFAULT": ("ENC-04", "aws:ebs/encryptionByDefault:EncryptionByDefault"),
    "EC2_INSTANCE_MANAGED_BY_SSM": ("CM-03", "aws:ec2/instance:Instance"),
    "EC2_INSTANCE_PROFILE_ATTACHED": ("AC-13", "aws:ec2/instance:Instance"),
    "EC2_RESOURCES_PROTECTED_BY_BACKUP_PLAN": ("BCP-01", "aws:ec2/instance:Instance"),
    "EFS_IN_BACKUP_PLAN": ("BCP-01", "aws:efs/fileSystem:FileSystem"),
    "IAM_USER_UNUSED_CREDENTIALS_CHECK": ("AC-04", "aws:iam/accessKey:AccessKey"),
    "RDS_AUTOMATIC_MINOR_VERSION_UPGRADE_ENABLED": ("VM-03", "aws:rds/clusterInstance:ClusterInstance"),
    "RDS_CLUSTER_MULTI_AZ_ENABLED": ("BCP-04", "aws:rds/cluster:Cluster"),
    "RDS_ENHANCED_MONITORING_ENABLED": ("AUD-07", "aws:rds/clusterInstance:ClusterInstance"),
    "RDS_INSTANCE_PUBLIC_ACCESS_CHECK": ("SEG-07", "aws:rds/instance:Instance"),
    "RDS_LOGGING_ENABLED": ("AUD-05", "aws:rds/instance:Instance"),
    "RDS_SNAPSHOTS_PUBLIC_PROHIBITED": ("AC-05", "aws:rds/snapshot:Snapshot"),
    "S3_VERSION_LIFECYCLE_POLICY_CHECK": ("INT-01", "aws:s3/bucket:Bucket"),
    "SSM_DOCUMENT_NOT_PUBLIC": ("AC-05", "aws:ssm/document:Document"),
}


def test_every_rule_of_the_pack_has_one_row() -> None:
    rows = [*RULES.controls, *RULES.refused, *RULES.not_applicable]
    assert len(rows) == len(set(rows)) == IN_PACK
    assert not set(rows) & set(RULES.other_packs)


def test_every_named_control_is_in_the_table() -> None:
    named = {control for asking in (*RULES.controls.values(), *RULES.other_packs.values()) for control in asking}
    assert named <= set(table().rows)
    assert all(RULES.controls.values())


@pytest.mark.parametrize("rule", EVALUATED)
def test_a_control_evaluates_the_kind_of_its_rule(rule: str) -> None:
    control, kind = EVALUATED[rule]
    assert control in RULES.controls[rule]
    assert any(kind in known.kinds for known in rules() if known.control == control)


@pytest.mark.parametrize("module", sorted(set(RULES.refused.values())))
def test_a_service_that_is_not_allowed_is_refused(module: str) -> None:
    seed = extra("INV-03", build(f"aws:{module}/thing:Thing", "x", {}))
    [(_, graph)] = seed.broken(list(world.resources()))
    assert statuses(results(graph, None, "INV-03"), "INV-03") & BROKEN


def test_a_rule_that_does_not_apply_has_a_reason() -> None:
    assert all(reason.endswith(".") and len(reason.split()) > 8 for reason in RULES.not_applicable.values())


def test_a_control_lists_its_rules() -> None:
    assert set(RULES.rules_of("SEG-10")) == {"EKS_ENDPOINT_NO_PUBLIC_ACCESS"}
    assert "RDS_INSTANCE_PUBLIC_ACCESS_CHECK" in RULES.rules_of("SEG-07")
