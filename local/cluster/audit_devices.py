"""Audit devices of the running OpenBao, compared with those of its configuration."""

import requests

from local.cluster import openbao
from local.paths import BAO_URL, Home

_SECONDS = 5


def problem(home: Home, url: str = BAO_URL) -> str:
    """Return what is wrong with the audit devices; empty if they are those of the configuration."""
    try:
        token = openbao.token_file(home).read_text().strip()
        response = requests.get(
            f"{url}/v1/sys/audit",
            headers={"X-Vault-Token": token},
            verify=str(home.pki / "ca.crt"),
            timeout=_SECONDS,
        )
        response.raise_for_status()
        devices = response.json()["data"]
        actual = {name.strip("/"): (one["type"], one["options"]) for name, one in devices.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return f"its audit devices cannot be read ({type(error).__name__})"
    expected = {name: ("file", options) for name, options in openbao.audit_options(openbao.folder(home)).items()}
    changed = sorted(name for name in {*expected, *actual} if expected.get(name) != actual.get(name))
    return f"its audit devices are not those of its configuration: {', '.join(changed)}" if changed else ""
