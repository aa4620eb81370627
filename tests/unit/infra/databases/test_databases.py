"""PostgreSQL and Kafka of a declared network, and the logins that Vault makes."""

from pathlib import Path

import pytest

from infra.vault.database_roles import login_roles
from infra.vault.database_secrets import creation_statements
from tests.support.mocked_stack import Declared, Stack, declare, settings


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("prod", tmp_path_factory.mktemp("prod")))


def one(stack: Stack, type_: str) -> Declared:
    [found] = [resource for resource in stack.resources if resource.type == type_]
    return found


def test_the_database_is_encrypted_private_and_hard_to_delete(prod: Stack) -> None:
    cluster = one(prod, "aws:rds/cluster:Cluster").inputs
    assert cluster["storageEncrypted"]
    assert (
        cluster["kmsKeyId"] == cluster["masterUserSecretKmsKeyId"] == "arn:aws:kms:us-east-1:123456789012:key/database"
    )
    assert cluster["iamDatabaseAuthenticationEnabled"]
    assert cluster["deletionProtection"]
    assert not cluster["skipFinalSnapshot"]
    assert cluster["backupRetentionPeriod"] == 35
    assert cluster["tags"]["healthcare-mlops/backup"] == "daily"
    group = one(prod, "aws:rds/subnetGroup:SubnetGroup")
    assert set(group.inputs["subnetIds"]) == {f"network-data-{zone}-id" for zone in "abc"}


def test_nobody_wrote_a_password_of_the_database(prod: Stack) -> None:
    assert one(prod, "aws:rds/cluster:Cluster").inputs["manageMasterUserPassword"]
    assert "masterPassword" not in one(prod, "aws:rds/cluster:Cluster").inputs
    connection = one(prod, "vault:database/secretBackendConnection:SecretBackendConnection")
    assert "password" not in connection.inputs["postgresql"]


def test_the_database_takes_tls_alone_and_records_statements_without_their_values(prod: Stack) -> None:
    given = one(prod, "aws:rds/clusterParameterGroup:ClusterParameterGroup").inputs["parameters"]
    values = {entry["name"]: entry["value"] for entry in given}
    assert values["rds.force_ssl"] == "1"
    assert "pgaudit" in values["shared_preload_libraries"]
    assert {"ddl", "role", "read", "write"} <= set(values["pgaudit.log"].split(","))
    assert values["pgaudit.log_parameter"] == values["log_parameter_max_length_on_error"] == "0"


def test_the_database_survives_the_loss_of_a_zone(prod: Stack) -> None:
    members = [one for one in prod.resources if one.type == "aws:rds/clusterInstance:ClusterInstance"]
    assert {member.inputs["availabilityZone"] for member in members} == {"us-east-1a", "us-east-1b"}
    assert not any(member.inputs["publiclyAccessible"] for member in members)
    assert {member.inputs["monitoringInterval"] for member in members} == {60}


def test_brokers_take_tls_and_iam_alone_and_lose_nothing(prod: Stack) -> None:
    cluster = one(prod, "aws:msk/cluster:Cluster").inputs
    assert cluster["encryptionInfo"]["encryptionInTransit"] == {"clientBroker": "TLS", "inCluster": True}
    assert cluster["encryptionInfo"]["encryptionAtRestKmsKeyArn"].endswith("/streaming")
    assert cluster["clientAuthentication"] == {"sasl": {"iam": True}}
    assert cluster["numberOfBrokerNodes"] == len(cluster["brokerNodeGroupInfo"]["clientSubnets"]) == 3
    properties = one(prod, "aws:msk/configuration:Configuration").inputs["serverProperties"].splitlines()
    assert {"auto.create.topics.enable=false", "min.insync.replicas=2"} <= set(properties)


def test_vault_makes_short_logins_of_one_hospital_s_database(prod: Stack) -> None:
    connection = one(prod, "vault:database/secretBackendConnection:SecretBackendConnection").inputs
    assert connection["postgresql"]["connectionUrl"] == (
        "postgresql://{{username}}:{{password}}@x.rds.amazonaws.com:5432/north-planning?sslmode=verify-full"
    )
    assert connection["allowedRoles"] == sorted(login_roles())
    roles = prod.of("SecretBackendRole")
    made = [role.inputs for role in roles if role.type == "vault:database/secretBackendRole:SecretBackendRole"]
    assert {(role["backend"], role["dbName"], role["maxTtl"]) for role in made} == {
        ("north/database", "postgresql", 3600)
    }


def test_a_login_is_a_member_of_one_group_role_and_gets_nothing_else() -> None:
    [statement] = creation_statements("north", "analyst")
    assert statement.endswith('INHERIT IN ROLE "north-analyst";')
    assert "GRANT" not in statement


def test_no_login_owns_tables_or_is_a_coordinator_without_the_service() -> None:
    assert not {"owner", "coordinator"} & set(login_roles().values())
    assert login_roles()["ml-training"] == "trainer"


def test_a_stack_without_a_network_of_its_own_uses_the_server_of_its_settings(tmp_path: Path) -> None:
    stack = declare(settings("dev", tmp_path))
    assert not [resource.type for resource in stack.resources if resource.type.startswith(("aws:rds/", "aws:msk/"))]
    connections = [one for one in stack.resources if one.type.endswith(":SecretBackendConnection")]
    assert {one.inputs["postgresql"]["connectionUrl"] for one in connections} == {
        f"postgresql://{{{{username}}}}:{{{{password}}}}@172.31.250.1:5432/{hospital}-planning?sslmode=verify-full"
        for hospital in ("north", "south")
    }
    jobs = {one.name: one.inputs for one in stack.of("CronJob")}
    [container] = jobs["north-database"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["-m", "services.database", "update", "--hospital", "north"]
    policies = {one.name: one.inputs["policy"] for one in stack.of("RolePolicy")}
    assert "secret:hmlops-postgresql-administrator-??????" in policies["north-database-setup-secret"]
    readers = {name for name, policy in policies.items() if "hmlops-postgresql-administrator" in policy}
    assert readers == {"north-database-setup-secret", "south-database-setup-secret"}


def test_a_stack_without_a_server_has_no_databases(tmp_path: Path) -> None:
    configuration = settings("dev", tmp_path)
    endpoints = configuration.endpoints.model_copy(update={"postgresql": None})
    stack = declare(configuration.model_copy(update={"endpoints": endpoints}))
    assert not [one.name for one in stack.resources if "database" in one.name]
