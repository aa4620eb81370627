"""The cluster's API over the official client: any kind of object, safe for many threads."""

import json
import re
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import urllib3
import yaml
from kubernetes import client, config

from local.plugins.common import PluginError, Props
from local.plugins.kubernetes_objects import Kind, kind_of, name_of, namespace_of

APPLY: Final = "application/apply-patch+yaml"
JSON_PATCH: Final = "application/json-patch+json"
CREATOR: Final = "pulumi-kubernetes"
"""Manager of the fields of a new object, as the official plugin names it."""

_TIMEOUT: Final = (5, 60)
_CONNECTIONS: Final = 32
_UNREACHABLE_TRIES: Final = 3
_RETRY_SECONDS: Final = 1.0
# A cluster that was just found dead is not tried again for each of a hundred resources.
_KNOWN_DEAD_SECONDS: Final = 5.0
_WARNING: Final = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


class ApiError(PluginError):
    """The API server refused: its own words, and its machine-readable reason."""

    def __init__(self, status: int, reason: str, text: str, causes: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.causes = causes

    @property
    def missing(self) -> bool:
        """Whether the object, or its kind, does not exist."""
        return self.status == 404

    @property
    def missing_namespace(self) -> bool:
        """Whether the object's namespace does not exist (yet)."""
        return self.status == 404 and str(self).startswith("namespaces ")


class NoKindError(ApiError):
    """The server does not know a kind, usually because its CRD is not there yet."""

    def __init__(self, kind: Kind) -> None:
        text = f"the API server has no {kind}; create its CustomResourceDefinition first"
        super().__init__(404, "NoKind", text)


class UnreachableError(PluginError):
    """No API server answers."""


@dataclass(frozen=True)
class Mapped:
    """Where objects of a kind live."""

    path: str
    plural: str
    namespaced: bool


def load(settings: Mapping[str, Any]) -> client.ApiClient:
    """Return a client for the provider's ``kubeconfig``, ``context`` and ``cluster``.

    ``kubeconfig`` is a path or the contents of one; without it the usual places count.
    """
    given = settings.get("kubeconfig")
    context = settings.get("context") or None
    configuration = client.Configuration()
    # The client ships these without types.
    from_dict: Any = config.load_kube_config_from_dict
    from_file: Any = config.load_kube_config
    try:
        if isinstance(given, dict) or (isinstance(given, str) and ("\n" in given or given.lstrip()[:1] == "{")):
            document = given if isinstance(given, dict) else yaml.safe_load(given)
            document = _with_cluster(document, context, settings.get("cluster"))
            # The client writes certificates to files; they end with this process's folder.
            folder = tempfile.mkdtemp(prefix="hmlops-kube-")
            from_dict(document, context=context, client_configuration=configuration, temp_file_path=folder)
        else:
            path = str(Path(given).expanduser()) if given else None
            from_file(path, context=context, client_configuration=configuration)
    except (config.ConfigException, yaml.YAMLError, OSError) as error:
        raise PluginError(f"the kubeconfig cannot be used: {_line(error)}; set KUBECONFIG or `kubeconfig`") from None
    configuration.retries = False
    configuration.connection_pool_maxsize = _CONNECTIONS
    return client.ApiClient(configuration)


def _with_cluster(document: Props, context: str | None, cluster: Any) -> Props:
    if not cluster:
        return document
    active = context or document.get("current-context")
    contexts = [
        {**entry, "context": {**entry["context"], "cluster": cluster}} if entry["name"] == active else entry
        for entry in document.get("contexts", [])
    ]
    return {**document, "contexts": contexts}


def _line(error: object) -> str:
    return " ".join(str(error).split())


class Cluster:
    """One cluster. Kinds are looked up once, and again when one is missing."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api
        self._request: Any = api.call_api
        self._lock = threading.Lock()
        self._kinds: dict[Kind, Mapped] = {}
        self._dead_since = float("-inf")

    @property
    def server(self) -> str:
        """Address of the API server."""
        return str(self._api.configuration.host)

    # --- kinds ---------------------------------------------------------------------------
    def mapped(self, kind: Kind) -> Mapped:
        """Return where a kind lives; raise `NoKindError` where the server does not know it."""
        with self._lock:
            found = self._kinds.get(kind)
        if found is None:
            self._discover(kind)
            with self._lock:
                found = self._kinds.get(kind)
        if found is None:
            raise NoKindError(kind)
        return found

    def _discover(self, kind: Kind) -> None:
        root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.api_version}"
        try:
            listing, _ = self._call("GET", root)
        except ApiError as error:
            if error.missing:
                return
            raise
        found = {
            Kind(kind.api_version, entry["kind"]): Mapped(root, entry["name"], entry["namespaced"])
            for entry in listing.get("resources", [])
            if "/" not in entry["name"]
        }
        with self._lock:
            self._kinds.update(found)

    def namespaced(self, kind: Kind, default: bool = True) -> bool:
        """Return whether a kind lives in namespaces; the default where that cannot be told."""
        try:
            return self.mapped(kind).namespaced
        except (NoKindError, UnreachableError):
            return default

    def _path(self, kind: Kind, namespace: str, name: str = "") -> str:
        mapped = self.mapped(kind)
        where = f"/namespaces/{namespace or 'default'}" if mapped.namespaced else ""
        return f"{mapped.path}{where}/{mapped.plural}" + (f"/{name}" if name else "")

    # --- objects -------------------------------------------------------------------------
    def get(self, kind: Kind, namespace: str, name: str) -> Props:
        """Return an object."""
        return self._call("GET", self._path(kind, namespace, name))[0]

    def find(self, kind: Kind, namespace: str, *, labels: str = "", fields: str = "") -> list[Props]:
        """Return the objects of a namespace that match; none where the kind is unknown."""
        try:
            path = self._path(kind, namespace)
            listing, _ = self._call("GET", path, {"labelSelector": labels, "fieldSelector": fields})
        except ApiError as error:
            if error.missing or error.status == 403:
                return []
            raise
        items: list[Props] = listing.get("items", [])
        return items

    def create(self, thing: Props, *, dry_run: bool = False) -> tuple[Props, list[str]]:
        """Create an object; return it with the server's warnings."""
        query = {"fieldManager": CREATOR, "fieldValidation": "Warn", "dryRun": "All" if dry_run else ""}
        return self._call("POST", self._path(kind_of(thing), namespace_of(thing)), query, thing)

    def apply(self, thing: Props, manager: str, *, force: bool, dry_run: bool = False) -> tuple[Props, list[str]]:
        """Apply an object on the server; return it with the server's warnings."""
        query = {
            "fieldManager": manager,
            "force": "true" if force else "false",
            "fieldValidation": "Warn",
            "dryRun": "All" if dry_run else "",
        }
        path = self._path(kind_of(thing), namespace_of(thing), name_of(thing))
        return self._call("PATCH", path, query, thing, APPLY)

    def replace(self, thing: Props, manager: str, *, dry_run: bool = False) -> tuple[Props, list[str]]:
        """Replace an object whole."""
        query = {"fieldManager": manager, "dryRun": "All" if dry_run else ""}
        return self._call("PUT", self._path(kind_of(thing), namespace_of(thing), name_of(thing)), query, thing)

    def patch(self, thing: Props, operations: Any) -> Props:
        """Apply JSON-patch operations to an object."""
        path = self._path(kind_of(thing), namespace_of(thing), name_of(thing))
        return self._call("PATCH", path, {}, operations, JSON_PATCH)[0]

    def delete(self, kind: Kind, namespace: str, name: str, propagation: str) -> None:
        """Ask for an object's deletion."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        self._call("DELETE", self._path(kind, namespace, name), {}, body)

    # --- the wire ------------------------------------------------------------------------
    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> tuple[Props, list[str]]:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        arguments = self._api.param_serialize(
            method,
            path,
            query_params=[(key, value) for key, value in (query or {}).items() if value],
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        response = self._send(arguments)
        answer = _decoded(response.data)
        if response.status >= 400:
            raise _refusal(response.status, answer, response.reason)
        warnings = response.getheaders().get("Warning", "") if hasattr(response, "getheaders") else ""
        return answer, [text.replace('\\"', '"') for text in _WARNING.findall(warnings or "")]

    def _send(self, arguments: Any) -> Any:
        tries = 1 if time.monotonic() - self._dead_since < _KNOWN_DEAD_SECONDS else _UNREACHABLE_TRIES
        for attempt in range(1, tries + 1):
            try:
                response: Any = self._request(*arguments, _request_timeout=_TIMEOUT)
                response.read()
            except (urllib3.exceptions.HTTPError, client.ApiException, OSError) as error:
                status = getattr(error, "status", 0) or 0
                if isinstance(error, client.ApiException) and status:
                    raise _refusal(status, _decoded(error.body), error.reason) from None
                if attempt == tries:
                    self._dead_since = time.monotonic()
                    cause = f"the cluster at {self.server} is unreachable: {_line(error)}"
                    raise UnreachableError(f"{cause}; start it or mend the kubeconfig") from None
                # An API server that restarts is back within seconds.
                time.sleep(_RETRY_SECONDS * attempt)
            else:
                return response
        raise AssertionError


def _decoded(data: bytes | str | None) -> Props:
    try:
        answer = json.loads(data or b"{}")
    except ValueError:
        answer = {"message": _line(data.decode(errors="replace") if isinstance(data, bytes) else data)[:300]}
    return answer if isinstance(answer, dict) else {}


def _refusal(status: int, answer: Props, fallback: Any) -> ApiError:
    causes = (answer.get("details") or {}).get("causes") or []
    texts = tuple(f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in causes)
    return ApiError(status, str(answer.get("reason", "")), _line(answer.get("message") or fallback), texts)
