"""Requests to the API server as an ordinary user, without effect (server-side dry run), and who refused them."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes import client

USER = "hmlops-tester"
_ROLE = "hmlops-tester"
_BY_POLICY = re.compile(r"ValidatingAdmissionPolicy 'healthcare-mlops-([\w-]+)'.*?denied request: (.*)")
ADMITTED, UNSERVED, INVALID = "admitted", "not served", "invalid"
POD_SECURITY = "Pod Security"
ABSENT = "not there"


@contextmanager
def ordinary_user(api: client.ApiClient) -> Iterator["OrdinaryUser"]:
    """Return a user who may create, change and delete every object, and is in no group of the admission table."""
    rbac: Any = client.RbacAuthorizationV1Api(api)
    everything = client.V1PolicyRule(api_groups=["*"], resources=["*"], verbs=["*"])
    subject = client.RbacV1Subject(kind="User", name=USER, api_group="rbac.authorization.k8s.io")
    reference = client.V1RoleRef(kind="ClusterRole", name=_ROLE, api_group="rbac.authorization.k8s.io")
    metadata = client.V1ObjectMeta(name=_ROLE)
    for remove in (rbac.delete_cluster_role_binding, rbac.delete_cluster_role):
        _forget(remove)
    rbac.create_cluster_role(client.V1ClusterRole(metadata=metadata, rules=[everything]))
    rbac.create_cluster_role_binding(
        client.V1ClusterRoleBinding(metadata=metadata, role_ref=reference, subjects=[subject])
    )
    try:
        yield OrdinaryUser(api)
    finally:
        for remove in (rbac.delete_cluster_role_binding, rbac.delete_cluster_role):
            _forget(remove)


def _forget(remove: Any) -> None:
    try:
        remove(_ROLE)
    except client.exceptions.ApiException as error:
        if error.status != 404:
            raise


class OrdinaryUser:
    """An ordinary user of the API server."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    def create(self, manifest: dict[str, Any], *, user: str | None = USER, groups: str = "") -> str:
        """Try to create an object under another name, and return who refused it."""
        tried = {**manifest, "metadata": {**manifest.get("metadata", {}), "name": f"{_name(manifest)}-tried"}}
        return self.request("POST", _path(manifest), tried, user=user, groups=groups)

    def delete(self, manifest: dict[str, Any]) -> str:
        """Try to delete an object, and return who refused it."""
        return self.request("DELETE", f"{_path(manifest)}/{_name(manifest)}")

    def request(
        self, method: str, path: str, body: Any = None, *, user: str | None = USER, groups: str = "", dry: bool = True
    ) -> str:
        """Send a request, and return who refused it with what message, or that it was admitted."""
        status, text = self._send(method, path, body, user, groups, dry=dry)
        message = json.loads(text).get("message", "") if text.startswith("{") else text
        by = _BY_POLICY.search(message)
        if by:
            return f"{by[1]}: {by[2]}"
        if "PodSecurity" in message:
            return POD_SECURITY
        if status < 300:
            return ADMITTED
        if status == 404:
            return ABSENT if method == "DELETE" else UNSERVED
        if status in (400, 422):
            return INVALID
        return f"{status} {message}"

    def _send(self, method: str, path: str, body: Any, user: str | None, groups: str, *, dry: bool) -> tuple[int, str]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if user:
            headers["Impersonate-User"] = user
        if groups:
            headers["Impersonate-Group"] = groups
        call: Any = self._api.rest_client.pool_manager.request
        answer = call(
            method,
            f"{self._api.configuration.host}{path}{'?dryRun=All' if dry else ''}",
            body=None if body is None else json.dumps(body),
            headers=headers,
        )
        return int(answer.status), answer.data.decode()


def _name(manifest: dict[str, Any]) -> str:
    return str(manifest.get("metadata", {}).get("name", "tried"))


def _path(manifest: dict[str, Any]) -> str:
    api = manifest["apiVersion"]
    namespace = manifest.get("metadata", {}).get("namespace")
    home = f"/namespaces/{namespace}" if namespace else ""
    return f"/{'apis' if '/' in api else 'api'}/{api}{home}/{_plural(manifest['kind'].lower())}"


def _plural(kind: str) -> str:
    if kind.endswith("s"):
        return kind if kind == "endpoints" else f"{kind}es"
    return f"{kind[:-1]}ies" if kind.endswith("cy") or kind.endswith("xy") else f"{kind}s"
