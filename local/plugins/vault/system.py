"""Rows of the vault plugin for system settings: quotas."""

from typing import Final

from local.plugins.provider.common import Props
from local.plugins.provider.rows import Row
from local.plugins.vault.vault_api import Names, Vault, body, pick, seconds

_QUOTA: Final[Names] = {
    "path": "path",
    "rate": "rate",
    "interval": "interval",
    "blockInterval": "block_interval",
    "role": "role",
    "inheritable": "inheritable",
}


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
        "vault:index/quotaRateLimit:QuotaRateLimit",
        _create_quota,
        _read_quota,
        _update_quota,
        _delete_quota,
        required=("rate",),
        replace=frozenset({"name", "namespace"}),
        autoname="name",
        optional=("path", "interval"),
        normalisers={
            "path": lambda path: str(path).strip("/"),
            "interval": seconds,
            "blockInterval": seconds,
        },
        unsupported={name: "no server that this plugin supports has it" for name in ("groupBy", "secondaryRate")},
    ),
)
