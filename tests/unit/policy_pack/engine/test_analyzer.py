"""The pack as the engine calls it, beside what the policy SDK's own server does with unknown values."""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pulumi.runtime.proto import analyzer_pb2 as proto
from pulumi.runtime.proto import analyzer_pb2_grpc
from pulumi_policy import EnforcementLevel, ReportViolation, StackValidationArgs, StackValidationPolicy
from pulumi_policy.policy import _PolicyAnalyzerServicer

from policy_pack.controls.rows import table
from policy_pack.engine.analyzer import Analyzer
from policy_pack.engine.evaluate import Evaluator, Status
from policy_pack.settings import load
from policy_pack.stack.wire import SECRET, SIGNATURE, UNKNOWNS
from tests.policy import recorded, world
from tests.policy.evaluation import GIVEN, exempting
from tests.policy.strategies import nested
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


def test_exempt_findings_are_one_diagnostic_for_each_exemption() -> None:
    recording, analyzer = recorded.unchanged("dev"), Analyzer(load())
    analyzer.ConfigureStack(proto.AnalyzerStackConfigureRequest(stack="dev"), None)
    answer = analyzer.AnalyzeStack(proto.AnalyzeStackRequest(resources=recording.resources), None)
    exempt = [one.message for one in answer.diagnostics if "exempt until" in one.message]
    evaluated = Evaluator(load()).evaluate_stack(recording.graph())
    covered = [result for result in evaluated if result.status is Status.EXEMPT]
    assert len(exempt) == len({result.exemption for result in covered}) < len(covered)
    assert sum(int(re.findall(r"(\d+) findings? on ", text)[0]) for text in exempt) == len(covered)
    assert all(len(text.splitlines()) == 2 for text in exempt)


def test_an_exempt_finding_of_a_resource_is_not_told_before_the_stack_is_known() -> None:
    wrong = WHOLE | {"blockPublicAcls": False}
    urn = f"urn:pulumi:prod::x::{BLOCK}::a"
    assert one(Analyzer(exempting({"control": "AC-05", "kind": BLOCK, "resource": urn})), wrong) == []


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
    assert ("VM-03", proto.MANDATORY) in level_of(one(analyzer, {}, "aws:eks/addon:Addon"))


def test_a_control_may_not_be_lowered_by_configuration(analyzer: Analyzer) -> None:
    configure(analyzer, "AC-05", proto.DISABLED)
    assert level_of(one(analyzer, WHOLE | {"blockPublicAcls": False})) == [("AC-05", proto.MANDATORY)]
    found = analyzer.AnalyzeStack(stack(), None).diagnostics
    assert any("AC-05 may not be lowered" in d.message and d.enforcementLevel == proto.MANDATORY for d in found)


