"""PostgreSQL privileges of the credentials that Vault generates, read from their creation statements."""

import re
from collections.abc import Iterator

from policy_pack.facts.access import Access, merge_access
from policy_pack.facts.postgres.statements import Privilege, privileges
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import DATABASES
from policy_pack.stack.text import known_text, known_texts

ROLE = "vault:database/secretBackendRole:SecretBackendRole"
CONNECTION = "vault:database/secretBackendConnection:SecretBackendConnection"
_GIVING, _TAKING = ("creationStatements", "renewStatements"), ("revocationStatements", "rollbackStatements")
_GIVES = re.compile(r"\b(GRANT|CREATE|ALTER)\b", re.IGNORECASE)
_GENERATE_CREDENTIALS = "generate credentials"


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
    for one in role_privileges(role)[0]:
        through = (f"database role {role.name}", *login.through)
        yield Access(database.urn, login.principal, one.privilege, (one.object,), through, ())


def role_privileges(role: Resource) -> tuple[list[Privilege], list[str]]:
    """Return the privileges of a database role's logins, and the beginning of statements that are not understood.

    Revocation and rollback statements give nothing unless they create or grant something.
    """
    given = [text for name in _GIVING for text in known_texts(role.at(name))]
    taken = [text for name in _TAKING for text in known_texts(role.at(name)) if _GIVES.search(text)]
    return privileges([*given, *taken])


def unparsed_grants(graph: Graph) -> list[str]:
    """Return the statements of database roles that are not understood."""
    return sorted(f"{role.name}: {text}" for role in graph.of(ROLE) for text in role_privileges(role)[1])
