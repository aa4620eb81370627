"""Grants of database roles and PKI roles, to their users and to whoever can use them."""

from typing import Any

import pytest

from infra.vault.database_secrets import creation_statements
from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.evaluators import all_grants
from policy_pack.facts.grants.grant import EVERYTHING, Grant
from policy_pack.facts.postgres import group_roles
from policy_pack.facts.postgres.group_roles import GroupTable
from policy_pack.facts.verbs import Verb
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import UNKNOWN
from tests.policy import world
from tests.policy.builders import STACK, build

DATABASE_ROLE = "vault:database/secretBackendRole:SecretBackendRole"
STATEMENTS = [
    "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' NOINHERIT;",
    'GRANT CONNECT ON DATABASE "north" TO "{{name}}";',
    'GRANT USAGE ON SCHEMA readmission TO "{{name}}";',
    'GRANT SELECT ON ALL TABLES IN SCHEMA readmission TO "{{name}}";',
]
READER = "database login database/reader"


def grants(*resources: Resource) -> set[Grant]:
    found = all_grants(AccessContext(Graph([*world.resources(), *resources], STACK), world.settings()))
    return {
        one
        for one in found
        if "database" in one.data.name or one.data.name == EVERYTHING or "certificate" in one.data.name
    }


def reader(statements: Any, **more: Any) -> Resource:
    values = {"backend": "north/database", "name": "reader", "dbName": "main", "creationStatements": statements, **more}
    return build(DATABASE_ROLE, "north-reader", values)


def connection(username: Any = "vault_north", database: str = "north") -> Resource:
    url = f"postgresql://{{{{username}}}}:{{{{password}}}}@db:5432/{database}?sslmode=verify-full"
    postgresql = {"connectionUrl": url, "username": username}
    values = {"backend": "north/database", "name": "main", "postgresql": postgresql}
    return build("vault:database/secretBackendConnection:SecretBackendConnection", "main", values)


def places(found: set[Grant], subject: str) -> set[tuple[str, Verb | None]]:
    return {
        (one.data.name.removesuffix(" (not described in access.yaml)"), one.verb)
        for one in found
        if one.subject.name == subject
    }


def test_a_database_role_has_the_privileges_of_its_statements() -> None:
    found = grants(connection(), reader(STATEMENTS))
    assert places(found, READER) == {
        ("database north", Verb.LIST),
        ("database", Verb.LIST),
        ("database", Verb.READ),
    }
    assert places(found, "Vault connection database") == {("database-account", Verb.ADMINISTER)}


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ('GRANT SELECT ON ALL TABLES IN SCHEMA secret TO "{{name}}"', ("database north/secret", Verb.READ)),
        ('GRANT CONNECT ON DATABASE south TO "{{name}}"', ("database south", Verb.LIST)),
        ('GRANT DELETE ON readmission.t TO "{{name}}"', ("database", Verb.DELETE)),
        ('GRANT TRIGGER ON readmission.t TO "{{name}}"', ("database", Verb.ADMINISTER)),
        ('GRANT ALL ON readmission.t TO "{{name}}"', ("database", Verb.ADMINISTER)),
        ('ALTER ROLE "{{name}}" BYPASSRLS', ("database north (BYPASSRLS)", Verb.ADMINISTER)),
        ('GRANT rds_superuser TO "{{name}}"', ("database north (role rds_superuser)", Verb.ADMINISTER)),
        ("DO $$ something $$", (EVERYTHING, None)),
    ],
)
def test_a_wider_statement_is_a_wider_grant(statement: str, place: tuple[str, Verb | None]) -> None:
    for field in ("creationStatements", "renewStatements"):
        more = {"renewStatements": [statement]} if field == "renewStatements" else {}
        statements = [*STATEMENTS, statement] if not more else STATEMENTS
        assert place in places(grants(connection(), reader(statements, **more)), READER)


def program_places(group: str) -> set[tuple[str, Verb | None]]:
    return places(grants(connection(), reader(creation_statements("north", group))), READER)


def undescribed(place: str) -> str:
    """Return the place of the program's databases, which the table of these tests does not describe."""
    return f"database north-{place}"


def test_a_member_of_a_group_role_has_what_the_table_of_grants_says() -> None:
    assert program_places("trainer") == {
        (undescribed("warehouse"), Verb.LIST),
        (undescribed("warehouse/warehouse"), Verb.READ),
    }
    writer = {verb for place, verb in program_places("warehouse-writer") if place == undescribed("warehouse/warehouse")}
    assert writer == {Verb.READ, Verb.WRITE, Verb.DELETE}


def test_a_member_of_the_owner_role_administers_every_database() -> None:
    for schema in ("care", "planning", "audit", "warehouse"):
        assert (undescribed(f"{schema}/{schema}"), Verb.ADMINISTER) in program_places("owner")


