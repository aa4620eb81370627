"""Integrity: versioning, object lock, deletion protection, and the digests of models and images."""

import re
from fnmatch import fnmatchcase

from policy_pack.controls.rules import context_check, join_check, resource_check
from policy_pack.facts.iam.callers import own_account
from policy_pack.facts.records.deliveries import record_buckets
from policy_pack.facts.records.table import records
from policy_pack.facts.structure import data_classes, hospital_of, may_hold
from policy_pack.stack.checks import (
    Findings,
    StackContext,
    expect,
    guarded,
    is_empty,
    is_not_true,
    is_true,
    one_of,
    violation,
)
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    BUCKET,
    BUCKET_KEYS,
    BUCKET_LIFECYCLE,
    BUCKET_LOCK,
    BUCKET_VERSIONING,
    DATABASES,
    EKS,
    INFERENCE_SERVICE,
    KEY,
    LOAD_BALANCER,
    LOG_GROUP,
    REPOSITORY,
)
from policy_pack.stack.pods import CONTAINER_OWNERS, containers
from policy_pack.stack.text import known_text

_LOCKS = {"audit": ("COMPLIANCE",), "models": ("GOVERNANCE", "COMPLIANCE")}
_PROTECTED = (
    BUCKET,
    KEY,
    EKS,
    LOG_GROUP,
    REPOSITORY,
    *DATABASES,
    "aws:msk/cluster:Cluster",
    "aws:efs/fileSystem:FileSystem",
    "aws:backup/vault:Vault",
    "vault:index/mount:Mount",
    "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
    "vault:transit/secretBackendKey:SecretBackendKey",
)
_RELEASE = re.compile(r"s3://(?P<bucket>[^/]+)/(?:[^/]+/)*v\d+(?:\.\d+)*/(?P<digest>[0-9a-f]{12,64})/?")
_ECR = re.compile(r"(\d{12})\.dkr\.ecr\.")
_RESTORABLE_DAYS = 7
_DIGEST = re.compile(r"(?P<name>[^@]+)@sha256:[0-9a-f]{64}")


@join_check("INT-01", BUCKET)
def buckets_have_versioning(bucket: Resource, context: StackContext) -> Findings:
    """Require versioning, so that overwritten objects can be restored."""
    configurations = context.attached(bucket, BUCKET_VERSIONING, "bucket", BUCKET_KEYS)
    if not configurations:
        yield violation("has no versioning")
    for versioning in configurations:
        status = versioning.at("versioningConfiguration.status")
        yield from guarded(expect(status, one_of("Enabled"), "versioning is not enabled"), resource=versioning)


@join_check("INT-01", BUCKET)
def buckets_have_a_lifecycle(bucket: Resource, context: StackContext) -> Findings:
    """Require a lifecycle rule, as otherwise noncurrent versions are kept forever."""
    configurations = context.attached(bucket, BUCKET_LIFECYCLE, "bucket", BUCKET_KEYS)
    rules = [rule for lifecycle in configurations for rule in lifecycle.at("rules").items()]
    if not any(rule.at("status").value == "Enabled" for rule in rules):
        yield violation("has no lifecycle rule for noncurrent versions (BucketLifecycleConfiguration)")
    for rule in (rule for rule in rules if rule.at("status").value == "Enabled"):
        yield from expect(rule.at("expiration.date"), is_empty, "its objects expire on a date, whatever their age")
        days = rule.at("noncurrentVersionExpiration.noncurrentDays")
        message = "overwritten objects can be restored for less than a week"
        yield from expect(days, lambda value: value is None or value >= _RESTORABLE_DAYS, message)


@join_check("INT-02", BUCKET)
def buckets_have_object_lock(bucket: Resource, context: StackContext) -> Findings:
    """Require object lock for buckets of audit records and models."""
    delivered = record_buckets(context.graph).get(bucket.urn)
    classes = (name for name in _LOCKS if may_hold(bucket, name, context))
    data_class = "audit" if delivered == "CloudTrail" else next(classes, "")
    modes = _LOCKS.get(data_class)
    if modes is None:
        return
    configurations = context.attached(bucket, BUCKET_LOCK, "bucket", BUCKET_KEYS)
    if not configurations:
        yield violation(f"has no object lock ({' or '.join(modes)})")
    for lock in configurations:
        yield from expect(
            lock.at("rule.defaultRetention.mode"), one_of(*modes), f"its object lock mode is not {' or '.join(modes)}"
        )
        period = lock.at("rule.defaultRetention")
        enabled = bucket.at("objectLockEnabled")
        message = "is declared without object lock (objectLockEnabled), so that the next one of its name has none"
        yield from expect(enabled, is_true, message)
        days = (period.at("days").value or 0) + 365 * (period.at("years").value or 0)
        least = records().bucket_days if data_class == "audit" else 1
        if days < least:
            yield violation(f"its object lock holds for {days} days, fewer than {least}", period.path)


