"""New identities and grants in AWS: users, roles, keys' grants, access points, entries of a cluster, Pod Identity."""

from collections.abc import Iterator

from policy_pack.stack.graph import Resource
from tests.policy.attacks.mutation import Family, Mutation, Target, ends
from tests.policy.attacks.properties import of_kinds
from tests.policy.attacks.stacks import ACCOUNT, FIRST, SECOND, STRANGER
from tests.policy.attacks.tables import added, values

FAMILY = "identities"
_GRANTS = (["Decrypt"], ["CreateGrant"], ["ReEncryptFrom", "ReEncryptTo"], ["GenerateDataKey", "Encrypt"], ["Sign"])
_ENTRY = "aws:eks/accessEntry:AccessEntry"
_ASSOCIATION = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
_POD_IDENTITY = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
_KINDS = (_ENTRY, _ASSOCIATION, _POD_IDENTITY, "aws:iam/instanceProfile:InstanceProfile")


def mutations(target: Target) -> Iterator[Mutation]:
    """Return the mutations of the family."""
    family = Family(FAMILY, target)
    yield from added(family)
    for key in _own(target, "aws:kms/key:Key"):
        yield from _key_grants(family, key)
    for bucket in _own(target, "aws:s3/bucket:Bucket"):
        yield from _bucket(family, bucket)
    for role in _own(target, "aws:iam/role:Role"):
        yield from _attached(family, role)
    for entry in target.of(_ENTRY)[:1]:
        yield from _entries(family, entry)
    for association in target.of(_POD_IDENTITY)[:1]:
        yield from _pods(family, association)
    yield from of_kinds(FAMILY, target, lambda kind: kind in _KINDS or "iam/openId" in kind, most=1)


def _own(target: Target, kind: str) -> list[Resource]:
    return ends([one for one in target.of(kind) if one.name.startswith(f"{FIRST}-")])


def _role(family: Family, name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/hmlops-{family.target.name}-{name}"


def _principals(family: Family) -> dict[str, str]:
    return {
        "a stranger": f"arn:aws:iam::{STRANGER}:role/stranger",
        "the other hospital": _role(family, f"{SECOND}-trainer"),
        "another workload": _role(family, f"{FIRST}-planner"),
        "everybody": "*",
    }


def _key_grants(family: Family, key: Resource) -> Iterator[Mutation]:
    for told, principal in _principals(family).items():
        for operations in _GRANTS:
            props = {"keyId": key.props["keyId"], "granteePrincipal": principal, "operations": operations}
            new = family.build("aws:kms/grant:Grant", "more", props)
            yield family.add(f"grant {operations[0]} to {told}", new)
    replica = {"primaryKeyArn": key.props["arn"], "policy": key.props["policy"]}
    yield family.add("a replica of the key", family.build("aws:kms/replicaKey:ReplicaKey", "more", replica))


def _bucket(family: Family, bucket: Resource) -> Iterator[Mutation]:
    """Return what opens a bucket beside its policy."""
    name = bucket.props["bucket"]
    for told, row in values("bucket_openings").items():
        props = {"bucket": name, **row["props"]}
        if "policy" in props:
            props["policy"] = props["policy"].replace("BUCKET", name)
        yield family.add(told, family.build(row["type"], "more", props))


def _attached(family: Family, role: Resource) -> Iterator[Mutation]:
    for policy in values("managed_policies"):
        arn = f"arn:aws:iam::aws:policy/{policy}"
        props = {"role": role.props["name"], "policyArn": arn}
        kind = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
        yield family.add(f"attach {policy} to a workload", family.build(kind, "more", props))
        yield from family.put(role, f"{policy} among managedPolicyArns", (("managedPolicyArns",), [arn]))
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"
    shared = {"name": "more", "policyArn": arn, "roles": [role.props["name"]]}
    yield family.add("attach to all", family.build("aws:iam/policyAttachment:PolicyAttachment", "more", shared))
    exclusive = {"roleName": role.props["name"], "policyArns": [arn]}
    kind = "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive"
    yield family.add("own all attachments", family.build(kind, "more", exclusive))


def _entries(family: Family, entry: Resource) -> Iterator[Mutation]:
    cluster = entry.props["clusterName"]
    for told, principal in _principals(family).items():
        for groups in (["system:masters"], ["cluster-admin"], ["system:nodes"], []):
            props = {"clusterName": cluster, "principalArn": principal, "kubernetesGroups": groups}
            new = family.build(_ENTRY, "more", props)
            yield family.add(f"let {told} in with groups {' '.join(groups) or 'of nothing'}", new)
        for policy in values("cluster_access_policies"):
            for scope in ("cluster", "namespace"):
                where = {"type": scope, **({"namespaces": [f"{FIRST}-phi"]} if scope == "namespace" else {})}
                arn = f"arn:aws:eks::aws:cluster-access-policy/{policy}"
                props = {"clusterName": cluster, "principalArn": principal, "policyArn": arn, "accessScope": where}
                new = family.build(_ASSOCIATION, "more", props)
                yield family.add(f"associate {policy} in a {scope} with {told}", new)


def _pods(family: Family, association: Resource) -> Iterator[Mutation]:
    accounts = ((f"{SECOND}-phi", "ingestor"), (f"{FIRST}-serving", "default"), ("default", "default"))
    for namespace, account in accounts:
        for name in (f"{FIRST}-trainer", f"{FIRST}-ingestor", "shared-break-glass"):
            role = _role(family, name)
            props = {**association.props, "namespace": namespace, "serviceAccount": account, "roleArn": role}
            yield family.add(f"{namespace}/{account} becomes {name}", family.build(_POD_IDENTITY, "more", props))
