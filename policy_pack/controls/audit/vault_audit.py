"""Audit devices of the Vault server, which its own configuration creates and the stack's configuration declares."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from policy_pack.controls.rules import resource_check, stack_check
from policy_pack.stack.audit_devices import AuditDevice, device, digest
from policy_pack.stack.checks import Findings, StackContext, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import VAULT_AUDIT

_OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "file": frozenset({"file_path", "mode"}),
    "socket": frozenset({"address", "socket_type", "write_timeout"}),
    "syslog": frozenset({"facility", "tag"}),
}
"""The options of each type that have no effect on what is recorded."""
_HARMLESS_VALUES: Final[Mapping[str, Callable[[str], bool]]] = {
    "log_raw": lambda value: value.lower() in ("false", "0", "f"),
    "hmac_accessor": lambda value: value.lower() in ("true", "1", "t"),
    "elide_list_responses": lambda value: value.lower() in ("false", "0", "f"),
    "format": lambda value: value in ("json", "jsonx"),
    "prefix": lambda _: True,
}
_EFFECTS: Final[Mapping[str, str]] = {
    "log_raw": "logs secrets as raw values (log_raw)",
    "hmac_accessor": "logs token accessors without HMAC (hmac_accessor)",
    "elide_list_responses": "leaves out the content of list responses (elide_list_responses)",
    "filter": "records only some of the requests (filter)",
    "exclude": "leaves out fields of the records (exclude)",
}
_FOR_OWNER = re.compile(r"0?[0-7][04]0")
"""The modes of files that other users neither read nor change."""
_TARGETS: Final[Mapping[str, str]] = {"file": "file_path", "socket": "address"}
_DISCARDED = re.compile(r"discard|std(out|err)|/dev/.*|/proc/.*", re.IGNORECASE)


@stack_check("AUD-06")
def vault_has_two_audit_devices(context: StackContext) -> Findings:
    """Require two audit devices that record everything and fail separately, where the stack uses Vault."""
    if not context.graph.uses("vault"):
        return
    if context.addresses is None:
        yield violation("was evaluated without its configuration, which declares Vault's audit devices")
        return
    declared = context.addresses.audit_devices
    for one in declared:
        for problem in _problems(one):
            yield violation(f"Vault's audit device {one.name} {problem}", "vault.auditDevices")
    names = [one.name for one in declared]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield violation(f"declares Vault's audit device {name} more than once", "vault.auditDevices")
    count = len({one.target for one in declared if not any(_problems(one))})
    if count < 2:
        yield violation(
            f"declares {count} Vault audit devices that record every request; with fewer than two, a failed device "
            "blocks Vault",
            "vault.auditDevices",
        )
    live = context.addresses.live
    yield from _differences(declared, live.audit_devices if live else None)


@resource_check("AUD-06", VAULT_AUDIT)
def audit_devices_use_hmac(resource: Resource) -> Findings:
    """Refuse audit devices of the stack that do not record everything."""
    options = resource.at("options").value
    declared = device(resource.name, resource.at("type").value, options)
    for problem in _problems(declared):
        yield violation(problem, "options")


def _problems(one: AuditDevice) -> Iterator[str]:
    """Yield why a device does not keep a record of every request with HMACs of its values."""
    if one.type not in _OPTIONS:
        yield f"has the type {one.type or 'none'}, which was not reviewed"
        return
    target = _TARGETS.get(one.type)
    if target and not one.option(target):
        yield f"has no {target}"
    if _DISCARDED.fullmatch(one.target[1]):
        yield f"writes to {one.target[1]}, which is not kept"
    for name, value in one.options:
        if name in _HARMLESS_VALUES:
            if not _HARMLESS_VALUES[name](value):
                yield _EFFECTS.get(name, f"has the unknown {name} {value}")
        elif name not in _OPTIONS[one.type]:
            yield _EFFECTS.get(name, f"has the option {name}, which was not reviewed")
    mode = one.option("mode")
    if mode and not _FOR_OWNER.fullmatch(mode):
        yield f"has the mode {mode}, with which other users can read or change the file"


def _differences(declared: tuple[AuditDevice, ...], live: tuple[AuditDevice, ...] | None) -> Findings:
    """Compare the declared devices with those of the server, if they were read, without showing their options."""
    if live is None:
        return
    by_name = {one.name: one for one in declared}
    actual = {one.name: one.like(by_name.get(one.name, one)) for one in live}
    if by_name == actual:
        return
    changed = sorted(name for name in {*by_name, *actual} if by_name.get(name) != actual.get(name))
    yield violation(
        f"declares other Vault audit devices (digest {digest(declared)}) than the server has "
        f"({digest(actual.values())}): {', '.join(changed)}",
        "vault.auditDevices",
    )
