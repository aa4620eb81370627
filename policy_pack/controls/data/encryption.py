"""Encryption of data at rest: buckets, keys, the cluster, volumes, logs, images, stores and backups."""

from dataclasses import dataclass

from policy_pack.controls.rules import on, on_join, on_set, on_stack
from policy_pack.stack.checks import (
    About,
    Findings,
    between,
    expect,
    fault,
    given,
    guarded,
    later,
    matches,
    one_of,
    yes,
)
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import (
    BACKUP_VAULT,
    BUCKET,
    BUCKET_KEYS,
    BUCKET_SSE,
    EKS,
    INSTANCE,
    KEY,
    KEY_KEYS,
    LOG_GROUP,
    NODE_GROUP,
    REPLICA_KEY,
    REPOSITORY,
    TEMPLATE,
    VOLUME,
)
from policy_pack.stack.values import View

_BY_DEFAULT = "aws:ebs/encryptionByDefault:EncryptionByDefault"
_FIELD = "applyServerSideEncryptionByDefault"


@on_join("ENC-01", BUCKET)
def buckets_have_their_own_key(bucket: Resource, about: About) -> Findings:
    """Ask for encryption by a key of the same hospital and data class, with a bucket key."""
    found = about.attached(bucket, BUCKET_SSE, "bucket", BUCKET_KEYS)
    if not found:
        yield fault("has no encryption of its own")
    for encryption in found:
        for rule in encryption.at("rules").items():
            yield from guarded(_rule(bucket, encryption, rule, about), rule.path, encryption)


def _rule(bucket: Resource, encryption: Resource, rule: View, about: About) -> Findings:
    yield from expect(rule.at(f"{_FIELD}.sseAlgorithm"), matches("aws:kms(:dsse)?"), "is not encrypted by KMS")
    yield from expect(rule.at("bucketKeyEnabled"), yes, "has no bucket key")
    named = rule.at(f"{_FIELD}.kmsMasterKeyId")
    if named.known and named.absent:
        yield fault("names no key, so Amazon's own encrypts", named.path)
        return
    key = _key(encryption, named, about)
    if key is None:
        yield fault("its key is none of this stack", named.path) if named.known else later(named.path)
        return
    for label in ("hospital", "data-class"):
        if about.label(key, label) != about.label(bucket, label):
            yield fault(f"key {key.name} is of another {label}", named.path)


def _by_name(keys: list[Resource]) -> dict[str, Resource]:
    return {value: key for key in keys for name in KEY_KEYS if isinstance(value := key.at(name).raw, str)}


@on_set("ENC-02", KEY)
def keys_rotate_and_wait(key: Resource, about: About) -> Findings:
    """Ask for yearly rotation, and the longest wait before deletion."""
    symmetric = key.at("keyUsage").value in (None, "ENCRYPT_DECRYPT") and key.at("customerMasterKeySpec").value in (
        None,
        "SYMMETRIC_DEFAULT",
    )
    if symmetric:
        yield from expect(key.at("enableKeyRotation"), yes, "does not rotate")
    if not about.synthetic:
        yield from expect(
            key.at("deletionWindowInDays"), lambda days: days is None or days == 30, "can be gone before 30 days"
        )


@on_join("ENC-02", KEY)
def keys_serve_one_data_class(key: Resource, about: About) -> Findings:
    """Refuse a key that encrypts buckets of several hospitals or classes."""
    uses: dict[str, set[tuple[str, str]]] = about.graph.memo("uses of keys", lambda graph: _uses(graph, about))
    if len(uses.get(key.urn, ())) > 1:
        yield fault(f"encrypts {len(uses[key.urn])} hospitals' or classes' buckets")


def _uses(graph: Graph, about: About) -> dict[str, set[tuple[str, str]]]:
    """Return by key whose data of which class it encrypts."""
    found: dict[str, set[tuple[str, str]]] = {}
    for encryption in graph.of(BUCKET_SSE):
        bucket = graph.target(encryption, "bucket", (BUCKET,), BUCKET_KEYS)
        for rule in encryption.at("rules").items():
            key = _key(encryption, rule.at(f"{_FIELD}.kmsMasterKeyId"), about)
            if key and bucket:
                owner = (about.label(bucket, "hospital"), about.label(bucket, "data-class"))
                found.setdefault(key.urn, set()).add(owner)
    return found


def _key(encryption: Resource, named: View, about: About) -> Resource | None:
    """Return the key that an encryption names: by its value, or while that is not known by what it comes from."""
    keys: dict[str, Resource] = about.graph.memo("keys", lambda graph: _by_name(graph.of(KEY)))
    if isinstance(named.raw, str):
        return keys.get(named.raw)
    return None if named.known else about.graph.target(encryption, "rules", (KEY,), KEY_KEYS)


@on("ENC-03", EKS)
def secrets_are_encrypted(cluster: Resource) -> Findings:
    """Ask for envelope encryption of Kubernetes Secrets by a customer key."""
    config = cluster.at("encryptionConfig")
    yield from expect(
        config.at("resources"), lambda kinds: bool(kinds) and "secrets" in kinds, "Secrets are not encrypted"
    )
    yield from expect(config.at("provider.keyArn"), given, "Secrets are encrypted by no key of its own")


@on("ENC-04", VOLUME)
def volumes_are_encrypted(volume: Resource) -> Findings:
    """Ask for a customer key."""
    yield from _volume(View(volume.props))


