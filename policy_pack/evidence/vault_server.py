"""Reader of the audit devices that the Vault server of the environment's variables has."""

import os
from typing import Any

import hvac
import requests
from hvac.exceptions import VaultError

from policy_pack.errors import PackError
from policy_pack.stack.audit_devices import AuditDevice, device

_SECONDS = 10


def audit_devices() -> tuple[AuditDevice, ...]:
    """Return the audit devices of the server at ``VAULT_ADDR``, as ``VAULT_TOKEN`` may read them.

    Raises
    ------
    PackError
        When the server cannot be read.
    """
    missing = [name for name in ("VAULT_ADDR", "VAULT_TOKEN") if not os.environ.get(name)]
    if missing:
        raise PackError(f"Vault cannot be read without {' and '.join(missing)}; set it, or omit --live-vault.")
    client: Any = hvac.Client(
        url=os.environ["VAULT_ADDR"],
        token=os.environ["VAULT_TOKEN"],
        namespace=os.environ.get("VAULT_NAMESPACE"),
        verify=os.environ.get("VAULT_CACERT") or True,
        timeout=_SECONDS,
    )
    try:
        answer = client.sys.list_enabled_audit_devices()
        devices = answer.get("data", answer)
        return tuple(device(path, one["type"], one.get("options")) for path, one in sorted(devices.items()))
    except VaultError as error:
        raise PackError(
            f"Vault's audit devices cannot be read ({type(error).__name__}); its token needs read and sudo there."
        ) from None
    except (requests.RequestException, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise PackError(
            f"Vault at {os.environ['VAULT_ADDR']} cannot be read ({type(error).__name__}); check VAULT_ADDR and "
            "VAULT_CACERT, or omit --live-vault."
        ) from None
