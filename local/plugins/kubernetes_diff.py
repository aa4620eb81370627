"""What an update changes, and what cannot be changed in place: pure functions over objects."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from local.plugins.common import Diff, Path, Props, differences, has_unknowns, under
from local.plugins.common import Kind as Change
from local.plugins.kubernetes_objects import (
    AUTONAMED,
    Kind,
    is_true,
    kind_of,
    name_of,
    namespace_of,
)

IDENTITY: Final[tuple[Path, ...]] = (("metadata", "name"), ("metadata", "namespace"))
_SELECTOR: Final[tuple[Path, ...]] = (("spec", "selector"),)
_POD: Final[tuple[Path, ...]] = (("spec",),)
_VOLUME_SOURCES: Final = (
    *("awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume"),
    *("flocker", "gcePersistentDisk", "glusterfs", "hostPath", "iscsi", "local", "nfs"),
    *("photonPersistentDisk", "portworxVolume", "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume"),
)
_IMMUTABLE: Final[Mapping[tuple[str, str], tuple[Path, ...]]] = {
    ("", "ConfigMap"): (("binaryData",), ("data",)),
    ("", "Secret"): (("type",), ("stringData",), ("data",)),
    ("", "PersistentVolume"): tuple(("spec", source) for source in _VOLUME_SOURCES),
    ("", "PersistentVolumeClaim"): tuple(
        ("spec", part) for part in ("accessModes", "selector", "storageClassName", "volumeName")
    ),
    ("", "Pod"): _POD,
    ("", "ResourceQuota"): (("spec", "scopes"),),
    ("", "Service"): (("spec", "clusterIP"),),
    ("apps", "DaemonSet"): _SELECTOR,
    ("apps", "Deployment"): _SELECTOR,
    ("apps", "StatefulSet"): tuple(
        ("spec", part)
        for part in ("podManagementPolicy", "revisionHistoryLimit", "selector", "serviceName", "volumeClaimTemplates")
    ),
    ("batch", "Job"): tuple(("spec", part) for part in ("completions", "parallelism", "selector", "template")),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (("roleRef",),),
    ("rbac.authorization.k8s.io", "RoleBinding"): (("roleRef",),),
    ("storage.k8s.io", "StorageClass"): (("parameters",), ("provisioner",)),
}

# Quantities have many spellings ("1000m", "1"); the API server keeps one of them.
_QUANTITY: Final = re.compile(r"([+-]?[0-9.]+)([eE][+-]?[0-9]+|[KMGTPE]i|[munkMGTPE]|)")
_UNITS: Final = {
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("numkMGTPE", start=-3) if unit in "num"},
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}
_QUANTITY_KEYS: Final = frozenset(
    ("requests", "limits", "hard", "capacity", "overhead", "default", "defaultRequest", "max", "min")
)
_QUANTITY_NAMES: Final = frozenset(("sizeLimit", "averageValue", "divisor"))
# The API server drops these where they are false or zero.
_EMPTY_MAPS: Final = frozenset(("annotations", "data", "labels", "limits", "matchLabels", "nodeSelector", "requests"))
_DROPPED_WHEN_ZERO: Final = frozenset(
    (
        *("hostIPC", "hostNetwork", "hostPID", "hostPort", "initialDelaySeconds", "minReadySeconds", "paused"),
        *("publishNotReadyAddresses", "readOnly", "stdin", "stdinOnce", "tty", "unschedulable"),
    )
)


def immutable(inputs: Props, *, mutable_config_maps: bool = False, mutable_secrets: bool = False) -> tuple[Path, ...]:
    """Return the paths of an object whose change needs a replacement."""
    kind = kind_of(inputs)
    paths = _IMMUTABLE.get((kind.group, kind.kind), ())
    mutable = (mutable_config_maps and kind == Kind("v1", "ConfigMap")) or (
        mutable_secrets and kind == Kind("v1", "Secret")
    )
    if mutable and inputs.get("immutable") is not True:
        paths = (("type",),) if kind.kind == "Secret" else ()
    return IDENTITY + paths


def pruned(live: Any, shape: Any) -> Any:
    """Return what a live value says about the fields that a shape names.

    The server adds fields; only those that the program set are compared. Items of a list
    that have names are found by name, because admission may put others before them.
    """
    if isinstance(live, dict) and isinstance(shape, dict):
        return {key: pruned(live[key], shape[key]) for key in shape if key in live}
    if isinstance(live, list) and isinstance(shape, list) and shape:
        return _pruned_list(live, shape)
    return live


def _pruned_list(live: list[Any], shape: list[Any]) -> list[Any]:
    keys = [_item_name(item) for item in shape]
    found = {_item_name(item): item for item in live}
    if all(keys) and len(set(keys)) == len(keys) and "" not in found:
        return [pruned(found[key], item) for key, item in zip(keys, shape, strict=True) if key in found]
    return [pruned(item, shape[i]) if i < len(shape) else item for i, item in enumerate(live)]


def _item_name(item: Any) -> str:
    name = item.get("name", "") if isinstance(item, dict) else ""
    return name if isinstance(name, str) else ""


def compare(
    old_inputs: Props,
    live: Props,
    inputs: Props,
    *,
    namespaced: bool,
    immutable_paths: tuple[Path, ...] = IDENTITY,
) -> Diff:
    """Compare new inputs with the live object, as far as the old inputs shaped it."""
    base, wanted = pruned(live, old_inputs), inputs
    for key in ("apiVersion", "kind"):
        # A served version that has changed since is the same object.
        base[key] = inputs.get(key)
    base, wanted = _located(base, namespaced), _located(wanted, namespaced)
    if name_of(inputs):
        base["metadata"]["name"] = name_of(live)
    found = {
        path: change
        for path, change in differences(base, wanted).items()
        if not _trivial(path, base, wanted, old_inputs)
    }
    replaces = frozenset(path for path in found if _forces(path, immutable_paths))
    same_place = name_of(inputs) == name_of(live) and namespace_of(wanted) == namespace_of(_located(live, namespaced))
    before = bool(replaces) and same_place and bool(name_of(inputs)) and not is_true(inputs, AUTONAMED)
    return Diff(found, replaces, before)


def _located(thing: Props, namespaced: bool) -> Props:
    """Return an object whose namespace is spelled out, or dropped where it has none."""
    about = thing.get("metadata")
    if not isinstance(about, dict):
        return {**thing, "metadata": about if about is not None else {}}
    placed = {key: value for key, value in about.items() if key not in ("namespace", "resourceVersion")}
    if namespaced:
        placed["namespace"] = about.get("namespace") or "default"
    return {**thing, "metadata": placed}


def _forces(path: Path, immutable_paths: tuple[Path, ...]) -> bool:
    # A change above an immutable field (all of `spec` gone) changes it as well.
    return under(path, immutable_paths) or any(under(fixed, [path]) for fixed in immutable_paths)


def _at(thing: Any, path: Path) -> Any:
    for step in path:
        try:
            thing = thing[step]
        except (KeyError, IndexError, TypeError):
            return None
    return thing


def _trivial(path: Path, base: Props, wanted: Props, old_inputs: Props) -> bool:
    """Return whether a difference is one of spelling only."""
    was, now = _at(base, path), _at(wanted, path)
    if has_unknowns(now):
        return False
    if was is None:
        return _droppable(path[-1], now) and _at(old_inputs, path) == now
    if isinstance(was, str | int | float) and isinstance(now, str | int | float) and _is_quantity(path):
        left, right = quantity(was), quantity(now)
        return left is not None and left == right
    return False


def _droppable(key: str | int, value: Any) -> bool:
    """Return whether the server keeps nothing where a program wrote this empty value."""
    if value is None or value == "" or value == []:
        return True
    return (value == {} and key in _EMPTY_MAPS) or (key in _DROPPED_WHEN_ZERO and not value)


def observed_inputs(live: Any, old_inputs: Any) -> Any:
    """Return what inputs would be, had a program made the object as it is now.

    Empty values that the server does not keep are taken over, else each refresh would
    seem to find them gone.
    """
    seen = pruned(live, old_inputs)
    return _with_empties(seen, old_inputs)


def _with_empties(seen: Any, old: Any) -> Any:
    if isinstance(seen, dict) and isinstance(old, dict):
        kept = {key: value for key, value in old.items() if key not in seen and _droppable(key, value)}
        return {**{key: _with_empties(value, old.get(key)) for key, value in seen.items()}, **kept}
    if isinstance(seen, list) and isinstance(old, list) and len(seen) == len(old):
        return [_with_empties(one, other) for one, other in zip(seen, old, strict=True)]
    return seen


def _is_quantity(path: Path) -> bool:
    return path[-1] in _QUANTITY_NAMES or any(step in _QUANTITY_KEYS for step in path[-2:-1])


def quantity(value: str | float) -> Decimal | None:
    """Return the number that a quantity spells, or nothing where it spells none."""
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        return None
    number, unit = match.groups()
    if unit[:1] in ("e", "E") and len(unit) > 1 and unit != "Ei":
        return Decimal(number) * Decimal(10) ** int(unit[1:])
    return Decimal(number) * _UNITS[unit]


def without_ignored(diff: Diff, ignored: tuple[str, ...], text_of: Any) -> Diff:
    """Return a diff without the paths that ``ignoreChanges`` names."""
    kept: dict[Path, Change] = {
        path: change
        for path, change in diff.changes.items()
        if not any(_covers(name, text_of(path)) for name in ignored)
    }
    replaces = frozenset(path for path in diff.replaces if path in kept)
    return Diff(kept, replaces, diff.delete_before_replace and bool(replaces))


def _covers(ignored: str, path: str) -> bool:
    return path == ignored or (path.startswith(ignored) and path[len(ignored)] in ".[")
