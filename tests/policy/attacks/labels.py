"""Labels, tags and annotations removed or changed, and the objects of two hospitals exchanged."""

from collections.abc import Iterator, Mapping

from policy_pack.stack.graph import Resource
from tests.policy.attacks.mutation import GONE, Family, Mutation, Target, get, places, written
from tests.policy.attacks.stacks import FIRST, SECOND, crossed

FAMILY = "labels"
_PREFIX = "healthcare-mlops/"
_OTHER: Mapping[str, tuple[str, ...]] = {
    f"{_PREFIX}phi": ("false", "False", "no", ""),
    f"{_PREFIX}data-class": ("models", "access-logs", "configuration", "public", ""),
    f"{_PREFIX}hospital": (SECOND, "shared", "none", ""),
    f"{_PREFIX}zone": ("platform", "research", "serving", ""),
    f"{_PREFIX}environment": ("dev", "test", ""),
    f"{_PREFIX}owner": ("",),
    f"{_PREFIX}backup": ("none", ""),
    "pod-security.kubernetes.io/enforce": ("privileged", "baseline", ""),
    "pod-security.kubernetes.io/enforce-version": ("v1.0", "latest"),
    "pod-security.kubernetes.io/warn": ("privileged",),
    "pod-security.kubernetes.io/audit": ("privileged",),
    "app.kubernetes.io/name": ("other", "envoy"),
    "app.kubernetes.io/managed-by": ("helm",),
    f"{_PREFIX}tier": ("public",),
}
# Names inside a hospital's objects that exchange nothing but a text.
_TEXTS = ("description", "summary", "alarmDescription", "notify", "security-contact", "baa")


def mutations(target: Target) -> Iterator[Mutation]:
    """Return the mutations of the family."""
    family = Family(FAMILY, target)
    for resource in _representatives(target):
        for where in (("tags",), ("metadata", "labels"), ("metadata", "annotations")):
            yield from _labels(family, resource, where)
        yield from _crossed(family, resource)
    yield from _whole(family)


def _representatives(target: Target) -> list[Resource]:
    """Return one resource of each kind and last word of its name, of the first hospital where it has one."""
    found: dict[tuple[str, str], Resource] = {}
    for one in target.resources:
        word = (
            one.name.rpartition("-")[2]
            if one.kind in ("aws:s3/bucket:Bucket", "aws:kms/key:Key", "k8s:core/Namespace")
            else ""
        )
        if one.type.startswith("healthcare-mlops:"):
            continue
        held = found.get((one.kind, word))
        if held is None or one.name.startswith(FIRST) > held.name.startswith(FIRST):
            found[one.kind, word] = one
    return list(found.values())


def _labels(family: Family, resource: Resource, where: tuple[str, ...]) -> Iterator[Mutation]:
    held = get(resource.props, where)
    if not isinstance(held, Mapping) or not held:
        return
    yield from family.put(resource, f"remove {written(where)}", (where, GONE))
    yield from family.put(resource, f"empty {written(where)}", (where, {}))
    for key in held:
        yield from family.put(resource, f"remove {where[-1]} {key}", ((*where, key), GONE))
        for value in _OTHER.get(key, ()):
            if value != held[key]:
                yield from family.put(resource, f"set {where[-1]} {key} to {value!r}", ((*where, key), value))


def _crossed(family: Family, resource: Resource) -> Iterator[Mutation]:
    """Return a resource with each reference exchanged for the other hospital's."""
    if not resource.name.startswith(FIRST):
        return
    for steps, value in places(resource.props):
        if not isinstance(value, str) or crossed(value) == value or steps[-1] in _TEXTS:
            continue
        yield from family.put(resource, f"the other hospital's {written(steps)}", (steps, crossed(value)))


def _whole(family: Family) -> Iterator[Mutation]:
    """Return objects that are exchanged as a whole, and stacks where one hospital has none of a kind."""
    target = family.target
    by_name = {(one.kind, one.name): one for one in target.resources}
    seen: set[tuple[str, str]] = set()
    for one in target.resources:
        twin = by_name.get((one.kind, crossed(one.name)))
        word = one.name.rpartition("-")[2]
        if not one.name.startswith(f"{FIRST}-") or twin is None or not one.props or (one.kind, word) in seen:
            continue
        seen.add((one.kind, word))
        yield family.change(one, "the properties of the other hospital's object", dict(twin.props))
        yield family.drop(one, "remove one hospital's object")