@context_check("INT-03", *_PROTECTED)
def data_stores_are_protected(resource: Resource, context: StackContext) -> Findings:
    """Require Pulumi's protect option on data stores, except with synthetic data."""
    if context.synthetic:
        return
    if not resource.protect:
        yield violation("has no Pulumi option protect")
    for field in ("forceDestroy", "forceDelete", "deletionAllowed"):
        yield from expect(resource.at(field), is_not_true, f"{field} is true")


@context_check("INT-03", *DATABASES, EKS, LOAD_BALANCER)
def services_have_deletion_protection(resource: Resource, context: StackContext) -> Findings:
    """Require the deletion protection of the service as well."""
    if not context.synthetic:
        field = "enableDeletionProtection" if resource.kind == LOAD_BALANCER else "deletionProtection"
        yield from expect(resource.at(field), is_true, f"{field} is not true")


@resource_check("INT-04", INFERENCE_SERVICE)
def models_have_version_and_digest(service: Resource) -> Findings:
    """Require version and digest in the storage URI of a model."""
    for part in ("model", "sklearn"):
        model = service.at(f"spec.predictor.{part}")
        if model.known and model.absent:
            continue
        yield from expect(
            model.at("storageUri"),
            lambda uri: isinstance(uri, str) and bool(_RELEASE.fullmatch(uri)),
            "its storage URI has no version and digest",
        )


@join_check("INT-04", INFERENCE_SERVICE)
def models_are_in_their_hospital_s_bucket(service: Resource, context: StackContext) -> Findings:
    """Require that the model is in the models bucket of the same hospital."""
    uri = service.at("spec.predictor.model.storageUri")
    release = _RELEASE.fullmatch(uri.text())
    if release is None:
        return
    buckets = context.graph.where("bucket", release["bucket"], BUCKET)
    if not buckets:
        yield violation(f"its model is in {release['bucket']}, which is not a bucket of this stack", uri.path)
    for bucket in buckets:
        if data_classes(bucket, context) != {"models"}:
            yield violation(f"its model is in {bucket.name}, which is not for the data class models", uri.path)
        if hospital_of(bucket, context) != hospital_of(service, context):
            yield violation(f"its model is in {bucket.name}, which belongs to another hospital", uri.path)


@context_check("INT-04", INFERENCE_SERVICE)
def models_are_approved(service: Resource, context: StackContext) -> Findings:
    """Require that the deployed digest is the approved one."""
    annotation = context.annotation(service, "release-digest")
    release = _RELEASE.fullmatch(service.at("spec.predictor.model.storageUri").text())
    if annotation.absent:
        yield violation("has no approved digest (annotation release-digest)", annotation.path)
    elif release and not annotation.text().startswith(release["digest"]):
        yield violation("its digest is not the approved one", annotation.path)


@context_check("INT-05", *CONTAINER_OWNERS)
def images_have_digests(resource: Resource, context: StackContext) -> Findings:
    """Require every image by digest, from an allowed registry."""
    registries = context.settings.services.registries
    for container in containers(resource):
        image = container.view.at("image")
        if container.merged and image.known and image.absent:
            continue
        yield from expect(image, _has_digest, "its image has no digest")
        yield from expect(
            image,
            lambda name: any(fnmatchcase(str(name).partition("@")[0], glob) for glob in registries),
            "its image is from a registry that is not allowed",
        )


@join_check("INT-05", *CONTAINER_OWNERS)
def images_are_of_the_account(resource: Resource, context: StackContext) -> Findings:
    """Refuse images from the registry of another account, which the pattern of allowed registries includes."""
    own = own_account(context.graph)
    for container in containers(resource):
        image = container.view.at("image")
        registry = _ECR.match(known_text(image))
        if registry and own and registry[1] != own:
            yield violation("its image is from the registry of another account", image.path)


def _has_digest(image: object) -> bool:
    return isinstance(image, str) and _DIGEST.fullmatch(image) is not None
