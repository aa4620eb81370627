"""Run the stack's declarations against mocks, and keep what they declared."""

import copy
import functools
import gc
import hashlib
import json
import runpy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pulumi
import yaml
from pulumi.runtime.proto import source_pb2

from infra.settings import Settings
from infra.settings.files.load import settings_from
from tests.support.identity.tls import Authority
from tests.support.model.cards import card
from tests.support.repository import REPOSITORY

DIGEST = "sha256:" + "a" * 64
_LINEAGE = {
    "profile": "clinical",
    "data_digest": "d" * 64,
    "approval": {"by": "cmio:A. Example", "reason": "trial"},
    "ethics_approval": {"by": "ethics-committee:R. Roe", "reason": "trial"},
}
_CONTENTS = {
    "MODEL_CARD.md": card(),
    "lineage.json": json.dumps(_LINEAGE),
    "metrics.json": json.dumps({"evaluation": {"passed": True}}),
}
_ROWS = [{"path": name, "sha256": hashlib.sha256(text.encode()).hexdigest()} for name, text in _CONTENTS.items()]
RELEASE_FILES = {
    **_CONTENTS,
    "files.json": json.dumps({"files": _ROWS}),
    "signature.json": json.dumps({"algorithm": "ed25519", "signature": "c2lnbmVk"}),
}
RELEASE_DIGEST = hashlib.sha256(RELEASE_FILES["files.json"].encode()).hexdigest()[:12]
RELEASE = f"v1@{RELEASE_DIGEST}"
# The same files, published as the next version.
SECOND_RELEASE = f"v2@{RELEASE_DIGEST}"
_DECLARED: dict[str, "Stack"] = {}
# The repositories that `make images` names.
LOCK = {
    key: f"hmlops.local/{name}@{DIGEST}"
    for key, name in (
        ("workloads", "workloads"),
        ("modelServer", "model-server"),
        ("storageInitializer", "storage-initializer"),
        ("agent", "agent"),
        ("envoy", "envoy"),
    )
}


@dataclass(frozen=True)
class Declared:
    """One resource as the engine would be told of it."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    id: str
    custom: bool

    @property
    def key(self) -> tuple[str, str]:
        return (self.type, self.name)

    @property
    def kind(self) -> str:
        return self.type.rpartition(":")[2]

    @property
    def metadata(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.inputs["metadata"]
        return found


@dataclass
class Stack:
    """Everything that a program declared."""

    resources: list[Declared] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> list[Declared]:
        """Return all resources of a kind; asking for one that is not there is a fault of the test."""
        found = [resource for resource in self.resources if resource.kind == kind]
        if not found:
            raise LookupError(f"the stack declares no {kind}")
        return found

    def keys(self) -> set[tuple[str, str]]:
        return {resource.key for resource in self.resources}

    def by_key(self) -> dict[tuple[str, str], Declared]:
        return {resource.key: resource for resource in self.resources}


class Mocks(pulumi.runtime.Mocks):
    """Answer as the providers would where the program reads an output, or a release's file."""

    def __init__(self, stack: Stack, files: Mapping[str, str] = RELEASE_FILES) -> None:
        self._stack = stack
        self.files = files

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        declared = Declared(args.typ, args.name, args.inputs, f"{args.name}-id", bool(args.custom))
        self._stack.resources.append(declared)
        return declared.id, {**args.inputs, **_outputs(declared)}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        if args.token == "vault:generic/getSecret:getSecret":
            return {**args.args, "data": {"certificate": f"revocation list of {args.args['path']}"}}, []
        if args.token != "aws:s3/getObject:getObject":
            raise AssertionError(f"the program asks {args.token}, which needs an account")
        folder, _, name = str(args.args["key"]).rpartition("/")
        if (
            folder not in {f"readmission/{version}/{RELEASE_DIGEST}" for version in ("v1", "v2")}
            or name not in self.files
        ):
            return {}, [("key", "there is no such object")]
        return {**args.args, "body": self.files[name], "contentType": "application/json"}, []


