"""The Kubernetes resource plugin: one generic resource over server-side apply.

It behaves as pulumi-kubernetes 4.34.2 does, and reads and writes the same state.
"""

import hashlib
import threading
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

import yaml
from typing_extensions import override

from local.plugins.common import (
    UNKNOWN,
    Checked,
    Created,
    Diff,
    InitError,
    Path,
    PluginError,
    Props,
    Provider,
    Read,
    Request,
    differences,
    has_unknowns,
    path_text,
    run,
)
from local.plugins.kubernetes_api import ApiError, Cluster, NoKindError, UnreachableError, load
from local.plugins.kubernetes_await import NotReadyError, Waiter
from local.plugins.kubernetes_diff import compare, immutable, observed_inputs, without_ignored
from local.plugins.kubernetes_objects import (
    REPLACE_UNREADY,
    Kind,
    adopted_inputs,
    checkpoint,
    dashed,
    field_manager,
    id_of,
    inputs_of,
    is_true,
    kind_of,
    kind_of_type,
    live_of,
    metadata,
    name_of,
    named,
    namespace_of,
    normal,
    secret_paths,
    split_id,
)
from local.plugins.kubernetes_release import WithReleases
from local.plugins.kubernetes_settings import Settings, same_cluster
from local.plugins.kubernetes_write import Writer, cannot_foretell

_JOB: Final = Kind("batch/v1", "Job")