def test_a_member_has_the_privileges_of_roles_that_it_may_switch_to() -> None:
    rows = GroupTable.model_validate(
        {
            "roles": {
                "a": {"databases": ["care"], "purpose": "TREAT", "set_role": ["b"]},
                "b": {"databases": ["care"], "purpose": "TREAT"},
            },
            "grants": {"care": [{"role": "b", "table": "t", "verbs": ["delete"]}]},
            "functions": {"care": [{"role": "b", "function": "f"}]},
        }
    )
    found = group_roles.privileges("north-a", rows) or []
    assert [(one.privilege, one.object) for one in found] == [
        ("connect", "database north-care"),
        ("delete", "care.t"),
        ("execute", "care.f"),
    ]


def test_a_role_that_the_table_does_not_name_is_administration() -> None:
    assert program_places("unknown") == {("database north (role north-unknown)", Verb.ADMINISTER)}
    assert group_roles.privileges("pg_read_all_data") is None


def test_another_database_or_account_is_another_place() -> None:
    found = grants(connection(database="south"), reader(STATEMENTS))
    assert {one.data.hospital for one in found if one.subject.name == READER and one.verb is Verb.READ} == {"south"}
    assert ("database ?/readmission", Verb.READ) in places(grants(reader(STATEMENTS)), READER)
    account = places(grants(connection(username="administrator")), "Vault connection database")
    assert ("database-account north/administrator", Verb.ADMINISTER) in account


def test_statements_that_are_not_known_yet_are_not_certain() -> None:
    found = {one for one in grants(connection(), reader(UNKNOWN)) if one.subject.name == READER}
    assert {(one.data.name, one.certain) for one in found} == {(EVERYTHING, False)}


def test_whoever_can_generate_credentials_has_the_grants_of_the_login() -> None:
    text = 'path "north/database/creds/reader" { capabilities = ["read"] }'
    policy = build("vault:index/policy:Policy", "reader", {"name": "reader", "policy": text})
    role = {
        "roleName": "r",
        "boundServiceAccountNames": ["planner"],
        "boundServiceAccountNamespaces": ["south-serving"],
    }
    login = build("vault:kubernetes/authBackendRole:AuthBackendRole", "r", {**role, "tokenPolicies": ["reader"]})
    found = grants(connection(), reader(STATEMENTS), policy, login)
    [one] = [g for g in found if g.subject.name == "ServiceAccount serving/planner" and g.verb is Verb.READ]
    assert (one.subject.hospital, one.data.hospital) == ("south", "north")
    assert one.path[-2:] == (READER, "database role north-reader: select on ALL TABLES IN SCHEMA readmission")


@pytest.mark.parametrize(
    ("uris", "expected"),
    [
        (["spiffe://hmlops/north/planner"], {"workload-certificate own.planner"}),
        (["spiffe://hmlops/south/planner"], {"other-certificate URI spiffe://hmlops/south/planner"}),
        (["spiffe://hmlops/north/care"], {"other-certificate URI spiffe://hmlops/north/care"}),
        (["spiffe://hmlops/north/*"], {"other-certificate URI spiffe://hmlops/north/*"}),
        (
            ["spiffe://hmlops/north/planner", "spiffe://hmlops/north/care"],
            {"workload-certificate own.planner", "other-certificate URI spiffe://hmlops/north/care"},
        ),
    ],
)
def test_a_workload_s_role_issues_the_uri_of_its_own_service_account(uris: list[str], expected: set[str]) -> None:
    values = {"backend": "north/workload-pki", "name": "planner", "allowedUriSans": uris, "maxTtl": "28800"}
    narrow = {"allowLocalhost": False, "allowIpSans": False}
    role = build("vault:pkiSecret/secretBackendRole:SecretBackendRole", "planner", {**values, **narrow})
    found = [one for one in grants(role) if one.subject.name == "PKI role workload-pki/planner"]
    named = {one.data.name.removesuffix(" (not described in access.yaml)") for one in found}
    assert {name.replace("north/workload-pki/", "") for name in named} == expected
    assert {one.data.hospital for one in found} == {"north"}


def test_certificates_of_another_hospital_are_that_hospital_s() -> None:
    values = {
        "backend": "north/pki",
        "name": "envoy",
        "allowedDomains": ["north.example", "south.example"],
        "maxTtl": "1h",
    }
    narrow = {"allowLocalhost": False, "allowIpSans": False, "clientFlag": False}
    role = build("vault:pkiSecret/secretBackendRole:SecretBackendRole", "envoy", {**values, **narrow})
    found = [one for one in grants(role) if one.subject.name == "PKI role pki/envoy"]
    assert {(one.data.name, one.data.hospital) for one in found} == {
        ("certificates", "north"),
        ("server-certificate south.example of another hospital", "south"),
    }