ADMINISTRATOR_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!cluster-0a1b2c3d-AbCdEf"
_FIXED: dict[str, dict[str, Any]] = {
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": {"arn": "arn:aws:iam::123456789012:oidc-provider/cluster"},
    "aws:eks/cluster:Cluster": {
        "arn": "arn:aws:eks:us-east-1:123456789012:cluster/x",
        "endpoint": "https://1.eks.amazonaws.com",
        "certificateAuthority": {"data": "Q0E="},
        "identities": [{"oidcs": [{"issuer": "https://oidc.eks.us-east-1.amazonaws.com/id/1"}]}],
    },
    "aws:rds/cluster:Cluster": {
        "arn": "arn:aws:rds:us-east-1:123456789012:cluster:x",
        "endpoint": "x.rds.amazonaws.com",
        "masterUserSecrets": [{"secretArn": ADMINISTRATOR_ARN}],
    },
    "aws:msk/configuration:Configuration": {
        "arn": "arn:aws:kafka:us-east-1:123456789012:configuration/x/1",
        "latestRevision": 1,
    },
    "kubernetes:core/v1:ConfigMap": {"data": {"ca.crt": "CA"}},
}


def _outputs(declared: Declared) -> dict[str, Any]:
    match declared.type:
        case "aws:kms/key:Key":
            return {"arn": f"arn:aws:kms:us-east-1:123456789012:key/{declared.name}", "keyId": f"{declared.name}-key"}
        case "aws:s3/bucket:Bucket":
            return {"arn": f"arn:aws:s3:::{declared.inputs['bucket']}"}
        case "aws:iam/role:Role":
            name = declared.inputs.get("name", declared.name)
            return {"arn": f"arn:aws:iam::123456789012:role/{name}", "name": name}
        case "aws:cloudwatch/logGroup:LogGroup":
            return {"arn": f"arn:aws:logs:us-east-1:123456789012:log-group:{declared.inputs['name']}"}
        case "aws:sns/topic:Topic" | "aws:sqs/queue:Queue":
            service, name = declared.type.split(":")[1].split("/")[0], declared.inputs["name"]
            return {
                "arn": f"arn:aws:{service}:us-east-1:123456789012:{name}",
                "url": f"https://{service}.amazonaws.com/123456789012/{name}",
            }
        case "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert":
            return {"certificate": f"certificate of {declared.inputs['backend']}"}
        case "kubernetes:core/v1:ConfigMap" if "data" in declared.inputs:
            return {}
        case "vault:transit/secretBackendKey:SecretBackendKey":
            return {"keys": [{"name": "ed25519", "public_key": f"{declared.name}-public"}]}
        case _:
            return _FIXED.get(declared.type, {})


def settings(stack: str, root: Path, change: Callable[[dict[str, Any]], None] | None = None) -> Settings:
    """Return a stack's settings, as its file says or changed."""
    (root / "build").mkdir(exist_ok=True)
    (root / "build" / "images.json").write_text(json.dumps(LOCK))
    (root / "build" / "aurora-authorities.pem").write_text(database_authorities())
    written = configuration(stack)
    if change:
        change(written)
    return settings_from(written, where=f"Pulumi.{stack}.yaml", root=root)


@functools.cache
def database_authorities() -> str:
    """Return an authority that verifies the database server of a stack with a VPC."""
    return Authority().certificate.decode()


def like(entry: Mapping[str, Any], name: str, **changed: Any) -> dict[str, Any]:
    """Return a hospital's entry for another hospital, with its own client of the identity provider."""
    own = copy.deepcopy({**entry, "name": name})
    if "signIn" in own:
        own["signIn"] |= {"client": f"{name}-worklist", "audience": f"{name}-care"}
    return {**own, **changed}


def without_gateway(written: dict[str, Any]) -> None:
    """Take the gateway from a stack's configuration."""
    del written["gateway"]


def configuration(stack: str) -> dict[str, Any]:
    """Return what a stack's file says, without the project's prefix and the releases that this machine made."""
    found = copy.deepcopy(_project_file(stack))
    for hospital in found["hospitals"]:
        hospital.pop("release", None)
    return found


