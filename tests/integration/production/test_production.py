"""Production applied from nothing on the emulators, and read back as an auditor would: by the account's own API."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from kubernetes import client
from typer.testing import CliRunner

from local.paths import REPOSITORY, Home
from local.rehearsal import rehearsal
from local.stack import environment, jobs
from policy_pack.command import app

REGION, SECOND = "us-east-1", "us-west-2"
HOSPITAL = "north"
CLASSES = {"raw", "curated", "models", "audit", "identity"}


def _local(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "local", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def rehearsed(home: Home) -> Iterator[dict[str, Any]]:
    """Rehearse production; the everyday environment comes back afterwards."""
    before = dict(os.environ)
    try:
        told = _local("rehearse", "--keep", "--json")
        os.environ.update(environment.process(rehearsal.home()))
        found: dict[str, Any] = json.loads(told)
        yield found
    finally:
        os.environ.clear()
        os.environ.update(before)
        _local("rehearse", "--end")
        _local("up")


@pytest.fixture(scope="module")
def state(rehearsed: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rehearsal.state_file().read_text())
    return found


def aws(service: str, region: str = REGION) -> Any:
    # A session of its own: the default one keeps the keys of the everyday environment.
    clients: Any = boto3.Session().client
    return clients(service, region_name=region)


def buckets() -> list[str]:
    return [entry["Name"] for entry in aws("s3").list_buckets()["Buckets"]]


def own_buckets() -> list[str]:
    """Return the hospital's buckets in the first region."""
    found = [name for name in buckets() if f"-{HOSPITAL}-" in name and not name.endswith("-replica")]
    assert {name.rpartition("-")[2] for name in found} == CLASSES
    return found


def test_a_second_run_would_change_nothing(rehearsed: dict[str, Any]) -> None:
    assert rehearsed["unchanged"] is True
    assert rehearsed["resources"] > 400


def test_what_was_only_declared_is_named_and_nothing_else_is(rehearsed: dict[str, Any]) -> None:
    kinds = {name.partition("::")[0].rpartition("$")[2] for name in rehearsed["only_declared"]["notEmulated"]}
    assert all(kind.startswith("aws:") for kind in kinds)
    assert "aws:eks/addon:Addon" in kinds
    assert not {kind for kind in kinds if kind.startswith(("aws:s3/", "aws:kms/", "aws:iam/", "aws:rds/"))}
    charts = {name.partition("::")[0].rpartition("$")[2] for name in rehearsed["only_declared"]["notRun"]}
    assert charts == {"kubernetes:helm.sh/v3:Release"}


