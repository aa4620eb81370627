"""Encryption at rest of buckets, volumes, logs, images, databases, queues and backups, and of Kubernetes Secrets."""

from dataclasses import dataclass

from policy_pack.controls.rules import context_check, join_check, resource_check, stack_check
from policy_pack.stack.checks import (
    Findings,
    StackContext,
    between,
    expect,
    guarded,
    is_set,
    is_true,
    matches,
    not_yet_known,
    one_of,
    violation,
)
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import (
    BACKUP_VAULT,
    BUCKET,
    BUCKET_KEYS,
    BUCKET_SSE,
    EBS_VOLUME,
    EC2_INSTANCE,
    EKS,
    KEY,
    KEY_KEYS,
    LAUNCH_TEMPLATE,
    LOG_GROUP,
    NODE_GROUP,
    REPLICA_KEY,
    REPOSITORY,
)
from policy_pack.stack.values import View

_ENCRYPTION_BY_DEFAULT = "aws:ebs/encryptionByDefault:EncryptionByDefault"
_SSE = "applyServerSideEncryptionByDefault"


@join_check("ENC-01", BUCKET)
def buckets_use_their_own_key(bucket: Resource, context: StackContext) -> Findings:
    """Require SSE-KMS with the key of the same hospital and data class, and an S3 Bucket Key."""
    configurations = context.attached(bucket, BUCKET_SSE, "bucket", BUCKET_KEYS)
    if not configurations:
        yield violation("has no default encryption")
    for encryption in configurations:
        for rule in encryption.at("rules").items():
            yield from guarded(_rule(bucket, encryption, rule, context), rule.path, encryption)


def _rule(bucket: Resource, encryption: Resource, rule: View, context: StackContext) -> Findings:
    yield from expect(rule.at(f"{_SSE}.sseAlgorithm"), matches("aws:kms(:dsse)?"), "is not encrypted with SSE-KMS")
    yield from expect(rule.at("bucketKeyEnabled"), is_true, "has no S3 Bucket Key")
    key_reference = rule.at(f"{_SSE}.kmsMasterKeyId")
    if key_reference.known and key_reference.absent:
        yield violation("names no KMS key, so the AWS managed key encrypts it", key_reference.path)
        return
    key = _key(encryption, key_reference, context)
    if key is None:
        yield (
            violation("its KMS key is not in this stack", key_reference.path)
            if key_reference.known
            else not_yet_known(key_reference.path)
        )
        return
    for label in ("hospital", "data-class"):
        if context.label(key, label) != context.label(bucket, label):
            yield violation(f"key {key.name} has another {label}", key_reference.path)


def _by_name(keys: list[Resource]) -> dict[str, Resource]:
    return {value: key for key in keys for name in KEY_KEYS if isinstance(value := key.at(name).raw, str)}


@context_check("ENC-02", KEY)
def keys_rotate(key: Resource, context: StackContext) -> Findings:
    """Require yearly rotation, and a deletion window of 30 days."""
    symmetric = key.at("keyUsage").value in (None, "ENCRYPT_DECRYPT") and key.at("customerMasterKeySpec").value in (
        None,
        "SYMMETRIC_DEFAULT",
    )
    if symmetric:
        yield from expect(key.at("enableKeyRotation"), is_true, "has no key rotation")
        period = key.at("rotationPeriodInDays")
        yield from expect(period, lambda days: days is None or days <= 365, "is rotated less than once a year")
    elif is_true(key.at("enableKeyRotation").raw):
        yield violation("is not symmetric, so it is neither rotated nor encrypts data", "customerMasterKeySpec")
    yield from expect(key.at("isEnabled"), lambda value: value is not False, "is disabled, so nothing can be decrypted")
    if not context.synthetic:
        yield from expect(
            key.at("deletionWindowInDays"),
            lambda days: days is None or days == 30,
            "has a deletion window of less than 30 days",
        )


