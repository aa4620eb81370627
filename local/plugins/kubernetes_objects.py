"""Kubernetes objects as the plugin sees them: names, ids, normal form, what state holds."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.plugins.common import UNKNOWN, Path, PluginError, Props, Request, has_unknowns

AUTONAMED: Final = "pulumi.com/autonamed"
SKIP_AWAIT: Final = "pulumi.com/skipAwait"
WAIT_FOR: Final = "pulumi.com/waitFor"
TIMEOUT: Final = "pulumi.com/timeoutSeconds"
PATCH_FORCE: Final = "pulumi.com/patchForce"
FIELD_MANAGER: Final = "pulumi.com/patchFieldManager"
PROPAGATION: Final = "pulumi.com/deletionPropagationPolicy"
REPLACE_UNREADY: Final = "pulumi.com/replaceUnready"

_READ_ONLY: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)
_INTERNAL: Final = ("__inputs", "__initialApiVersion", "__fieldManager")
_NAME_LIMIT: Final = 253


@dataclass(frozen=True)
class Kind:
    """A kind of object, such as ``apps/v1`` ``Deployment``."""

    api_version: str
    kind: str

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        return f"{self.api_version}/{self.kind}"


def kind_of_type(token: str) -> Kind:
    """Return the kind that a type token names: ``kubernetes:core/v1:Namespace``."""
    parts = token.split(":")
    if len(parts) != 3 or "/" not in parts[1]:
        raise PluginError(f"the kubernetes plugin does not know the resource type {token}")
    return Kind(parts[1].removeprefix("core/"), parts[2])


def kind_of(thing: Mapping[str, Any]) -> Kind:
    """Return the kind that an object says it has."""
    return Kind(str(thing.get("apiVersion", "")), str(thing.get("kind", "")))


def metadata(thing: Mapping[str, Any]) -> Props:
    """Return an object's metadata; empty where there is none, or none known yet."""
    found = thing.get("metadata")
    return found if isinstance(found, dict) else {}


def annotation(thing: Mapping[str, Any], key: str) -> str:
    """Return one annotation, or nothing."""
    found = metadata(thing).get("annotations")
    value = found.get(key, "") if isinstance(found, dict) else ""
    return value if isinstance(value, str) else ""


def is_true(thing: Mapping[str, Any], key: str) -> bool:
    """Return whether an annotation says true."""
    return annotation(thing, key).lower() == "true"


def name_of(thing: Mapping[str, Any]) -> str:
    """Return an object's name, or nothing where it is not known."""
    name = metadata(thing).get("name", "")
    return name if isinstance(name, str) else ""


def namespace_of(thing: Mapping[str, Any]) -> str:
    """Return an object's namespace, or nothing where it has none."""
    namespace = metadata(thing).get("namespace", "")
    return namespace if isinstance(namespace, str) else ""


def id_of(thing: Mapping[str, Any]) -> str:
    """Return the resource id: ``namespace/name``, or ``name`` for the whole cluster."""
    namespace, name = namespace_of(thing), name_of(thing)
    return f"{namespace}/{name}" if namespace else name


def split_id(identifier: str) -> tuple[str, str]:
    """Return namespace and name of a resource id."""
    namespace, _, name = identifier.rpartition("/")
    return namespace, name


def dashed(value: Any) -> Any:
    """Rename ``x_kubernetes_*``, as SDKs write them, to ``x-kubernetes-*``."""
    return _rename(value, "x_kubernetes_", lambda key: key.replace("_", "-"))


def underscored(value: Any) -> Any:
    """Rename ``x-kubernetes-*`` to ``x_kubernetes_*``, as state holds them."""
    return _rename(value, "x-kubernetes-", lambda key: key.replace("-", "_"))


def _rename(value: Any, prefix: str, to: Any) -> Any:
    if isinstance(value, dict):
        return {to(k) if k.startswith(prefix) else k: _rename(v, prefix, to) for k, v in value.items()}
    return [_rename(item, prefix, to) for item in value] if isinstance(value, list) else value


