"""Grants of AWS beside policies: KMS grants, S3 ACLs, shares with other accounts, and policies of undescribed kinds."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from policy_pack.facts.grants.aws import subject_of
from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.grant import ANONYMOUS, EVERYTHING, FOREIGN_PRINCIPAL, Data, Grant, Subject
from policy_pack.facts.grants.public_access import PublicAccess
from policy_pack.facts.iam.access import account_access
from policy_pack.facts.iam.actions import actions
from policy_pack.facts.iam.callers import account_of
from policy_pack.facts.iam.policies import POLICY_HOLDERS
from policy_pack.facts.iam.targets import kinds as targets
from policy_pack.facts.principals import AWS_PRINCIPAL, AWS_SERVICE, Principal
from policy_pack.facts.verbs import Verb
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET, BUCKET_KEYS, KEY, KEY_KEYS, ROLE
from policy_pack.stack.text import known_text
from policy_pack.stack.values import UNKNOWN, View

_VPC_ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
KMS_GRANT = "aws:kms/grant:Grant"
_OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
_OBJECTS = ("aws:s3/bucketObject:BucketObject", "aws:s3/bucketObjectv2:BucketObjectv2")
_ACL_KINDS = ("aws:s3/bucketAcl:BucketAcl", BUCKET, *_OBJECTS)
_GROUPS = "http://acs.amazonaws.com/groups/"
_ALL_USERS, _AUTHENTICATED = f"{_GROUPS}global/AllUsers", f"{_GROUPS}global/AuthenticatedUsers"
_LOG_DELIVERY = f"{_GROUPS}s3/LogDelivery"
_PERMISSIONS: dict[str, tuple[Verb, ...]] = {
    "READ": (Verb.LIST, Verb.READ),
    "WRITE": (Verb.WRITE, Verb.DELETE),
    "READ_ACP": (),
    "WRITE_ACP": (Verb.ADMINISTER,),
    "FULL_CONTROL": (Verb.LIST, Verb.READ, Verb.WRITE, Verb.DELETE, Verb.ADMINISTER),
}
_CANNED: dict[str, tuple[tuple[str, str], ...]] = {
    "private": (),
    "bucket-owner-read": (),
    "bucket-owner-full-control": (),
    "public-read": ((_ALL_USERS, "READ"),),
    "public-read-write": ((_ALL_USERS, "READ"), (_ALL_USERS, "WRITE")),
    "authenticated-read": ((_AUTHENTICATED, "READ"),),
    "log-delivery-write": ((_LOG_DELIVERY, "WRITE"),),
}
# Kinds that share data with other accounts, and the property that names them; without one, the kind itself shares.
_SHARES = {
    "aws:rds/snapshot:Snapshot": "sharedAccounts",
    "aws:rds/clusterSnapshot:ClusterSnapshot": "sharedAccounts",
    "aws:rds/snapshotCopy:SnapshotCopy": "sharedAccounts",
    "aws:rds/clusterSnapshotCopy:ClusterSnapshotCopy": "sharedAccounts",
    "aws:ec2/snapshotCreateVolumePermission:SnapshotCreateVolumePermission": "accountId",
    "aws:ec2/amiLaunchPermission:AmiLaunchPermission": "",
}
_SHARING_MODULES = ("aws:ram/", "aws:lakeformation/", "aws:s3control/", "aws:dataexchange/", "aws:ssoadmin/")


def grants(context: AccessContext) -> Iterator[Grant]:
    """Return what KMS grants, ACLs and shares allow, and everything for a policy of a kind that is not described."""
    graph = context.graph
    if not graph.uses("aws"):
        return
    for grant in graph.of(KMS_GRANT):
        yield from _kms_grant(context, grant)
    yield from _acls(context)
    for resource in graph.of_package("aws"):
        yield from _shared(context, resource)


# --- KMS grants ----------------------------------------------------------------------------------
def _kms_grant(context: AccessContext, grant: Resource) -> Iterator[Grant]:
    key = context.graph.target(grant, "keyId", (KEY,), KEY_KEYS)
    data = context.data("key", key.name if key else grant.name)
    described = actions("kms")
    for view in (grant.at("granteePrincipal"), grant.at("retiringPrincipal")):
        if view.known and view.absent:
            continue
        operations = grant.at("operations").items() if view.path == "granteePrincipal" else []
        names = [f"kms:{known_text(one)}".lower() for one in operations] or ["kms:retiregrant"]
        verbs = {described[name].verb if name in described else Verb.ADMINISTER for name in names}
        for verb in sorted(verb for verb in verbs if verb):
            for subject, path in _grantees(context, view):
                yield Grant(subject, data, verb, (*path, f"KMS grant {grant.name}"), grant.urn, view.known)


def _grantees(context: AccessContext, view: View) -> Iterator[tuple[Subject, tuple[str, ...]]]:
    """Return who a KMS grant names: for a role of the stack, who can assume it."""
    arn, account = known_text(view), account_access(context.graph)
    for holder in account.holders:
        if holder.identity and arn and holder.caller.arn == arn:
            for one in holder.assumptions:
                yield subject_of(context, one.principal, holder.identity), (one.principal.label, *one.path)
            return
    if not arn:
        yield Subject(ANONYMOUS), ("a principal that is not known yet",)
    elif account_of(arn) == account.account:
        yield subject_of(context, Principal(AWS_PRINCIPAL, arn), None), (arn,)
    else:
        kind = AWS_SERVICE if "." in arn and ":" not in arn else ""
        yield (subject_of(context, Principal(kind, arn), None) if kind else Subject(FOREIGN_PRINCIPAL)), (arn,)


# --- ACLs ----------------------------------------------------------------------------------------
def _acls(context: AccessContext) -> Iterator[Grant]:
    graph, public = context.graph, PublicAccess(context.graph)
    for resource in graph.of(*_ACL_KINDS):
        bucket = resource if resource.kind == BUCKET else graph.target(resource, "bucket", (BUCKET,), BUCKET_KEYS)
        if bucket is not None and _are_disabled(graph, bucket):
            continue
        ignored = bucket is not None and public.blocks(bucket, "ignorePublicAcls")
        for grantee, permission, known in _entries(resource):
            if ignored and grantee in (_ALL_USERS, _AUTHENTICATED):
                continue
            name = bucket.name if bucket else resource.name
            for part in context.parts("bucket", name):
                for verb in _PERMISSIONS.get(permission, (Verb.ADMINISTER,)):
                    path = (grantee.rpartition("/")[2], f"ACL of {resource.name}", f"bucket {name}: {permission}")
                    yield Grant(_grantee(grantee), part.data, verb, path, resource.urn, known)


def _are_disabled(graph: Graph, bucket: Resource) -> bool:
    controls = graph.referrers(bucket, _OWNERSHIP, "bucket", BUCKET_KEYS)
    return any(known_text(one.at("rule.objectOwnership")) == "BucketOwnerEnforced" for one in controls)


def _entries(resource: Resource) -> Iterator[tuple[str, str, bool]]:
    """Return (grantee, permission, known) of an ACL, canned or written out."""
    acl = resource.at("acl")
    if not acl.known:
        yield _ALL_USERS, "FULL_CONTROL", False
    elif not acl.absent:
        yield from ((who, what, True) for who, what in _CANNED.get(acl.text(), ((_ALL_USERS, "FULL_CONTROL"),)))
    for entry in resource.at("grants").items():
        for permission in entry.at("permissions").items():
            yield _name(entry), known_text(permission) or "FULL_CONTROL", entry.known
    for entry in resource.at("accessControlPolicy.grants").items():
        yield _name(entry.at("grantee")), known_text(entry.at("permission")) or "FULL_CONTROL", entry.known


def _name(grantee: View) -> str:
    return known_text(grantee.at("uri")) or known_text(grantee.at("id")) or known_text(grantee.at("emailAddress"))


def _grantee(name: str) -> Subject:
    if name == _LOG_DELIVERY:
        return Subject("service logging.s3.amazonaws.com")
    return Subject(ANONYMOUS if name == _ALL_USERS else FOREIGN_PRINCIPAL)


# --- shares --------------------------------------------------------------------------------------
def _shared(context: AccessContext, resource: Resource) -> Iterator[Grant]:
    own = account_access(context.graph).account
    if resource.kind in _SHARES:
        view = resource.at(_SHARES[resource.kind]) if _SHARES[resource.kind] else View("*")
        for account in view.items():
            if account.raw != own:
                step = f"{resource.kind.rpartition(':')[2]} {resource.name} shares with {account.raw}"
                yield _everything(resource, step, account.known)
    elif resource.kind.startswith(_SHARING_MODULES):
        yield _everything(resource, f"{resource.kind} {resource.name} grants access in a way that is not described")
    elif resource.kind not in _described():
        for path, value in resource.leaves:
            if _is_allowing_policy(value):
                step = f"{path} of {resource.name} is a policy of {resource.kind}, which is not described"
                yield _everything(resource, step)


def _everything(resource: Resource, step: str, known: bool = True) -> Grant:
    path = ("a principal of another account", step)
    return Grant(Subject(FOREIGN_PRINCIPAL), Data(EVERYTHING), None, path, resource.urn, known)


@cache
def _described() -> frozenset[str]:
    """Return the kinds whose policies are evaluated, and VPC endpoints, whose policies only limit."""
    holders = {kind for row in targets().values() for kind in row.policy}
    return frozenset({*targets(), *holders, *POLICY_HOLDERS, ROLE, _VPC_ENDPOINT})


def _is_allowing_policy(value: Any) -> bool:
    """Return whether a text is a policy document that allows a principal something."""
    if value is UNKNOWN or not isinstance(value, str) or '"Statement"' not in value:
        return False
    try:
        document = json.loads(value)
    except ValueError:
        return True
    statements = document.get("Statement") if isinstance(document, Mapping) else None
    entries = statements if isinstance(statements, list) else [statements]
    return any(
        isinstance(entry, Mapping) and entry.get("Effect") != "Deny" and {"Principal", "NotPrincipal"} & entry.keys()
        for entry in entries
    )