@on("ENC-04", TEMPLATE)
def templates_encrypt_volumes(template: Resource) -> Findings:
    """Ask that every volume of a node is encrypted, the first included."""
    mappings = template.at("blockDeviceMappings")
    yield from expect(mappings, given, "says nothing of its nodes' volumes")
    for mapping in mappings.items():
        yield from _volume(mapping.at("ebs"))


@on("ENC-04", INSTANCE)
def instances_encrypt_volumes(instance: Resource) -> Findings:
    """Ask the same of single machines."""
    yield from _volume(instance.at("rootBlockDevice"))
    for device in instance.at("ebsBlockDevices").items():
        yield from _volume(device)


@on("ENC-04", NODE_GROUP)
def nodes_come_from_templates(group: Resource) -> Findings:
    """Ask for a template, as without one the volumes have Amazon's key or none."""
    yield from expect(
        group.at("launchTemplate"), given, "has no launch template, so nothing says that its volumes are encrypted"
    )


def _volume(volume: View) -> Findings:
    yield from expect(volume.at("encrypted"), yes, "is not encrypted")
    yield from expect(volume.at("kmsKeyId"), given, "is encrypted by no key of its own")


@on_stack("ENC-04")
def volumes_are_encrypted_by_default(about: About) -> Findings:
    """Ask for the account's switch where the stack has machines, so that no volume that others make is plain."""
    if about.graph.of(EKS, NODE_GROUP, INSTANCE, VOLUME) and not about.graph.of(_BY_DEFAULT):
        yield fault("does not switch encryption of new volumes on (EncryptionByDefault)")


@on("ENC-04", _BY_DEFAULT)
def the_default_is_on(switch: Resource) -> Findings:
    """Refuse the account's switch when it is off."""
    yield from expect(switch.at("enabled"), lambda value: value is not False, "leaves new volumes plain")


@on("ENC-04", "k8s:storage.k8s.io/StorageClass")
def storage_classes_encrypt(storage: Resource) -> Findings:
    """Ask the same of volumes that pods claim."""
    yield from expect(storage.at("parameters.encrypted"), yes, "its volumes are not encrypted")
    yield from expect(storage.at("parameters.kmsKeyId"), given, "its volumes are encrypted by no key of their own")


@on("ENC-05", LOG_GROUP)
def logs_are_encrypted(group: Resource) -> Findings:
    """Ask for a customer key."""
    yield from expect(group.at("kmsKeyId"), given, "is encrypted by no key of its own")


@on("ENC-06", REPOSITORY)
def images_are_encrypted(repository: Resource) -> Findings:
    """Ask for KMS with a customer key."""
    configured = repository.at("encryptionConfigurations")
    yield from expect(configured, given, "is not encrypted by KMS")
    for entry in configured.items():
        yield from expect(entry.at("encryptionType"), one_of("KMS", "KMS_DSSE"), "is not encrypted by KMS")
        yield from expect(entry.at("kmsKey"), given, "is encrypted by no key of its own")


@dataclass(frozen=True)
class _Store:
    """Where a store says that it is encrypted, and by which key."""

    key: str
    switch: str = ""
    on: tuple[object, ...] = (True, "true")


_STORES = {
    "aws:secretsmanager/secret:Secret": _Store("kmsKeyId"),
    "aws:sns/topic:Topic": _Store("kmsMasterKeyId"),
    "aws:sqs/queue:Queue": _Store("kmsMasterKeyId"),
    "aws:rds/instance:Instance": _Store("kmsKeyId", "storageEncrypted"),
    "aws:rds/cluster:Cluster": _Store("kmsKeyId", "storageEncrypted"),
    "aws:efs/fileSystem:FileSystem": _Store("kmsKeyId", "encrypted"),
    "aws:kinesis/stream:Stream": _Store("kmsKeyId", "encryptionType", ("KMS",)),
    "aws:msk/cluster:Cluster": _Store("encryptionInfo.encryptionAtRestKmsKeyArn"),
}


@on("ENC-07", *_STORES)
def stores_are_encrypted(store: Resource) -> Findings:
    """Ask every store, queue and topic for encryption by a customer key."""
    place = _STORES[store.kind]
    if place.switch:
        yield from expect(store.at(place.switch), one_of(*place.on), "is not encrypted")
    yield from expect(
        store.at(place.key), lambda key: given(key) and "alias/aws/" not in key, "is encrypted by no key of its own"
    )


@on("ENC-07", "aws:msk/cluster:Cluster")
def streams_are_encrypted_on_the_way(cluster: Resource) -> Findings:
    """Ask that clients and brokers speak TLS alone."""
    transit = cluster.at("encryptionInfo.encryptionInTransit")
    yield from expect(transit.at("clientBroker"), one_of(None, "TLS"), "admits clients without TLS")
    yield from expect(transit.at("inCluster"), lambda value: value is not False, "its brokers speak without TLS")


@on("ENC-08", BACKUP_VAULT)
def backups_are_encrypted(vault: Resource) -> Findings:
    """Ask for a customer key."""
    yield from expect(vault.at("kmsKeyArn"), given, "is encrypted by no key of its own")


@on("ENC-02", REPLICA_KEY)
def replicas_wait(key: Resource) -> Findings:
    """Ask the longest wait of replicas as well."""
    yield from expect(
        key.at("deletionWindowInDays"), lambda days: days is None or between(30, 30)(days), "can be gone before 30 days"
    )
