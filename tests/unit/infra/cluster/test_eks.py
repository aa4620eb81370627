"""The declared cluster of production: private, encrypted, logged, and reached without a stored secret."""

import json
from pathlib import Path

import pytest

from tests.support.stack.mocked_stack import Stack, declare, settings
from workloads.zones import flow_table


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("prod", tmp_path_factory.mktemp("prod")))


def test_the_api_server_is_private_and_logs_everything(prod: Stack) -> None:
    [cluster] = [found for found in prod.of("Cluster") if found.type == "aws:eks/cluster:Cluster"]
    assert cluster.inputs["vpcConfig"]["endpointPublicAccess"] is False
    assert cluster.inputs["vpcConfig"]["endpointPrivateAccess"] is True
    assert len(cluster.inputs["enabledClusterLogTypes"]) == 5
    assert cluster.inputs["encryptionConfig"]["resources"] == ["secrets"]
    assert cluster.inputs["encryptionConfig"]["provider"]["keyArn"].endswith("eks-secrets")
    assert cluster.inputs["accessConfig"] == {
        "authenticationMode": "API",
        "bootstrapClusterCreatorAdminPermissions": False,
    }


def test_nodes_have_no_public_address_and_no_way_to_the_internet(prod: Stack) -> None:
    subnets = prod.of("Subnet")
    assert len({subnet.inputs["cidrBlock"] for subnet in subnets}) == 6
    assert all(subnet.inputs["mapPublicIpOnLaunch"] is False for subnet in subnets)
    for kind in ("InternetGateway", "NatGateway", "Eip"):
        with pytest.raises(LookupError):
            prod.of(kind)
    services = {endpoint.inputs["serviceName"].rpartition("us-east-1.")[2] for endpoint in prod.of("VpcEndpoint")}
    assert {"s3", "sts", "kms", "ecr.api", "ecr.dkr"} <= services


def test_the_default_security_group_opens_nothing(prod: Stack) -> None:
    [group] = prod.of("DefaultSecurityGroup")
    assert not group.inputs.get("ingress")
    assert not group.inputs.get("egress")


def test_the_kubeconfig_holds_no_secret(prod: Stack) -> None:
    [provider] = [resource for resource in prod.of("kubernetes") if resource.type.startswith("pulumi:providers")]
    config = json.loads(provider.inputs["kubeconfig"])
    assert config["users"][0]["user"].keys() == {"exec"}
    assert config["clusters"][0]["cluster"]["server"].startswith("https://")


def test_tokens_are_trusted_by_the_issuer_of_the_cluster(prod: Stack) -> None:
    [provider] = prod.of("OpenIdConnectProvider")
    assert provider.inputs["url"] == "https://oidc.eks.us-east-1.amazonaws.com/id/1"
    assert provider.inputs["clientIdLists"] == ["sts.amazonaws.com"]


def test_pods_reach_aws_only_inside_the_vpc(prod: Stack, tmp_path: Path) -> None:
    policies = [policy for policy in prod.of("NetworkPolicy") if policy.metadata["name"].endswith("-to-aws")]
    table = flow_table.table()
    sources = [table.workloads[flow.source] for flow in table.flows if flow.target == "aws"]
    reaching = {workload.service_account for workload in sources if not workload.leaving}
    assert {policy.metadata["name"] for policy in policies} == {f"{account}-to-aws" for account in reaching}
    for policy in policies:
        [rule] = policy.inputs["spec"]["egress"]
        assert rule["to"] == [{"ipBlock": {"cidr": "10.40.0.0/16"}}]
        assert [port["port"] for port in rule["ports"]] == [443]
