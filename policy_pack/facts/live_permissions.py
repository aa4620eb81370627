"""Permissions that a stack declares in Vault and AWS, in the form in which they are read from the servers."""

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter

from policy_pack import tables
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.live import AWS, VAULT, Permission, document, policy_text

TABLE = Path(__file__).with_name("live_permissions.yaml")
ROLE_FIELDS: Final = (
    "bound_service_account_names",
    "bound_service_account_namespaces",
    "bound_service_account_namespace_selector",
    "bound_audiences",
    "bound_claims",
    "bound_claims_type",
    "bound_subject",
    "bound_cidrs",
    "role_type",
    "user_claim",
    "groups_claim",
    "audience",
    "token_bound_cidrs",
    "token_no_default_policy",
    "token_policies",
)
"""The fields of a role that say who logs in, and with which policies."""


class Expected(BaseModel):
    """A permission that others than the stack may hold.

    Parameters
    ----------
    server, kind, name
        The permission; the name is a glob pattern.
    reason
        Why it may exist.
    stacks
        The stacks for which this holds; none means all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: str
    kind: str
    name: str
    reason: str
    stacks: tuple[str, ...] = ()


@cache
def expected() -> tuple[Expected, ...]:
    """Return the table of permissions that others than the stack may hold."""
    return tables.read(TypeAdapter(tuple[Expected, ...]).validate_python, TABLE)


def is_expected(server: str, kind: str, name: str, stack: str) -> bool:
    """Return whether the table has a permission for a stack."""
    return any(
        (row.server, row.kind) == (server, kind)
        and fnmatchcase(name, row.name)
        and (not row.stacks or stack in row.stacks)
        for row in expected()
    )


def declared(graph: Graph) -> dict[Permission, str]:
    """Return the permissions of a stack, with their contents."""
    return {
        permission: permission.content
        for kind, of in _DECLARED.items()
        for resource in graph.of(kind)
        for permission in of(resource)
    }


def role_content(fields: Mapping[str, Any]) -> str:
    """Return the normal form of a login's role from the fields that Vault has."""
    return document({name: fields[name] for name in ROLE_FIELDS if fields.get(name)})


def _text(resource: Resource, path: str) -> str:
    value = resource.at(path).raw
    return value if isinstance(value, str) else ""


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _vault_policy(resource: Resource) -> Iterator[Permission]:
    yield Permission(VAULT, "policy", _text(resource, "name"), policy_text(_text(resource, "policy")))


def _login_role(resource: Resource) -> Iterator[Permission]:
    fields = {_snake(name): value for name, value in resource.props.items()}
    path = f"{_text(resource, 'backend') or 'kubernetes'}/{_text(resource, 'roleName')}"
    yield Permission(VAULT, "login role", path, role_content(fields))


def _login_method(resource: Resource) -> Iterator[Permission]:
    path = _text(resource, "path") or _text(resource, "type") or "jwt"
    yield Permission(VAULT, "login method", path.strip("/"))


def _engine_role(kind: str) -> Callable[[Resource], Iterator[Permission]]:
    def permissions(resource: Resource) -> Iterator[Permission]:
        yield Permission(VAULT, kind, f"{_text(resource, 'backend')}/{_text(resource, 'name')}")

    return permissions


def _named(server: str, kind: str) -> Callable[[Resource], Iterator[Permission]]:
    def permissions(resource: Resource) -> Iterator[Permission]:
        yield Permission(server, kind, _text(resource, "name"))

    return permissions


def _iam_role(resource: Resource) -> Iterator[Permission]:
    name = _text(resource, "name")
    yield Permission(AWS, "role", name, document(resource.at("assumeRolePolicy").raw))
    for arn in resource.at("managedPolicyArns").raw or ():
        yield Permission(AWS, "attached policy", f"role/{name}/{arn}")
    for inline in resource.at("inlinePolicies").raw or ():
        yield Permission(AWS, "inline policy", f"role/{name}/{inline.get('name')}", document(inline.get("policy")))


def _inline(holder: str) -> Callable[[Resource], Iterator[Permission]]:
    def permissions(resource: Resource) -> Iterator[Permission]:
        name = f"{holder}/{_text(resource, holder)}/{_text(resource, 'name')}"
        yield Permission(AWS, "inline policy", name, document(resource.at("policy").raw))

    return permissions


def _attached(holder: str) -> Callable[[Resource], Iterator[Permission]]:
    def permissions(resource: Resource) -> Iterator[Permission]:
        yield Permission(AWS, "attached policy", f"{holder}/{_text(resource, holder)}/{_text(resource, 'policyArn')}")

    return permissions


def _with_document(kind: str, name: str) -> Callable[[Resource], Iterator[Permission]]:
    def permissions(resource: Resource) -> Iterator[Permission]:
        yield Permission(AWS, kind, _text(resource, name), document(resource.at("policy").raw))

    return permissions


def _key(resource: Resource) -> Iterator[Permission]:
    if resource.at("policy").raw:
        yield Permission(AWS, "key policy", _text(resource, "arn"), document(resource.at("policy").raw))


def _key_grant(resource: Resource) -> Iterator[Permission]:
    yield Permission(AWS, "key grant", f"{_text(resource, 'keyId')}/{_text(resource, 'grantId')}")


_DECLARED: Final[Mapping[str, Callable[[Resource], Iterator[Permission]]]] = {
    "vault:index/policy:Policy": _vault_policy,
    "vault:index/authBackend:AuthBackend": _login_method,
    "vault:jwt/authBackend:AuthBackend": _login_method,
    "vault:kubernetes/authBackendRole:AuthBackendRole": _login_role,
    "vault:jwt/authBackendRole:AuthBackendRole": _login_role,
    "vault:appRole/authBackendRole:AuthBackendRole": _login_role,
    "vault:tokenauth/authBackendRole:AuthBackendRole": _named(VAULT, "token role"),
    "vault:identity/group:Group": _named(VAULT, "identity group"),
    "vault:identity/entity:Entity": _named(VAULT, "identity entity"),
    "vault:database/secretBackendRole:SecretBackendRole": _engine_role("database role"),
    "vault:pkiSecret/secretBackendRole:SecretBackendRole": _engine_role("PKI role"),
    "aws:iam/role:Role": _iam_role,
    "aws:iam/user:User": _named(AWS, "user"),
    "aws:iam/group:Group": _named(AWS, "group"),
    "aws:iam/rolePolicy:RolePolicy": _inline("role"),
    "aws:iam/userPolicy:UserPolicy": _inline("user"),
    "aws:iam/groupPolicy:GroupPolicy": _inline("group"),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": _attached("role"),
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": _attached("user"),
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": _attached("group"),
    "aws:iam/policy:Policy": _with_document("managed policy", "arn"),
    "aws:s3/bucketPolicy:BucketPolicy": _with_document("bucket policy", "bucket"),
    "aws:kms/key:Key": _key,
    "aws:kms/grant:Grant": _key_grant,
}
