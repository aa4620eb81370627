"""PostgreSQL privileges of the credentials that Vault generates, read from their creation statements."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.facts.access import Access, merge_access
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import DATABASES
from policy_pack.stack.text import known_text, known_texts

ROLE = "vault:database/secretBackendRole:SecretBackendRole"
CONNECTION = "vault:database/secretBackendConnection:SecretBackendConnection"
_GRANT = re.compile(r"GRANT\s+(?P<privileges>.+?)\s+ON\s+(?P<object>.+?)\s+TO\s", re.IGNORECASE | re.DOTALL)
_MEMBERSHIP = re.compile(r"GRANT\s+(?P<role>[^,\s]+(\s*,\s*[^,\s]+)*)\s+TO\s", re.IGNORECASE)
_DEFAULT_PRIVILEGES = re.compile(r"ALTER\s+DEFAULT\s+PRIVILEGES\s+(IN\s+SCHEMA\s+(?P<schema>\S+)\s+)?", re.IGNORECASE)
_GENERATE_CREDENTIALS = "generate credentials"
_WORDS_SHOWN = 6


@dataclass(frozen=True)
class Grant:
    """Privileges on one object of the database."""

    privileges: tuple[str, ...]
    object: str


def grants(statements: list[str]) -> tuple[list[Grant], list[str]]:
    """Return the grants of creation statements, and the beginning of those that cannot be parsed."""
    parsed: list[Grant] = []
    unparsed: list[str] = []
    for text in statements:
        for statement in (part.strip() for part in text.split(";")):
            future = _DEFAULT_PRIVILEGES.match(statement)
            grant_text = statement[future.end() :] if future else statement
            if not grant_text.upper().startswith("GRANT"):
                continue
            grant = _grant(grant_text, f"future {{}} in schema {future['schema'] or 'any'}" if future else "{}")
            if grant:
                parsed.append(grant)
            else:
                # The rest may contain anything, so it is not shown.
                unparsed.append(" ".join(statement.split()[:_WORDS_SHOWN]))
    return parsed, unparsed


def _grant(statement: str, template: str) -> Grant | None:
    match = _GRANT.match(statement)
    if match:
        name = " ".join(match["object"].replace('"', "").split())
        return Grant(tuple(sorted(_split(match["privileges"]))), template.format(name))
    membership = _MEMBERSHIP.match(statement)
    if membership:
        return Grant(("all privileges of the role",), f"role {', '.join(_split(membership['role']))}")
    return None


def _split(text: str) -> list[str]:
    """Return privileges or names; the columns in brackets belong to the privilege before them."""
    parts = re.split(r",(?![^(]*\))", text.replace('"', ""))
    return [" ".join(part.split()).lower() for part in parts]


def databases_by_login(graph: Graph) -> dict[str, Resource]:
    """Return by URN of each Vault database role its database; where that is not in the stack, its connection."""
    connections = {(known_text(c.at("backend")), known_text(c.at("name")) or c.name): c for c in graph.of(CONNECTION)}
    databases = {}
    for role in graph.of(ROLE):
        connection = connections.get((known_text(role.at("backend")), known_text(role.at("dbName"))))
        database = graph.target(connection, "postgresql", DATABASES, ()) if connection else None
        databases[role.urn] = database or connection or role
    return databases


def access(graph: Graph, vault: list[Access]) -> list[Access]:
    """Return the access to databases of the principals that can generate credentials in Vault."""
    databases = databases_by_login(graph)
    return merge_access(one for login in vault for one in _of_login(login, graph, databases))


def _of_login(login: Access, graph: Graph, databases: dict[str, Resource]) -> Iterator[Access]:
    if login.verb != _GENERATE_CREDENTIALS or login.store not in databases:
        return
    role, database = graph.at(login.store), databases[login.store]
    for grant in grants(known_texts(role.at("creationStatements")))[0]:
        for privilege in grant.privileges:
            through = (f"database role {role.name}", *login.through)
            yield Access(database.urn, login.principal, privilege, (grant.object,), through, ())


def unparsed_grants(graph: Graph) -> list[str]:
    """Return the GRANT statements that cannot be parsed."""
    return sorted(
        f"{role.name}: {text}"
        for role in graph.of(ROLE)
        for text in grants(known_texts(role.at("creationStatements")))[1]
    )
