"""Public AWS resources: every resource type of the SDK with a switch for public access is in the table."""

import re
from pathlib import Path

import pulumi_aws
import pytest

from policy_pack.facts.exposure.aws_services import aws_services, public_resources
from policy_pack.stack.values import UNKNOWN, NotKnownError
from tests.policy.builders import build

_SWITCHES = (
    "publiclyAccessible",
    "associatePublicIpAddress",
    "mapPublicIpOnLaunch",
    "publicConnectivity",
    "enableHttpEndpoint",
    "directInternetAccess",
    "createPublicIp",
)
_TOKEN = re.compile(r'@pulumi\.type_token\("([^"]+)"\)')


def _inputs(text: str) -> str:
    """Return the part of a resource's module that declares its inputs."""
    return text.partition("Args:")[2].partition("@pulumi.input_type\nclass _")[0]


def test_every_switch_for_public_access_is_in_the_table() -> None:
    found = set()
    for path in Path(pulumi_aws.__file__).parent.glob("*/*.py"):
        text = path.read_text(encoding="utf-8")
        token = _TOKEN.search(text)
        if token and any(f'"{switch}"' in _inputs(text) for switch in _SWITCHES):
            found.add(token[1])
    assert len(found) > 15
    assert found - aws_services().keys() == set()


@pytest.mark.parametrize(
    ("type_", "props", "number"),
    [
        ("aws:rds/instance:Instance", {}, 0),
        ("aws:rds/instance:Instance", {"publiclyAccessible": "true"}, 1),
        ("aws:redshift/cluster:Cluster", {}, 1),
        ("aws:opensearch/domain:Domain", {"vpcOptions": {"subnetIds": ["subnet-1"]}}, 0),
        ("aws:apigateway/restApi:RestApi", {"endpointConfiguration": {"types": ["PRIVATE"]}}, 0),
        ("aws:apigateway/restApi:RestApi", {}, 1),
        ("aws:ec2/launchTemplate:LaunchTemplate", {"networkInterfaces": [{}, {"associatePublicIpAddress": True}]}, 1),
        ("aws:lambda/functionUrl:FunctionUrl", {}, 1),
    ],
)
def test_a_resource_is_open_unless_its_properties_close_it(type_: str, props: dict[str, object], number: int) -> None:
    assert len([entry for entries in public_resources(build(type_, "x", props)) for entry in entries]) == number


def test_a_property_that_is_not_known_hides_no_other() -> None:
    cluster = build("aws:rds/cluster:Cluster", "x", {"publiclyAccessible": UNKNOWN, "enableHttpEndpoint": True})
    unknown, known = public_resources(cluster)
    with pytest.raises(NotKnownError):
        list(unknown)
    assert [entry.why for entry in known] == ["enableHttpEndpoint is True"]
