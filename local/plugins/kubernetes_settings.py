"""Configuration of the Kubernetes provider, under the official names."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from local.plugins.common import UNKNOWN, PluginError, Props, decode_config, flag


@dataclass(frozen=True)
class Settings:
    """What the provider's inputs and ``PULUMI_K8S_*`` variables say."""

    connection: Props = field(default_factory=dict)
    namespace: str = ""
    mutable_config_maps: bool = False
    mutable_secrets: bool = False
    delete_unreachable: bool = False
    skip_update_unreachable: bool = False
    upsert: bool = False
    patch_force: bool = False

    @classmethod
    def read(cls, config: Props) -> "Settings":
        """Read the provider's inputs; an unset switch is taken from the environment."""
        values = {**config, **{k: v for k, v in decode_config(config).items() if k != "kubeconfig"}}

        def switch(key: str, variable: str) -> bool:
            return flag(values, key) if key in values else flag(dict(os.environ), f"PULUMI_K8S_{variable}")

        apply = values.get("enableServerSideApply", os.environ.get("PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY", True))
        if not flag({"apply": apply}, "apply"):
            raise PluginError("enableServerSideApply: false is not supported by the local kubernetes plugin; remove it")
        if values.get("renderYamlToDirectory"):
            raise PluginError("renderYamlToDirectory is not supported by the local kubernetes plugin; remove it")
        namespace = values.get("namespace", "")
        return cls(
            connection={key: values[key] for key in ("kubeconfig", "context", "cluster") if values.get(key)},
            namespace=namespace if isinstance(namespace, str) else "",
            mutable_config_maps=switch("enableConfigMapMutable", "ENABLE_CONFIGMAP_MUTABLE"),
            mutable_secrets=switch("enableSecretMutable", "ENABLE_SECRET_MUTABLE"),
            delete_unreachable=switch("deleteUnreachable", "DELETE_UNREACHABLE"),
            skip_update_unreachable=switch("skipUpdateUnreachable", "SKIP_UPDATE_UNREACHABLE"),
            upsert=switch("upsertExistingObjects", "UPSERT_EXISTING_OBJECTS"),
            patch_force=switch("enablePatchForce", "ENABLE_PATCH_FORCE"),
        )


def same_cluster(old: Props, new: Props) -> bool:
    """Return whether two provider configurations name the same API server, as far as can be told."""
    named = [config.get("clusterIdentifier") for config in (old, new)]
    if any(named):
        return named[0] == named[1] or UNKNOWN in named
    if old.get("kubeconfig") is UNKNOWN or new.get("kubeconfig") is UNKNOWN:
        return True
    before, after = _server(old), _server(new)
    return before is None or after is None or before == after


def _server(config: Props) -> Any:
    given = config.get("kubeconfig") or os.environ.get("KUBECONFIG")
    if not isinstance(given, str):
        return None
    try:
        text = given if "\n" in given or given.lstrip().startswith("{") else Path(given).expanduser().read_text()
        document = yaml.safe_load(text)
        contexts = {entry["name"]: entry["context"] for entry in document.get("contexts") or []}
        clusters = {entry["name"]: entry["cluster"] for entry in document.get("clusters") or []}
        context = contexts[config.get("context") or document["current-context"]]
        return clusters[config.get("cluster") or context["cluster"]].get("server")
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return None
