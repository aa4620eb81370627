"""Programs of the containers in hospitals' zones: commands, arguments, hooks and variables (``programs.yaml``)."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables
from policy_pack.controls.rules import resource_check
from policy_pack.facts.structure import namespace_name, zone_of_namespace
from policy_pack.stack.checks import (
    Findings,
    between,
    expect,
    guarded,
    is_empty,
    is_not_true,
    one_of,
    violation,
)
from policy_pack.stack.graph import Resource
from policy_pack.stack.pods import CONTAINER_OWNERS, Container, Pod, pods
from policy_pack.stack.values import View

TABLE = Path(__file__).with_name("programs.yaml")
_STORAGE_CONTAINER = "k8s:serving.kserve.io/ClusterStorageContainer"
_RESTARTS = {"k8s:batch/CronJob": ("Never", "OnFailure"), "k8s:batch/Job": ("Never", "OnFailure")}
_MESSAGES = ("File", "FallbackToLogsOnError")


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Programs:
    """Programs that containers may run; ``programs.yaml`` documents the fields."""

    programs: Mapping[str, tuple[str, ...]]
    probe: tuple[str, ...]
    probed: str
    drain: Mapping[str, int]
    variables: Mapping[str, str]
    refused_variables: frozenset[str]
    fields: str
    bare: frozenset[str]

    def has(self, arguments: Sequence[str]) -> bool:
        """Return whether arguments are those of a program, with its options only."""
        text = " ".join(arguments)
        for program, options in self.programs.items():
            if text == program or text.startswith(f"{program} "):
                rest = arguments[len(program.split()) :]
                return all(not word.startswith("-") or word.partition("=")[0] in options for word in rest)
        return False

    def probes(self, command: Sequence[str]) -> bool:
        """Return whether the command of a probe asks the container itself."""
        own = len(command) == len(self.probe) + 1 and tuple(command[:-1]) == self.probe
        return own and re.fullmatch(self.probed, command[-1]) is not None


@cache
def programs() -> Programs:
    """Return the table of programs."""
    return tables.read(TypeAdapter(Programs).validate_python, TABLE)


def _is_judged(resource: Resource) -> bool:
    """Return whether a resource's pods are those of the program: in a hospital's zone, or of its model servers."""
    return resource.kind == _STORAGE_CONTAINER or bool(zone_of_namespace(namespace_name(resource)))


@resource_check("CM-01", *CONTAINER_OWNERS)
def containers_run_their_own_programs(resource: Resource) -> Findings:
    """Refuse commands, arguments, hooks, terminals and folders that the table of programs does not have."""
    if not _is_judged(resource):
        return
    for pod in pods(resource):
        yield from guarded(_pod(resource, pod), pod.spec.path)
        for container in pod.containers:
            yield from guarded(_program(container), container.view.path)
            yield from guarded(_hooks(container), container.view.path)
            for variable in container.view.at("env").items():
                yield from guarded(_variable(resource, variable), variable.path)


def _pod(resource: Resource, pod: Pod) -> Findings:
    allowed = _RESTARTS.get(resource.kind)
    if allowed and pod.whole:
        yield from expect(
            pod.spec.at("restartPolicy"), one_of(None, *allowed), "is started again for ever (restartPolicy)"
        )
    resolver = "asks another name server than the cluster's"
    yield from expect(pod.spec.at("dnsPolicy"), one_of(None, "", "ClusterFirst"), f"{resolver} (dnsPolicy)")
    for field in ("nameservers", "searches"):
        yield from expect(pod.spec.at(f"dnsConfig.{field}"), is_empty, f"{resolver} (dnsConfig.{field})")


def _program(container: Container) -> Findings:
    view, table = container.view, programs()
    yield from expect(view.at("command"), is_empty, "runs another command than that of its image")
    arguments = view.at("args").whole() or ()
    if arguments and not table.has([str(word) for word in arguments]):
        yield violation("has arguments of no program of programs.yaml; describe them", view.at("args").path)
    yield from expect(view.at("workingDir"), is_empty, "runs in another folder than that of its image (workingDir)")
    for field in ("stdin", "tty"):
        yield from expect(view.at(field), is_not_true, f"has a terminal ({field})")
    path = view.at("terminationMessagePath")
    yield from expect(path, one_of(None, "", "/dev/termination-log"), "gives a file of its own to the kubelet")
    yield from expect(view.at("terminationMessagePolicy"), one_of(None, *_MESSAGES), "has no such policy of messages")


def _hooks(container: Container) -> Findings:
    view, table = container.view, programs()
    for hook in ("postStart", "preStop"):
        yield from expect(view.at(f"lifecycle.{hook}.exec"), is_empty, f"runs a command as its {hook} hook")
    pause = view.at("lifecycle.preStop.sleep.seconds")
    within = between(table.drain["least"], table.drain["most"])
    yield from expect(pause, lambda value: value is None or within(value), "drains for too short or too long (preStop)")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = view.at(name)
        if not probe.at("exec").absent or (probe.known and probe.raw and not _has_handler(probe)):
            command = probe.at("exec.command").whole() or ()
            if not table.probes([str(word) for word in command]):
                yield violation(f"its {name} runs something else than services.probe", probe.path)


def _has_handler(probe: View) -> bool:
    return any(not probe.at(name).absent for name in ("httpGet", "tcpSocket", "grpc"))


def _variable(resource: Resource, variable: View) -> Findings:
    table = programs()
    name, value = variable.at("name").text(), variable.at("value")
    if not name or name in table.refused_variables or resource.kind in table.bare:
        named = name or "a variable without a name"
        yield violation(f"sets {named}, which can change what its program does", value.path)
    source = variable.at("valueFrom")
    if not value.absent and not source.absent:
        yield violation(f"gives {name} a value and a source; remove one of them", value.path)
    path = source.at("fieldRef.fieldPath")
    if not source.at("fieldRef").absent:
        yield from expect(path, lambda text: _is_like(table.fields, text), "has no such field of its pod")
    elif name in table.variables and source.absent:
        allowed = table.variables[name]
        yield from expect(value, lambda text: _is_like(allowed, text), f"{name} has another value than programs.yaml")


def _is_like(pattern: str, value: Any) -> bool:
    return re.fullmatch(pattern, str(value or "")) is not None
