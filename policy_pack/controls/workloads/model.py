"""Model releases, their gates, and the separation of training from raw PHI."""

import re

from policy_pack.controls.rules import context_check, join_check
from policy_pack.facts.data_stores import arn_of
from policy_pack.facts.iam.documents import statements
from policy_pack.facts.iam.evaluation import allowed_arns
from policy_pack.facts.iam.trust import service_account
from policy_pack.facts.releases import ReleaseMetadata, local_path, read, source_attributes
from policy_pack.facts.structure import may_hold, zone_of
from policy_pack.facts.vault.policies import policy_paths
from policy_pack.stack.checks import Findings, StackContext, expect, guarded, is_set, matches, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import (
    BUCKET,
    INFERENCE_SERVICE,
    KEY,
    ROLE,
    ROLE_KEYS,
    ROLE_POLICY,
    VAULT_KUBERNETES_ROLE,
    VAULT_POLICY,
)
from policy_pack.stack.pods import POD_OWNERS, namespace, pod
from policy_pack.stack.values import NotKnownError

_GATES = re.compile(r"(?P<profile>[\w-]+):passed")
_CLINICAL = "clinical"
_ANNOTATIONS = {
    "signature": (is_set, "its release is not signed"),
    "model-card": (is_set, "its release has no model card"),
    "training-data": (
        matches(r"(sha256:)?[0-9a-f]{64}"),
        "has no hash of its training data (annotation training-data)",
    ),
}


@context_check("ML-01", INFERENCE_SERVICE)
def models_have_release_annotations(service: Resource, context: StackContext) -> Findings:
    """Require the annotations of signature, model card with its source attributes, training data and approval."""
    for name, (predicate, message) in _ANNOTATIONS.items():
        yield from expect(context.annotation(service, name), predicate, message)
    answers = context.annotation(service, "source-attributes")
    answered = answers.text().split()
    if not answered:
        yield violation("its model card has no source attributes (annotation source-attributes)", answers.path)
    elif not context.synthetic:
        for attribute in source_attributes():
            if attribute.required and attribute.id not in answered:
                yield violation(f"its model card has no answer to {attribute.id}, {attribute.name}", answers.path)
    if not context.synthetic:
        yield from expect(context.annotation(service, "approval"), is_set, "its release is not approved")
        ethics = context.annotation(service, "ethics-approval")
        yield from expect(ethics, is_set, "the thresholds of its release have no ethics approval")


@context_check("ML-02", INFERENCE_SERVICE)
def models_have_passed_gates(service: Resource, context: StackContext) -> Findings:
    """Require that every gate of the profile passed, by annotation; real patients need the clinical profile."""
    annotation = context.annotation(service, "gates")
    passed = _GATES.fullmatch(annotation.text())
    if passed is None:
        yield violation("its release has not passed all gates", annotation.path)
    elif passed["profile"] != _CLINICAL and not context.synthetic:
        yield violation(f"passed the gates of profile {passed['profile']}, which is not for patients", annotation.path)
    if not context.synthetic:
        yield from expect(context.annotation(service, "evaluated"), matches("true"), "its release was not evaluated")


@context_check("ML-01", INFERENCE_SERVICE)
def releases_are_complete(service: Resource, context: StackContext) -> Findings:
    """Require the same in the files of the release, where a mirror of the models bucket is configured."""
    metadata = _metadata(service, context)
    if metadata:
        for subject in metadata.problems:
            yield violation(f"its release {subject}")
        answers = dict(metadata.attributes)
        for attribute in source_attributes():
            if attribute.id not in answers:
                yield violation(f"the model card of its release has no row {attribute.id}, {attribute.name}")
            elif attribute.required and not answers[attribute.id] and not context.synthetic:
                yield violation(f"the model card of its release has no answer to {attribute.id}, {attribute.name}")
        if not metadata.approved and not context.synthetic:
            yield violation("the files of its release have no approval, or none of the ethics committee")


