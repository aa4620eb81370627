"""A production account on the emulator: operations by name, ids that a kill does not change, and what is unknown."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.aws.aws_emulator_server import Emulator

pytestmark = pytest.mark.process

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/auditor"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = Emulator(tmp_path_factory.mktemp("emulator"))
    running.start()
    yield running
    running.kill()


def code(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("ec2", "describe_verified_access_groups", {}),
        ("rds", "describe_source_regions", {}),
        ("cloudwatch", "describe_alarm_contributors", {"AlarmName": "a"}),
        ("ssm", "get_service_setting", {"SettingId": "a"}),
        ("eks", "list_addons", {"clusterName": "a"}),
        ("eks", "list_pod_identity_associations", {"clusterName": "a"}),
        ("backup", "list_restore_testing_plans", {}),
        ("securityhub", "get_enabled_standards", {}),
        ("accessanalyzer", "list_analyzers", {}),
    ],
)
def test_what_is_not_emulated_says_so(
    emulator: Emulator, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    assert code(getattr(emulator.client(service), operation), **arguments) == ("NotEmulated", 501)


def test_what_is_absent_is_no_unknown_operation(emulator: Emulator) -> None:
    assert code(emulator.client("eks").describe_cluster, name="absent") == ("ResourceNotFoundException", 404)
    assert code(emulator.client("kafka").describe_cluster_v2, ClusterArn="absent")[0] == "NotFoundException"


def test_brokers_are_named_by_how_they_are_reached(emulator: Emulator) -> None:
    kafka = emulator.client("kafka")
    made = kafka.create_cluster(
        ClusterName="streams",
        KafkaVersion="3.9.x",
        NumberOfBrokerNodes=2,
        BrokerNodeGroupInfo={"InstanceType": "kafka.m7g.large", "ClientSubnets": ["subnet-1"]},
        ClientAuthentication={"Sasl": {"Iam": {"Enabled": True}, "Scram": {"Enabled": False}}},
    )
    told = kafka.get_bootstrap_brokers(ClusterArn=made["ClusterArn"])
    assert {name for name in told if name.startswith("Bootstrap")} == {"BootstrapBrokerStringSaslIam"}
    assert [name.rpartition(":")[2] for name in told["BootstrapBrokerStringSaslIam"].split(",")] == ["9098", "9098"]
    assert kafka.describe_cluster(ClusterArn=made["ClusterArn"])["ClusterInfo"]["State"] == "ACTIVE"
    assert code(kafka.get_bootstrap_brokers, ClusterArn="absent")[0] == "NotFoundException"
    kafka.delete_cluster(ClusterArn=made["ClusterArn"])


def test_a_configuration_of_brokers_has_revisions(emulator: Emulator) -> None:
    kafka = emulator.client("kafka")
    arn = kafka.create_configuration(Name="strict", ServerProperties=b"auto.create.topics.enable=false")["Arn"]
    assert kafka.update_configuration(Arn=arn, ServerProperties=b"")["LatestRevision"]["Revision"] == 2
    assert kafka.describe_configuration(Arn=arn)["LatestRevision"]["Revision"] == 2
    kafka.delete_configuration(Arn=arn)
    assert code(kafka.describe_configuration, Arn=arn)[0] == "NotFoundException"


def auditor(emulator: Emulator, *actions: str) -> dict[str, str]:
    """Return the keys of a session that may do the given actions alone."""
    iam = emulator.client("iam")
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/hmlops-admin"}
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    if not any(role["RoleName"] == "auditor" for role in iam.list_roles()["Roles"]):
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam.create_role(RoleName="auditor", AssumeRolePolicyDocument=document)
    allow = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName="auditor", PolicyName="audit", PolicyDocument=document)
    made = emulator.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="audit")["Credentials"]
    return {
        "aws_access_key_id": made["AccessKeyId"],
        "aws_secret_access_key": made["SecretAccessKey"],
        "aws_session_token": made["SessionToken"],
    }


def test_operations_are_authorised_by_their_real_names(emulator: Emulator) -> None:
    keys = auditor(
        emulator,
        *("backup:ListBackupVaults", "cloudwatch:DescribeAlarms", "eks:ListClusters", "guardduty:ListDetectors"),
        *("kafka:ListClustersV2", "s3:GetAccountPublicAccessBlock", "sqs:ListQueues"),
    )
    emulator.client("backup", **keys).list_backup_vaults()
    emulator.client("cloudwatch", **keys).describe_alarms()
    emulator.client("eks", **keys).list_clusters()
    emulator.client("guardduty", **keys).list_detectors()
    emulator.client("kafka", **keys).list_clusters_v2()
    emulator.client("sqs", **keys).list_queues()
    denied = "AccessDeniedException"
    assert code(emulator.client("backup", **keys).create_backup_vault, BackupVaultName="v")[0] == denied
    assert code(emulator.client("eks", **keys).delete_cluster, name="c")[0] == denied
    assert code(emulator.client("guardduty", **keys).create_detector, Enable=True)[0] == denied
    assert code(emulator.client("kafka", **keys).list_clusters)[0] == denied
    assert code(emulator.client("rds", **keys).describe_db_clusters)[0] == "AccessDenied"
    assert code(emulator.client("ec2", **keys).describe_vpcs)[0] == "AccessDenied"


def network(emulator: Emulator, region: str) -> list[str]:
    """Declare a network and return its ids."""
    ec2 = emulator.client("ec2", region=region)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{region}.s3")
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData={"InstanceType": "m7i.large"})
    return [subnet, group]


def data(emulator: Emulator, region: str, subnet: str, group: str) -> None:
    """Declare a database, streams, a vault and a secret."""

    def client(service: str) -> Any:
        return emulator.client(service, region=region)

    client("rds").create_db_subnet_group(DBSubnetGroupName="g", DBSubnetGroupDescription="g", SubnetIds=[subnet])
    client("rds").create_db_cluster(
        DBClusterIdentifier="d", Engine="aurora-postgresql", MasterUsername="a", MasterUserPassword="a-password"
    )
    client("kafka").create_cluster_v2(
        ClusterName="k",
        Provisioned={
            "BrokerNodeGroupInfo": {
                "ClientSubnets": [subnet],
                "InstanceType": "kafka.m7g.large",
                "SecurityGroups": [group],
            },
            "KafkaVersion": "3.9.x",
            "NumberOfBrokerNodes": 3,
        },
    )
    client("backup").create_backup_vault(BackupVaultName="v")
    rule = {"RuleName": "r", "TargetBackupVaultName": "v", "ScheduleExpression": "cron(0 5 * * ? *)"}
    client("backup").create_backup_plan(BackupPlan={"BackupPlanName": "p", "Rules": [rule]})
    client("secretsmanager").create_secret(Name="s", SecretString="x")
    client("ecr").create_repository(repositoryName="models")


def watch(emulator: Emulator, region: str) -> None:
    """Declare what watches."""

    def client(service: str) -> Any:
        return emulator.client(service, region=region)

    topic = client("sns").create_topic(Name="alarms")["TopicArn"]
    client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.org")
    client("sqs").create_queue(QueueName="q")
    client("logs").create_log_group(logGroupName="/flow")
    client("events").put_rule(Name="r", EventPattern='{"source": ["aws.kms"]}')
    client("guardduty").create_detector(Enable=True)
    client("securityhub").enable_security_hub(EnableDefaultStandards=False)
    client("macie2").enable_macie()
    client("wafv2").create_web_acl(
        Name="w",
        Scope="REGIONAL",
        DefaultAction={"Allow": {}},
        VisibilityConfig={"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "w"},
    )


def declared(emulator: Emulator, region: str) -> dict[str, list[str]]:
    """Return the names and ids of everything that was declared in a region."""

    def read(service: str, operation: str, field: str, *names: str, **arguments: Any) -> list[str]:
        answer = getattr(emulator.client(service, region=region), operation)(**arguments)[field]
        items = answer if isinstance(answer, list) else [answer]
        return sorted(str([item[name] for name in names]) if names else str(item) for item in items)

    return {
        "vpcs": read("ec2", "describe_vpcs", "Vpcs", "VpcId"),
        "subnets": read("ec2", "describe_subnets", "Subnets", "SubnetId"),
        "addresses": read("ec2", "describe_addresses", "Addresses", "AllocationId", "PublicIp"),
        "gateways": read("ec2", "describe_nat_gateways", "NatGateways", "NatGatewayId"),
        "endpoints": read("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
        "rules": read("ec2", "describe_security_group_rules", "SecurityGroupRules", "SecurityGroupRuleId", "GroupId"),
        "templates": read("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
        "databases": read("rds", "describe_db_clusters", "DBClusters", "DbClusterResourceId", "Endpoint"),
        "streams": read("kafka", "list_clusters_v2", "ClusterInfoList", "ClusterArn"),
        "vaults": read("backup", "list_backup_vaults", "BackupVaultList", "BackupVaultArn"),
        "plans": read("backup", "list_backup_plans", "BackupPlansList", "BackupPlanId", "VersionId"),
        "secrets": read("secretsmanager", "list_secrets", "SecretList", "ARN"),
        "repositories": read("ecr", "describe_repositories", "repositories", "repositoryArn"),
        "subscriptions": read("sns", "list_subscriptions", "Subscriptions", "SubscriptionArn"),
        "queues": read("sqs", "list_queues", "QueueUrls"),
        "logs": read("logs", "describe_log_groups", "logGroups", "arn"),
        "events": read("events", "list_rules", "Rules", "Arn"),
        "detectors": read("guardduty", "list_detectors", "DetectorIds"),
        "hub": read("securityhub", "describe_hub", "HubArn"),
        "macie": read("macie2", "get_macie_session", "status"),
        "firewalls": read("wafv2", "list_web_acls", "WebACLs", "Id", "ARN", Scope="REGIONAL"),
    }


def test_a_production_account_survives_a_kill_with_its_ids(tmp_path: Path) -> None:
    regions = ("us-east-1", "us-west-2")
    emulator = Emulator(tmp_path / "own")
    emulator.start()
    try:
        for region in regions:
            data(emulator, region, *network(emulator, region))
            watch(emulator, region)
        before = {region: declared(emulator, region) for region in regions}
        assert all(found for region in regions for found in before[region].values())
        assert before["us-east-1"]["vpcs"] != before["us-west-2"]["vpcs"]
        emulator.restart()
        # Read in another order: what a region has from the start must not depend on who asks first.
        assert {region: declared(emulator, region) for region in reversed(regions)} == before
        assert "at replay" not in emulator.log()
    finally:
        emulator.kill()
