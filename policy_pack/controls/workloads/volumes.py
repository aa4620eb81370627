"""Persistent volumes: their type, their CSI driver, and their encryption."""

from policy_pack.controls.rules import resource_check
from policy_pack.stack.checks import Findings, expect, is_set, is_true, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import PERSISTENT_VOLUME, STORAGE_CLASS
from policy_pack.stack.resource_types import resource_types

_DRIVEN = tuple(f"k8s:{name}" for name, kind in resource_types().kubernetes.items() if kind.drivers)
# Properties of a PersistentVolume that are not the type of its storage.
_OTHER_FIELDS = {
    "accessModes",
    "capacity",
    "claimRef",
    "csi",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
}


@resource_check("CM-01", PERSISTENT_VOLUME)
def persistent_volumes_are_no_host_paths(volume: Resource) -> Findings:
    """Refuse volumes that are a path of a node, a file server or a disk without CSI driver."""
    for name, view in volume.at("spec").fields():
        if name not in _OTHER_FIELDS and (not view.known or is_set(view.raw)):
            yield violation(f"is a volume of type {name}", view.path)


@resource_check("ENC-04", *_DRIVEN)
def volumes_have_reviewed_drivers(resource: Resource) -> Findings:
    """Require a CSI driver whose volumes are known to be encrypted."""
    drivers, row = resource_types().csi_drivers, resource_types().kind(resource)
    for path in row.drivers if row else ():
        yield from expect(
            resource.at(path), lambda name: name in drivers, "has a CSI driver that was not reviewed (csi_drivers)"
        )


@resource_check("ENC-04", STORAGE_CLASS)
def storage_classes_encrypt(storage: Resource) -> Findings:
    """Require encryption of volumes that pods claim."""
    yield from expect(storage.at("parameters.encrypted"), is_true, "its volumes are not encrypted")
    yield from expect(
        storage.at("parameters.kmsKeyId"), is_set, "its volumes are not encrypted with a customer-managed KMS key"
    )
