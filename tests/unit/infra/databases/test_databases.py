"""PostgreSQL and Kafka of a declared network, and the logins that Vault makes."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.vault.database_roles import login_roles
from infra.vault.database_secrets import creation_statements
from tests.support.stack.mocked_stack import (
    ADMINISTRATOR_ARN,
    Declared,
    Stack,
    database_authorities,
    declare,
    like,
    settings,
)


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


def test_vault_verifies_the_database_by_the_authorities_of_the_settings(prod: Stack) -> None:
    connection = one(prod, "vault:database/secretBackendConnection:SecretBackendConnection").inputs["postgresql"]
    assert connection["tlsCa"] == database_authorities()
    assert connection["connectionUrl"].endswith("?sslmode=verify-full")


def test_the_administrator_s_secret_is_read_by_one_role_and_through_secrets_manager_alone(prod: Stack) -> None:
    policies = {policy.name: json.loads(policy.inputs["policy"]) for policy in prod.of("RolePolicy")}
    allowed = {name: [s for s in policy["Statement"] if s["Effect"] == "Allow"] for name, policy in policies.items()}
    readers = {name for name, statements in allowed.items() if "secretsmanager:GetSecret" in json.dumps(statements)}
    assert readers == {"north-database-setup-secret"}
    reading, decrypting = policies["north-database-setup-secret"]["Statement"]
    assert reading == {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": ADMINISTRATOR_ARN}
    via = {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}}
    key = "arn:aws:kms:us-east-1:123456789012:key/database"
    assert decrypting == {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key, "Condition": via}


def test_the_key_of_the_secret_lets_tagged_roles_decrypt_and_nothing_more(prod: Stack) -> None:
    [key] = [r for r in prod.resources if (r.type, r.name) == ("aws:kms/key:Key", "database")]
    [statement] = [s for s in json.loads(key.inputs["policy"])["Statement"] if s["Sid"] == "SecretReaders"]
    assert statement["Action"] == "kms:Decrypt"
    tag = "healthcare-mlops/administers"
    assert statement["Condition"] == {
        "StringEquals": {
            "kms:CallerAccount": "123456789012",
            "kms:ViaService": "secretsmanager.us-east-1.amazonaws.com",
            f"aws:PrincipalTag/{tag}": "database",
        }
    }
    tagged = {role.name for role in prod.of("Role") if role.inputs.get("tags", {}).get(tag) == "database"}
    assert tagged == {"north-database-setup"}


def rules(stack: Stack, kind: str) -> set[tuple[str, str, int]]:
    """Return group, network and port of the rules of security groups that name a network."""
    of_networks = [rule.inputs for rule in stack.of(kind) if rule.inputs.get("cidrIpv4")]
    return {(rule["securityGroupId"], rule["cidrIpv4"], int(rule["fromPort"])) for rule in of_networks}


def test_vault_alone_reaches_the_database_from_outside(prod: Stack) -> None:
    group = "network-database-id"
    reaching = {rule for rule in rules(prod, "SecurityGroupIngressRule") if rule[0] == group}
    assert reaching == {(group, "10.41.0.0/24", 5432)}


def test_nodes_reach_each_identity_provider_by_one_rule(tmp_path: Path) -> None:
    def two_more(written: dict[str, Any]) -> None:
        [first] = written["hospitals"]
        shared = like(first, "south", network="10.51.0.0/24")
        own = like(first, "west", network="10.52.0.0/24")
        own["signIn"] |= {"issuer": "https://login.west.example", "network": "10.52.0.0/24"}
        written["hospitals"] += [shared, own]

    stack = declare(settings("prod", tmp_path, two_more))
    egress = [rule for rule in rules(stack, "SecurityGroupEgressRule") if rule[0] == "network-nodes-id"]
    networks = {network for _, network, port in egress if port == 443}
    assert {"10.41.1.0/24", "10.50.1.0/28", "10.52.0.0/24"} <= networks
    declared = [rule.inputs for rule in stack.of("SecurityGroupEgressRule") if rule.inputs.get("cidrIpv4")]
    assert len(declared) == len({(rule["cidrIpv4"], rule["fromPort"]) for rule in declared})


def test_the_database_answers_vault_over_its_peering(tmp_path: Path) -> None:
    def peered(written: dict[str, Any]) -> None:
        own = {"name": "vault", "vpc": "vpc-0a1b2c3d", "account": "1" * 12, "network": "10.41.0.0/16"}
        other = {"name": "hq", "vpc": "vpc-0a1b2c3e", "account": "1" * 12, "network": "10.60.0.0/16"}
        written["networks"]["peers"] = [own, other]
        written["gateway"]["network"] = "10.42.1.0/24"

    routes = {route.name for route in declare(settings("prod", tmp_path, peered)).of("Route")}
    assert routes == {
        *(f"network-peer-{peer}-{zone}" for peer in ("vault", "hq") for zone in "abc"),
        *(f"network-peer-vault-data-{zone}" for zone in "abc"),
    }


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