@join_check("ENC-02", KEY)
def keys_serve_one_data_class(key: Resource, context: StackContext) -> Findings:
    """Refuse a key that encrypts buckets of several hospitals or data classes."""
    uses: dict[str, set[tuple[str, str]]] = context.graph.memo("uses of keys", lambda graph: _uses(graph, context))
    if len(uses.get(key.urn, ())) > 1:
        yield violation(f"encrypts buckets of {len(uses[key.urn])} hospitals or data classes")


def _uses(graph: Graph, context: StackContext) -> dict[str, set[tuple[str, str]]]:
    """Return the owners (hospital, data class) of the buckets that each key encrypts."""
    owners_by_key: dict[str, set[tuple[str, str]]] = {}
    for encryption in graph.of(BUCKET_SSE):
        bucket = graph.target(encryption, "bucket", (BUCKET,), BUCKET_KEYS)
        for rule in encryption.at("rules").items():
            key = _key(encryption, rule.at(f"{_SSE}.kmsMasterKeyId"), context)
            if key and bucket:
                owner = (context.label(bucket, "hospital"), context.label(bucket, "data-class"))
                owners_by_key.setdefault(key.urn, set()).add(owner)
    return owners_by_key


def _key(encryption: Resource, key_reference: View, context: StackContext) -> Resource | None:
    """Return the key of an encryption configuration: by its value, or while that is not known, by its dependency."""
    keys: dict[str, Resource] = context.graph.memo("keys", lambda graph: _by_name(graph.of(KEY)))
    if isinstance(key_reference.raw, str):
        return keys.get(key_reference.raw)
    return None if key_reference.known else context.graph.target(encryption, "rules", (KEY,), KEY_KEYS)


@resource_check("ENC-03", EKS)
def kubernetes_secrets_are_encrypted(cluster: Resource) -> Findings:
    """Require envelope encryption of Kubernetes Secrets with a customer-managed key."""
    config = cluster.at("encryptionConfig")
    yield from expect(
        config.at("resources"), lambda kinds: bool(kinds) and "secrets" in kinds, "Kubernetes Secrets are not encrypted"
    )
    yield from expect(
        config.at("provider.keyArn"), is_set, "Kubernetes Secrets are not encrypted with a customer-managed KMS key"
    )


@resource_check("ENC-04", EBS_VOLUME)
def volumes_are_encrypted(volume: Resource) -> Findings:
    """Require encryption with a customer-managed key."""
    yield from _volume(View(volume.props))


@resource_check("ENC-04", LAUNCH_TEMPLATE)
def templates_encrypt_volumes(template: Resource) -> Findings:
    """Require that every volume of a node is encrypted, the root volume included."""
    mappings = template.at("blockDeviceMappings")
    yield from expect(
        mappings,
        is_set,
        "has no block device mappings, so the volumes of its nodes are not encrypted with a customer-managed KMS key",
    )
    for mapping in mappings.items():
        yield from _volume(mapping.at("ebs"))


@resource_check("ENC-04", EC2_INSTANCE)
def instances_encrypt_volumes(instance: Resource) -> Findings:
    """Require the same for the volumes of EC2 instances."""
    yield from _volume(instance.at("rootBlockDevice"))
    for device in instance.at("ebsBlockDevices").items():
        yield from _volume(device)


@resource_check("ENC-04", NODE_GROUP)
def node_groups_have_launch_templates(group: Resource) -> Findings:
    """Require a launch template, as only that sets the encryption of volumes."""
    yield from expect(group.at("launchTemplate"), is_set, "has no launch template that encrypts its volumes")


def _volume(volume: View) -> Findings:
    yield from expect(volume.at("encrypted"), is_true, "is not encrypted")
    yield from expect(volume.at("kmsKeyId"), is_set, "is not encrypted with a customer-managed KMS key")


@stack_check("ENC-04")
def volumes_are_encrypted_by_default(context: StackContext) -> Findings:
    """Require EBS encryption by default in each region with volumes, for volumes that others create as well."""
    used = {context.region(resource) for resource in context.graph.of(EKS, NODE_GROUP, EC2_INSTANCE, EBS_VOLUME)}
    for region in sorted(used - {context.region(default) for default in context.graph.of(_ENCRYPTION_BY_DEFAULT)}):
        where = f" in {region}" if region else ""
        yield violation(f"has no EBS encryption by default (EncryptionByDefault){where}")


