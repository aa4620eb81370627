"""EKS on the emulator: the embedded cluster's face, access entries, and log-ins by the AWS command line's tokens."""

import base64
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.signers import RequestSigner

from tests.support.aws.aws_emulator_server import CLUSTER, ISSUER, Emulator

pytestmark = pytest.mark.process

ACCOUNT = "123456789012"
ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
DEPLOYER = f"arn:aws:iam::{ACCOUNT}:user/hmlops-admin"
READER = f"arn:aws:iam::{ACCOUNT}:role/reader"
SCOPE = {"type": "cluster"}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = Emulator(tmp_path_factory.mktemp("emulator"))
    running.start()
    trust = {"Effect": "Allow", "Principal": {"AWS": DEPLOYER}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    running.client("iam").create_role(RoleName="reader", AssumeRolePolicyDocument=document)
    create(running, "prod", bootstrapClusterCreatorAdminPermissions=False)
    yield running
    running.kill()


def create(emulator: Emulator, name: str, **access: Any) -> dict[str, Any]:
    subnets = emulator.client("ec2").describe_subnets()["Subnets"][:2]
    made: dict[str, Any] = emulator.client("eks").create_cluster(
        name=name,
        version="1.34",
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/control",
        resourcesVpcConfig={
            "subnetIds": [subnet["SubnetId"] for subnet in subnets],
            "endpointPublicAccess": False,
            "endpointPrivateAccess": True,
        },
        accessConfig={"authenticationMode": "API", **access},
    )["cluster"]
    return made


def token(emulator: Emulator, cluster: str, **more: str) -> str:
    """Return what the real command line says."""
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_CA_BUNDLE": str(emulator.folder / "tls.crt"),
        "AWS_SHARED_CREDENTIALS_FILE": str(emulator.folder / "credentials"),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        **more,
    }
    command = [str(Path(sys.executable).with_name("aws")), "eks", "get-token", "--cluster-name", cluster]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout)["status"]["token"])


def presigned(emulator: Emulator, cluster: str, action: str = "GetCallerIdentity", seconds: int = 60) -> str:
    sts = emulator.client("sts")
    headers = {"x-k8s-aws-id": cluster} if cluster else {}
    query = f"{emulator.url}/?Action={action}&Version=2011-06-15"
    signer: RequestSigner = sts._request_signer
    address = signer.generate_presigned_url(
        {"method": "GET", "url": query, "body": {}, "headers": headers, "context": {}},
        region_name="us-east-1",
        expires_in=seconds,
        operation_name="",
        signing_name="sts",
    )
    return "k8s-aws-v1." + base64.urlsafe_b64encode(address.encode()).decode().rstrip("=")


