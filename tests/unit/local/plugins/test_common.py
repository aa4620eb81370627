"""Property values, differences and the gRPC face that the resource plugins share."""

from collections.abc import Iterable, Iterator
from concurrent import futures

import grpc
import pytest
from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2
from typing_extensions import override

from local.plugins.provider.common import (
    UNKNOWN,
    Checked,
    Created,
    Diff,
    EngineLog,
    InitError,
    Kind,
    Path,
    PluginError,
    Props,
    Provider,
    Read,
    Request,
    Special,
    decode_config,
    differences,
    flag,
    has_unknowns,
    path_text,
    project_secrets,
    under,
    unwrap,
    wrap,
)
from local.plugins.provider.servicer import Servicer
from local.plugins.provider.values import OUTPUT, SECRET, SIGNATURE

URN = "urn:pulumi:dev::sample::test:index:Thing::one"


def test_values_survive_the_round_trip() -> None:
    plain = {"a": {"b": [1, 2.5, True, None, "x", UNKNOWN]}, "asset": Special({SIGNATURE: "sig", "text": "t"})}
    back = unwrap(wrap(plain, [("a", "b", 4)]))
    assert back.plain == plain
    assert back.secrets == {("a", "b", 4)}
    assert back.has_unknowns


def test_a_secret_travels_wrapped() -> None:
    wire = wrap({"password": "p"}, [("password",), ("absent",)])
    assert dict(wire.fields["password"].struct_value) == {SIGNATURE: SECRET, "value": "p"}


def test_output_values_are_unwrapped() -> None:
    wire = struct_pb2.Struct()
    wire.update({"a": {SIGNATURE: OUTPUT, "value": 1, "secret": True}, "b": {SIGNATURE: OUTPUT}})
    values = unwrap(wire)
    assert values.plain == {"a": 1, "b": UNKNOWN}
    assert values.secrets == {("a",)}


def test_numbers_stay_whole_and_nulls_in_maps_are_dropped() -> None:
    wire = struct_pb2.Struct()
    wire.update({"n": 3, "f": 0.5, "none": None, "deep": {"none": None}})
    assert unwrap(wire).plain == {"n": 3, "f": 0.5, "deep": {}}
    assert isinstance(unwrap(wire).plain["n"], int)


def test_a_secret_in_a_list_makes_the_list_secret() -> None:
    assert project_secrets([("spec", "env", 0, "value"), ("data", "k")]) == {("spec", "env"), ("data", "k")}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("spec", "replicas"), "spec.replicas"),
        (("spec", "ports", 0, "port"), "spec.ports[0].port"),
        (("metadata", "labels", "a.b/c"), 'metadata.labels["a.b/c"]'),
    ],
)
def test_paths_are_written_as_pulumi_does(path: Path, text: str) -> None:
    assert path_text(path) == text


def test_differences_are_the_smallest() -> None:
    old = {"same": [1], "spec": {"replicas": 1, "ports": [{"port": 80}, {"port": 81}]}, "gone": 1}
    new = {"same": [1], "spec": {"replicas": 2, "ports": [{"port": 90}]}, "new": {"a": 1}}
    assert differences(old, new) == {
        ("gone",): Kind.DELETE,
        ("new",): Kind.ADD,
        ("spec", "replicas"): Kind.UPDATE,
        ("spec", "ports", 0, "port"): Kind.UPDATE,
        ("spec", "ports", 1): Kind.DELETE,
    }


def test_unknown_differs_from_everything_known() -> None:
    assert differences({"a": 1}, {"a": UNKNOWN}) == {("a",): Kind.UPDATE}
    assert differences({"a": True}, {"a": 1}) == {("a",): Kind.UPDATE}
    assert differences({"a": 1}, {"a": 1.0}) == {}
    assert has_unknowns({"a": [{"b": UNKNOWN}]})


def test_assets_are_compared_by_content() -> None:
    one, same, other = (Special({"hash": h, "path": p}) for h, p in (("1", "a"), ("1", "b"), ("2", "a")))
    assert differences({"a": one}, {"a": same}) == {}
    assert differences({"a": one}, {"a": other}) == {("a",): Kind.UPDATE}


def test_under_knows_wildcards() -> None:
    assert under(("spec", "containers", 3, "image"), [("spec", "containers", "*", "image")])
    assert under(("data", "a"), [("data",)])
    assert not under(("spec",), [("spec", "x")])