@resource_check("ENC-04", _ENCRYPTION_BY_DEFAULT)
def encryption_by_default_is_enabled(enabled_by: Resource) -> Findings:
    """Refuse EBS encryption by default that is switched off."""
    yield from expect(
        enabled_by.at("enabled"), lambda value: value is not False, "EBS encryption by default is switched off"
    )


@resource_check("ENC-05", LOG_GROUP)
def logs_are_encrypted(group: Resource) -> Findings:
    """Require a customer-managed key."""
    yield from expect(group.at("kmsKeyId"), is_set, "is not encrypted with a customer-managed KMS key")


@resource_check("ENC-06", REPOSITORY)
def images_are_encrypted(repository: Resource) -> Findings:
    """Require encryption with a customer-managed key."""
    configured = repository.at("encryptionConfigurations")
    yield from expect(configured, is_set, "is not encrypted with KMS")
    for entry in configured.items():
        yield from expect(entry.at("encryptionType"), one_of("KMS", "KMS_DSSE"), "is not encrypted with KMS")
        yield from expect(entry.at("kmsKey"), is_set, "is not encrypted with a customer-managed KMS key")


@dataclass(frozen=True)
class _EncryptionProperties:
    """The property that names the key of a store, and the property that switches encryption on."""

    key: str
    enabled_by: str = ""
    resource_check: tuple[object, ...] = (True, "true")


_STORES = {
    "aws:secretsmanager/secret:Secret": _EncryptionProperties("kmsKeyId"),
    "aws:sns/topic:Topic": _EncryptionProperties("kmsMasterKeyId"),
    "aws:sqs/queue:Queue": _EncryptionProperties("kmsMasterKeyId"),
    "aws:rds/instance:Instance": _EncryptionProperties("kmsKeyId", "storageEncrypted"),
    "aws:rds/cluster:Cluster": _EncryptionProperties("kmsKeyId", "storageEncrypted"),
    "aws:efs/fileSystem:FileSystem": _EncryptionProperties("kmsKeyId", "encrypted"),
    "aws:kinesis/stream:Stream": _EncryptionProperties("kmsKeyId", "encryptionType", ("KMS",)),
    "aws:msk/cluster:Cluster": _EncryptionProperties("encryptionInfo.encryptionAtRestKmsKeyArn"),
}


@resource_check("ENC-07", *_STORES)
def stores_are_encrypted(store: Resource) -> Findings:
    """Require a customer-managed key for every database, queue, topic and stream."""
    properties = _STORES[store.kind]
    if properties.enabled_by:
        yield from expect(store.at(properties.enabled_by), one_of(*properties.resource_check), "is not encrypted")
    yield from expect(
        store.at(properties.key),
        lambda key: is_set(key) and "alias/aws/" not in key,
        "is not encrypted with a customer-managed KMS key",
    )


@resource_check("ENC-07", "aws:msk/cluster:Cluster")
def kafka_uses_tls(cluster: Resource) -> Findings:
    """Require TLS between clients and brokers, and between brokers."""
    transit = cluster.at("encryptionInfo.encryptionInTransit")
    yield from expect(transit.at("clientBroker"), one_of(None, "TLS"), "accepts clients without TLS")
    yield from expect(transit.at("inCluster"), lambda value: value is not False, "its brokers communicate without TLS")


@resource_check("ENC-08", BACKUP_VAULT)
def backups_are_encrypted(vault: Resource) -> Findings:
    """Require a customer-managed key."""
    yield from expect(vault.at("kmsKeyArn"), is_set, "is not encrypted with a customer-managed KMS key")


@resource_check("ENC-02", REPLICA_KEY)
def replica_keys_have_a_deletion_window(key: Resource) -> Findings:
    """Require a deletion window of 30 days for replica keys."""
    yield from expect(
        key.at("deletionWindowInDays"),
        lambda days: days is None or between(30, 30)(days),
        "has a deletion window of less than 30 days",
    )