def test_each_bucket_of_a_hospital_is_encrypted_by_a_rotating_key_of_its_own() -> None:
    keys = set()
    for name in own_buckets():
        [rule] = aws("s3").get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        default = rule["ApplyServerSideEncryptionByDefault"]
        assert default["SSEAlgorithm"] == "aws:kms"
        assert rule["BucketKeyEnabled"]
        key = default["KMSMasterKeyID"]
        assert aws("kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
        assert aws("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyManager"] == "CUSTOMER"
        keys.add(key)
    assert len(keys) == len(CLASSES)


def test_no_key_lets_one_principal_administer_and_decrypt() -> None:
    service = aws("kms")
    listed = [entry["KeyId"] for page in service.get_paginator("list_keys").paginate() for entry in page["Keys"]]
    assert len(listed) > len(CLASSES)
    for key in listed:
        policy = json.loads(service.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
        allowed = [entry for entry in policy["Statement"] if entry["Effect"] == "Allow"]
        actions = [
            set(entry["Action"] if isinstance(entry["Action"], list) else [entry["Action"]]) for entry in allowed
        ]
        assert all("kms:*" not in each for each in actions)
        assert not [each for each in actions if "kms:Decrypt" in each and "kms:PutKeyPolicy" in each]


def test_every_bucket_is_closed_to_the_public_versioned_and_refuses_plain_http() -> None:
    store = aws("s3")
    for name in buckets():
        closed = store.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        assert all(closed.values()), name
        assert len(closed) == 4
        assert store.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
        policy = json.loads(store.get_bucket_policy(Bucket=name)["Policy"])
        denied = [json.dumps(entry["Condition"]) for entry in policy["Statement"] if entry["Effect"] == "Deny"]
        assert any('"aws:SecureTransport": "false"' in condition for condition in denied), name
        assert any("s3:TlsVersion" in condition for condition in denied), name


def test_audit_records_are_locked_and_copied_to_the_second_region() -> None:
    store = aws("s3")
    [name] = [name for name in own_buckets() if name.endswith("-audit")]
    lock = store.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"]["Mode"] == "COMPLIANCE"
    rules = store.get_bucket_replication(Bucket=name)["ReplicationConfiguration"]["Rules"]
    targets = {rule["Destination"]["Bucket"].rpartition(":")[2] for rule in rules}
    assert targets == {f"{name}-replica"}
    assert store.get_bucket_location(Bucket=f"{name}-replica")["LocationConstraint"] == SECOND


def test_access_to_patients_data_is_recorded() -> None:
    store = aws("s3")
    for name in own_buckets():
        if not name.endswith("-models"):
            assert store.get_bucket_logging(Bucket=name)["LoggingEnabled"]["TargetBucket"] in buckets()
    [trail] = aws("cloudtrail").describe_trails()["trailList"]
    assert trail["IsMultiRegionTrail"]
    assert trail["LogFileValidationEnabled"]
    assert trail["KmsKeyId"]
    assert trail["CloudWatchLogsLogGroupArn"]
    assert aws("cloudtrail").get_trail_status(Name=trail["TrailARN"])["IsLogging"]
    selectors = aws("cloudtrail").get_event_selectors(TrailName=trail["TrailARN"])
    assert "AWS::S3::Object" in json.dumps(selectors)


def test_the_network_is_private_and_watched() -> None:
    ec2 = aws("ec2")
    [vpc] = ec2.describe_vpcs(Filters=[{"Name": "tag:healthcare-mlops/environment", "Values": ["prod"]}])["Vpcs"]
    inside = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    subnets = ec2.describe_subnets(Filters=inside)["Subnets"]
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 3
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in subnets)
    logs = ec2.describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [vpc["VpcId"]]}])["FlowLogs"]
    assert [log["TrafficType"] for log in logs] == ["ALL"]
    default = [{"Name": "group-name", "Values": ["default"]}]
    [group] = ec2.describe_security_groups(Filters=[*inside, *default])["SecurityGroups"]
    assert (group["IpPermissions"], group["IpPermissionsEgress"]) == ([], [])
    gateways = ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc["VpcId"]]}])
    assert gateways["InternetGateways"] == []
    endpoints = ec2.describe_vpc_endpoints(Filters=inside)["VpcEndpoints"]
    assert {"s3", "kms", "sts", "logs", "secretsmanager"} <= {e["ServiceName"].rpartition(".")[2] for e in endpoints}
    for endpoint in endpoints:
        assert '"Principal": "*", "Action": "*", "Resource": "*"' not in endpoint["PolicyDocument"]


def test_the_cluster_is_private_encrypted_and_logged() -> None:
    [name] = aws("eks").list_clusters()["clusters"]
    cluster = aws("eks").describe_cluster(name=name)["cluster"]
    assert cluster["resourcesVpcConfig"]["endpointPublicAccess"] is False
    assert cluster["encryptionConfig"][0]["resources"] == ["secrets"]
    [logging] = cluster["logging"]["clusterLogging"]
    assert logging["enabled"]
    assert len(logging["types"]) == 5
    groups = aws("eks").list_nodegroups(clusterName=name)["nodegroups"]
    taints = [aws("eks").describe_nodegroup(clusterName=name, nodegroupName=group)["nodegroup"] for group in groups]
    assert len([group for group in taints if group.get("taints")]) == len(groups) - 1


def test_stores_are_encrypted_keep_backups_and_survive_a_zone() -> None:
    [database] = aws("rds").describe_db_clusters()["DBClusters"]
    assert database["StorageEncrypted"]
    assert database["KmsKeyId"]
    assert database["IAMDatabaseAuthenticationEnabled"]
    assert database["DeletionProtection"]
    assert database["BackupRetentionPeriod"] == 35
    assert len(aws("rds").describe_db_instances()["DBInstances"]) >= 2
    [listed] = aws("kafka").list_clusters()["ClusterInfoList"]
    stream = aws("kafka").describe_cluster(ClusterArn=listed["ClusterArn"])["ClusterInfo"]
    assert stream["EncryptionInfo"]["EncryptionInTransit"]["ClientBroker"] == "TLS"
    assert stream["EncryptionInfo"]["EncryptionAtRest"]["DataVolumeKMSKeyId"]


