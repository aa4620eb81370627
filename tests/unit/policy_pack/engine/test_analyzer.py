"""The pack as the engine calls it, beside what the policy SDK's own server does with unknown values."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2 as proto
from pulumi.runtime.proto import analyzer_pb2_grpc
from pulumi_policy import EnforcementLevel, ReportViolation, StackValidationArgs, StackValidationPolicy
from pulumi_policy.policy import _PolicyAnalyzerServicer

from policy_pack.controls.rows import table
from policy_pack.engine.analyzer import Analyzer
from policy_pack.stack.wire import SECRET, SIGNATURE, UNKNOWNS
from tests.policy import world
from tests.support.repository import REPOSITORY

BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
WHOLE = {"blockPublicAcls": True, "blockPublicPolicy": True, "ignorePublicAcls": True, "restrictPublicBuckets": True}


def struct(values: dict[str, Any]) -> struct_pb2.Struct:
    struct_value = struct_pb2.Struct()
    struct_value.update(values)
    return struct_value


def one(analyzer: Analyzer, props: dict[str, Any], type_: str = BLOCK) -> list[proto.AnalyzeDiagnostic]:
    request = proto.AnalyzeRequest(
        type=type_, urn=f"urn:pulumi:prod::x::{type_}::a", name="a", properties=struct(props)
    )
    return list(analyzer.Analyze(request, None).diagnostics)


def stack(*resources: tuple[str, str, dict[str, Any]]) -> proto.AnalyzeStackRequest:
    struct_value = [
        proto.AnalyzerResource(
            type=kind, urn=f"urn:pulumi:prod::x::{kind}::{name}", name=name, properties=struct(props)
        )
        for kind, name, props in resources
    ]
    return proto.AnalyzeStackRequest(resources=struct_value)


@pytest.fixture
def analyzer() -> Analyzer:
    return Analyzer(world.settings())


def level_of(found: list[proto.AnalyzeDiagnostic]) -> list[tuple[str, int]]:
    return [(diagnostic.policyName, diagnostic.enforcementLevel) for diagnostic in found]


def test_a_compliant_resource_has_no_findings(analyzer: Analyzer) -> None:
    assert one(analyzer, WHOLE) == []


def test_a_resource_that_is_only_read_has_no_findings(analyzer: Analyzer) -> None:
    read = proto.AnalyzeRequest(type="kubernetes:core/v1:ConfigMap", urn="urn:pulumi:prod::p::x::ca", name="ca")
    assert list(analyzer.Analyze(read, None).diagnostics) == []


def test_a_violation_is_refused_before_the_resource_is_created(analyzer: Analyzer) -> None:
    [found] = one(analyzer, WHOLE | {"blockPublicAcls": False})
    assert (found.policyName, found.enforcementLevel) == ("AC-05", proto.MANDATORY)
    assert found.urn.endswith("::a")
    assert "45 CFR 164.312(a)(1)" in found.message
    assert "blockPublicAcls is not true" in found.message


def test_an_unknown_value_is_reported_and_hides_nothing(analyzer: Analyzer) -> None:
    found = one(analyzer, WHOLE | {"blockPublicAcls": UNKNOWN_TEXT, "ignorePublicAcls": False})
    assert sorted(level_of(found)) == [("AC-05", proto.ADVISORY), ("AC-05", proto.MANDATORY)]
    assert any("not yet known: checked at update" in diagnostic.message for diagnostic in found)


def test_the_value_is_checked_once_the_update_knows_it(analyzer: Analyzer) -> None:
    assert level_of(one(analyzer, WHOLE | {"blockPublicAcls": "false"})) == [("AC-05", proto.MANDATORY)]


def test_the_sdk_s_own_server_lets_an_unknown_hide_a_violation(analyzer: Analyzer) -> None:
    """The behaviour that the pack does without; when upstream mends it, this test says so."""

    def check(args: StackValidationArgs, report: ReportViolation) -> None:
        for resource in args.resources:
            if resource.props["blockPublicAcls"] is not True:
                report("is open", resource.urn)

    naive = StackValidationPolicy("naive", "blocks", check, EnforcementLevel.MANDATORY)
    server: Any = _PolicyAnalyzerServicer("pack", "1", [naive], EnforcementLevel.MANDATORY)
    request = stack(
        (BLOCK, "unknown", WHOLE | {"blockPublicAcls": UNKNOWN_TEXT}), (BLOCK, "open", {"blockPublicAcls": False})
    )
    theirs = list(server.AnalyzeStack(request, None).diagnostics)
    assert [diagnostic.enforcementLevel for diagnostic in theirs] == [proto.ADVISORY]
    ours = [d for r in request.resources for d in one(analyzer, _plain(r))]
    assert ("AC-05", proto.MANDATORY) in level_of(ours)


def _plain(resource: proto.AnalyzerResource) -> dict[str, Any]:
    return {
        key: value.bool_value if value.HasField("bool_value") else value.string_value
        for key, value in resource.properties.fields.items()
    }


def test_joins_are_evaluated_on_the_stack(analyzer: Analyzer) -> None:
    found = analyzer.AnalyzeStack(stack(("aws:s3/bucket:Bucket", "north", {"bucket": "north"})), None)
    assert ("AC-06", proto.MANDATORY) in level_of(list(found.diagnostics))
    assert "AC-05" not in {diagnostic.policyName for diagnostic in found.diagnostics}


def test_a_bucket_s_name_that_is_not_known_is_joined_by_dependency(analyzer: Analyzer) -> None:
    request = stack(
        ("aws:s3/bucket:Bucket", "north", {"bucket": UNKNOWN_TEXT}), (BLOCK, "north", WHOLE | {"bucket": UNKNOWN_TEXT})
    )
    request.resources[1].propertyDependencies["bucket"].urns.append(request.resources[0].urn)
    assert "AC-06" not in {d.policyName for d in analyzer.AnalyzeStack(request, None).diagnostics}


def test_pulumi_secrets_are_not_plain_text(analyzer: Analyzer) -> None:
    hidden = {SIGNATURE: SECRET, "value": "opensesame"}
    kind = "aws:rds/cluster:Cluster"
    assert ("ENC-09", proto.MANDATORY) in level_of(one(analyzer, {"masterPassword": "opensesame"}, kind))
    assert "ENC-09" not in {d.policyName for d in one(analyzer, {"masterPassword": hidden}, kind)}


def test_every_kind_of_unknown_is_understood(analyzer: Analyzer) -> None:
    for sentinel in UNKNOWNS:
        assert level_of(one(analyzer, WHOLE | {"blockPublicAcls": sentinel})) == [("AC-05", proto.ADVISORY)]


def test_every_control_is_listed_with_its_citation(analyzer: Analyzer) -> None:
    messages = analyzer.GetAnalyzerInfo(empty_pb2.Empty(), None)
    rows = {policy.name: policy for policy in messages.policies}
    assert set(table().rows) <= set(rows)
    assert rows["SEG-01"].framework.reference.startswith("45 CFR 164.312(a)(1)")
    assert "164.312(e) (proposed, unverified)" in rows["INT-01"].framework.reference
    assert all(policy.remediation_steps for name, policy in rows.items() if name in table().rows)


def configure(analyzer: Analyzer, control: str, level: proto.EnforcementLevel.ValueType, **settings: Any) -> None:
    policy_config = {control: proto.PolicyConfig(enforcementLevel=level)}
    if settings:
        policy_config["EXEMPTIONS"] = proto.PolicyConfig(properties=struct({"settings": settings}))
    analyzer.Configure(proto.ConfigureAnalyzerRequest(policyConfig=policy_config), None)


def test_a_control_may_be_raised_by_configuration() -> None:
    analyzer = Analyzer()
    configure(analyzer, "VM-03", proto.MANDATORY)
    assert level_of(one(analyzer, {}, "aws:eks/addon:Addon")) == [("VM-03", proto.MANDATORY)]


def test_a_control_may_not_be_lowered_by_configuration(analyzer: Analyzer) -> None:
    configure(analyzer, "AC-05", proto.DISABLED)
    assert level_of(one(analyzer, WHOLE | {"blockPublicAcls": False})) == [("AC-05", proto.MANDATORY)]
    found = analyzer.AnalyzeStack(stack(), None).diagnostics
    assert any("AC-05 may not be lowered" in d.message and d.enforcementLevel == proto.MANDATORY for d in found)


def test_exemptions_come_from_configuration(analyzer: Analyzer) -> None:
    policy_config = {
        "control": "AC-05",
        "resource": "a",
        "reason": "a website",
        "owner": "web",
        "expires": "2999-01-01",
    }
    configure(analyzer, "AC-05", proto.MANDATORY, exemptions=[policy_config])
    [found] = one(analyzer, WHOLE | {"blockPublicAcls": False})
    assert found.enforcementLevel == proto.ADVISORY
    assert "exempt until 2999-01-01 by web: a website" in found.message


def test_configuration_leaves_what_it_does_not_name(analyzer: Analyzer) -> None:
    configure(analyzer, "AC-05", proto.MANDATORY, synthetic=["prod"])
    bucket = {"bucket": "x", "forceDestroy": True}
    found = [d.policyName for d in one(analyzer, bucket, "aws:s3/bucket:Bucket")]
    assert "INT-03" not in found
    assert ("VM-03", proto.MANDATORY) in level_of(one(analyzer, {}, "aws:eks/addon:Addon"))


def test_a_wrong_configuration_is_refused_in_one_sentence(analyzer: Analyzer) -> None:
    messages: list[str] = []

    class Context:
        def abort(self, code: grpc.StatusCode, details: str) -> None:
            messages.append(details)
            raise RuntimeError(code.name)

    policy_config = {
        "EXEMPTIONS": proto.PolicyConfig(properties=struct({"settings": {"exemptions": [{"control": "AC-05"}]}}))
    }
    with pytest.raises(RuntimeError, match="INVALID_ARGUMENT"):
        analyzer.Configure(proto.ConfigureAnalyzerRequest(policyConfig=policy_config), Context())
    assert messages == ["--policy-pack-config: exemptions.0.resource: field required."]


@pytest.fixture
def served() -> Iterator[grpc.Channel]:
    """Start the pack as a language host does, from its folder, and connect to the port that it prints."""
    command = [sys.executable, "-u", str(REPOSITORY / "policy_pack"), "127.0.0.1:1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY / "policy_pack")
    try:
        assert process.stdout
        yield grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.kill()
        process.communicate()


def test_the_folder_answers_the_engine(served: grpc.Channel) -> None:
    stub: Any = analyzer_pb2_grpc.AnalyzerStub(served)
    assert len(stub.GetAnalyzerInfo(empty_pb2.Empty()).policies) == len(table().rows) + 1
    stub.ConfigureStack(proto.AnalyzerStackConfigureRequest(stack="prod", config={"x:endpoints": json.dumps({})}))
    request = proto.AnalyzeRequest(type=BLOCK, urn="urn:pulumi:prod::x::t::a", name="a", properties=struct({}))
    assert len(stub.Analyze(request).diagnostics) == 4
