"""What statements that create a login of PostgreSQL give."""

import pytest

from infra.vault.database_secrets import creation_statements
from policy_pack.facts.postgres.statements import ROLE_OPTION, Privilege, privileges

LOGIN = """CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' NOINHERIT"""
MEMBER = "all privileges of the role"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (LOGIN, []),
        (f"{LOGIN} SUPERUSER", [Privilege("superuser", ROLE_OPTION, "SUPERUSER")]),
        (
            f"{LOGIN} BYPASSRLS CREATEROLE",
            [Privilege("bypassrls", ROLE_OPTION, "BYPASSRLS"), Privilege("createrole", ROLE_OPTION, "CREATEROLE")],
        ),
        (
            f'{LOGIN} IN ROLE readers, "Writers"',
            [Privilege(MEMBER, "role", "role readers"), Privilege(MEMBER, "role", "role Writers")],
        ),
        (f"{LOGIN} CONNECTION LIMIT 5 NOSUPERUSER", []),
        (
            LOGIN.replace("'{{password}}'", "'fixed'"),
            [Privilege("a password that is not generated", ROLE_OPTION, "PASSWORD")],
        ),
        (
            LOGIN.replace("'{{expiration}}'", "'infinity'"),
            [Privilege("a login that does not expire", ROLE_OPTION, "VALID UNTIL")],
        ),
        ('ALTER ROLE "{{name}}" REPLICATION', [Privilege("replication", ROLE_OPTION, "REPLICATION")]),
        ("ALTER USER administrator LOGIN", [Privilege("create or change", ROLE_OPTION, "role administrator")]),
        (
            'GRANT SELECT, INSERT ON visits TO "{{name}}"',
            [Privilege("insert", "table", "visits"), Privilege("select", "table", "visits")],
        ),
        ("GRANT SELECT (a, b) ON TABLE x.visits TO {{name}}", [Privilege("select", "table", "TABLE x.visits", "x")]),
        (
            'GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA x, y TO "{{name}}"',
            [Privilege("all privileges", "table", "ALL TABLES IN SCHEMA x, y", schema) for schema in "xy"],
        ),
        (
            'GRANT CONNECT ON DATABASE south TO "{{name}}"',
            [Privilege("connect", "database", "DATABASE south", "south")],
        ),
        ('GRANT USAGE ON FOREIGN SERVER other TO "{{name}}"', [Privilege("usage", "foreign", "FOREIGN SERVER other")]),
        (
            'GRANT readers TO "{{name}}" WITH ADMIN OPTION',
            [
                Privilege(MEMBER, "role", "role readers"),
                Privilege("grant to others", ROLE_OPTION, "GRANT to {{name}} WITH ADMIN OPTION"),
            ],
        ),
        (
            "GRANT SELECT ON x.visits TO PUBLIC",
            [
                Privilege("select", "table", "x.visits", "x"),
                Privilege("grant to others", ROLE_OPTION, "GRANT to PUBLIC"),
            ],
        ),
        (
            'ALTER DEFAULT PRIVILEGES IN SCHEMA x GRANT SELECT ON TABLES TO "{{name}}"',
            [Privilege("select", "table", "future TABLES in schema x", "x")],
        ),
        (
            'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO "{{name}}"',
            [Privilege("select", "table", "future TABLES in schema any schema", "any schema")],
        ),
    ],
)
def test_a_statement_gives_its_privileges(statement: str, expected: list[Privilege]) -> None:
    assert privileges([statement]) == (expected, [])


@pytest.mark.parametrize(
    "statement",
    [
        "GRANT nonsense",
        "DO $$ BEGIN EXECUTE 'x' END $$",
        "SELECT 1",
        'ALTER ROLE "{{name}}" SET row_security = off',
        "CREATE ROLE",
        "GRANT SELECT ON TO x",
        "GRANT SELECT ON visits TO",
        "CREATE EXTENSION x",
        "-- GRANT SELECT ON visits TO x",
    ],
)
def test_a_statement_that_is_not_understood_is_named(statement: str) -> None:
    assert privileges([statement]) == ([], [" ".join(statement.split()[:6])])


def test_a_semicolon_in_a_text_ends_no_statement() -> None:
    read, unread = privileges([LOGIN.replace("{{password}}", "a;b") + "; GRANT readers TO {{name}};"])
    assert unread == []
    assert {one.privilege for one in read} == {"a password that is not generated", MEMBER}


def test_the_statements_of_the_program_are_understood() -> None:
    read, unread = privileges(creation_statements("north", "analyst"))
    assert unread == []
    assert read == [Privilege(MEMBER, "role", "role north-analyst")]
