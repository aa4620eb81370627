"""Checks of settings that are valid one by one and cannot be combined."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network
from itertools import combinations

from infra.settings import names
from infra.settings.hospital import DataClass, Hospital
from infra.settings.tiers import Tier


def duplicates(setting: str, entry: str, names: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each name that a list of entries has more than once."""
    every = list(names)
    for name in sorted({name for name in every if every.count(name) > 1}):
        yield f"{setting} names {name} {every.count(name)} times; keep one entry a {entry}"


def overlaps(ranges: Iterable[tuple[str, IPv4Network]]) -> Iterator[str]:
    """Yield a sentence for each two address ranges that overlap."""
    for (one, first), (other, second) in combinations(ranges, 2):
        if first.overlaps(second):
            yield f"{one} ({first}) overlaps {other} ({second}); give them separate ranges"


def shared_keys(environment: str, hospitals: Iterable[Hospital]) -> Iterator[str]:
    """Yield a sentence for each hospital whose entry names a KMS key of another hospital."""
    owners: dict[str, set[str]] = {}
    for hospital in hospitals:
        for data in DataClass:
            owners.setdefault(names.key_alias(environment, hospital.name, data), set()).add(hospital.name)
        for alias in hospital.keys.values():
            owners.setdefault(alias, set()).add(hospital.name)
    for hospital in hospitals:
        for data, alias in hospital.keys.items():
            for other in sorted(owners[alias] - {hospital.name}):
                yield (
                    f"hospital {hospital.name} names the key {alias} for {data}, which is a key of hospital {other}; "
                    "choose another alias"
                )


def below_tier(tier: Tier, operators: Iterable[str], hospitals: Iterable[Hospital]) -> Iterator[str]:
    """Yield a sentence for each requirement of the tier that the settings do not meet."""
    count = len(list(operators))
    if count and not tier.operators_read_data:
        yield f"operators names {count}, but in tier {tier.name} only workloads may read data; remove it"
    for hospital in hospitals:
        if tier.require_contact and hospital.contact is None:
            yield f"hospital {hospital.name} has no contact; add contact with security and baa, which real data needs"
        if hospital.replicas.min < tier.least_servers:
            yield (
                f"hospital {hospital.name} has replicas.min {hospital.replicas.min}; tier {tier.name} needs "
                f"{tier.least_servers}"
            )


def unreachable(hospitals: Iterable[Hospital], *, gateway: bool) -> Iterator[str]:
    """Yield a sentence for each hospital without what its FHIR server, or the gateway, needs."""
    for hospital in hospitals:
        if hospital.fhir.url and hospital.network is None:
            yield f"hospital {hospital.name} has a fhir.url but no network; add network, the range of its FHIR server"
        if gateway and not (hospital.network and (hospital.client_certificates or hospital.sign_in)):
            yield (
                f"hospital {hospital.name} needs network, and applications, ehr or signIn, since who calls it connects "
                "through the gateway"
            )


def unasked(hospitals: Iterable[Hospital], *, gateway: bool) -> Iterator[str]:
    """Yield a sentence for each hospital whose further models nobody can ask, since only a gateway lets programs in."""
    for hospital in hospitals:
        if hospital.models and not gateway:
            yield f"hospital {hospital.name} has models, which are asked through a gateway; add gateway, or remove them"


def sign_in(hospitals: Iterable[Hospital], ranges: Iterable[tuple[str, IPv4Network]]) -> Iterator[str]:
    """Yield a sentence for each identity provider whose tokens or address another part of the stack would share.

    Parameters
    ----------
    hospitals
        The hospitals.
    ranges
        Networks of the cluster, by name.
    """
    providers = [(hospital.name, hospital.sign_in) for hospital in hospitals if hospital.sign_in]
    for (one, first), (other, second) in combinations(providers, 2):
        if first.issuer == second.issuer and {first.client, first.audience} & {second.client, second.audience}:
            yield (
                f"hospitals {one} and {other} share issuer and client or audience of signIn, so that a token of one "
                "would pass at the other; register a client and an audience for each"
            )
    own = list(ranges)
    for name, provider in providers:
        network = IPv4Network(provider.endpoint.network)
        for label, taken in own:
            if network.overlaps(taken):
                yield (
                    f"the network of signIn of hospital {name} ({network}) overlaps {label} ({taken}); give the range "
                    "of the identity provider alone"
                )
