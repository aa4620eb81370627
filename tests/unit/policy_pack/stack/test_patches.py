"""Patches of pods: mounts in the containers that the table names are evaluated, everything else is refused."""

from typing import Any

import pytest

from policy_pack.stack.graph import Graph
from policy_pack.stack.patches import unreviewed
from policy_pack.stack.values import UNKNOWN, NotKnownError, View
from tests.policy.builders import STACK, build
from tests.policy.evaluation import results
from tests.policy.seeds.types import PATCHES, mounts, patch_of

NAMES = ("shutdown-manager",)
GOOD = [
    None,
    patch_of(mounts("/tmp")),
    patch_of(mounts("/tmp", readOnly=False), type="StrategicMerge"),
    patch_of(mounts("/tmp"), mounts("/drained")),
]


@pytest.mark.parametrize("patch", GOOD)
def test_mounts_of_a_named_container_are_evaluated(patch: Any) -> None:
    assert list(unreviewed(View(patch, "patch"), NAMES)) == []


@pytest.mark.parametrize("patch", PATCHES)
def test_everything_else_is_refused_with_its_path(patch: Any) -> None:
    assert [view.path for view in unreviewed(View(patch, "patch"), NAMES) if not view.path.startswith("patch")] == []
    assert list(unreviewed(View(patch, "patch"), NAMES)) != []


def test_a_patch_that_is_not_known_yet_is_not_judged() -> None:
    for patch in (UNKNOWN, patch_of(UNKNOWN), patch_of(mounts("/tmp", readOnly=UNKNOWN))):
        with pytest.raises(NotKnownError):
            list(unreviewed(View(patch, "patch"), NAMES))


def proxy(container: dict[str, Any], patch: Any = None) -> list[tuple[str, str]]:
    context = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    deployment = {"container": container, "pod": {"securityContext": context}, "patch": patch}
    props = {"spec": {"provider": {"type": "Kubernetes", "kubernetes": {"envoyDeployment": deployment}}}}
    one = build("kubernetes:gateway.envoyproxy.io/v1alpha1:EnvoyProxy", "x", props)
    return [(result.control, result.text) for result in results(Graph([one], STACK), None, "CM-01", "CM-02", "INV-03")]


def test_both_containers_of_a_proxy_have_the_root_of_its_container() -> None:
    patch = patch_of(mounts("/tmp"))
    assert proxy({"securityContext": {"readOnlyRootFilesystem": True}}, patch) == []
    for container in ({}, {"securityContext": {"readOnlyRootFilesystem": False}}):
        [(control, text)] = proxy(container, patch)
        assert control == "CM-02"
        assert "its root file system is not read-only" in text


def test_a_mount_of_a_patch_does_not_cover_a_directory_of_the_system() -> None:
    [(control, text)] = proxy({"securityContext": {"readOnlyRootFilesystem": True}}, patch_of(mounts("/usr")))
    assert control == "CM-01"
    assert "mounts a volume over a directory of the system" in text