def normal(inputs: Props, kind: Kind) -> Props:
    """Return inputs in the form that state keeps: kind named, server's fields gone, Secrets encoded."""
    thing: Props = {**inputs, "apiVersion": kind.api_version, "kind": kind.kind}
    if isinstance(thing.get("metadata"), dict):
        kept = {k: v for k, v in thing["metadata"].items() if k not in _READ_ONLY}
        thing["metadata"] = kept
    if kind == Kind("v1", "Secret") and not has_unknowns(thing):
        thing = _encoded(thing)
    return thing


def _encoded(secret: Props) -> Props:
    """Return a Secret whose ``stringData`` has become ``data``, as the API server does it."""
    if "stringData" not in secret:
        return secret
    texts = secret["stringData"] or {}
    coded = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
    rest = {key: value for key, value in secret.items() if key != "stringData"}
    return {**rest, "data": {**(secret.get("data") or {}), **coded}}


def secret_paths(kind: Kind) -> tuple[Path, ...]:
    """Return the paths that are secret whoever wrote them."""
    return (("data",), ("stringData",)) if kind == Kind("v1", "Secret") else ()


def named(inputs: Props, request: Request) -> Props:
    """Return inputs with a name: their own, the one that they had, or a new one.

    A name made here is marked by an annotation, so that a replacement can stand beside
    its predecessor under another name.
    """
    if inputs.get("metadata") is UNKNOWN or metadata(inputs).get("name"):
        return inputs
    if metadata(inputs).get("generateName"):
        raise PluginError("metadata.generateName is not supported in server-side apply mode; use metadata.name or none")
    old = request.old_inputs
    if old and not is_true(old, AUTONAMED):
        return inputs
    if not old and not request.autoname:
        raise PluginError(f"{request.name} has no metadata.name and autonaming is disabled; name it")
    name = name_of(old) if old else request.proposed_name or _new_name(request)
    annotations = metadata(inputs).get("annotations") or {}
    if isinstance(annotations, dict):
        annotations = {**annotations, AUTONAMED: "true"}
    return {**inputs, "metadata": {**metadata(inputs), "name": name, "annotations": annotations}}


def _new_name(request: Request) -> str:
    # The engine's seed makes the name at `up` the one that the preview of the same plan showed.
    tail = hashlib.sha256(request.random_seed).hexdigest()[:8] if request.random_seed else secrets.token_hex(4)
    return f"{request.name[: _NAME_LIMIT - 9]}-{tail}"


def field_manager(inputs: Props, state: Props) -> str:
    """Return the name under which this resource owns its fields; it stays for the resource's life."""
    chosen = annotation(inputs, FIELD_MANAGER) or state.get("__fieldManager")
    return str(chosen) if chosen else f"pulumi-kubernetes-{secrets.token_hex(4)}"


def checkpoint(inputs: Props, live: Props, initial_version: str, manager: str) -> Props:
    """Return what state holds: the live object, and beside it what made it."""
    return {
        **underscored(live),
        "__inputs": underscored(inputs),
        "__initialApiVersion": initial_version,
        "__fieldManager": manager,
    }


def live_of(state: Props) -> Props:
    """Return the live object that state holds."""
    thing: Props = dashed({key: value for key, value in state.items() if key not in _INTERNAL})
    return thing


def inputs_of(state: Props, fallback: Props) -> Props:
    """Return the inputs that state holds."""
    thing: Props = dashed(state.get("__inputs") or fallback)
    return thing


def adopted_inputs(live: Props) -> Props:
    """Return inputs for an object that was made elsewhere: all that a program could have said."""
    kept = {key: value for key, value in live.items() if key != "status"}
    about = {key: value for key, value in metadata(kept).items() if key not in _READ_ONLY}
    annotations = {
        key: value
        for key, value in (about.pop("annotations", None) or {}).items()
        if key not in ("deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration")
    }
    if annotations:
        about["annotations"] = annotations
    return {**kept, "metadata": about}
