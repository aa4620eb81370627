"""The backups of the compliant stack's data stores, and the drills that restore them."""

from policy_pack.stack.graph import Resource
from tests.policy.builders import build, tags
from tests.policy.world.aws import CLASSES, PLATFORM_KEY, role_arn


def backups(hospitals: tuple[str, ...]) -> list[Resource]:
    """Return backups of all PHI stores."""
    chosen = [f"arn:aws:s3:::hmlops-prod-{name}-{data}" for name in hospitals for data in CLASSES]
    away = "arn:aws:backup:us-west-2:123456789012:backup-vault:dr"
    rule = {
        "ruleName": "daily",
        "targetVaultName": "vault",
        "schedule": "cron(0 3 * * ? *)",
        "startWindow": 60,
        "completionWindow": 480,
        "lifecycle": {"deleteAfter": 90},
        "copyActions": [{"destinationVaultArn": away}],
    }
    weekly = {
        "ruleName": "weekly",
        "targetVaultName": "vault",
        "schedule": "cron(0 3 ? * SUN *)",
        "lifecycle": {"deleteAfter": 90},
    }
    selection = {"planId": "plan-1", "iamRoleArn": role_arn("backup")}
    return [
        build(
            "aws:backup/vault:Vault",
            "vault",
            {"name": "vault", "kmsKeyArn": PLATFORM_KEY, "tags": tags()},
            protect=True,
        ),
        build(
            "aws:backup/vaultLockConfiguration:VaultLockConfiguration",
            "vault",
            {"backupVaultName": "vault", "minRetentionDays": 35, "changeableForDays": 3},
        ),
        build("aws:backup/plan:Plan", "plan", {"id": "plan-1", "rules": [rule, weekly]}),
        build("aws:backup/selection:Selection", "buckets", {**selection, "resources": chosen}),
        build(
            "aws:backup/selection:Selection",
            "databases",
            selection
            | {"selectionTags": [{"type": "STRINGEQUALS", "key": "healthcare-mlops/backup", "value": "daily"}]},
        ),
        build(
            "aws:backup/restoreTestingPlan:RestoreTestingPlan",
            "drill",
            {
                "name": "drill",
                "scheduleExpression": "cron(0 9 1 * ? *)",
                "startWindowHours": 8,
                "recoveryPointSelection": {"includeVaults": ["*"], "recoveryPointTypes": ["SNAPSHOT", "CONTINUOUS"]},
            },
        ),
        *(
            build(
                "aws:backup/restoreTestingSelection:RestoreTestingSelection",
                f"drill-{name}",
                {
                    "restoreTestingPlanName": "drill",
                    "protectedResourceType": name,
                    "iamRoleArn": role_arn("backup"),
                    "validationWindowHours": 24,
                },
            )
            for name in ("S3", "Aurora", "RDS", "EBS", "EC2")
        ),
        build("aws:inspector2/enabler:Enabler", "scans", {"resourceTypes": ["EC2", "ECR"]}),
    ]
