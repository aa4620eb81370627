"""Roles and Vault policies whose access is worked out by hand."""

from typing import Any

from policy_pack.facts.access import Access
from policy_pack.facts.vault import access as vault_access
from policy_pack.stack.graph import Graph, Resource
from tests.policy.builders import STACK, build, document, tags

ACCOUNT = "123456789012"
ISSUER = "oidc.example/id/1"


def arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def role(name: str, *rights: dict[str, Any], trust: dict[str, Any] | None = None) -> list[Resource]:
    by_token = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{ISSUER}:sub": f"system:serviceaccount:north-phi:{name}"}},
    }
    props = {"name": name, "arn": arn(name), "assumeRolePolicy": document(trust or by_token), "tags": tags("north")}
    return [
        build("aws:iam/role:Role", name, props),
        build("aws:iam/rolePolicy:RolePolicy", f"{name}-rights", {"role": name, "policy": document(*rights)}),
    ]


def vault_access_by(policy: str, *more: Resource) -> list[Access]:
    return vault_access.access(
        Graph(
            [
                build(
                    "vault:transit/secretBackendKey:SecretBackendKey",
                    "north-pseudonym",
                    {"backend": "north/transit", "name": "pseudonym"},
                ),
                build("vault:index/mount:Mount", "north-kv", {"path": "north/kv", "type": "kv"}),
                build("vault:index/policy:Policy", "north-ingestor", {"name": "north-ingestor", "policy": policy}),
                build(
                    "vault:kubernetes/authBackendRole:AuthBackendRole",
                    "north-ingestor",
                    {
                        "roleName": "north-ingestor",
                        "boundServiceAccountNames": ["ingestor"],
                        "boundServiceAccountNamespaces": ["north-phi"],
                        "tokenPolicies": ["north-ingestor"],
                    },
                ),
                *more,
            ],
            STACK,
        )
    )


def path_rule(place: str, *capabilities: str) -> str:
    listed = ", ".join(f'"{capability}"' for capability in capabilities)
    return f'path "{place}" {{\n  capabilities = [{listed}]\n}}\n'
