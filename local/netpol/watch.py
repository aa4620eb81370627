"""List and watch of pods, namespaces and NetworkPolicies."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

from local.netpol.model import Json
from local.netpol.store import Kind, Store

GONE = 410
WATCH_SECONDS = 60
# Longer than a watch, so that only a dead connection times out.
TIMEOUT = (5, WATCH_SECONDS + 15)
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0


class WatchError(Exception):
    """Error: a list or watch ended prematurely."""


class Api(Protocol):
    """Requests of a watch."""

    def get(self, path: str, parameters: Mapping[str, Any]) -> Json:
        """Return one document."""

    def stream(self, path: str, parameters: Mapping[str, Any]) -> Iterator[Json]:
        """Yield documents as they arrive."""


class ClusterApi:
    """Client of the API server, with the kubeconfig's identity.

    The client's generic request is used, not its models: these take seconds and 100 MB to import, and are not needed
    to read the events.
    """

    def __init__(self, kubeconfig: str) -> None:
        # Imported late, so that the first rules are in force before this module is loaded.
        from kubernetes.config import new_client_from_config

        load: Callable[[str], Any] = new_client_from_config
        self._client = load(kubeconfig)

    def create(self, path: str, document: Json) -> int:
        """Create an object; return the status of the answer."""
        url = f"{self._client.configuration.host}{path}"
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        answer = self._client.call_api("POST", url, headers, document, _request_timeout=TIMEOUT)
        answer.read()
        return int(answer.status)

    def _request(self, path: str, parameters: Mapping[str, Any]) -> Any:
        url = f"{self._client.configuration.host}{path}?{urlencode(parameters)}"
        answer = self._client.call_api("GET", url, {"Accept": "application/json"}, _request_timeout=TIMEOUT)
        if answer.status != 200:
            answer.response.close()
            raise WatchError(f"{path}: the API server answered {answer.status}")
        return answer.response

    def get(self, path: str, parameters: Mapping[str, Any]) -> Json:
        """Return one document."""
        document: Json = json.loads(self._request(path, parameters).data)
        return document

    def stream(self, path: str, parameters: Mapping[str, Any]) -> Iterator[Json]:
        """Yield one document per line."""
        response = self._request(path, parameters)
        try:
            for line in response:
                if line.strip():
                    yield json.loads(line)
        finally:
            response.close()


def follow(api: Api, kind: Kind, store: Store, stop: threading.Event, report: Callable[[str], None]) -> None:
    """Keep a kind in the store current until stopped."""
    delay = FIRST_DELAY
    while not stop.is_set():
        try:
            version = _list(api, kind, store)
            delay = FIRST_DELAY
            while not stop.is_set():
                version = _watch(api.stream(kind.value, _watching(version)), kind, store, version)
        except Exception as error:  # after any error, list again
            store.lost(kind)
            report(f"{kind.name.lower()}: {type(error).__name__}: {str(error)[:200]}; listing again in {delay:.1f} s")
            stop.wait(delay)
            delay = min(delay * 2, LONGEST_DELAY)


def _list(api: Api, kind: Kind, store: Store) -> str:
    document = api.get(kind.value, {})
    store.replace(kind, document.get("items") or ())
    return str(document["metadata"]["resourceVersion"])


def _watching(version: str) -> Mapping[str, Any]:
    return {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": WATCH_SECONDS}


def _watch(events: Iterable[Json], kind: Kind, store: Store, version: str) -> str:
    """Follow one watch to its regular end; return the resourceVersion at which the next one starts."""
    for event in events:
        source = event["object"]
        match event["type"]:
            case "ADDED" | "MODIFIED":
                store.put(kind, source)
            case "DELETED":
                store.remove(kind, source)
            case "ERROR":
                reason = "history is gone" if source.get("code") == GONE else source.get("message", "unknown error")
                raise WatchError(reason)
        version = str(source["metadata"]["resourceVersion"])
    return version


def start(api: Api, store: Store, stop: threading.Event, report: Callable[[str], None]) -> None:
    """Watch each kind in a separate thread."""
    for kind in Kind:
        name = f"watch-{kind.name.lower()}"
        threading.Thread(target=follow, args=(api, kind, store, stop, report), name=name, daemon=True).start()
