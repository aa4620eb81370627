"""Rows of the aws plugin for IAM roles, policies and OIDC providers."""

import json
from typing import Any, Final
from urllib.parse import unquote

from local.plugins.aws.aws_api import Cloud, found, given, mapping, pairs, retag
from local.plugins.provider.common import Props
from local.plugins.provider.rows import Row


def _text(document: Any) -> str:
    """Return a policy document as text; botocore decodes only some responses."""
    return json.dumps(document, separators=(",", ":")) if isinstance(document, dict) else unquote(str(document))


# --- roles -------------------------------------------------------------------------------
def _create_role(cloud: Cloud, inputs: Props) -> str:
    cloud.iam.create_role(
        RoleName=inputs["name"],
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
        **given(
            Path=inputs.get("path"),
            Description=inputs.get("description"),
            MaxSessionDuration=inputs.get("maxSessionDuration"),
            PermissionsBoundary=inputs.get("permissionsBoundary"),
            Tags=pairs(cloud.all_tags(inputs)) or None,
        ),
    )
    return str(inputs["name"])


def _read_role(cloud: Cloud, name: str, inputs: Props) -> Props | None:
    answer = found(cloud.iam.get_role, RoleName=name)
    if answer is None:
        return None
    live = answer["Role"]
    return {
        "arn": live["Arn"],
        "assumeRolePolicy": _text(live["AssumeRolePolicyDocument"]),
        "createDate": live["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "description": live.get("Description", ""),
        "forceDetachPolicies": inputs.get("forceDetachPolicies", False),
        "maxSessionDuration": live.get("MaxSessionDuration", 3600),
        "name": name,
        "path": live["Path"],
        "permissionsBoundary": live.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        "uniqueId": live["RoleId"],
        **cloud.show_tags(mapping(live.get("Tags")), inputs),
    }


def _update_role(cloud: Cloud, name: str, old: Props, new: Props) -> None:
    if old.get("assumeRolePolicy") != new["assumeRolePolicy"]:
        cloud.iam.update_assume_role_policy(RoleName=name, PolicyDocument=new["assumeRolePolicy"])
    described = {"description": "", "maxSessionDuration": 3600}
    if any(old.get(field, default) != new.get(field, default) for field, default in described.items()):
        duration = new.get("maxSessionDuration", 3600)
        cloud.iam.update_role(RoleName=name, Description=new.get("description", ""), MaxSessionDuration=duration)
    if new.get("permissionsBoundary"):
        cloud.iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=new["permissionsBoundary"])
    elif old.get("permissionsBoundary"):
        cloud.iam.delete_role_permissions_boundary(RoleName=name)
    retag(
        cloud.all_tags(old),
        cloud.all_tags(new),
        lambda tags: cloud.iam.tag_role(RoleName=name, Tags=pairs(tags)),
        lambda names: cloud.iam.untag_role(RoleName=name, TagKeys=names),
    )


def _delete_role(cloud: Cloud, name: str, state: Props) -> None:
    if found(cloud.iam.get_role, RoleName=name) is None:
        return
    if state.get("forceDetachPolicies"):
        for policy in cloud.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            cloud.iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        for inline in cloud.iam.list_role_policies(RoleName=name)["PolicyNames"]:
            cloud.iam.delete_role_policy(RoleName=name, PolicyName=inline)
    found(cloud.iam.delete_role, RoleName=name)


# --- inline policies ---------------------------------------------------------------------
def _put_role_policy(cloud: Cloud, inputs: Props) -> str:
    role, name = str(inputs["role"]), str(inputs["name"])
    cloud.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=inputs["policy"])
    return f"{role}:{name}"


def _read_role_policy(cloud: Cloud, object_id: str, _inputs: Props) -> Props | None:
    role, _, name = object_id.partition(":")
    live = found(cloud.iam.get_role_policy, RoleName=role, PolicyName=name)
    return None if live is None else {"name": name, "policy": _text(live["PolicyDocument"]), "role": role}


def _update_role_policy(cloud: Cloud, _made: str, _old: Props, new: Props) -> None:
    _put_role_policy(cloud, new)


def _delete_role_policy(cloud: Cloud, object_id: str, _state: Props) -> None:
    role, _, name = object_id.partition(":")
    found(cloud.iam.delete_role_policy, RoleName=role, PolicyName=name)


# --- managed policies --------------------------------------------------------------------
def _create_policy(cloud: Cloud, inputs: Props) -> str:
    object_id = cloud.iam.create_policy(
        PolicyName=inputs["name"],
        PolicyDocument=inputs["policy"],
        **given(
            Path=inputs.get("path"),
            Description=inputs.get("description"),
            Tags=pairs(cloud.all_tags(inputs)) or None,
        ),
    )
    return str(object_id["Policy"]["Arn"])


def _read_policy(cloud: Cloud, arn: str, inputs: Props) -> Props | None:
    answer = found(cloud.iam.get_policy, PolicyArn=arn)
    if answer is None:
        return None
    live = answer["Policy"]
    version = cloud.iam.get_policy_version(PolicyArn=arn, VersionId=live["DefaultVersionId"])["PolicyVersion"]
    return {
        "arn": arn,
        "attachmentCount": live.get("AttachmentCount", 0),
        "description": live.get("Description", ""),
        "name": live["PolicyName"],
        "path": live["Path"],
        "policy": _text(version["Document"]),
        "policyId": live["PolicyId"],
        **cloud.show_tags(mapping(live.get("Tags")), inputs),
    }


