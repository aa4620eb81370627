"""Grants of database roles and PKI roles of Vault: privileges in PostgreSQL, and names of certificates."""

from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.grant import EVERYTHING, Data, Grant, Subject
from policy_pack.facts.grants.vault import used_subject
from policy_pack.facts.postgres.group_roles import GroupPrivilege, privileges
from policy_pack.facts.postgres.logins import CONNECTION, role_privileges
from policy_pack.facts.postgres.logins import ROLE as DATABASE_ROLE
from policy_pack.facts.postgres.statements import Privilege
from policy_pack.facts.vault.certificates import PKI_ROLE, certificates
from policy_pack.facts.vault.requests import resource_name
from policy_pack.facts.verbs import Verb
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.text import known_text
from policy_pack.stack.values import UNKNOWN

DATABASE = "database"
STATIC_ROLE = "vault:database/secretBackendStaticRole:SecretBackendStaticRole"
OWN = "own"
_VERBS = {
    "select": Verb.READ,
    "insert": Verb.WRITE,
    "update": Verb.WRITE,
    "delete": Verb.DELETE,
    "truncate": Verb.DELETE,
    "connect": Verb.LIST,
    "usage": Verb.LIST,
    # A function of a schema works with the rights of its owner, within what it was written for.
    "execute": Verb.WRITE,
}


def grants(context: AccessContext) -> Iterator[Grant]:
    """Return what the database roles and PKI roles of Vault grant to whoever uses them."""
    databases = _Databases(context.graph)
    for role in context.graph.of(DATABASE_ROLE):
        yield from _of_database_role(role, databases.of(role), context)
    for role in context.graph.of(STATIC_ROLE):
        yield _of_account(role, used_subject(role, context), f"database role {role.name}", databases.of(role), context)
    for connection in context.graph.of(CONNECTION):
        hospital, name = context.split(known_text(connection.at("backend")))
        subject = Subject(f"Vault connection {name}", hospital)
        yield _of_account(connection, subject, f"connection {connection.name}", databases.name(connection), context)
    for role in context.graph.of(PKI_ROLE):
        yield from _of_pki_role(role, context)


@dataclass(frozen=True)
class _Database:
    """A database by its name; ``?`` where the stack does not tell, or not yet."""

    name: str
    certain: bool = True


class _Databases:
    """The databases that connections name in their URL."""

    def __init__(self, graph: Graph) -> None:
        self._by_key = {
            (known_text(one.at("backend")), known_text(one.at("name")) or one.name): one for one in graph.of(CONNECTION)
        }

    def of(self, role: Resource) -> "_Database":
        """Return the database of a role."""
        connection = self._by_key.get((known_text(role.at("backend")), known_text(role.at("dbName"))))
        return self.name(connection) if connection else _Database("?", role.at("dbName").known)

    @staticmethod
    def name(connection: Resource) -> "_Database":
        """Return the database of a connection."""
        urls = [value for path, value in connection.leaves if path.endswith(".connectionUrl")]
        if len(urls) != 1 or not isinstance(urls[0], str):
            certain = not any(url is UNKNOWN for url in urls) and connection.at("postgresql").known
            return _Database("?", certain)
        return _Database(urls[0].partition("?")[0].rpartition("/")[2] or "?")


def _of_database_role(role: Resource, database: _Database, context: AccessContext) -> Iterator[Grant]:
    subject = used_subject(role, context)
    read, unread = role_privileges(role)
    statements = role.at("creationStatements")
    if not statements.known or any(not item.known for item in statements.items()):
        path = (subject.name, f"database role {role.name}: statements that are not known yet")
        yield Grant(subject, Data(EVERYTHING), None, path, role.urn, certain=False)
    for one in read:
        members = privileges(one.object.removeprefix("role ")) if one.kind == "role" else None
        if members is not None:
            yield from _of_group_role(role, subject, one.object, members, context)
            continue
        place, verb = _place(one, database.name)
        path = (subject.name, f"database role {role.name}: {one.privilege} on {one.object}")
        yield Grant(subject, context.data(DATABASE, place), verb, path, role.urn, database.certain)
    for text in unread:
        path = (subject.name, f"database role {role.name}: a statement that is not understood, {text} …")
        yield Grant(subject, Data(EVERYTHING), None, path, role.urn)


def _of_group_role(
    role: Resource, subject: Subject, group: str, members: list[GroupPrivilege], context: AccessContext
) -> Iterator[Grant]:
    """Return what a member of a group role may do by the table of grants (grants.yaml)."""
    for one in members:
        place = f"{one.database}/{one.schema}" if one.schema else one.database
        verb = _VERBS.get(one.privilege, Verb.ADMINISTER)
        path = (subject.name, f"database role {role.name}: member of {group}", f"{one.privilege} on {one.object}")
        yield Grant(subject, context.data(DATABASE, place), verb, path, role.urn)


def _place(privilege: Privilege, database: str) -> tuple[str, Verb]:
    """Return the place of a privilege, and its verb; privileges that are not described administer."""
    verb = _VERBS.get(privilege.privilege, Verb.ADMINISTER)
    if privilege.kind == "database":
        return privilege.schema, verb
    if privilege.kind in ("table", "sequence", "schema"):
        return f"{database}/{privilege.schema}", verb
    return f"{database} ({privilege.object})", Verb.ADMINISTER


def _of_account(resource: Resource, subject: Subject, via: str, database: _Database, context: AccessContext) -> Grant:
    """Return the account of the database that a connection or a static role uses, which can do what the account can."""
    names = [value for path, value in resource.leaves if path.rpartition(".")[2] == "username"]
    name = names[0] if names and isinstance(names[0], str) else "?"
    certain = database.certain and not any(one is UNKNOWN for one in names)
    account = name.removesuffix(f"_{subject.hospital}") if subject.hospital else name
    data = context.data("database-account", f"{database.name}/{account}")
    path = (subject.name, f"{via}: account {name} of database {database.name}")
    return Grant(subject, data, Verb.ADMINISTER, path, resource.urn, certain=certain)


def _of_pki_role(role: Resource, context: AccessContext) -> Iterator[Grant]:
    """Return the certificates that a PKI role issues.

    The place is the mount with the name, in which ``own`` stands for the hospital of the mount; a name of another
    hospital is that hospital's.
    """
    subject, mount = used_subject(role, context), resource_name(role).rpartition("/")[0]
    for one in certificates(role, context.graph):
        hospital, rest = context.split(one.name)
        data = context.data(f"{one.use}-certificate", f"{mount}/{OWN}.{rest}" if hospital else f"{mount}/{one.name}")
        if hospital and hospital != subject.hospital:
            data = Data(f"{one.use}-certificate {one.name} of another hospital", hospital)
        path = (subject.name, f"PKI role {role.name}: {one.reason}")
        yield Grant(subject, data, Verb.SIGN, path, role.urn, one.certain)
