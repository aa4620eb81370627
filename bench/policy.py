"""Benchmark of the policy pack against one stack policy per control in the policy SDK's own server."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from google.protobuf import struct_pb2
from pulumi.runtime.proto import analyzer_pb2 as proto
from pulumi_policy import EnforcementLevel, ReportViolation, StackValidationArgs, StackValidationPolicy
from pulumi_policy.policy import _PolicyAnalyzerServicer

from bench.support.curves import Png, draw
from bench.support.figures import Figure, Json, at_most, show
from policy_pack.controls.rows import table
from policy_pack.engine.analyzer import Analyzer
from policy_pack.stack.graph import Resource
from policy_pack.stack.wire import SECRET, SIGNATURE
from tests.policy import world
from tests.policy.world import aws, cluster, monitoring, vault

_GOALS = {1_000: 1.0, 10_000: 12.0}
_SIZES = (1_000, 2_500, 5_000, 10_000)


def hospitals(number: int) -> tuple[str, ...]:
    """Return the names of as many hospitals as needed for this number of resources."""
    one = [*aws.hospital("x"), *cluster.hospital("x"), *vault.hospital("x")]
    wanted = -(-(number - len(world.platform())) // len(one))
    # Bindings of the platform name workloads of the first.
    return tuple(f"hospital{place}" if place else "north" for place in range(max(wanted, 1)))


def resources(number: int) -> list[Resource]:
    """Return at least this many resources of a compliant stack: the platform and complete hospitals."""
    names = hospitals(number)
    own = [(*aws.hospital(name), *cluster.hospital(name), *vault.hospital(name)) for name in names]
    return [*world.platform(names), *(resource for hospital in own for resource in hospital)]


def sent(resource: Resource) -> proto.AnalyzerResource:
    """Return a resource as the engine sends it."""
    props = struct_pb2.Struct()
    hidden = {key: {SIGNATURE: SECRET, "value": resource.props[key]} for key in resource.secrets}
    props.update({**resource.props, **hidden})
    analyzed = proto.AnalyzerResource(type=resource.type, urn=resource.urn, name=resource.name, properties=props)
    analyzed.options.protect = resource.protect
    return analyzed


@dataclass(frozen=True)
class _Measurement:
    """CPU seconds for one stack (each resource, then the stack), and the number of findings."""

    alone: float
    whole: float
    diagnostics: int


def pack(declared: list[proto.AnalyzerResource]) -> _Measurement:
    """Evaluate a stack through the engine's protocol, including serialisation of the messages."""
    analyzer: Any = Analyzer(world.settings())
    written = world.config(hospitals(len(declared)))
    config = {f"healthcare-mlops:{key}": json.dumps(value) for key, value in written.items()}
    config["healthcare-mlops:alarms"] = monitoring.ALARMS
    analyzer.ConfigureStack(proto.AnalyzerStackConfigureRequest(stack="prod", config=config), None)
    one_by_one = [
        proto.AnalyzeRequest(
            type=r.type, urn=r.urn, name=r.name, properties=r.properties, options=r.options
        ).SerializeToString()
        for r in declared
    ]
    stack = proto.AnalyzeStackRequest(resources=declared).SerializeToString()
    diagnostics, began = 0, time.process_time()
    for request in one_by_one:
        diagnostics += len(analyzer.Analyze(proto.AnalyzeRequest.FromString(request), None).diagnostics)
    between = time.process_time()
    diagnostics += len(analyzer.AnalyzeStack(proto.AnalyzeStackRequest.FromString(stack), None).diagnostics)
    return _Measurement(between - began, time.process_time() - between, diagnostics)


def naive(declared: list[proto.AnalyzerResource], policies: int) -> float:
    """Return CPU seconds of one stack policy per control in the SDK's server.

    Its policies read nothing but types, so what is measured is how often the server reads the stack: a lower bound.
    """

    def check(args: StackValidationArgs, report: ReportViolation) -> None:
        del report
        for resource in args.resources:
            resource.resource_type.startswith("aws:")

    every: list[Any] = [StackValidationPolicy(f"c{n}", "x", check) for n in range(policies)]
    server: Any = _PolicyAnalyzerServicer("naive", "1", every, EnforcementLevel.MANDATORY)
    stack = proto.AnalyzeStackRequest(resources=declared).SerializeToString()
    return _seconds(lambda: server.AnalyzeStack(proto.AnalyzeStackRequest.FromString(stack), None))


def _seconds(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def main(
    sizes: Annotated[
        list[int] | None, typer.Option("--resources", help="Stack sizes; may be given several times.")
    ] = None,
    naive_policies: Annotated[
        int, typer.Option(min=1, help="Policies of the naive pack that are run; the rest is extrapolated.")
    ] = 4,
    png: Png = None,
    as_json: Json = False,
) -> None:
    """Measure the pack on stacks of 1,000 and 10,000 resources; goals are in CPU seconds of one core."""
    figures: list[Figure] = []
    controls = len(table().rows)
    lines: dict[str, list[tuple[float, float]]] = {"the pack": [], "one policy per control": []}
    for size in sizes or _SIZES:
        declared = [sent(resource) for resource in resources(size)]
        taken = pack(declared)
        if taken.diagnostics:
            raise AssertionError(f"the compliant stack has {taken.diagnostics} findings")
        total = taken.alone + taken.whole
        name = f"{len(declared):,} resources, the whole pack"
        goal = _GOALS.get(size)
        figures.append(at_most(name, total, goal, "s") if goal else Figure(name, total, "s"))
        figures.append(Figure(f"{len(declared):,} resources, one by one", taken.alone, "s"))
        figures.append(Figure(f"{len(declared):,} resources, the stack", taken.whole, "s"))
        some = min(naive_policies, controls)
        reckoned = naive(declared, some) / some * controls
        how = "measured" if some == controls else f"extrapolated from {some} policies"
        figures.append(Figure(f"{len(declared):,} resources, one policy per control ({how})", reckoned, "s"))
        lines["the pack"].append((len(declared), total))
        lines["one policy per control"].append((len(declared), reckoned))
        figures.append(
            Figure(f"{len(declared):,} resources, naive over the pack's stack pass", reckoned / taken.whole, "times")
        )
    if png:
        draw(png, "The policy pack", "resources", "CPU seconds", lines)
    show("policy pack", figures, as_json=as_json, about={"controls": controls, "clock": "CPU seconds of the process"})


if __name__ == "__main__":
    typer.run(main)
