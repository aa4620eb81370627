"""The policy pack's table of default roles, compared with the roles of the API server."""

import json
import subprocess
from typing import Any

from local.paths import Home
from policy_pack.facts.rbac.table import Rule, all_permissions, builtin_roles, permissions_of

# What EKS access policies permit; no roles of Kubernetes.
EKS = "eks:"


def default_roles(home: Home) -> list[dict[str, Any]]:
    command = ["kubectl", f"--kubeconfig={home.kubeconfig}", "get", "clusterroles", "-o", "json"]
    selector = ["-l", "kubernetes.io/bootstrapping=rbac-defaults"]
    answer = subprocess.run([*command, *selector], capture_output=True, text=True, check=True).stdout
    roles: list[dict[str, Any]] = json.loads(answer)["items"]
    return roles


def permitted(role: dict[str, Any]) -> set[str]:
    fields = ("apiGroups", "resources", "verbs", "nonResourceURLs")
    rules = [Rule(*(tuple(rule.get(field) or ()) for field in fields)) for rule in role["rules"] or ()]
    return {name for rule in rules for name in permissions_of(rule)}


def test_every_default_role_has_its_permissions(home: Home) -> None:
    table = {
        name: set(all_permissions() if permissions == ("*",) else permissions)
        for name, permissions in builtin_roles().roles.items()
        if not name.startswith(EKS)
    }
    server = {role["metadata"]["name"]: permitted(role) for role in default_roles(home)}
    server["cluster-admin"] |= set(all_permissions())
    assert server.keys() <= table.keys()
    assert {name for name in server.keys() & table.keys() if table[name] != server[name]} == set()