def _update_policy(cloud: Cloud, arn: str, old: Props, new: Props) -> None:
    if old.get("policy") != new["policy"]:
        spare = [v for v in cloud.iam.list_policy_versions(PolicyArn=arn)["Versions"] if not v["IsDefaultVersion"]]
        # AWS keeps at most five versions.
        for version in sorted(spare, key=lambda v: int(v["VersionId"][1:]))[: max(0, len(spare) - 3)]:
            cloud.iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
        cloud.iam.create_policy_version(PolicyArn=arn, PolicyDocument=new["policy"], SetAsDefault=True)
    retag(
        cloud.all_tags(old),
        cloud.all_tags(new),
        lambda tags: cloud.iam.tag_policy(PolicyArn=arn, Tags=pairs(tags)),
        lambda names: cloud.iam.untag_policy(PolicyArn=arn, TagKeys=names),
    )


def _delete_policy(cloud: Cloud, arn: str, _state: Props) -> None:
    if found(cloud.iam.get_policy, PolicyArn=arn) is None:
        return
    for version in cloud.iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            cloud.iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    found(cloud.iam.delete_policy, PolicyArn=arn)


def _attach(cloud: Cloud, inputs: Props) -> str:
    cloud.iam.attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
    return f"{inputs['role']}/{inputs['policyArn']}"


def _read_attachment(cloud: Cloud, object_id: str, _inputs: Props) -> Props | None:
    role, _, arn = object_id.partition("/")
    attached = found(cloud.iam.list_attached_role_policies, RoleName=role) or {"AttachedPolicies": []}
    if arn not in [policy["PolicyArn"] for policy in attached["AttachedPolicies"]]:
        return None
    return {"policyArn": arn, "role": role}


def _detach(cloud: Cloud, object_id: str, _state: Props) -> None:
    role, _, arn = object_id.partition("/")
    found(cloud.iam.detach_role_policy, RoleName=role, PolicyArn=arn)


# --- identity providers ------------------------------------------------------------------
def _without_scheme(url: Any) -> str:
    return str(url).removeprefix("https://")


def _create_oidc(cloud: Cloud, inputs: Props) -> str:
    object_id = cloud.iam.create_open_id_connect_provider(
        Url=inputs["url"],
        ClientIDList=inputs["clientIdLists"],
        ThumbprintList=inputs.get("thumbprintLists", []),
        **given(Tags=pairs(cloud.all_tags(inputs)) or None),
    )
    return str(object_id["OpenIDConnectProviderArn"])


def _read_oidc(cloud: Cloud, arn: str, inputs: Props) -> Props | None:
    live = found(cloud.iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn)
    if live is None:
        return None
    return {
        "arn": arn,
        "clientIdLists": live["ClientIDList"],
        "thumbprintLists": live.get("ThumbprintList", []),
        "url": live["Url"],
        **cloud.show_tags(mapping(live.get("Tags")), inputs),
    }


def _update_oidc(cloud: Cloud, arn: str, old: Props, new: Props) -> None:
    before, after = set(old.get("clientIdLists", [])), set(new["clientIdLists"])
    for client in sorted(after - before):
        cloud.iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID=client)
    for client in sorted(before - after):
        cloud.iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID=client)
    prints = new.get("thumbprintLists", [])
    if prints and old.get("thumbprintLists") != prints:
        cloud.iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=prints)
    retag(
        cloud.all_tags(old),
        cloud.all_tags(new),
        lambda tags: cloud.iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=pairs(tags)),
        lambda names: cloud.iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=names),
    )


def _delete_oidc(cloud: Cloud, arn: str, _state: Props) -> None:
    found(cloud.iam.delete_open_id_connect_provider, OpenIDConnectProviderArn=arn)


_APART: Final = (
    "declare iam.RolePolicy and iam.RolePolicyAttachment: this plugin does not know it as a part of the role"
)

ROWS: Final[tuple[Row[Cloud], ...]] = (
    Row(
        "aws:iam/role:Role",
        _create_role,
        _read_role,
        _update_role,
        _delete_role,
        required=("assumeRolePolicy",),
        replace=frozenset({"name", "namePrefix", "path"}),
        defaults={"forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/"},
        autoname="name",
        autoname_length=64,
        computed=("arn", "createDate", "tagsAll", "uniqueId"),
        volatile=("tagsAll",),
        json=frozenset({"assumeRolePolicy"}),
        unsupported=dict.fromkeys(("inlinePolicies", "managedPolicyArns", "namePrefix"), _APART),
    ),
    Row(
        "aws:iam/rolePolicy:RolePolicy",
        _put_role_policy,
        _read_role_policy,
        _update_role_policy,
        _delete_role_policy,
        required=("policy", "role"),
        replace=frozenset({"name", "namePrefix", "role"}),
        autoname="name",
        json=frozenset({"policy"}),
    ),
    Row(
        "aws:iam/policy:Policy",
        _create_policy,
        _read_policy,
        _update_policy,
        _delete_policy,
        required=("policy",),
        replace=frozenset({"description", "name", "namePrefix", "path"}),
        defaults={"path": "/"},
        autoname="name",
        computed=("arn", "attachmentCount", "policyId", "tagsAll"),
        volatile=("tagsAll",),
        json=frozenset({"policy"}),
    ),
    Row(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        _attach,
        _read_attachment,
        None,
        _detach,
        required=("policyArn", "role"),
        delete_before_replace=True,
    ),
    Row(
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        _create_oidc,
        _read_oidc,
        _update_oidc,
        _delete_oidc,
        required=("clientIdLists", "url"),
        replace=frozenset({"url"}),
        computed=("arn", "tagsAll"),
        volatile=("tagsAll",),
        unordered=frozenset({"clientIdLists", "thumbprintLists"}),
        normalisers={"url": _without_scheme},
        server_spelling=frozenset({"url"}),
        delete_before_replace=True,
    ),
)
