"""NodePools and node classes of Karpenter, compared with the schemas of the types that are installed with its chart.

The API server alone evaluates the rules that the schemas also have (``x-kubernetes-validations``): ``make rehearse``.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.cluster import crds
from tests.support.stack.mocked_stack import Declared, declare, settings

KINDS = {"EC2NodeClass": "karpenter.k8s.aws_ec2nodeclasses", "NodePool": "karpenter.sh_nodepools"}
TYPES = {"string": str, "boolean": bool, "object": Mapping, "array": list}


def faults(schema: Mapping[str, Any], value: Any, at: str = "") -> Iterator[str]:
    """Yield where a value is not as a schema says; fields that the schema does not name are faults too."""
    wanted = schema.get("type")
    # The engine's numbers have no type of their own.
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)
    if not (whole if wanted == "integer" else isinstance(value, TYPES.get(wanted or "", object))):
        yield f"{at} is no {wanted}"
    elif isinstance(value, Mapping):
        yield from _of_object(schema, value, at)
    elif isinstance(value, list):
        for item in value:
            yield from faults(schema["items"], item, f"{at}[]")
    elif whole:
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            yield f"{at} is out of range"
    else:
        yield from _of_text(schema, str(value), at)


def _of_object(schema: Mapping[str, Any], value: Mapping[str, Any], at: str) -> Iterator[str]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    yield from (f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value)
    for name, item in value.items():
        if name in known or others is not None:
            yield from faults(known.get(name, others), item, f"{at}.{name}")
        else:
            yield f"{at}.{name} is unknown"


def _of_text(schema: Mapping[str, Any], value: str, at: str) -> Iterator[str]:
    if value not in schema.get("enum", (value,)):
        yield f"{at} is not of {schema['enum']}"
    if not re.search(schema.get("pattern", ""), value):
        yield f"{at} is not like {schema['pattern']}"


def spec_of(declared: Declared) -> Any:
    """Return the spec with ids as AWS gives them; the mocks have ids of their own."""
    spec = copy.deepcopy(declared.inputs["spec"])
    for terms, given in (("subnetSelectorTerms", "subnet-0a"), ("securityGroupSelectorTerms", "sg-0a")):
        for term in spec.get(terms, ()):
            term["id"] = given
    return spec


@pytest.fixture(scope="module")
def schemas() -> dict[str, Mapping[str, Any]]:
    files = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in crds.fetched()}
    found = {}
    for kind, name in KINDS.items():
        [version] = [one for one in files[name]["spec"]["versions"] if one["name"] == "v1"]
        found[kind] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


@pytest.fixture(scope="module", params=KINDS)
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Declared]:
    return declare(settings("prod", tmp_path_factory.mktemp("prod"))).of(request.param)


def test_each_object_is_as_its_type_says(objects: list[Declared], schemas: Mapping[str, Mapping[str, Any]]) -> None:
    found = {one.name: list(faults(schemas[one.kind], spec_of(one))) for one in objects}
    assert found == {one.name: [] for one in objects}


@pytest.mark.parametrize(
    ("kind", "place", "wrong", "said"),
    [
        ("NodePool", ("template", "spec", "expireAfter"), "two weeks", "is not like"),
        ("NodePool", ("template", "spec", "expiresAfter"), "336h", "is unknown"),
        ("NodePool", ("disruption", "consolidationPolicy"), "WhenIdle", "is not of"),
        ("EC2NodeClass", ("metadataOptions", "httpPutResponseHopLimit"), 65, "is out of range"),
        ("EC2NodeClass", ("associatePublicIPAddress",), "no", "is no boolean"),
    ],
)
def test_a_fault_is_found(
    kind: str,
    place: tuple[str, ...],
    wrong: object,
    said: str,
    schemas: Mapping[str, Mapping[str, Any]],
    tmp_path: Path,
) -> None:
    spec = copy.deepcopy(spec_of(declare(settings("prod", tmp_path)).of(kind)[0]))
    part = spec
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = wrong
    assert said in "; ".join(faults(schemas[kind], spec))