class Context:
    """The context of a call, which keeps the message with which it ends."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []

    def abort(self, code: grpc.StatusCode, details: str) -> None:
        self.messages.append((code.name, details))
        raise RuntimeError(code.name)


def refusal(analyzer: Analyzer, settings: Any) -> str:
    """Return the message with which the analyzer refuses settings."""
    context = Context()
    policy_config = {"EXEMPTIONS": proto.PolicyConfig(properties=struct({"settings": settings}))}
    with pytest.raises(RuntimeError, match="INVALID_ARGUMENT"):
        analyzer.Configure(proto.ConfigureAnalyzerRequest(policyConfig=policy_config), context)
    [(_, message)] = context.messages
    return message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"exemptions": [GIVEN]}, "exemptions is weaker than in settings.yaml; change that file in a review."),
        ({"synthetic": ["prod"]}, "synthetic is weaker than in settings.yaml; change that file in a review."),
        ({"profiles": {"nprm-2025": False}}, "profiles is weaker than in settings.yaml; change that file in a review."),
        ({"exemptions": [{"control": "AC-05"}]}, "exemptions.0.kind: field required; correct the file."),
        (["exemptions"], "must be a map of settings, such as profiles: {nprm-2025: mandatory}."),
    ],
)
def test_configuration_that_is_weaker_or_wrong_is_refused(analyzer: Analyzer, settings: Any, message: str) -> None:
    assert refusal(analyzer, settings).removeprefix("--policy-pack-config").lstrip(": ") == message


def test_configuration_may_be_stricter_and_leaves_what_it_does_not_name() -> None:
    analyzer = Analyzer()
    analyzer.ConfigureStack(proto.AnalyzerStackConfigureRequest(stack="dev"), None)
    forced = ({"bucket": "x", "forceDestroy": True}, "aws:s3/bucket:Bucket")
    assert "INT-03" not in {d.policyName for d in one(analyzer, *forced)}
    configure(analyzer, "AC-05", proto.MANDATORY, synthetic=[])
    assert ("INT-03", proto.MANDATORY) in level_of(one(analyzer, *forced))
    assert ("VM-03", proto.ADVISORY) in level_of(one(analyzer, {}, "aws:eks/addon:Addon"))


def test_the_check_of_exemptions_cannot_be_disabled(analyzer: Analyzer) -> None:
    configure(analyzer, "EXEMPTIONS", proto.DISABLED)
    found = analyzer.AnalyzeStack(stack(), None).diagnostics
    assert any("EXEMPTIONS may not be lowered" in d.message and d.enforcementLevel == proto.MANDATORY for d in found)


@pytest.mark.parametrize("config", [{"hospitals": '[{"fhir": 3}]'}, {"endpoints": "[1]"}, {"networks": '{"vpc": "x"}'}])
def test_a_wrong_configuration_of_the_stack_is_refused_in_one_sentence(
    analyzer: Analyzer, config: dict[str, str]
) -> None:
    analyzer.ConfigureStack(proto.AnalyzerStackConfigureRequest(stack="none", config=config), None)
    context = Context()
    with pytest.raises(RuntimeError, match="INVALID_ARGUMENT"):
        analyzer.AnalyzeStack(stack(), context)
    [(_, message)] = context.messages
    assert message.startswith("The configuration of the stack has an invalid")


# --- any input -------------------------------------------------------------------------------------
CANARY = "canary-7f3a"
TYPES = sorted({resource.type for resource in world.resources()})
SECRETS = [{SIGNATURE: SECRET, "value": value} for value in (CANARY, 730031, True, {"a": [CANARY]}, None)]
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(), st.sampled_from(sorted(UNKNOWNS)),
    st.text(max_size=20), st.sampled_from(["[red]x[/]", "\x1b[31m", "<{%fg 1%}>", "a" * 10**5, "{", "*"]),
)  # fmt: skip
values = nested(st.one_of(scalars, st.sampled_from(SECRETS)))


@st.composite
def resources(draw: st.DrawFn) -> proto.AnalyzerResource:
    """Return a resource of the compliant stack with other values for some of its properties."""
    resource = draw(st.sampled_from(world.resources()))
    changed = draw(st.dictionaries(st.sampled_from(sorted(resource.props) or ["x"]), values, max_size=3))
    name = draw(st.sampled_from([resource.name, "[bold]x", "\x1b]0;x\x07", ""]))
    return proto.AnalyzerResource(
        type=draw(st.sampled_from([resource.type, *TYPES, "", ":::"])),
        urn=draw(st.sampled_from([resource.urn, "", name])),
        name=name,
        properties=struct({**resource.props, **changed}),
    )


@given(st.lists(resources(), max_size=6))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_stack_is_answered_without_a_secret_or_a_control_character(
    analyzer: Analyzer, given_resources: list[proto.AnalyzerResource]
) -> None:
    answers = [analyzer.AnalyzeStack(proto.AnalyzeStackRequest(resources=given_resources), Context())]
    for one_of_them in given_resources:
        request = proto.AnalyzeRequest(
            type=one_of_them.type, urn=one_of_them.urn, name=one_of_them.name, properties=one_of_them.properties
        )
        answers.append(analyzer.Analyze(request, Context()))
    for diagnostic in (diagnostic for answer in answers for diagnostic in answer.diagnostics):
        assert CANARY not in diagnostic.message
        assert "730031" not in diagnostic.message
        assert all(line.isprintable() for line in diagnostic.message.split("\n"))
        assert "<{%" not in diagnostic.message


@given(values, st.text(max_size=10))
@settings(max_examples=30, deadline=None)
def test_any_configuration_is_taken_or_refused_in_one_sentence(value: Any, key: str) -> None:
    analyzer, context = Analyzer(world.settings()), Context()
    policy_config = {"EXEMPTIONS": proto.PolicyConfig(properties=struct({"settings": value, key: value}))}
    with contextlib.suppress(RuntimeError):
        analyzer.Configure(proto.ConfigureAnalyzerRequest(policyConfig=policy_config), context)
    with contextlib.suppress(RuntimeError):
        analyzer.ConfigureStack(
            proto.AnalyzerStackConfigureRequest(stack=key, config={key: json.dumps(value)}), context
        )
        analyzer.AnalyzeStack(stack(), context)
    assert {code for code, _ in context.messages} <= {"INVALID_ARGUMENT"}
    assert all(message.isprintable() for _, message in context.messages)


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