@functools.cache
def _project_file(stack: str) -> dict[str, Any]:
    config = yaml.safe_load((REPOSITORY / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {name.removeprefix("healthcare-mlops:"): value for name, value in config.items()}


def run(program: Callable[[], object]) -> None:
    """Run a program to its end, outputs included."""
    wrapped: Callable[[Callable[[], object]], Callable[[], object]] = pulumi.runtime.test
    try:
        # Where in the source a resource is declared goes to the engine alone; it is a seventh of a run's time.
        with mock.patch("pulumi.runtime.resource._get_stack_trace", source_pb2.StackTrace):
            wrapped(program)()
    finally:
        # The program itself ends after this, and so does without.
        gc.enable()


def first_page() -> dict[str, Any]:
    """Return what the program's first page holds, by name."""
    return runpy.run_path(str(REPOSITORY / "__main__.py"))


def declare(chosen: Settings, files: Mapping[str, str] = RELEASE_FILES) -> Stack:
    """Return what the program declares for some settings, once every output is known.

    The same settings and files are declared once in a process; each caller gets a copy.
    """
    key = repr((chosen, chosen.__pydantic_private__, sorted(files.items())))
    if key not in _DECLARED:
        _DECLARED[key] = run_program(chosen, files)
    return copy.deepcopy(_DECLARED[key])


def run_program(chosen: Settings, files: Mapping[str, str] = RELEASE_FILES) -> Stack:
    """Run the program with some settings, and return what it declares."""

    async def program() -> None:
        with mock.patch("infra.settings.files.load.load", return_value=chosen):
            await first_page()["declare"]()

    return declared(program, chosen.environment, files)


def declared(program: Callable[[], object], environment: str, files: Mapping[str, str] = RELEASE_FILES) -> Stack:
    """Return what a program declares, which may be a single component."""
    stack = Stack()
    pulumi.runtime.set_mocks(Mocks(stack, files), project="healthcare-mlops", stack=environment)
    run(program)
    if not stack.resources:
        raise AssertionError("the program declared nothing")
    return stack


def pods(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return every pod that the stack declares, whichever resource it is in.

    Added to each: its namespace, its hospital and how many there may be at once.
    """
    for job in stack.of("CronJob"):
        yield job.name, {**job.inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"], **_where(job), "copies": 2}
    # A stack without PostgreSQL has none.
    for service in (resource for resource in stack.resources if resource.kind == "Deployment"):
        spec = service.inputs["spec"]
        yield service.name, {**spec["template"]["spec"], **_where(service), "copies": spec["replicas"] + 1}
    [shared] = stack.of("ClusterStorageContainer")
    runtimes = {(r.metadata["namespace"], r.metadata["name"]): r for r in stack.of("ServingRuntime")}
    for service in stack.of("InferenceService"):
        predictor = service.inputs["spec"]["predictor"]
        runtime = runtimes[service.metadata["namespace"], predictor["model"]["runtime"]]
        server = {**runtime.inputs["spec"]["containers"][0], "resources": predictor["model"]["resources"]}
        merged = {"containers": [server], "initContainers": [shared.inputs["spec"]["container"]]}
        yield service.name, {**predictor, **merged, **_where(service), "copies": predictor["maxReplicas"] + 1}


def zone_quotas(stack: Stack) -> dict[str, Mapping[str, str]]:
    """Return what each namespace of a hospital admits, of all pools together."""
    quotas = (quota for quota in stack.of("ResourceQuota") if quota.metadata["name"] == "zone")
    return {quota.metadata["namespace"]: quota.inputs["spec"]["hard"] for quota in quotas}


def _where(resource: Declared) -> dict[str, Any]:
    labels = resource.metadata["labels"]
    return {"namespace": resource.metadata["namespace"], "hospital": labels["healthcare-mlops/hospital"]}


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a pod's containers, those that run first included."""
    return [*pod.get("initContainers", []), *pod["containers"]]
