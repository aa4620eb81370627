"""Keys of releases: whose signatures a program that serves or checks a model accepts."""

from policy_pack.controls.rules import join_check
from policy_pack.facts.structure import hospital_of
from policy_pack.stack.checks import Findings, StackContext, not_yet_known, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.pods import CONTAINER_OWNERS, containers
from policy_pack.stack.values import UNKNOWN

_TRANSIT_KEY = "vault:transit/secretBackendKey:SecretBackendKey"
_TRUSTED = "HMLOPS_TRUSTED_KEYS"
_SIGNING = "release-signing"


@join_check("INT-04", *CONTAINER_OWNERS)
def releases_are_signed_by_their_hospital(resource: Resource, context: StackContext) -> Findings:
    """Refuse trusted keys other than the key with which the hospital's releases are signed."""
    keys: dict[str, frozenset[str] | None] = context.graph.memo("keys of releases", _keys)
    values = [
        variable.at("value")
        for container in containers(resource)
        for variable in container.view.at("env").items()
        if variable.at("name").raw == _TRUSTED
    ]
    for value in values:
        own = keys.get(f"{hospital_of(resource, context)}/transit", frozenset())
        if value.known and own is None:
            yield not_yet_known(value.path)
        elif value.known and own and not own.issuperset(value.text().replace(",", " ").split()):
            yield violation("trusts releases with another signature than that of their hospital", value.path)


def _keys(graph: Graph) -> dict[str, frozenset[str] | None]:
    """Return the public keys of releases by transit mount; None where they are not known yet."""
    found: dict[str, frozenset[str] | None] = {}
    for key in graph.of(_TRANSIT_KEY):
        if key.props.get("name") == _SIGNING:
            versions = key.props.get("keys", UNKNOWN)
            known = isinstance(versions, list) and all(isinstance(one, dict) for one in versions)
            public = frozenset(str(one["public_key"]) for one in versions if "public_key" in one) if known else None
            found[str(key.props.get("backend"))] = public
    return found
