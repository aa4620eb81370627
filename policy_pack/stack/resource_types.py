"""The table of reviewed resource types: which are allowed, and where each kind has pods and volumes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables
from policy_pack.stack.graph import Resource

TABLE = Path(__file__).with_name("resource_types.yaml")
_STRICT = ConfigDict(extra="forbid")
_KUBERNETES = re.compile(r"kubernetes:(?P<group>[^/:]+)(?:/(?P<version>[^/:]+))?:(?P<kind>\w+)")
_PROVIDERS = "providers:"


@validated(frozen=True, config=_STRICT)
class PodPlace:
    """A place of pods in a kind, as a row of the table."""

    at: str
    spec: str = ""
    labels: str = ""
    annotations: str = ""
    containers: tuple[str, ...] = ("containers[]", "initContainers[]", "ephemeralContainers[]")
    merged: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    optional: bool = False
    completed: bool = False


@validated(frozen=True, config=_STRICT)
class Kind:
    """A reviewed kind of Kubernetes, as a row of the table."""

    versions: tuple[str, ...]
    pods: tuple[PodPlace, ...] = ()
    text: tuple[str, ...] = ()
    server: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)
    patched: Mapping[str, frozenset[str]] = field(default_factory=dict)
    drivers: tuple[str, ...] = ()
    component: bool = False


@validated(frozen=True, config=_STRICT)
class ResourceTypes:
    """The table: reviewed types, and reviewed fields of pods.

    Parameters
    ----------
    kubernetes
        Reviewed kinds, by group and kind.
    unreviewable
        Kinds that are refused, with the reason.
    cluster_wide
        Kinds of objects outside any namespace.
    pod_fields, container_fields, model_fields
        Reviewed fields of a PodSpec, of a container, and of a model's container.
    injecting_annotations
        Prefixes of pod annotations by which an injector changes the pod.
    csi_drivers, inline_csi_drivers
        Reviewed drivers of persistent volumes, and of volumes that a pod declares.
    providers, engine, vault, aws
        Reviewed providers, and types of the engine, of Vault and of AWS.
    untagged
        Reviewed types of AWS that have no tags.
    """

    kubernetes: Mapping[str, Kind]
    unreviewable: Mapping[str, str]
    cluster_wide: frozenset[str]
    pod_fields: frozenset[str]
    container_fields: frozenset[str]
    model_fields: frozenset[str]
    injecting_annotations: tuple[str, ...]
    csi_drivers: frozenset[str]
    inline_csi_drivers: frozenset[str]
    providers: frozenset[str]
    engine: frozenset[str]
    vault: frozenset[str]
    aws: Mapping[str, frozenset[str]]
    untagged: Mapping[str, frozenset[str]]

    def takes_tags(self, resource: Resource) -> bool:
        """Return whether a resource is of a reviewed type of AWS that has tags."""
        package, module, name = _aws_token(resource)
        reviewed = package == "aws" and name in self.aws.get(module, ())
        return reviewed and name not in self.untagged.get(module, ())

    def kind(self, resource: Resource) -> Kind | None:
        """Return the row of a Kubernetes object; None where its kind was not reviewed."""
        return self.kubernetes.get(resource.kind.removeprefix("k8s:"))

    def kinds(self, **wanted: bool) -> tuple[str, ...]:
        """Return the kinds with pods, of which some property is as wanted."""
        rows = ((f"k8s:{name}", row) for name, row in self.kubernetes.items() if row.pods or row.text)
        return tuple(name for name, row in rows if all(getattr(row, key) is value for key, value in wanted.items()))


@cache
def resource_types() -> ResourceTypes:
    """Return the table."""
    return tables.read(TypeAdapter(ResourceTypes).validate_python, TABLE)


@dataclass(frozen=True)
class _Token:
    """The parts of the type token of a Kubernetes object."""

    group: str
    version: str
    kind: str


def refusal(resource: Resource, components: str) -> str | None:
    """Return why the type of a resource is refused; None where it was reviewed.

    Parameters
    ----------
    resource
        The resource.
    components
        The package of the project's own components.
    """
    package, _, rest = resource.type.partition(":")
    types = resource_types()
    if package == "pulumi":
        provider = rest.removeprefix(_PROVIDERS) if rest.startswith(_PROVIDERS) else ""
        reviewed = provider in types.providers if provider else resource.type in types.engine
        return None if reviewed else f"has the type {resource.type}, which was not reviewed"
    if package == "kubernetes":
        return _kubernetes_refusal(resource)
    if package == "aws":
        module = rest.partition("/")[0].partition(":")[0]
        name = resource.kind.rpartition(":")[2]
        return None if name in types.aws.get(module, ()) else _not_reviewed(resource.type)
    if package == "vault":
        return None if rest in types.vault else _not_reviewed(resource.type)
    return None if package == components else _not_reviewed(resource.type)


def _aws_token(resource: Resource) -> tuple[str, str, str]:
    """Return the package, the module and the name of a type, such as ``aws``, ``s3`` and ``Bucket``."""
    package, _, rest = resource.kind.partition(":")
    return package, rest.partition("/")[0].partition(":")[0], rest.rpartition(":")[2]


def _not_reviewed(what: str) -> str:
    return f"has the type {what}, which was not reviewed: describe it in resource_types.yaml"


def _kubernetes_refusal(resource: Resource) -> str | None:
    match = _KUBERNETES.fullmatch(resource.type)
    if match is None:
        return _not_reviewed(resource.type)
    token = _Token(match["group"], match["version"] or "", match["kind"])
    types, name = resource_types(), f"{token.group}/{token.kind}"
    reason = types.unreviewable.get(name)
    if reason:
        return f"is of the kind {token.kind}, which {reason}"
    row = types.kubernetes.get(name)
    if row is None and token.kind.endswith("Patch"):
        return f"is of the kind {token.kind}, which changes an object of another owner: declare the object itself"
    if row is None and token.kind.endswith("List"):
        return f"is of the kind {token.kind}: declare each object as a resource"
    if row is None:
        return _not_reviewed(f"{token.group}/{token.version} {token.kind}")
    if token.version not in row.versions:
        versions = " or ".join(version for version in row.versions if version)
        return f"has the API version {token.group}/{token.version}, which was not reviewed; use {versions}"
    return _other_object(resource, token)


def _other_object(resource: Resource, token: _Token) -> str | None:
    """Return that the properties name another kind or version than the type, which the API server would create."""
    group_version = token.version if token.group == "core" else f"{token.group}/{token.version}"
    for name, expected in (("kind", token.kind), ("apiVersion", group_version)):
        view = resource.at(name)
        if view.known and view.raw not in (None, expected):
            return f"has the type {token.kind} and the {name} {view.raw}"
    return None
