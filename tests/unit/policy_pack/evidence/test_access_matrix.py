"""The access matrix against cases worked out by hand, and against grants at random."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_pack.facts.access import Access
from policy_pack.facts.iam.conditions import Outcome, evaluate
from policy_pack.facts.iam.documents import statements
from policy_pack.facts.iam.matrix import IamAccess
from policy_pack.facts.iam.wildcards import matches, overlap
from policy_pack.facts.postgres import logins as database_logins
from policy_pack.facts.principals import AWS_PRINCIPAL
from policy_pack.facts.rbac.permissions import cluster_permissions
from policy_pack.facts.vault import access as vault_access
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import View
from tests.policy.builders import STACK, build, document, tags

ACCOUNT = "123456789012"
BUCKET = "arn:aws:s3:::records"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/records"
ISSUER = "oidc.example/id/1"
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"}
OPEN = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY}


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


def bucket(*policy: dict[str, Any], key_policy: dict[str, Any] | None = None) -> list[Resource]:
    rule = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY}}
    key = {"arn": KEY, "keyId": "records"} | ({"policy": document(key_policy)} if key_policy else {})
    return [
        build("aws:s3/bucket:Bucket", "records", {"bucket": "records", "arn": BUCKET}),
        build(
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            "records",
            {"bucket": "records", "rules": [rule]},
        ),
        build("aws:kms/key:Key", "records", key),
        build("aws:s3/bucketPolicy:BucketPolicy", "records", {"bucket": "records", "policy": document(*policy)}),
    ]


def cloud(*resources: Resource) -> list[Access]:
    return IamAccess(Graph(resources, STACK)).access()


def readers(found: list[Access], verb: str = "read") -> list[str]:
    # Principals that a policy names and the stack does not declare may have any permission of their own.
    return [one.principal.label for one in found if one.verb == verb and one.principal.kind != AWS_PRINCIPAL]


def test_a_reader_needs_the_bucket_and_its_key() -> None:
    [one] = [access for access in cloud(*role("ingestor", READ, OPEN), *bucket()) if access.verb == "read"]
    assert one.principal.label == "ServiceAccount north-phi/ingestor"
    assert one.through == ("policy ingestor-rights", "role ingestor")
    assert (one.parts, one.conditions) == ((), ())
    assert readers(cloud(*role("ingestor", READ), *bucket())) == []
    assert readers(cloud(*role("ingestor", OPEN), *bucket())) == []


def test_a_key_policy_without_the_role_denies_the_bucket() -> None:
    other = {"Effect": "Allow", "Principal": {"AWS": arn("somebody")}, "Action": "kms:Decrypt", "Resource": "*"}
    assert readers(cloud(*role("ingestor", READ, OPEN), *bucket(key_policy=other))) == []
    named = other | {"Principal": {"AWS": arn("ingestor")}}
    assert readers(cloud(*role("ingestor", READ), *bucket(key_policy=named))) == ["ServiceAccount north-phi/ingestor"]
    deferred = other | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*"}
    found = cloud(*role("ingestor", READ, OPEN), *bucket(key_policy=deferred))
    assert readers(found) == ["ServiceAccount north-phi/ingestor"]
    assert "people of account 123456789012: its root user" in readers(found, "decrypt")


@pytest.mark.parametrize(
    ("denial", "left"),
    [
        ({"Action": "s3:*", "Resource": f"{BUCKET}/*"}, 0),
        ({"Action": "s3:GetObject", "Resource": f"{BUCKET}/a/*"}, 1),
        ({"Action": "s3:PutObject", "Resource": "*"}, 1),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}, 1),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"ArnNotEquals": {"aws:PrincipalArn": arn("x")}}}, 0),
        ({"Action": "s3:*", "Resource": "*", "Condition": {"ArnNotEquals": {"aws:PrincipalArn": arn("*")}}}, 1),
        ({"NotAction": ["s3:GetObject", "kms:Decrypt"], "Resource": "*"}, 1),
        ({"NotAction": "s3:PutObject", "Resource": "*"}, 0),
        ({"Action": "s3:*", "NotResource": "arn:aws:s3:::other/*"}, 0),
    ],
)
def test_a_deny_that_applies_to_every_request_wins(denial: dict[str, Any], left: int) -> None:
    stated = {"Effect": "Deny", "Principal": "*", **denial}
    assert len(readers(cloud(*role("ingestor", READ, OPEN), *bucket(stated)))) == left
    own = {"Effect": "Deny", **denial}
    assert len(readers(cloud(*role("ingestor", READ, OPEN, own), *bucket()))) == left


def test_a_bucket_policy_allows_other_principals() -> None:
    given = {"Effect": "Allow", "Principal": {"Service": "logs.amazonaws.com"}, "Action": "s3:PutObject"}
    found = cloud(*bucket(given | {"Resource": f"{BUCKET}/logs/*"}))
    assert [(one.principal.label, one.verb, one.parts) for one in found] == [
        ("AWS service logs.amazonaws.com", "overwrite", ("logs/*",)),
        ("AWS service logs.amazonaws.com", "write", ("logs/*",)),
    ]
    public = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
    assert "anyone (Principal: *)" in readers(cloud(*bucket(public)), "list")
    # Nobody else may decrypt with its key.
    assert readers(cloud(*bucket(public))) == []


def test_a_permissions_boundary_limits_a_role() -> None:
    [one, rights] = role("ingestor", READ, OPEN)
    bound = build("aws:iam/policy:Policy", "bound", {"arn": "arn:bound", "policy": document(OPEN)})
    held = build(one.type, one.name, {**one.props, "permissionsBoundary": "arn:bound"})
    assert readers(cloud(held, rights, bound, *bucket())) == []
    wide = build("aws:iam/policy:Policy", "bound", {"arn": "arn:bound", "policy": document(OPEN, READ)})
    assert len(readers(cloud(held, rights, wide, *bucket()))) == 1


def test_role_chaining_is_resolved() -> None:
    pods = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    paired = build(
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "features",
        {"roleArn": arn("features"), "namespace": "north-data", "serviceAccount": "features"},
    )
    chained = {"Effect": "Allow", "Principal": {"AWS": arn("features")}, "Action": "sts:AssumeRole"}
    found = cloud(*role("features", trust=pods), paired, *role("reader", READ, OPEN, trust=chained), *bucket())
    assert readers(found) == ["ServiceAccount north-data/features"]
    unpaired = cloud(*role("features", READ, OPEN, trust=pods), *bucket())
    assert readers(unpaired) == ["no principal of this stack"]


def test_policies_without_a_document_are_listed() -> None:
    attached = build(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "managed",
        {"role": "ingestor", "policyArn": "arn:aws:iam::aws:policy/Unknown"},
    )
    found = IamAccess(Graph([*role("ingestor"), attached], STACK)).unresolved_policies()
    assert found == [("ingestor", "arn:aws:iam::aws:policy/Unknown")]


NAMES = ("ingestor", "features", "trainer", "planner")


@given(st.sets(st.sampled_from(NAMES)))
def test_a_principal_without_grant_never_appears(granted: set[str]) -> None:
    roles = [one for name in NAMES for one in role(name, *((READ, OPEN) if name in granted else ()))]
    found = cloud(*roles, *bucket())
    assert {one.principal.name for one in found} == {f"north-phi/{name}" for name in granted}


LETTERS = st.text("ab*?", max_size=6)


@given(LETTERS, LETTERS, st.text("ab", max_size=6))
def test_patterns_that_match_the_same_text_overlap(one: str, other: str, text: str) -> None:
    if matches(one, text) and matches(other, text):
        assert overlap(one, other)
    if matches(one, other) and matches(other, text):
        assert matches(one, text)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"StringEquals": {"aws:PrincipalArn": "arn:a"}}, Outcome.MET),
        ({"StringNotEquals": {"aws:PrincipalArn": "arn:a"}}, Outcome.NOT_MET),
        ({"StringLikeIfExists": {"aws:principalarn": "arn:*"}}, Outcome.MET),
        ({"Null": {"aws:PrincipalArn": "false"}}, Outcome.MET),
        ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, Outcome.DEPENDS),
        ({"NumericLessThan": {"s3:TlsVersion": "1.2"}}, Outcome.DEPENDS),
        ({"StringEquals": {"aws:SourceVpce": "x", "aws:PrincipalArn": "arn:b"}}, Outcome.NOT_MET),
    ],
)
def test_conditions_are_met_or_depend_on_the_request(condition: dict[str, Any], expected: Outcome) -> None:
    [statement] = statements(View(document({"Effect": "Allow", "Action": "*", "Condition": condition})))
    assert evaluate(statement, {"aws:principalarn": "arn:a"}) is expected


# --- Vault and PostgreSQL ----------------------------------------------------------------------------
def vault(policy: str, *more: Resource) -> list[Access]:
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


def path(place: str, *capabilities: str) -> str:
    listed = ", ".join(f'"{capability}"' for capability in capabilities)
    return f'path "{place}" {{\n  capabilities = [{listed}]\n}}\n'


@pytest.mark.parametrize(
    ("policy", "verbs"),
    [
        (path("north/transit/hmac/pseudonym", "update"), {"pseudonymise"}),
        (path("north/transit/hmac/pseudonym", "read"), set()),
        (
            path("north/transit/+/pseudonym", "update"),
            {"pseudonymise", "sign", "decrypt", "encrypt", "rewrap", "verify", "manage"},
        ),
        (path("north/transit/hmac/*", "update") + path("north/transit/hmac/pseudonym", "deny"), {"pseudonymise"}),
        (path("north/transit/hmac/pse*", "deny") + path("north/transit/hmac/*", "update"), set()),
        (path("south/transit/hmac/pseudonym", "update"), set()),
        (path("north/kv/data/fhir", "read"), {"read"}),
        (path("north/transit/export/+/pseudonym", "read"), {"export"}),
    ],
)
def test_vault_applies_the_most_specific_path(policy: str, verbs: set[str]) -> None:
    # The longer form of a request, with its hash, is another path: a denial of the short one alone leaves it open.
    found = vault(policy)
    assert {one.verb for one in found} == verbs
    assert {one.principal.label for one in found} <= {"ServiceAccount north-phi/ingestor"}


def test_a_policy_without_role_is_that_of_a_token_made_elsewhere() -> None:
    other = build(
        "vault:index/policy:Policy",
        "south",
        {"name": "south", "policy": path("north/transit/hmac/pseudonym", "update")},
    )
    assert [one.principal.label for one in vault(path("x/y", "read"), other)] == ["a token with Vault policy south"]


def test_access_to_system_paths_is_listed() -> None:
    [one] = vault(path("sys/policies/acl/*", "update"))
    assert (one.verb, one.parts) == ("configure Vault: update", ("sys/policies/acl/*",))


def test_database_credentials_have_the_privileges_of_their_statements() -> None:
    creation = [
        """CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'""",
        'GRANT SELECT, INSERT ON worklist.visits TO "{{name}}";',
        "GRANT readers TO {{name}}",
        "GRANT nonsense",
    ]
    login = build(
        "vault:database/secretBackendRole:SecretBackendRole",
        "planner",
        {"backend": "north/database", "name": "planner", "dbName": "main", "creationStatements": creation},
    )
    connection = build(
        "vault:database/secretBackendConnection:SecretBackendConnection",
        "main",
        {"backend": "north/database", "name": "main"},
    )
    logins = vault(path("north/database/creds/planner", "read"), login, connection)
    assert [one.verb for one in logins] == ["generate credentials"]
    graph = Graph([login, connection], STACK)
    found = database_logins.access(graph, logins)
    assert [(one.store, one.verb, one.parts) for one in found] == [
        (connection.urn, "all privileges of the role", ("role readers",)),
        (connection.urn, "insert", ("worklist.visits",)),
        (connection.urn, "select", ("worklist.visits",)),
    ]
    assert {one.principal.label for one in found} == {"ServiceAccount north-phi/ingestor"}
    assert database_logins.unparsed_grants(graph) == ["planner: GRANT nonsense"]


