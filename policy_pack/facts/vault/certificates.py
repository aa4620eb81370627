"""Certificates that a PKI role of Vault can issue: their names and uses, from every field that widens them."""

from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.text import known_text
from policy_pack.stack.values import UNKNOWN, View

PKI_ROLE = "vault:pkiSecret/secretBackendRole:SecretBackendRole"
_MOUNT = "vault:index/mount:Mount"
ANY_NAME = "any name"
_DAY = 86400
_LONGEST_DAYS = 90
# Fields with Vault's own value where they are not declared; true lets a certificate have more.
_WIDENING = {
    "allowAnyName": (False, ANY_NAME),
    "allowSubdomains": (False, "any name below its domains"),
    "allowGlobDomains": (False, "names by pattern"),
    "allowWildcardCertificates": (True, "wildcard names"),
    "allowLocalhost": (True, "localhost"),
    "allowIpSans": (True, "any address"),
    "allowedDomainsTemplate": (False, "names by template"),
    "allowedUriSansTemplate": (False, "URIs by template"),
    "codeSigningFlag": (False, "code signing"),
    "emailProtectionFlag": (False, "e-mail"),
    "basicConstraintsValidForNonCa": (False, "basic constraints"),
}
TRUST_DOMAIN = "hmlops"
_USES = {"ServerAuth": "server", "ClientAuth": "client"}
_KEY_USAGES = frozenset(("DigitalSignature", "KeyAgreement", "KeyEncipherment"))
# Lists of which each item lets a certificate have more, except some.
_LISTS: tuple[tuple[str, frozenset[str], str], ...] = (
    ("allowedUriSans", frozenset(), "URI"),
    ("allowedOtherSans", frozenset(), "other name"),
    ("allowedUserIds", frozenset(), "user id"),
    ("extKeyUsageOids", frozenset(), "use"),
    ("policyIdentifiers", frozenset(), "policy"),
    ("extKeyUsages", frozenset(_USES), "use"),
    ("keyUsages", _KEY_USAGES, "use"),
)


@dataclass(frozen=True)
class Certificate:
    """A name that a certificate can have, and the use: ``server``, ``client``, ``workload``, or ``other``.

    Parameters
    ----------
    use, name
        The use and the name.
    reason
        The fields that allow it, as text for a reader.
    certain
        False where a field is not known yet.
    """

    use: str
    name: str
    reason: str
    certain: bool = True


def certificates(role: Resource, graph: Graph) -> Iterator[Certificate]:
    """Return what a PKI role can issue."""
    for domain in role.at("allowedDomains").items():
        name = _text(domain)
        for use, certain in _uses(role).items():
            yield Certificate(use, name, f"{use} certificates for {name}", domain.known and certain)
    yield from _widened(role)
    for field, allowed, title in _LISTS:
        for item in role.at(field).items():
            if field == "allowedUriSans" and item.known and _text(item) == _own_uri(role):
                name = ".".join(_own(role))
                yield Certificate("workload", name, f"certificates for {_text(item)}")
            elif _text(item) not in allowed:
                yield Certificate("other", f"{title} {_text(item)}", f"{field} allows {_text(item)}", item.known)
    # Vault's own default, which its provider writes into the state.
    if {_text(item) for item in role.at("cnValidations").items()} not in (set(), {"email", "hostname"}):
        yield Certificate("other", ANY_NAME, "cnValidations changes how names are checked")
    yield from _lasting(role, graph)


def _own(role: Resource) -> tuple[str, str]:
    """Return the hospital of a role's mount, and the role's name: the ServiceAccount whose certificates it issues."""
    return known_text(role.at("backend")).partition("/")[0], known_text(role.at("name"))


def _own_uri(role: Resource) -> str:
    hospital, service_account = _own(role)
    return f"spiffe://{TRUST_DOMAIN}/{hospital}/{service_account}"


def _widened(role: Resource) -> Iterator[Certificate]:
    below_domains = role.at("allowSubdomains").raw
    for field, (default, widened) in _WIDENING.items():
        value = role.at(field).raw
        known = value is not UNKNOWN and (field != "allowWildcardCertificates" or below_domains is not UNKNOWN)
        # Wildcards need a domain below which they may be.
        harmless = field == "allowWildcardCertificates" and below_domains is not UNKNOWN and not _is_true(below_domains)
        if not harmless and (not known or _is_true(default if value is None else value)):
            yield Certificate("other", widened, f"{field} allows {widened}", known)


def _uses(role: Resource) -> dict[str, bool]:
    """Return the uses of certificates, and whether each is certain; without a declaration Vault issues for both."""
    flags = {"server": role.at("serverFlag").raw, "client": role.at("clientFlag").raw}
    uses = {use: value is not UNKNOWN for use, value in flags.items() if value is UNKNOWN or value is not False}
    for item in role.at("extKeyUsages").items():
        if _text(item) in _USES:
            uses[_USES[_text(item)]] = True
    return uses


def _lasting(role: Resource, graph: Graph) -> Iterator[Certificate]:
    """Return the certificate that is valid for longer than the table of certificates allows."""
    if not role.at("notAfter").known or role.at("notAfter").text():
        yield Certificate("other", "of any validity", "notAfter sets the end", role.at("notAfter").known)
    value = role.at("maxTtl")
    if value.raw in (None, "", "0", 0) if value.known else False:
        mounts = [one for one in graph.of(_MOUNT) if known_text(one.at("path")) == known_text(role.at("backend"))]
        value = mounts[0].at("maxLeaseTtlSeconds") if mounts else value
    seconds = _seconds(value)
    if seconds is None or seconds > _LONGEST_DAYS * _DAY:
        text = f"certificates valid for longer than {_LONGEST_DAYS} days"
        yield Certificate("other", "of any validity", f"maxTtl allows {text}", value.known)


def _seconds(view: View) -> float | None:
    """Return a duration as Vault reads it: seconds, or with a unit; None where it is not known or not one."""
    raw = view.raw
    if raw is UNKNOWN or raw is None or isinstance(raw, bool):
        return None
    units = {"s": 1, "m": 60, "h": 3600, "d": _DAY}
    text = str(raw)
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        return float(number) * unit
    except ValueError:
        return None


def _is_true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _text(view: View) -> str:
    return str(view.raw) if view.known else "a name that is not known yet"
