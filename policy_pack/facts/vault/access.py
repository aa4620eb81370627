"""Access to keys, secrets and database credentials in Vault as rows of the access matrix."""

from collections.abc import Iterator

from policy_pack.facts.access import Access, merge_access
from policy_pack.facts.vault.policies import unreadable
from policy_pack.facts.vault.requests import MOUNT, OtherPath, reaches_mount, requests
from policy_pack.facts.vault.table import table
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import VAULT_POLICY
from policy_pack.stack.text import known_text


def vault_resources(graph: Graph) -> list[Resource]:
    """Return the resources in Vault that hold data: keys, database roles, PKI roles, and KV mounts."""
    return [*graph.of(*table().resources), *_kv_mounts(graph)]


def access(graph: Graph) -> list[Access]:
    """Return all access to resources in Vault, by resource, principal and verb."""
    computed = requests(graph)
    return merge_access(
        [
            *(
                Access(one.resource.urn, principal, one.label, (), (one.login.name, f"policy {one.rule.policy}"), ())
                for one in computed.granted
                for principal in one.login.principals
            ),
            *(access for one in computed.other for access in _of_other_path(one, graph)),
        ]
    )


def unparsed_policies(graph: Graph) -> list[str]:
    """Return the policies whose text is not in the state, or cannot be read."""
    policies = graph.of(VAULT_POLICY)
    return sorted(one.name for one in policies if not one.at("policy").known or unreadable(one.at("policy")))


def _kv_mounts(graph: Graph) -> list[Resource]:
    return [mount for mount in graph.of(MOUNT) if known_text(mount.at("type")) in ("kv", "kv-v2", "generic")]


def _of_other_path(other: OtherPath, graph: Graph) -> Iterator[Access]:
    """Return access to KV mounts, and to the paths that configure Vault itself as access to the stack."""
    rule, through = other.rule, (other.login.name, f"policy {other.rule.policy}")
    for principal in other.login.principals:
        for mount in _kv_mounts(graph):
            path = known_text(mount.at("path")).strip("/")
            if reaches_mount(rule, path):
                part = rule.path.removeprefix(f"{path}/")
                parts = () if part in ("*", "data/*", rule.path) else (part,)
                for verb, capabilities in table().kv.items():
                    if rule.capabilities & set(capabilities):
                        yield Access(mount.urn, principal, verb, parts, through, ())
        if any(reaches_mount(rule, system) for system in table().system_paths):
            verb = f"configure Vault: {', '.join(sorted(rule.capabilities))}"
            yield Access(graph.root.urn, principal, verb, (rule.path,), through, ())
