"""Rows of the vault plugin for system settings: audit devices and quotas."""

from typing import Any, Final

from local.plugins.provider.common import PluginError, Props
from local.plugins.provider.rows import Made, Row
from local.plugins.vault.vault_api import Names, Vault, body, pick, seconds, trimmed

# Set if the server already had the device: it belongs to the server's configuration, not to the stack.
ADOPTED: Final = "adopted"
_QUOTA: Final[Names] = {
    "path": "path",
    "rate": "rate",
    "interval": "interval",
    "blockInterval": "block_interval",
    "role": "role",
    "inheritable": "inheritable",
}


# --- audit devices -----------------------------------------------------------------------
def _create_audit(vault: Vault, inputs: Props) -> Made:
    """Enable a device; one with the same path and options in the server's configuration is adopted.

    OpenBao does not allow creating devices through its API.
    """
    path = trimmed(inputs, "path", inputs["type"])
    live = _device(vault, path)
    if live is None:
        names = {"type": "type", "description": "description", "local": "local", "options": "options"}
        vault.put(f"sys/audit/{path}", body(inputs, names))
        return Made(path)
    options = dict(live.get("options") or {})
    if live["type"] != inputs["type"] or any(not _same(name, options, inputs["options"]) for name in inputs["options"]):
        raise PluginError(
            f"this Vault has an audit device {path} already, of type {live['type']} with {_told(options)} and not "
            f"{_told(inputs['options'])}: correct vault.auditFiles in the stack's configuration, or the server's own"
        )
    return Made(path, {ADOPTED: True})


def _told(options: Props) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(options.items()))


def _same(name: str, live: Props, written: Props) -> bool:
    """Return whether an option is as written; a relative file path is in the server's folder."""
    ours, theirs = str(written[name]), str(live.get(name))
    inside = name == "file_path" and not ours.startswith("/") and theirs.endswith(f"/{ours}")
    return ours == theirs or inside


def _device(vault: Vault, path: str) -> Props | None:
    found: Props | None = (vault.get("sys/audit") or {}).get(f"{path}/")
    return found


def _read_audit(vault: Vault, path: str, inputs: Props) -> Props | None:
    live = _device(vault, path)
    if live is None:
        return None
    options = dict(live.get("options") or {})
    written: dict[str, Any] | None = inputs.get("options")
    return {
        "description": live.get("description", ""),
        "local": live.get("local", False),
        # The server adds further options.
        "options": {name: written[name] if _same(name, options, written) else options.get(name) for name in written}
        if written
        else options,
        "path": path,
        "type": live["type"],
    }


def _delete_audit(vault: Vault, path: str, state: Props) -> None:
    if not state.get(ADOPTED):
        vault.remove(f"sys/audit/{path}")


# --- limits on requests ------------------------------------------------------------------
def _create_quota(vault: Vault, inputs: Props) -> str:
    _update_quota(vault, inputs["name"], {}, inputs)
    return str(inputs["name"])


def _update_quota(vault: Vault, name: str, old: Props, new: Props) -> None:
    vault.put(f"sys/quotas/rate-limit/{name}", body(new, _QUOTA, old))


def _read_quota(vault: Vault, name: str, _inputs: Props) -> Props | None:
    live = vault.get(f"sys/quotas/rate-limit/{name}")
    return None if live is None else {"name": name, **pick(live, _QUOTA)}


def _delete_quota(vault: Vault, name: str, _state: Props) -> None:
    vault.remove(f"sys/quotas/rate-limit/{name}")


ROWS: Final[tuple[Row[Vault], ...]] = (
    Row(
        "vault:index/audit:Audit",
        _create_audit,
        _read_audit,
        None,
        _delete_audit,
        required=("options", "type"),
        kept=(ADOPTED,),
        delete_before_replace=True,
    ),
    Row(
        "vault:index/quotaRateLimit:QuotaRateLimit",
        _create_quota,
        _read_quota,
        _update_quota,
        _delete_quota,
        required=("rate",),
        replace=frozenset({"name", "namespace"}),
        autoname="name",
        optional=("path", "interval"),
        alike={
            "path": lambda path: str(path).strip("/"),
            "interval": seconds,
            "blockInterval": seconds,
        },
        unsupported={name: "no server that this plugin knows has it" for name in ("groupBy", "secondaryRate")},
    ),
)
