"""Vault API client of the rows: paths, durations and common calls of mounts."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import hvac
import requests
from requests.adapters import HTTPAdapter
from tenacity import (
    Retrying,
    TryAgain,
    retry,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_delay,
    wait_fixed,
)
from urllib3 import Retry

from local.plugins.provider.common import PluginError, Props

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# A rate limit quota refuses a request before anything of it is done; Vault's own client asks again as well.
_ASKED_AGAIN: Final = Retry(
    total=None,
    connect=0,
    read=0,
    redirect=0,
    other=0,
    status=60,
    status_forcelist={429},
    allowed_methods=None,
    backoff_factor=0.1,
    backoff_max=1,
    raise_on_status=False,
)


@dataclass(frozen=True)
class Vault:
    """Client of a Vault or OpenBao server with a token."""

    http: hvac.Client

    def get(self, path: str) -> Props | None:
        """Return the data at a path, or None if there is none."""
        try:
            answer = self.http.read(path)
        except hvac.exceptions.InvalidPath:
            return None
        except hvac.exceptions.InvalidRequest as error:
            # Below a missing mount, Vault returns an invalid request instead of a missing path.
            if "no handler for route" in str(error) or "unsupported path" in str(error):
                return None
            raise
        return dict(answer["data"]) if answer and answer.get("data") is not None else None

    def put(self, path: str, body: Mapping[str, Any]) -> Props:
        """Write to a path and return the response."""
        answer = _patiently(self.http.write_data)(
            path, data={name: value for name, value in body.items() if value is not None}
        )
        return dict(answer) if isinstance(answer, dict) else {}

    def remove(self, path: str) -> None:
        """Delete a path; a missing one is not an error."""
        try:
            self.http.delete(path)
        except hvac.exceptions.InvalidPath:
            return
        except hvac.exceptions.InvalidRequest as error:
            if "no handler for route" not in str(error) and "no matching mount" not in str(error):
                raise


def remount(vault: Vault, old: str, new: str) -> None:
    """Move a mount with its content; the server does this in the background."""
    moved = vault.put("sys/remount", {"from": old, "to": new})
    migration = moved["data"]["migration_id"]
    for attempt in Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.1), retry=retry_if_exception_type(TryAgain)):
        with attempt:
            status = (vault.get(f"sys/remount/status/{migration}") or {}).get("migration_info", {}).get("status")
            if status == "in-progress":
                raise TryAgain
    if status != "success":
        raise PluginError(f"Vault did not move the mount {old} to {new} (status {status}): see its log")


def _is_upgrading(error: BaseException) -> bool:
    return isinstance(error, hvac.exceptions.InvalidRequest) and "Upgrading from non-versioned" in str(error)


# A new version 2 key-value mount rejects writes until its upgrade has finished.
_patiently: Final = retry(
    retry=retry_if_exception(_is_upgrading), stop=stop_after_delay(30), wait=wait_fixed(0.2), reraise=True
)


def connect(config: Props, environment: Mapping[str, str]) -> Vault:
    """Return a client from provider configuration, with the usual environment variables as defaults."""
    address = config.get("address") or environment.get("VAULT_ADDR")
    token = config.get("token") or environment.get("VAULT_TOKEN")
    if not address:
        raise PluginError("no Vault address: set `address` of the vault provider or VAULT_ADDR")
    if not token:
        raise PluginError(f"no token for Vault at {address}: set `token` of the vault provider or VAULT_TOKEN")
    bundle = config.get("caCertFile") or environment.get("VAULT_CACERT")
    skip = str(config.get("skipTlsVerify", environment.get("VAULT_SKIP_VERIFY", ""))).lower() in ("true", "1")
    session = requests.Session()
    session.verify = False if skip else bundle or True
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=_ASKED_AGAIN))
    http = hvac.Client(
        url=address,
        token=token,
        verify=session.verify,
        session=session,
        namespace=config.get("namespace") or environment.get("VAULT_NAMESPACE"),
        timeout=60,
    )
    return Vault(http)


def explain(error: Exception, address: str, name: str) -> PluginError | None:
    """Return a Vault error as one sentence."""
    if isinstance(error, hvac.exceptions.VaultError):
        reasons = "; ".join(
            str(reason).strip().replace("\n", " ") for reason in (error.errors or [error.text or error])
        )
        return PluginError(f"{name}: Vault at {address} says: {reasons or type(error).__name__}")
    if type(error).__module__.startswith("requests."):
        return PluginError(f"{name}: Vault at {address} cannot be reached ({_cause(error)}); is it up and unsealed?")
    return None


def _cause(error: BaseException) -> str:
    text = str(error)
    for hint in ("CERTIFICATE_VERIFY_FAILED", "Connection refused", "timed out", "Name or service not known"):
        if hint in text:
            return hint
    return type(error).__name__


def seconds(value: Any) -> int:
    """Return a duration in seconds, from a number or from text such as ``1h30m``."""
    if isinstance(value, int | float):
        return int(value)
    text = str(value).strip()
    if re.fullmatch(r"\d+", text):
        return int(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not parts or "".join(a + b for a, b in parts) != text:
        raise PluginError(f"'{text}' is not a duration; write it as 30s, 15m or 1h30m")
    return int(sum(float(number) * _UNITS[unit] for number, unit in parts))


def duration(value: int) -> str:
    """Return seconds in Go's notation of durations, such as ``768h0m0s``."""
    minutes, rest = divmod(value, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def trimmed(inputs: Props, name: str, default: str = "") -> str:
    """Return a path input without slashes at its ends."""
    return str(inputs.get(name, default)).strip("/")


def pick(source: Props, names: Mapping[str, str]) -> Props:
    """Return values of a response under official names; missing ones are None."""
    return {ours: source.get(theirs) for ours, theirs in names.items()}


def body(inputs: Props, names: Mapping[str, str], old: Props | None = None) -> Props:
    """Return inputs under the server's names; a removed input is cleared."""
    sent = {theirs: inputs[ours] for ours, theirs in names.items() if ours in inputs}
    for ours, theirs in names.items():
        if old is not None and ours in old and ours not in inputs:
            sent[theirs] = _empty(old[ours])
    return sent


def text(value: Any) -> str:
    """Return a value as in the official provider's maps of strings."""
    return value if isinstance(value, str) else json.dumps(value)


def _empty(value: Any) -> Any:
    for kind, empty in ((bool, False), (int, 0), (list, []), (dict, {})):
        if isinstance(value, kind):
            return empty
    return ""


Names = Mapping[str, str]
PathOf = Callable[[Props], str]
