"""Integrity: versions, locks, protection from deletion, and that what runs is what was approved."""

import re
from fnmatch import fnmatchcase

from policy_pack.controls.rules import on, on_join, on_set
from policy_pack.stack.checks import About, Findings, expect, fault, guarded, not_yes, one_of, yes
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    BALANCER,
    BUCKET,
    BUCKET_KEYS,
    BUCKET_LIFECYCLE,
    BUCKET_LOCK,
    BUCKET_VERSIONING,
    DATABASES,
    EKS,
    INFERENCE,
    KEY,
)
from policy_pack.stack.pods import CONTAINERS, containers

_LOCKS = {"audit": ("COMPLIANCE",), "models": ("GOVERNANCE", "COMPLIANCE")}
_KEPT = (
    BUCKET,
    KEY,
    EKS,
    *DATABASES,
    "aws:msk/cluster:Cluster",
    "aws:efs/fileSystem:FileSystem",
    "aws:backup/vault:Vault",
    "vault:index/mount:Mount",
    "vault:transit/secretBackendKey:SecretBackendKey",
)
_RELEASE = re.compile(r"s3://(?P<bucket>[^/]+)/(?:[^/]+/)*v\d+(?:\.\d+)*/(?P<digest>[0-9a-f]{12,64})/?")
_DIGEST = re.compile(r"(?P<name>[^@]+)@sha256:[0-9a-f]{64}")


@on_join("INT-01", BUCKET)
def buckets_keep_versions(bucket: Resource, about: About) -> Findings:
    """Ask for versions, so that an overwritten object can be had back."""
    found = about.attached(bucket, BUCKET_VERSIONING, "bucket", BUCKET_KEYS)
    if not found:
        yield fault("keeps no versions")
    for versioning in found:
        status = versioning.at("versioningConfiguration.status")
        yield from guarded(expect(status, one_of("Enabled"), "does not keep versions"), resource=versioning)


@on_join("INT-01", BUCKET)
def versions_have_a_lifecycle(bucket: Resource, about: About) -> Findings:
    """Ask what becomes of versions, as else whatever was deleted stays for ever."""
    found = about.attached(bucket, BUCKET_LIFECYCLE, "bucket", BUCKET_KEYS)
    rules = [rule for lifecycle in found for rule in lifecycle.at("rules").items()]
    if not any(rule.at("status").value == "Enabled" for rule in rules):
        yield fault("nothing says what becomes of old versions (BucketLifecycleConfiguration)")


@on_join("INT-02", BUCKET)
def records_and_models_are_locked(bucket: Resource, about: About) -> Findings:
    """Ask for object lock of audit records and models."""
    modes = _LOCKS.get(about.label(bucket, "data-class"))
    if modes is None:
        return
    found = about.attached(bucket, BUCKET_LOCK, "bucket", BUCKET_KEYS)
    if not found:
        yield fault(f"has no object lock ({' or '.join(modes)})")
    for lock in found:
        yield from expect(
            lock.at("rule.defaultRetention.mode"), one_of(*modes), f"is not locked by {' or '.join(modes)}"
        )


@on_set("INT-03", *_KEPT)
def data_cannot_be_deleted_by_mistake(resource: Resource, about: About) -> Findings:
    """Ask for the engine's protection of whatever holds data, save where data is synthetic."""
    if about.synthetic:
        return
    if not resource.protect:
        yield fault("can be deleted by an update (option protect)")
    for field in ("forceDestroy", "forceDelete", "deletionAllowed"):
        yield from expect(resource.at(field), not_yes, f"{field} is true")


@on_set("INT-03", *DATABASES, BALANCER)
def servers_refuse_deletion(resource: Resource, about: About) -> Findings:
    """Ask for the service's own protection as well."""
    if not about.synthetic:
        field = "enableDeletionProtection" if resource.kind == BALANCER else "deletionProtection"
        yield from expect(resource.at(field), yes, f"{field} is not true")


@on("INT-04", INFERENCE)
def models_are_named_by_content(service: Resource) -> Findings:
    """Ask for a version and a digest in the model's address."""
    for part in ("model", "sklearn"):
        place = service.at(f"spec.predictor.{part}")
        if place.known and place.absent:
            continue
        yield from expect(
            place.at("storageUri"),
            lambda uri: isinstance(uri, str) and bool(_RELEASE.fullmatch(uri)),
            "its model is not named by version and digest",
        )


@on_join("INT-04", INFERENCE)
def models_come_from_their_hospital(service: Resource, about: About) -> Findings:
    """Ask that the model lies in the same hospital's models bucket, and is the release that was approved."""
    uri = service.at("spec.predictor.model.storageUri")
    found = _RELEASE.fullmatch(uri.text())
    if found is None:
        return
    buckets = about.graph.where("bucket", found["bucket"], BUCKET)
    if not buckets:
        yield fault(f"its model lies in {found['bucket']}, which is no bucket of this stack", uri.path)
    for bucket in buckets:
        if about.label(bucket, "data-class") != "models":
            yield fault(f"its model lies in {bucket.name}, which is for other data", uri.path)
        if about.label(bucket, "hospital") != about.label(service, "hospital"):
            yield fault(f"its model lies in {bucket.name}, which is another hospital's", uri.path)


@on_set("INT-04", INFERENCE)
def models_are_the_approved_ones(service: Resource, about: About) -> Findings:
    """Ask that the digest which was approved is the one that is deployed."""
    note = about.note(service, "release-digest")
    found = _RELEASE.fullmatch(service.at("spec.predictor.model.storageUri").text())
    if note.absent:
        yield fault("does not say which digest was approved (annotation release-digest)", note.path)
    elif found and not note.text().startswith(found["digest"]):
        yield fault("is another release than the one that was approved", note.path)


@on_set("INT-05", *CONTAINERS)
def images_are_named_by_digest(resource: Resource, about: About) -> Findings:
    """Ask every image for a digest, from a registry that is approved."""
    registries = about.settings.services.registries
    for container in containers(resource):
        image = container.at("image")
        if image.known and image.absent and resource.kind == INFERENCE:
            continue
        yield from expect(image, _pinned, "its image is not named by digest")
        yield from expect(
            image,
            lambda name: any(fnmatchcase(str(name).partition("@")[0], glob) for glob in registries),
            "its image is from a registry that is not approved",
        )


def _pinned(image: object) -> bool:
    return isinstance(image, str) and _DIGEST.fullmatch(image) is not None