# --- the cluster's own rights ------------------------------------------------------------------------
def rbac(
    kind: str, name: str, rules: list[dict[str, Any]], subject: dict[str, str], namespace: str = ""
) -> list[Resource]:
    meta = {"name": name, "namespace": namespace} if namespace else {"name": name}
    bound = "RoleBinding" if namespace else "ClusterRoleBinding"
    group = "kubernetes:rbac.authorization.k8s.io/v1"
    return [
        build(f"{group}:{kind}", name, {"metadata": meta, "rules": rules}),
        build(
            f"{group}:{bound}",
            name,
            {"metadata": meta, "roleRef": {"kind": kind, "name": name}, "subjects": [subject]},
        ),
    ]


TRAINER = {"kind": "ServiceAccount", "name": "trainer", "namespace": "north-data"}
SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}


def test_kubernetes_roles_grant_what_they_list() -> None:
    resource_names = {**SECRETS, "resourceNames": ["fhir"]}
    exec_ = {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}
    harmless = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
    found = cluster_permissions(
        Graph(
            [
                *rbac("Role", "a", [resource_names, harmless], TRAINER, "north-data"),
                *rbac("ClusterRole", "b", [exec_], {"kind": "Group", "name": "operators"}),
            ],
            STACK,
        )
    )
    assert [(one.namespace, one.principal.label, one.permission, one.resource_names) for one in found.permissions] == [
        ("every namespace", "group operators", "execute commands in pods", ()),
        ("north-data", "ServiceAccount north-data/trainer", "read Secrets", ("fhir",)),
        ("north-data", "ServiceAccount north-data/trainer", "read other objects", ()),
    ]
    assert found.unresolved == ()


def test_a_missing_role_is_listed_and_a_default_role_is_known() -> None:
    [_, lost] = rbac("Role", "lost", [], TRAINER, "north-data")
    [_, edit] = rbac("ClusterRole", "edit", [], TRAINER)
    found = cluster_permissions(Graph([lost, edit], STACK))
    assert found.unresolved == ("Role lost by RoleBinding north-data/lost",)
    assert {"read Secrets", "execute commands in pods"} <= {one.permission for one in found.permissions}
    assert "grant permissions" not in {one.permission for one in found.permissions}


def test_the_group_of_an_access_entry_is_its_role_s_principals() -> None:
    people = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    entry = build(
        "aws:eks/accessEntry:AccessEntry", "ops", {"principalArn": arn("ops"), "kubernetesGroups": ["operators"]}
    )
    bound = rbac("ClusterRole", "reader", [SECRETS], {"kind": "Group", "name": "operators"})
    found = cluster_permissions(Graph([*role("ops", trust=people), entry, *bound], STACK))
    [one] = found.permissions
    assert one.principal.label == "another principal of the account"
    assert one.through[1:] == ("group operators", "role ops")