class Kubernetes(Provider):
    """Every kind of Kubernetes object."""

    name = "kubernetes"

    def __init__(self) -> None:
        super().__init__()
        self.version = version("pulumi-kubernetes")
        self._settings = Settings()
        self._lock = threading.Lock()
        self._connected: Cluster | None = None

    # --- the provider itself -------------------------------------------------------------
    @override
    def diff_config(self, request: Request) -> Diff:
        changes = differences(request.old_inputs, request.inputs)
        moved = not same_cluster(request.old_inputs, request.inputs)
        return Diff(changes, frozenset(changes) if moved else frozenset())

    @override
    def configure(self, config: Props) -> None:
        self._settings = Settings.read(config)

    @property
    def _cluster(self) -> Cluster:
        with self._lock:
            if self._connected is None:
                self._connected = Cluster(load(self._settings.connection))
            return self._connected

    def _try_cluster(self) -> Cluster | None:
        try:
            return None if has_unknowns(self._settings.connection) else self._cluster
        except PluginError:
            return None

    # --- resources -----------------------------------------------------------------------
    @override
    def secret_paths(self, request: Request) -> Iterable[Path]:
        return secret_paths(_kind(request))

    @override
    def check_secret_paths(self, request: Request) -> Iterable[Path]:
        return secret_paths(_kind(request))

    @override
    def check(self, request: Request) -> Checked:
        kind = _kind(request)
        inputs = named(normal(dashed(request.inputs), kind), request)
        about = inputs.get("metadata")
        if self._settings.namespace and isinstance(about, dict) and not about.get("namespace"):
            cluster = self._try_cluster()
            if cluster is None or cluster.namespaced(kind):
                inputs = {**inputs, "metadata": {**about, "namespace": self._settings.namespace}}
        return Checked(inputs)

    @override
    def diff(self, request: Request) -> Diff:
        kind = _kind(request)
        live = live_of(request.state)
        old = normal(inputs_of(request.state, request.old_inputs), kind)
        inputs = normal(dashed(request.inputs), kind)
        cluster = self._try_cluster()
        paths = immutable(
            inputs,
            mutable_config_maps=self._settings.mutable_config_maps,
            mutable_secrets=self._settings.mutable_secrets,
        )
        namespaced = cluster.namespaced(kind) if cluster else True
        diff = compare(old, live, inputs, namespaced=namespaced, immutable_paths=paths)
        diff = without_ignored(diff, request.ignore_changes, path_text)
        if cluster and kind == _JOB and is_true(inputs, REPLACE_UNREADY):
            diff = self._replaced_if_unready(cluster, inputs, live, diff)
        return diff

    def _replaced_if_unready(self, cluster: Cluster, inputs: Props, live: Props, diff: Diff) -> Diff:
        try:
            now = cluster.get(_JOB, namespace_of(live), name_of(live))
        except (ApiError, UnreachableError):
            return diff
        if not Waiter(cluster).unready_now(inputs, now):
            return diff
        mark: Path = ("metadata", "annotations", REPLACE_UNREADY)
        return Diff(diff.changes, diff.replaces | {mark}, name_of(inputs) == name_of(live))

    @override
    def create(self, request: Request) -> Created:
        inputs: Props = dashed(request.inputs)
        if request.preview:
            return Created("", self._foretold(request, inputs))
        cluster, manager = self._cluster, field_manager(inputs, {})
        live = Writer(cluster, self._settings).create(request, inputs, manager)
        return Created(id_of(live), self._awaited(cluster, request, inputs, live, manager))

    def _foretold(self, request: Request, inputs: Props) -> Props:
        """Return what a creation would give, as far as the cluster can tell without doing it."""
        cluster = self._try_cluster()
        if cluster is None or not request.known:
            return request.inputs
        try:
            live = Writer(cluster, self._settings).try_create(request, inputs)
        except (ApiError, UnreachableError) as error:
            if cannot_foretell(error):
                return request.inputs
            raise
        live.pop("status", None)
        return checkpoint(inputs, live, str(inputs["apiVersion"]), field_manager(inputs, {}))

    def _awaited(
        self, cluster: Cluster, request: Request, inputs: Props, live: Props, manager: str, first: str = ""
    ) -> Props:
        """Wait for an object and return its state; one that does not become ready is kept as it is."""
        initial = first or str(inputs["apiVersion"])
        try:
            live = Waiter(cluster).until_ready(request, inputs, live)
        except NotReadyError as error:
            state = checkpoint(inputs, error.live, initial, manager)
            raise InitError(error.reasons, state, id=id_of(error.live)) from None
        return checkpoint(inputs, live, initial, manager)

    @override
    def update(self, request: Request) -> Props:
        inputs = normal(dashed(request.inputs), _kind(request))
        cluster = self._try_cluster() if request.preview else self._cluster
        if cluster is None or (request.preview and not request.known):
            return request.inputs
        old = live_of(request.state)
        manager = field_manager(inputs, request.state)
        initial = str(request.state.get("__initialApiVersion") or inputs["apiVersion"])
        try:
            live = Writer(cluster, self._settings).update(request, inputs, name_of(old), manager)
        except (ApiError, UnreachableError) as error:
            if request.preview and cannot_foretell(error):
                return request.inputs
            raise
        if request.preview:
            return checkpoint(inputs, live, initial, manager)
        return self._awaited(cluster, request, inputs, live, manager, initial)

    @override
    def read(self, request: Request) -> Read:
        kind = _kind(request)
        namespace, name = split_id(request.id)
        try:
            live = self._cluster.get(kind, namespace, name)
        except UnreachableError as error:
            return self._unreachable(request, error)
        except ApiError as error:
            if error.missing:
                return Read()
            raise
        if not request.old_inputs:
            found = adopted_inputs(live)
            manager = request.state.get("__fieldManager") or f"pulumi-kubernetes-{_digest(request.urn)}"
            return Read(request.id, checkpoint(found, live, kind.api_version, str(manager)), found)
        old = normal(dashed(request.old_inputs), kind)
        inputs: Props = observed_inputs(live, old)
        initial = str(request.state.get("__initialApiVersion") or kind.api_version)
        state = checkpoint(inputs, live, initial, field_manager(inputs, request.state))
        reasons = Waiter(self._cluster).unready_now(old, live)
        if reasons:
            raise InitError(reasons, state, id=request.id, inputs=inputs)
        return Read(request.id, state, inputs)

    def _unreachable(self, request: Request, error: UnreachableError) -> Read:
        if self._settings.delete_unreachable:
            request.log.warn(f"{error}; deleteUnreachable is set, so {request.id} is taken as gone")
            return Read()
        if self._settings.skip_update_unreachable:
            request.log.warn(f"{error}; skipUpdateUnreachable is set, so {request.id} is taken as unchanged")
            return Read(request.id, request.state, request.old_inputs)
        raise PluginError(f"{error}; if it is gone for good, set PULUMI_K8S_DELETE_UNREACHABLE=true") from None

    @override
    def delete(self, request: Request) -> None:
        live = live_of(request.state)
        if not name_of(live):
            kind = _kind(request)
            namespace, name = split_id(request.id)
            about = {"name": name, **({"namespace": namespace} if namespace else {})}
            live = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": about}
        try:
            cluster = self._cluster
            Waiter(cluster).until_gone(request, inputs_of(request.state, request.old_inputs), live)
        except UnreachableError as error:
            self._unreachable(request, error)
        except NoKindError:
            return  # its definition is gone, and all objects with it

    @override
    def invoke(self, token: str, args: Props) -> Props:
        if token != "kubernetes:yaml:decode":
            return super().invoke(token, args)
        default = str(args.get("defaultNamespace") or "")
        documents = [entry for entry in yaml.safe_load_all(str(args["text"])) if entry]
        return {"result": [self._placed(item, default) for entry in documents for item in _items(entry)]}

    def _placed(self, thing: Props, namespace: str) -> Props:
        if not namespace or metadata(thing).get("namespace"):
            return thing
        cluster = self._try_cluster()
        if cluster is not None and not cluster.namespaced(kind_of(thing)):
            return thing
        return {**thing, "metadata": {**metadata(thing), "namespace": namespace}}


def _items(document: Any) -> list[Props]:
    """Return the objects of a document, of which a List has many."""
    if not isinstance(document, dict) or document.get("kind") is UNKNOWN:
        raise PluginError("a YAML document that is not a Kubernetes object cannot be decoded")
    return document.get("items") or [] if str(document.get("kind", "")).endswith("List") else [document]


def _digest(urn: str) -> str:
    # An object that is only read has the same state each time.
    return hashlib.sha256(urn.encode()).hexdigest()[:8]


def _kind(request: Request) -> Kind:
    kind = kind_of_type(request.type)
    if kind.group == "helm.sh" or kind.kind.endswith(("Patch", "List")):
        raise PluginError(f"{request.type} is not supported by the local kubernetes plugin; install the official one")
    return kind


if __name__ == "__main__":
    run(WithReleases(Kubernetes()))
