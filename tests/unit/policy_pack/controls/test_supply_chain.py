"""Scans of images: on push where the registry has no enhanced scanning of its own."""

import pytest

from policy_pack.stack.graph import Graph
from tests.policy.builders import STACK, build
from tests.policy.evaluation import BROKEN, results, statuses

REPOSITORY = "aws:ecr/repository:Repository"
REGISTRY = "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration"


@pytest.mark.parametrize(
    ("on_push", "registry", "refused"),
    [(False, None, True), (None, None, True), (True, None, False), (False, "ENHANCED", False), (False, "BASIC", True)],
)
def test_images_are_scanned(on_push: bool | None, registry: str | None, *, refused: bool) -> None:
    scan = {} if on_push is None else {"imageScanningConfiguration": {"scanOnPush": on_push}}
    resources = [build(REPOSITORY, "images", {"imageTagMutability": "IMMUTABLE", **scan})]
    if registry:
        resources.append(build(REGISTRY, "registry", {"scanType": registry}))
    found = results(Graph(resources, STACK), None, "VM-01")
    of_repository = [one for one in found if one.name == "images"]
    assert bool(statuses(of_repository, "VM-01") & BROKEN) is refused
