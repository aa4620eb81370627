"""What a stack's entries, each well formed, cannot be together."""

from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import combinations

import pulumi_aws

from infra.settings import names
from infra.settings import schema as shape
from infra.settings.tiers import tier
from infra.settings.values import DataClass

_REGIONS = frozenset(region.value for region in pulumi_aws.Region)
_LARGEST_VPC, _SMALLEST_VPC = 16, 20


def faults_of(config: shape.StackConfig) -> Iterator[str]:
    """Say each in one sentence, with the mend."""
    yield from _duplicates(config)
    yield from _overlaps(config)
    yield from _misplaced_endpoints(config)
    yield from _misplaced_data(config)
    yield from _foreign_keys(config)
    held = tier(config.tier)
    for hospital in config.hospitals:
        if held.require_contact and hospital.contact is None:
            yield f"hospital {hospital.name} has no contact; add contact with security and baa, which real data needs"
        if hospital.replicas.min < held.least_servers:
            least = held.least_servers
            yield f"hospital {hospital.name} has replicas.min {hospital.replicas.min}; tier {held.name} needs {least}"
        if hospital.fhir.url and hospital.network is None:
            yield f"hospital {hospital.name} has a fhir.url but no network; add network, the range of its FHIR server"


def _misplaced_data(config: shape.StackConfig) -> Iterator[str]:
    if config.region == config.second_region:
        yield f"secondRegion is {config.second_region} like region; name another one, where copies survive"
    for region in (config.region, config.second_region):
        if region not in _REGIONS:
            yield f"{region} is no region of AWS; correct it, such as us-east-1"
    if config.operators and not tier(config.tier).operators_read_data:
        count = len(config.operators)
        yield f"operators names {count}, but tier {config.tier} lets nobody but workloads read data; remove it"


def _foreign_keys(config: shape.StackConfig) -> Iterator[str]:
    """Say where a hospital's entry names a key that is another one's."""
    owners: dict[str, set[str]] = {}
    for hospital in config.hospitals:
        for data in DataClass:
            owners.setdefault(names.key_alias(config.environment, hospital.name, data), set()).add(hospital.name)
        for alias in hospital.keys.values():
            owners.setdefault(alias, set()).add(hospital.name)
    for hospital in config.hospitals:
        for purpose, alias in hospital.keys.items():
            for other in sorted(owners[alias] - {hospital.name}):
                named = f"hospital {hospital.name} names the key {alias} for {purpose}"
                yield f"{named}, which is of hospital {other}; name its own"


def _duplicates(config: shape.StackConfig) -> Iterator[str]:
    for what, each, entries in (
        ("hospitals", "hospital", config.hospitals),
        ("networks.peers", "peer", config.networks.peers),
    ):
        found = [entry.name for entry in entries]
        for name in sorted({name for name in found if found.count(name) > 1}):
            yield f"{what} names {name} {found.count(name)} times; keep one entry a {each}"


def _overlaps(config: shape.StackConfig) -> Iterator[str]:
    ranges = [("networks.services", config.networks.services)]
    if config.networks.vpc:
        # On EKS pods have addresses of the VPC, so their range lies inside it and is not compared with it.
        ranges.append(("networks.vpc", config.networks.vpc))
        if not IPv4Network(config.networks.pods).subnet_of(IPv4Network(config.networks.vpc)):
            ranges.append(("networks.pods", config.networks.pods))
    else:
        ranges.append(("networks.pods", config.networks.pods))
    ranges += [(f"the network of peer {peer.name}", peer.network) for peer in config.networks.peers]
    ranges += [(f"the network of hospital {h.name}", h.network) for h in config.hospitals if h.network]
    for (one, first), (other, second) in combinations(ranges, 2):
        if IPv4Network(first).overlaps(IPv4Network(second)):
            yield f"{one} ({first}) overlaps {other} ({second}); give them separate ranges"


def _misplaced_endpoints(config: shape.StackConfig) -> Iterator[str]:
    given = {"kubernetes": config.endpoints.kubernetes, "aws": config.endpoints.aws}
    for name, endpoint in given.items():
        if config.cluster == "eks" and endpoint is not None:
            yield f"endpoints.{name} is given, but cluster eks brings its own; remove it"
        if config.cluster != "eks" and endpoint is None:
            yield f"endpoints.{name} is missing; add its url, which cluster {config.cluster} needs"
    if (config.cluster == "eks") != (config.networks.vpc is not None):
        mend = "add it for" if config.cluster == "eks" else "remove it from"
        yield f"networks.vpc is for cluster eks alone; {mend} cluster {config.cluster}"
    if config.networks.vpc and not _LARGEST_VPC <= IPv4Network(config.networks.vpc).prefixlen <= _SMALLEST_VPC:
        sizes = f"/{_LARGEST_VPC} to /{_SMALLEST_VPC}"
        yield f"networks.vpc {config.networks.vpc} has no room for its subnets, or more than AWS gives; use {sizes}"
