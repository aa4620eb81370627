"""What a login of PostgreSQL that Vault makes may do: read from the statements that create it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.facts.access import Access, gathered
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.text import word, words

ROLE = "vault:database/secretBackendRole:SecretBackendRole"
CONNECTION = "vault:database/secretBackendConnection:SecretBackendConnection"
_CLUSTERS = ("aws:rds/cluster:Cluster", "aws:rds/instance:Instance")
_GRANT = re.compile(r"GRANT\s+(?P<what>.+?)\s+ON\s+(?P<on>.+?)\s+TO\s", re.IGNORECASE | re.DOTALL)
_MEMBER = re.compile(r"GRANT\s+(?P<role>[^,\s]+(\s*,\s*[^,\s]+)*)\s+TO\s", re.IGNORECASE)
_DEFAULTS = re.compile(r"ALTER\s+DEFAULT\s+PRIVILEGES\s+(IN\s+SCHEMA\s+(?P<schema>\S+)\s+)?", re.IGNORECASE)
_LOGIN = "take a login"


@dataclass(frozen=True)
class Grant:
    """Privileges on one object of the database."""

    privileges: tuple[str, ...]
    on: str


def grants(statements: list[str]) -> tuple[list[Grant], list[str]]:
    """Return what creation statements grant, and those that grant something which cannot be read."""
    found: list[Grant] = []
    unread: list[str] = []
    for text in statements:
        for statement in (part.strip() for part in text.split(";")):
            future = _DEFAULTS.match(statement)
            grant = statement[future.end() :] if future else statement
            if not grant.upper().startswith("GRANT"):
                continue
            read = _grant(grant, f"future {{}} in schema {future['schema'] or 'any'}" if future else "{}")
            if read:
                found.append(read)
            else:
                # Its first words alone: what follows may be anything.
                unread.append(" ".join(statement.split()[:6]))
    return found, unread


def _grant(statement: str, form: str) -> Grant | None:
    rights = _GRANT.match(statement)
    if rights:
        on = " ".join(rights["on"].replace('"', "").split())
        return Grant(tuple(sorted(_split(rights["what"]))), form.format(on))
    member = _MEMBER.match(statement)
    return Grant(("everything that the role may",), f"role {', '.join(_split(member['role']))}") if member else None


def _split(listed: str) -> list[str]:
    """Return privileges or names; what stands in brackets are the columns of the privilege before."""
    parts = re.split(r",(?![^(]*\))", listed.replace('"', ""))
    return [" ".join(part.split()).lower() for part in parts]


def stores(graph: Graph) -> dict[str, Resource]:
    """Return by URN of each Vault login the database that it opens, as far as the state tells."""
    connections = {(word(c.at("backend")), word(c.at("name")) or c.name): c for c in graph.of(CONNECTION)}
    found = {}
    for role in graph.of(ROLE):
        connection = connections.get((word(role.at("backend")), word(role.at("dbName"))))
        database = graph.target(connection, "postgresql", _CLUSTERS, ()) if connection else None
        found[role.urn] = database or connection or role
    return found


def access(graph: Graph, logins: list[Access]) -> list[Access]:
    """Return what those who may take a login can do in its database."""
    opened = stores(graph)
    return gathered(one for login in logins for one in _of(login, graph, opened))


def _of(login: Access, graph: Graph, opened: dict[str, Resource]) -> Iterator[Access]:
    if login.verb != _LOGIN or login.store not in opened:
        return
    role, store = graph.at(login.store), opened[login.store]
    for grant in grants(words(role.at("creationStatements")))[0]:
        for privilege in grant.privileges:
            yield Access(store.urn, login.who, privilege, (grant.on,), (f"login {role.name}", *login.through), ())


def unread(graph: Graph) -> list[str]:
    """Return the statements that grant something which could not be read."""
    return sorted(
        f"{role.name}: {text}" for role in graph.of(ROLE) for text in grants(words(role.at("creationStatements")))[1]
    )
