"""The real Pulumi CLI with the vault and aws plugins, against an OpenBao and an AWS emulator of the test's own."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from local import paths
from tests.support.aws.aws_emulator_server import Emulator, free_port
from tests.support.repository import REPOSITORY

pytestmark = pytest.mark.integration

PROGRAM = """
import json
import pulumi
import pulumi_aws as aws
import pulumi_vault as vault

config = pulumi.Config()
note = config.get("note") or "first"
key = aws.kms.Key("raw", description=note, enable_key_rotation=True, deletion_window_in_days=7)
aws.kms.Alias("raw", name="alias/north-raw", target_key_id=key.key_id)
bucket = aws.s3.Bucket("raw", bucket="north-raw", force_destroy=True, tags={"note": note})
aws.s3.BucketVersioning("raw", bucket=bucket.bucket, versioning_configuration={"status": "Enabled"})
aws.s3.BucketServerSideEncryptionConfiguration("raw", bucket=bucket.bucket, rules=[{
    "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key.arn},
    "bucket_key_enabled": True}])
aws.s3.BucketPublicAccessBlock("raw", bucket=bucket.bucket, block_public_acls=True, block_public_policy=True)
aws.s3.BucketObjectv2("note", bucket=bucket.bucket, key="a/note", content=note)
role = aws.iam.Role("trainer", name=config.get("role") or "trainer", assume_role_policy=json.dumps({
    "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}]}))
aws.iam.RolePolicy("trainer", role=role.name, policy=bucket.arn.apply(lambda arn: json.dumps({
    "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": arn + "/*"}]})))

transit = vault.Mount("transit", path="north/transit", type="transit", description=note)
vault.transit.SecretBackendKey("pseudonym", backend=transit.path, name="pseudonym", type="hmac", key_size=32,
    deletion_allowed=True)
kv = vault.Mount("kv", path="north/kv", type="kv", options={"version": "2"})
vault.kv.SecretV2("db", mount=kv.path, name="db", data_json=pulumi.Output.secret(json.dumps({"password": "hunter2"})))
policy = vault.Policy("trainer", name="trainer", policy='path "north/transit/*" { capabilities = ["update"] }')
login = vault.AuthBackend("kubernetes", type="kubernetes")
vault.kubernetes.AuthBackendRole("trainer", backend=login.path, role_name="trainer", token_policies=[policy.name],
    bound_service_account_names=["trainer"], bound_service_account_namespaces=["north-data"])
pulumi.export("account", aws.get_caller_identity().account_id)
"""


def cli() -> str:
    """Return the Pulumi CLI, from PATH or from the cache of built tools."""
    built = sorted((paths.cache() / "tools").glob("pulumi-*/**/pulumi"))
    found = shutil.which("pulumi") or next((str(path) for path in built if os.access(path, os.X_OK)), None)
    if found is None:
        pytest.skip("the Pulumi CLI is not built yet; run `make up` once")
    return found


@dataclass
class Stack:
    folder: Path
    environment: dict[str, str]

    def pulumi(self, *arguments: str, ok: bool = True) -> str:
        command = [cli(), *arguments, "--non-interactive"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=110, check=False
        )
        assert (done.returncode == 0) is ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    def summary(self, *arguments: str) -> dict[str, int]:
        """Return how many resources an operation touched, by kind."""
        text = self.pulumi(*arguments, "--json") if arguments[0] == "preview" else self.pulumi(*arguments)
        if arguments[0] == "preview":
            return dict(json.loads(text[text.index("{") : text.rindex("}") + 1])["changeSummary"])
        history = json.loads(self.pulumi("stack", "history", "--json", "--page-size", "1"))
        return dict(history[0]["resourceChanges"])

    def resources(self) -> list[dict[str, Any]]:
        return list(json.loads(self.pulumi("stack", "export"))["deployment"].get("resources", []))


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = Emulator(tmp_path_factory.mktemp("aws"))
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[hvac.Client]:
    address = f"127.0.0.1:{free_port()}"
    command = ["-dev", f"-dev-listen-address={address}", "-dev-root-token-id=root", "-dev-no-store-token"]
    binary = REPOSITORY / ".venv" / "bin" / "bao"
    with (tmp_path_factory.mktemp("bao") / "log").open("wb") as log:
        process = subprocess.Popen([binary, "server", *command], stdout=log, stderr=log)
    client = hvac.Client(url=f"http://{address}", token="root")
    try:
        await_unsealed(client)
        yield client
    finally:
        process.kill()
        process.wait()


@retry(retry=retry_if_exception_type(Exception), stop=stop_after_delay(30), wait=wait_fixed(0.2), reraise=True)
def await_unsealed(client: hvac.Client) -> None:
    assert client.sys.read_health_status(method="GET")["sealed"] is False


@pytest.fixture(scope="module")
def stack(emulator: Emulator, bao: hvac.Client, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    folder = tmp_path_factory.mktemp("program")
    (folder / "Pulumi.yaml").write_text("name: plugins\nruntime: python\n")
    (folder / "__main__.py").write_text(PROGRAM)
    (folder / "state").mkdir()
    search = [str(REPOSITORY / "local" / "plugins" / "bin"), str(REPOSITORY / ".venv" / "bin"), os.environ["PATH"]]
    environment = {
        "HOME": str(folder),
        "PATH": ":".join(search),
        "PULUMI_BACKEND_URL": f"file://{folder}/state",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PYTHONWARNINGS": "ignore",
        "VAULT_ADDR": bao.url,
        "VAULT_TOKEN": "root",
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_CA_BUNDLE": str(emulator.folder / "tls.crt"),
        "AWS_REGION": "us-east-1",
        "AWS_SHARED_CREDENTIALS_FILE": str(emulator.folder / "credentials"),
    }
    made = Stack(folder, environment)
    made.pulumi("stack", "init", "test")
    return made


def test_one_life_of_a_stack(stack: Stack, emulator: Emulator, bao: hvac.Client) -> None:
    assert stack.summary("up", "--yes", "--skip-preview") == {"create": 17}
    assert stack.summary("preview") == {"same": 17}
    assert stack.summary("refresh", "--yes") == {"same": 17}
    assert stack.pulumi("stack", "output", "account").strip() == "123456789012"
    assert "hunter2" not in "".join(p.read_text() for p in (stack.folder / "state").rglob("*.json*"))
    ids = {f"{r['type']}::{r['urn'].rpartition('::')[2]}": r.get("id") for r in stack.resources()}
    assert ids["vault:transit/secretBackendKey:SecretBackendKey::pseudonym"] == "north/transit/keys/pseudonym"
    assert ids["vault:kubernetes/authBackendRole:AuthBackendRole::trainer"] == "auth/kubernetes/role/trainer"
    assert ids["vault:kv/secretV2:SecretV2::db"] == "north/kv/data/db"
    assert ids["aws:s3/bucketVersioning:BucketVersioning::raw"] == "north-raw"
    assert ids["aws:kms/alias:Alias::raw"] == "alias/north-raw"

    # A change is an update in place, a change of name a replacement.
    stack.pulumi("config", "set", "note", "second")
    assert stack.summary("up", "--yes", "--skip-preview") == {"same": 13, "update": 4}
    stack.pulumi("config", "set", "role", "renamed")
    assert stack.summary("up", "--yes", "--skip-preview") == {"same": 15, "replace": 2}
    assert [r["RoleName"] for r in emulator.client("iam").list_roles()["Roles"]] == ["renamed"]

    # What somebody changes by hand shows, and `pulumi up` mends it.
    s3 = emulator.client("s3")
    s3.put_bucket_versioning(Bucket="north-raw", VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket="north-raw", Key="a/note", Body=b"by hand")
    s3.delete_public_access_block(Bucket="north-raw")
    bao.sys.create_or_update_policy("trainer", 'path "*" { capabilities = ["sudo"] }')
    bao.sys.disable_secrets_engine("north/kv")
    assert stack.summary("refresh", "--yes") == {"same": 11, "update": 3, "delete": 3}
    assert stack.summary("preview") == {"same": 11, "update": 3, "create": 3}
    stack.pulumi("up", "--yes", "--skip-preview")
    assert stack.summary("preview") == {"same": 17}
    assert s3.get_object(Bucket="north-raw", Key="a/note")["Body"].read() == b"second"

    # Nothing is left.
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert stack.resources() == []
    assert s3.list_buckets()["Buckets"] == []
    assert emulator.client("iam").list_roles()["Roles"] == []
    keys = emulator.client("kms").list_keys()["Keys"]
    states = {emulator.client("kms").describe_key(KeyId=k["KeyId"])["KeyMetadata"]["KeyState"] for k in keys}
    assert states == {"PendingDeletion"}
    assert not {"north/transit/", "north/kv/"} & set(bao.sys.list_mounted_secrets_engines()["data"])
    assert "trainer" not in bao.sys.list_policies()["data"]["policies"]


def test_what_is_there_is_imported(stack: Stack, bao: hvac.Client) -> None:
    bao.sys.enable_secrets_engine("transit", path="south/transit")
    text = stack.pulumi("import", "vault:index/mount:Mount", "south", "south/transit", "--yes", "--protect=false")
    assert "error" not in text
    assert '# resource south "vault:index/mount:Mount" {' in text
    [made] = [r for r in stack.resources() if r["type"] == "vault:index/mount:Mount"]
    assert (made["id"], made["inputs"]["type"]) == ("south/transit", "transit")
    stack.pulumi("up", "--yes", "--skip-preview")
    assert "south/transit/" not in bao.sys.list_mounted_secrets_engines()["data"]


def test_faults_are_one_sentence_and_leave_a_usable_state(stack: Stack) -> None:
    program = (
        "import pulumi_aws as aws, pulumi_vault as vault\n"
        "aws.s3.Bucket('good', bucket='good', force_destroy=True)\n"
        "aws.s3.BucketPolicy('bad', bucket='absent', policy='{}')\n"
        "vault.Mount('strange', path='x', type='nonsense')\n"
    )
    (stack.folder / "__main__.py").write_text(program)
    text = stack.pulumi("up", "--yes", "--skip-preview", "--continue-on-error", ok=False)
    assert "AWS refused PutBucketPolicy: NoSuchBucket" in text
    assert "strange (vault:index/mount:Mount): Vault at" in text
    (stack.folder / "__main__.py").write_text("import pulumi_aws as aws\naws.iot.ThingType('strange')\n")
    text += stack.pulumi("up", "--yes", "--skip-preview", ok=False)
    assert "the embedded aws plugin does not support the type aws:iot/thingType:ThingType" in text
    assert "Traceback" not in text
    (stack.folder / "__main__.py").write_text("")
    stack.pulumi("up", "--yes", "--skip-preview")
    assert [r["type"] for r in stack.resources()] in ([], ["pulumi:pulumi:Stack"])
