"""Settings by the kind of the cluster: what each kind needs, and what it refuses."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from infra.settings import EksSettings, Endpoint, ExistingClusterSettings, SettingsError
from infra.settings.files.load import settings_from
from tests.support.stack.mocked_stack import configuration, settings

PEER = {"name": "hq", "vpc": "vpc-0a1b2c3d", "account": "1" * 12, "network": "10.60.0.0/16"}
PROD = {"pods": "10.40.0.0/16", "services": "172.20.0.0/16", "vpc": "10.40.0.0/16"}
DEV = {"pods": "10.245.0.0/16", "services": "10.97.0.0/16"}
API = {"url": "https://172.31.250.1:6443"}


def refused(stack: str, root: Path, **given: object) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        settings(stack, root, lambda written: written.update(given))
    return str(refusal.value).splitlines()


def test_an_eks_cluster_without_a_vpc_cannot_be_expressed(tmp_path: Path) -> None:
    chosen = settings("prod", tmp_path)
    assert isinstance(chosen, EksSettings)
    parts = {name: getattr(chosen, name) for name in EksSettings.model_fields}
    with pytest.raises(ValidationError, match=r"networks\.vpc\n"):
        EksSettings(**{**parts, "networks": DEV})


@pytest.mark.parametrize("missing", ["kubernetes", "aws"])
def test_an_existing_cluster_without_its_servers_cannot_be_expressed(tmp_path: Path, missing: str) -> None:
    chosen = settings("dev", tmp_path)
    assert isinstance(chosen, ExistingClusterSettings)
    parts = {name: getattr(chosen, name) for name in ExistingClusterSettings.model_fields}
    servers = {name: API for name in ("vault", "kubernetes", "aws") if name != missing}
    with pytest.raises(ValidationError, match=rf"endpoints\.{missing}\n"):
        ExistingClusterSettings(**{**parts, "endpoints": servers})


def test_settings_do_not_change(tmp_path: Path) -> None:
    chosen = settings("prod", tmp_path)
    for section, field in ((chosen, "region"), (chosen.networks, "pods"), (chosen.hospitals[0], "name")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, field, "x")


@pytest.mark.parametrize(
    ("stack", "given", "says"),
    [
        ("prod", {"networks": DEV}, "networks.vpc is missing, which cluster eks needs; add it, as docs/settings.md"),
        ("prod", {"cluster": "kind"}, "networks.vpc is not a setting of cluster kind; remove it."),
        ("dev", {"networks": {**DEV, "peers": []}}, "networks.peers is not a setting of cluster local; remove it."),
        ("prod", {"networks": {**PROD, "per": []}}, "unknown setting networks.per; check the spelling or remove it."),
        (
            "prod",
            {"networks": {**PROD, "vpc": "10.40.0.0/21"}},
            "networks.vpc '10.40.0.0/21' is not a network with room",
        ),
        (
            "prod",
            {"networks": {**PROD, "vpc": "10.0.0.0/8"}},
            "write the first address and length of a network from /16",
        ),
        ("prod", {"networks": {**PROD, "pods": "10.40.0.0/12"}}, "networks.pods '10.40.0.0/12' is not an IPv4 network"),
        (
            "prod",
            {"networks": {**PROD, "pods": "10.32.0.0/12"}},
            "networks.vpc (10.40.0.0/16) overlaps networks.pods (10.32.0.0/12); give them separate ranges.",
        ),
        (
            "prod",
            {"networks": {**PROD, "peers": [{**PEER, "network": "10.50.0.0/16"}]}},
            "the network of peer hq (10.50.0.0/16) overlaps the network of hospital north (10.50.0.0/24)",
        ),
        (
            "prod",
            {"networks": {**PROD, "peers": [PEER, PEER]}},
            "networks.peers names hq 2 times; keep one entry a peer.",
        ),
        ("prod", {"networks": {**PROD, "peers": [{**PEER, "vpc": "hq"}]}}, "peers[0].vpc 'hq' cannot be used here"),
        ("prod", {"cluster": []}, "cluster '[]' is not a kind of cluster; write local, kind or eks."),
        ("prod", {"cluster": None}, "cluster 'None' is not a kind of cluster; write local, kind or eks."),
        (
            "prod",
            {"endpoints": {"vault": API, "aws": API}},
            "endpoints.aws is not a setting of cluster eks; remove it.",
        ),
        ("dev", {"endpoints": {"vault": API}}, "endpoints.kubernetes is missing, which cluster local needs;"),
    ],
)
def test_a_kind_refuses_what_it_does_not_have(tmp_path: Path, stack: str, given: dict[str, Any], says: str) -> None:
    sentences = refused(stack, tmp_path, **given)
    assert any(sentence.startswith(f"Pulumi.{stack}.yaml: ") and says in sentence for sentence in sentences), sentences


def test_a_cluster_is_local_where_the_stack_does_not_say(tmp_path: Path) -> None:
    written = {key: value for key, value in configuration("dev").items() if key not in ("cluster", "networks")}
    settings("dev", tmp_path)  # writes the image lock file
    chosen = settings_from(written, where="Pulumi.dev.yaml", root=tmp_path)
    assert (chosen.cluster, str(chosen.networks.pods)) == ("local", "10.245.0.0/16")


def test_an_address_is_a_network_by_itself() -> None:
    server = Endpoint(url="https://10.0.0.1:8200/v1")
    assert (server.network, server.port) == ("10.0.0.1/32", 8200)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each setting."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from places(each, (*path, key))


VALUES: list[Any] = [None, True, 0, -1, 1.5, "", "x", "\0", "x'\ny", "v1@", [], [None], {}, {"": 1}, {1: 1}, {"x\n": 1}]


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_every_setting_takes_a_value_or_refuses_it_in_sentences(tmp_path: Path, stack: str) -> None:
    settings(stack, tmp_path)  # writes the image lock file
    written, refusals = configuration(stack), 0
    for path in list(places(written)):
        for value in VALUES:
            changed = deepcopy(written)
            parent: Any = changed
            for key in path[:-1]:
                parent = parent[key]
            parent[path[-1]] = value
            try:
                settings_from(changed, where=f"Pulumi.{stack}.yaml", root=tmp_path)
            except SettingsError as refusal:
                refusals += 1
                for line in str(refusal).splitlines():
                    assert line.startswith((f"Pulumi.{stack}.yaml: ", "The image lock file ")), line
                    assert line.endswith("."), line
    assert refusals > 400