def review(emulator: Emulator, said: str) -> dict[str, Any]:
    """Ask as the API server does."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": said}}
    request = urllib.request.Request(
        f"{emulator.url}/_emulator/token-review?timeout=30s",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    context = ssl.create_default_context(cafile=str(emulator.folder / "tls.crt"))
    with urllib.request.urlopen(request, context=context) as answer:
        status: dict[str, Any] = json.load(answer)["status"]
    assert "k8s-aws-v1." not in emulator.log()
    return status


def refused(code: str, call: Any, **arguments: Any) -> None:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value


def test_a_cluster_shows_the_embedded_ones_face(emulator: Emulator) -> None:
    shown = emulator.client("eks").describe_cluster(name="prod")["cluster"]
    assert shown["endpoint"] == CLUSTER
    assert shown["identity"]["oidc"]["issuer"] == ISSUER
    assert base64.b64decode(shown["certificateAuthority"]["data"]) == (emulator.folder / "tls.crt").read_bytes()
    assert shown["accessConfig"] == {
        "authenticationMode": "API",
        "bootstrapClusterCreatorAdminPermissions": False,
    }
    network = shown["resourcesVpcConfig"]
    groups = emulator.client("ec2").describe_security_groups(GroupIds=[network["clusterSecurityGroupId"]])
    assert groups["SecurityGroups"][0]["VpcId"] == network["vpcId"]
    assert network["endpointPublicAccess"] is False
    assert network["publicAccessCidrs"] == []


def test_an_update_keeps_what_it_does_not_name(emulator: Emulator) -> None:
    eks = emulator.client("eks")
    made = create(emulator, "changing")
    update = eks.update_cluster_config(name="changing", resourcesVpcConfig={"endpointPublicAccess": True})["update"]
    assert update["status"] == "Successful"
    eks.update_cluster_version(name="changing", version="1.35")
    shown = eks.describe_cluster(name="changing")["cluster"]
    assert shown["version"] == "1.35"
    assert shown["resourcesVpcConfig"] == {**made["resourcesVpcConfig"], "endpointPublicAccess": True}
    lower = {"authenticationMode": "CONFIG_MAP"}
    refused("InvalidRequestException", eks.update_cluster_config, name="changing", accessConfig=lower)
    eks.delete_cluster(name="changing")
    refused("ResourceNotFoundException", eks.describe_cluster, name="changing")
    refused("ResourceNotFoundException", eks.list_access_entries, clusterName="changing")
    group = made["resourcesVpcConfig"]["clusterSecurityGroupId"]
    refused("InvalidGroup.NotFound", emulator.client("ec2").describe_security_groups, GroupIds=[group])


def test_a_protected_cluster_is_not_deleted(emulator: Emulator) -> None:
    eks = emulator.client("eks")
    create(emulator, "kept")
    assert eks.describe_cluster(name="kept")["cluster"]["deletionProtection"] is False
    eks.update_cluster_config(name="kept", deletionProtection=True)
    assert eks.describe_cluster(name="kept")["cluster"]["deletionProtection"] is True
    refused("InvalidRequestException", eks.delete_cluster, name="kept")
    eks.update_cluster_config(name="kept", deletionProtection=False)
    eks.delete_cluster(name="kept")


def test_an_access_entry_from_its_creation_to_its_end(emulator: Emulator) -> None:
    eks = emulator.client("eks")
    who = {"clusterName": "prod", "principalArn": READER}
    made = eks.create_access_entry(**who, kubernetesGroups=["readers"], tags={"owner": "a"})["accessEntry"]
    assert made["username"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/{{{{SessionName}}}}"
    assert made["kubernetesGroups"] == ["readers"]
    refused("ResourceInUseException", eks.create_access_entry, **who)
    eks.update_access_entry(**who, kubernetesGroups=["writers"], username="reader")
    eks.tag_resource(resourceArn=made["accessEntryArn"], tags={"b": "c"})
    eks.untag_resource(resourceArn=made["accessEntryArn"], tagKeys=["owner"])
    shown = eks.describe_access_entry(**who)["accessEntry"]
    assert (shown["kubernetesGroups"], shown["username"], shown["tags"]) == (["writers"], "reader", {"b": "c"})
    eks.associate_access_policy(**who, policyArn=ADMIN_POLICY, accessScope=SCOPE)
    associated = eks.list_associated_access_policies(**who)["associatedAccessPolicies"]
    assert [(item["policyArn"], item["accessScope"]["type"]) for item in associated] == [(ADMIN_POLICY, "cluster")]
    assert eks.list_access_entries(clusterName="prod", associatedPolicyArn=ADMIN_POLICY)["accessEntries"] == [READER]
    eks.disassociate_access_policy(**who, policyArn=ADMIN_POLICY)
    refused("ResourceNotFoundException", eks.disassociate_access_policy, **who, policyArn=ADMIN_POLICY)
    eks.delete_access_entry(**who)
    refused("ResourceNotFoundException", eks.describe_access_entry, **who)


def test_an_access_entry_that_eks_would_refuse_is_refused(emulator: Emulator) -> None:
    eks = emulator.client("eks")
    absent = {"clusterName": "prod", "principalArn": f"arn:aws:iam::{ACCOUNT}:role/absent"}
    refused("InvalidParameterException", eks.create_access_entry, **absent)
    masters = {"clusterName": "prod", "principalArn": READER, "kubernetesGroups": ["system:masters"]}
    refused("InvalidParameterException", eks.create_access_entry, **masters)
    refused("NotEmulated", eks.create_access_entry, clusterName="prod", principalArn=READER, type="EC2_LINUX")
    eks.create_access_entry(clusterName="prod", principalArn=READER)
    view = ADMIN_POLICY.replace("ClusterAdmin", "View")
    who = {"clusterName": "prod", "principalArn": READER}
    refused("NotEmulated", eks.associate_access_policy, **who, policyArn=view, accessScope=SCOPE)
    eks.delete_access_entry(**who)


def test_the_creator_of_a_cluster_is_its_administrator_unless_told_otherwise(emulator: Emulator) -> None:
    create(emulator, "own")
    said = token(emulator, "own")
    user = review(emulator, said)["user"]
    assert (user["username"], user["groups"]) == (DEPLOYER, ["system:masters"])
    assert review(emulator, token(emulator, "prod"))["authenticated"] is False


def test_a_login_is_what_its_access_entry_says(emulator: Emulator) -> None:
    eks = emulator.client("eks")
    who = {"clusterName": "prod", "principalArn": READER}
    session = emulator.client("sts").assume_role(RoleArn=READER, RoleSessionName="night")["Credentials"]
    keys = {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }
    said = token(emulator, "prod", **keys)
    assert "no access entry" in review(emulator, said)["error"]
    eks.create_access_entry(**who, kubernetesGroups=["readers"])
    user = review(emulator, said)["user"]
    assert user["username"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/night"
    assert user["groups"] == ["readers"]
    eks.associate_access_policy(**who, policyArn=ADMIN_POLICY, accessScope=SCOPE)
    assert review(emulator, said)["user"]["groups"] == ["readers", "system:masters"]
    eks.delete_access_entry(**who)
    assert review(emulator, said)["authenticated"] is False


def test_a_token_that_eks_would_refuse_is_refused(emulator: Emulator) -> None:
    eks = emulator.client("eks")
    eks.create_access_entry(clusterName="prod", principalArn=DEPLOYER)
    eks.associate_access_policy(clusterName="prod", principalArn=DEPLOYER, policyArn=ADMIN_POLICY, accessScope=SCOPE)
    assert review(emulator, presigned(emulator, "prod"))["authenticated"] is True
    text = presigned(emulator, "prod").removeprefix("k8s-aws-v1.")
    address = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()

    def altered(old: str, new: str) -> str:
        assert old in address
        return "k8s-aws-v1." + base64.urlsafe_b64encode(address.replace(old, new).encode()).decode()

    for bad in (
        "",
        "k8s-aws-v1.",
        "k8s-aws-v1.!!!",
        "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
        presigned(emulator, "another"),
        presigned(emulator, ""),
        presigned(emulator, "prod", action="GetSessionToken"),
        presigned(emulator, "prod", seconds=3600),
        altered("X-Amz-Signature=", "X-Amz-Signature=0"),
        altered(f"X-Amz-Date={time.strftime('%Y', time.gmtime())}", "X-Amz-Date=2020"),
        altered("https://127.0.0.1", "https://127.0.0.2"),
        altered("Version=2011-06-15", "Version=2011-06-15&RoleArn=x"),
    ):
        assert review(emulator, bad)["authenticated"] is False, bad


def lasting(eks: Any) -> list[dict[str, Any]]:
    """Return a cluster and its creator's entry, without the moment that a replay knows to the second only."""
    cluster = eks.describe_cluster(name="kept")["cluster"]
    entry = eks.describe_access_entry(clusterName="kept", principalArn=DEPLOYER)["accessEntry"]
    return [{k: v for k, v in found.items() if not k.endswith("At")} for found in (cluster, entry)]


def test_clusters_and_access_entries_survive_a_kill(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path / "own")
    emulator.start()
    try:
        create(emulator, "kept")
        eks = emulator.client("eks")
        before = lasting(eks)
        emulator.restart()
        assert lasting(emulator.client("eks")) == before
        assert review(emulator, token(emulator, "kept"))["user"]["groups"] == ["system:masters"]
    finally:
        emulator.kill()