def test_configuration_that_the_sdk_encoded() -> None:
    config = decode_config({"a": '{"b": 1}', "c": "plain", "d": "{not json"})
    assert config == {"a": {"b": 1}, "c": "plain", "d": "{not json"}
    assert flag({"x": "true"}, "x")
    assert not flag({"x": "False"}, "x")
    assert flag({}, "x", default=True)


class Things(Provider):
    """A provider that shows each way an operation can end."""

    name = "things"
    version = "1.0.0"

    @override
    def secret_paths(self, request: Request) -> Iterable[Path]:
        return [("token",)]

    @override
    def check(self, request: Request) -> Checked:
        return Checked({name: value for name, value in request.inputs.items() if name != "spare"})

    @override
    def diff(self, request: Request) -> Diff:
        changes = differences(request.old_inputs, request.inputs)
        return Diff(changes, frozenset(p for p in changes if p == ("fixed",)), True)

    @override
    def create(self, request: Request) -> Created:
        if request.inputs.get("fail") == "plainly":
            raise PluginError("the thing is broken; mend it")
        if request.inputs.get("fail") == "late":
            raise InitError(["not ready", "because of this"], {**request.inputs, "token": "t"}, id="late")
        if request.inputs.get("fail") == "fault":
            raise ValueError("oops")
        return Created("made", {**request.inputs, "token": "t"})

    @override
    def read(self, request: Request) -> Read:
        return Read(request.id, {**request.state, "token": "t"}, request.inputs) if request.id != "gone" else Read()

    @override
    def update(self, request: Request) -> Props:
        return {**request.inputs, "token": "t"}

    @override
    def delete(self, request: Request) -> None:
        raise PluginError("the thing stays")


@pytest.fixture(scope="module")
def stub() -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(Things(), EngineLog("")), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    server.stop(None)


def test_create_keeps_secrets_secret(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    properties = wrap({"password": "p", "plain": 1}, [("password",)])
    made = unwrap(stub.Create(provider_pb2.CreateRequest(urn=URN, properties=properties)).properties)
    assert made.plain["password"] == "p"
    assert made.secrets == {("password",), ("token",)}


def test_check_keeps_secrets_secret(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    news = wrap({"password": "p", "spare": "s"}, [("password",), ("spare",)])
    checked = unwrap(stub.Check(provider_pb2.CheckRequest(urn=URN, news=news)).inputs)
    assert checked.plain == {"password": "p"}
    assert checked.secrets == {("password",)}


def test_read_keeps_what_was_secret(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    state = wrap({"found": "p"}, [("found",)])
    read = stub.Read(provider_pb2.ReadRequest(urn=URN, id="here", properties=state))
    assert unwrap(read.properties).secrets == {("found",), ("token",)}
    assert stub.Read(provider_pb2.ReadRequest(urn=URN, id="gone")).id == ""


def test_diff_names_paths_and_replacements(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    request = provider_pb2.DiffRequest(
        urn=URN, old_inputs=wrap({"fixed": 1, "a": {"b": 1}}), news=wrap({"fixed": 2, "a": {}})
    )
    answer = stub.Diff(request)
    assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(answer.replaces) == ["fixed"]
    assert answer.deleteBeforeReplace
    assert answer.detailedDiff["a.b"].kind == provider_pb2.PropertyDiff.DELETE
    assert answer.detailedDiff["fixed"].kind == provider_pb2.PropertyDiff.UPDATE_REPLACE


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("plainly", "the thing is broken; mend it"),
        ("fault", "the things plugin failed: ValueError: oops"),
    ],
)
def test_an_error_is_one_sentence(stub: provider_pb2_grpc.ResourceProviderStub, how: str, text: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Create(provider_pb2.CreateRequest(urn=URN, properties=wrap({"fail": how})))
    assert caught.value.details() == text


def test_a_partial_failure_carries_the_state(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Create(provider_pb2.CreateRequest(urn=URN, properties=wrap({"fail": "late"})))
    packed = next(entry.value for entry in caught.value.trailing_metadata() or () if entry.key.endswith("details-bin"))
    assert isinstance(packed, bytes)
    status = status_pb2.Status.FromString(packed)
    failed = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(failed)
    assert failed.id == "late"
    assert list(failed.reasons) == ["not ready", "because of this"]
    assert unwrap(failed.properties).secrets == {("token",)}


def test_an_unknown_function_says_so(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Invoke(provider_pb2.InvokeRequest(tok="things:index:find", args=wrap({"a": 1})))
    assert (
        caught.value.details()
        == "the embedded things plugin does not support the function things:index:find of 1 arguments"
    )
