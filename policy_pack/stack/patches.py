"""Strategic merge patches by which a resource changes the pods that its controller makes, as far as they are evaluated.

A patch that mounts volumes in a container of the controller is evaluated as a container of the pod. Everything else is
refused: a null or a directive such as ``$patch`` in a patch removes what the controller would set.
"""

from collections.abc import Collection, Iterator, Mapping

from policy_pack.stack.values import View

_WAY = ("spec", "template", "spec", "containers")
_TYPES = (None, "StrategicMerge")
_MOUNT = {"name": str, "mountPath": str, "readOnly": bool}


def unreviewed(patch: View, containers: Collection[str]) -> Iterator[View]:
    """Yield what a patch of a Deployment changes besides volume mounts of some containers.

    Parameters
    ----------
    patch
        The patch, with ``type`` and ``value``.
    containers
        Names of the containers that may be patched.

    Raises
    ------
    NotKnownError
        If a part of it is not known.
    """
    if patch.whole() is None:
        return
    yield from _others(patch, ("type", "value"))
    if patch.at("type").value not in _TYPES:
        yield patch.at("type")
    view = patch.at("value")
    for name in _WAY:
        yield from _others(view, (name,))
        view = view.key(name)
    if not isinstance(view.value, list):
        yield view
        return
    for container in view.items():
        yield from _others(container, ("name", "volumeMounts"))
        if container.key("name").value not in containers:
            yield container
        mounts = container.key("volumeMounts")
        if not isinstance(mounts.value, list):
            yield mounts
            continue
        for mount in mounts.items():
            yield from _others(mount, _MOUNT)
            yield from (mount.key(name) for name, kind in _MOUNT.items() if not _is(mount.key(name), kind))


def _is(field: View, kind: type) -> bool:
    return isinstance(field.value, kind) or (kind is bool and field.value is None)


def _others(view: View, names: Collection[str]) -> Iterator[View]:
    """Yield a value that is no map, and fields of a map with other names."""
    if not isinstance(view.value, Mapping):
        yield view
        return
    yield from (field for name, field in view.fields() if name not in names)