@context_check("ML-02", INFERENCE_SERVICE)
def releases_have_passed_gates(service: Resource, context: StackContext) -> Findings:
    """Require passed gates in the files of the release."""
    metadata = _metadata(service, context)
    if metadata and not metadata.passed:
        yield violation("the files of its release have gates that did not pass")
    if metadata and not metadata.evaluated and not context.synthetic:
        yield violation("the files of its release have no evaluation")
    if metadata and metadata.profile != _CLINICAL and not context.synthetic:
        yield violation(
            f"the files of its release have the profile {metadata.profile or 'none'}, which is not for patients"
        )


def _metadata(service: Resource, context: StackContext) -> ReleaseMetadata | None:
    uri = service.at("spec.predictor.model.storageUri").text()
    if context.settings.releases is None or not uri:
        return None
    return read(local_path(context.settings.releases, uri), uri.rstrip("/").rpartition("/")[2])


# --- training --------------------------------------------------------------------------------------
@join_check("ML-04", *POD_OWNERS)
def training_has_no_raw_phi(resource: Resource, context: StackContext) -> Findings:
    """Refuse access to raw PHI, or to pseudonymisation keys, in the zone where models are trained."""
    if zone_of(resource, context) != "data":
        return
    account = (namespace(resource).text(), pod(resource).spec.at("serviceAccountName").text())
    for role in context.graph.memo("roles by account", _roles).get(account, ()):
        for policy in context.graph.referrers(role, ROLE_POLICY, "role", ROLE_KEYS):
            yield from guarded(_reads_raw(policy, context), "policy", policy)
    yield from guarded(_pseudonymisation(account, context))


def _roles(graph: Graph) -> dict[tuple[str, str], list[Resource]]:
    by_account: dict[tuple[str, str], list[Resource]] = {}
    for role in graph.of(ROLE):
        try:
            account = service_account(role.at("assumeRolePolicy"))
        except (NotKnownError, ValueError):
            continue
        if account:
            by_account.setdefault(account, []).append(role)
    return by_account


def _reads_raw(policy: Resource, context: StackContext) -> Findings:
    policy_statements = statements(policy.at("policy"))
    buckets = context.graph.memo("raw buckets", lambda graph: _raw(graph, context, BUCKET))
    keys = context.graph.memo("raw keys", lambda graph: _raw(graph, context, KEY))
    for arn in sorted(allowed_arns(policy_statements, "s3:GetObject", buckets, contents="/*"), key=buckets.__getitem__):
        yield violation(f"allows training to read {buckets[arn]}, which holds raw PHI", "policy")
    for arn in sorted(allowed_arns(policy_statements, "kms:Decrypt", keys), key=keys.__getitem__):
        yield violation(f"allows training to decrypt with {keys[arn]}, the key of raw PHI", "policy")


def _raw(graph: Graph, context: StackContext, kind: str) -> dict[str, str]:
    """Return names by ARN of the buckets or keys of raw PHI."""
    return {arn_of(one): one.name for one in graph.of(kind) if may_hold(one, "raw", context)}


def _pseudonymisation(account: tuple[str, str], context: StackContext) -> Findings:
    for role in context.graph.memo("vault roles by account", _auth_roles).get(account, ()):
        for named in role.at("tokenPolicies").items():
            for policy in context.graph.where("name", named.text(), VAULT_POLICY):
                yield from _pseudonym_paths(policy, role)


def _auth_roles(graph: Graph) -> dict[tuple[str, str], list[Resource]]:
    by_account: dict[tuple[str, str], list[Resource]] = {}
    for role in graph.of(VAULT_KUBERNETES_ROLE):
        for namespace_name in role.at("boundServiceAccountNamespaces").items():
            for name in role.at("boundServiceAccountNames").items():
                by_account.setdefault((namespace_name.text(), name.text()), []).append(role)
    return by_account


def _pseudonym_paths(policy: Resource, role: Resource) -> Findings:
    for path, _ in policy_paths(policy.at("policy")):
        if "pseudonym" in path or "/transit/*" in path:
            yield violation(f"allows training to use {path}, which creates pseudonyms", "policy", role)