def test_backups_are_daily_and_copied_away() -> None:
    service = aws("backup")
    [listed] = service.list_backup_plans()["BackupPlansList"]
    [rule] = service.get_backup_plan(BackupPlanId=listed["BackupPlanId"])["BackupPlan"]["Rules"]
    assert rule["Lifecycle"]["DeleteAfterDays"] >= 35
    assert f":{SECOND}:" in rule["CopyActions"][0]["DestinationBackupVaultArn"]
    assert all(vault["EncryptionKeyArn"] for vault in service.list_backup_vaults()["BackupVaultList"])
    assert len(aws("backup", SECOND).list_backup_vaults()["BackupVaultList"]) == 1


def test_the_account_is_watched() -> None:
    [detector] = aws("guardduty").list_detectors()["DetectorIds"]
    assert aws("guardduty").get_detector(DetectorId=detector)["Status"] == "ENABLED"
    [recorder] = aws("config").describe_configuration_recorder_status()["ConfigurationRecordersStatus"]
    assert recorder["recording"]
    alarms = aws("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len(alarms) >= 4
    assert all(alarm["AlarmActions"] for alarm in alarms)
    policy = aws("iam").get_account_password_policy()["PasswordPolicy"]
    assert policy["MinimumPasswordLength"] >= 14


def test_the_platform_s_objects_are_in_the_cluster_and_the_login_was_that_of_iam(state: dict[str, Any]) -> None:
    own = rehearsal.home()
    with jobs.connect(own) as api:
        core: Any = client.CoreV1Api(api)
        zones = core.list_namespace(label_selector=f"healthcare-mlops/hospital={HOSPITAL}").items
        assert {zone.metadata.name for zone in zones} == {
            f"{HOSPITAL}-{zone}" for zone in ("phi", "serving", "data", "platform")
        }
        enforced = "pod-security.kubernetes.io/enforce"
        assert {zone.metadata.labels[enforced] for zone in zones} == {"restricted"}
        network: Any = client.NetworkingV1Api(api)
        for zone in zones:
            closed = network.read_namespaced_network_policy("default-deny", zone.metadata.name)
            assert set(closed.spec.policy_types) == {"Ingress", "Egress"}
    [provider] = [entry for entry in state["deployment"]["resources"] if entry["type"] == "pulumi:providers:kubernetes"]
    file = own.run / "eks.kubeconfig"
    file.write_text(provider["inputs"]["kubeconfig"])
    done = subprocess.run(
        ["kubectl", "--kubeconfig", str(file), "auth", "whoami", "-o", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    who = json.loads(done.stdout)["status"]["userInfo"]
    assert "arn:aws:iam::123456789012:user/hmlops-admin" in json.dumps(who)
    assert "system:masters" in who["groups"]


def test_the_nightly_audit_of_what_was_deployed_refuses_nothing(state: dict[str, Any], tmp_path: Path) -> None:
    given = ["--state", str(rehearsal.state_file()), "--stack-config", str(rehearsal.stack().config)]
    audited = CliRunner().invoke(app, ["check", *given, "--json"])
    answer = json.loads(audited.output)
    assert audited.exit_code == 0, answer["results"][:5]
    assert answer["resources"] == len(state["deployment"]["resources"])
    written = [
        CliRunner().invoke(app, ["evidence", "--stack", "prod", *given, "--out", str(tmp_path / name)])
        for name in ("one", "two")
    ]
    assert [done.exit_code for done in written] == [0, 0], written[0].output
    once, again = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]
    assert len(once) >= 2


def test_a_workload_of_another_hospital_has_no_right_to_its_objects() -> None:
    simulate = aws("iam")
    roles = [role["RoleName"] for page in simulate.get_paginator("list_roles").paginate() for role in page["Roles"]]
    mine = [role for role in roles if role.startswith(f"hmlops-prod-{HOSPITAL}-")]
    assert len(mine) >= 6
    for role in mine:
        for name in simulate.list_role_policies(RoleName=role)["PolicyNames"]:
            document = simulate.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            resources = json.dumps([entry["Resource"] for entry in document["Statement"]])
            assert ":s3:::hmlops-prod-" not in resources.replace(f":s3:::hmlops-prod-{HOSPITAL}-", "")
