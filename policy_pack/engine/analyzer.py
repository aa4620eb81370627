"""The policy analyzer of the pack, as the engine calls it.

The server of the policy SDK reads every resource again for each stack policy, and ends a policy at the first unknown
value. This one uses the same protocol, reads the stack once, and evaluates all controls on that one graph.
"""

import functools
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from concurrent import futures
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2 as proto
from pulumi.runtime.proto import analyzer_pb2_grpc, plugin_pb2
from typing_extensions import override

from policy_pack.controls.rows import FRAMEWORK, Control, Severity, table
from policy_pack.engine.aws_rules import aws_rules
from policy_pack.engine.evaluate import EXEMPTIONS, Evaluator, Result, Status, by_scope
from policy_pack.engine.exempted import ExemptFindings, by_exemption
from policy_pack.engine.overrides import WEIGHT, stricter
from policy_pack.errors import PackError
from policy_pack.settings import Level, Settings, load
from policy_pack.stack import external_endpoints, stack_config, wire
from policy_pack.stack.text import printable
from policy_pack.stack.values import NotKnownError, View

NAME = "healthcare-mlops-hipaa"
VERSION = "0.1.0"
_MESSAGE_BYTES = 400 * 1024 * 1024
_THREADS = 4
_LEVELS = {Level.MANDATORY: proto.MANDATORY, Level.ADVISORY: proto.ADVISORY, Level.OFF: proto.DISABLED}
_SEVERITIES = {
    Severity.LOW: proto.POLICY_SEVERITY_LOW,
    Severity.MEDIUM: proto.POLICY_SEVERITY_MEDIUM,
    Severity.HIGH: proto.POLICY_SEVERITY_HIGH,
    Severity.CRITICAL: proto.POLICY_SEVERITY_CRITICAL,
}
_EXEMPTIONS_TEXT = "Every exemption has an owner, an approver and an expiry date, is in force, and matches a finding"
T = TypeVar("T")


def _answers(method: Callable[[Any, Any, Any], T]) -> Callable[[Any, Any, Any], T]:
    """Return a method of the service whose errors are one sentence; the engine would print a traceback with values."""

    @functools.wraps(method)
    def answer(self: Any, request: Any, context: Any) -> T:
        try:
            return method(self, request, context)
        except PackError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, printable(str(error)))
            raise
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
            context.abort(grpc.StatusCode.INTERNAL, f"the policy pack cannot evaluate this request ({where})")
            raise

    return answer


class Analyzer(analyzer_pb2_grpc.AnalyzerServicer):
    """The analyzer service: evaluates each resource before it is created, and the stack as a whole."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or load()
        self._config: dict[str, Any] = {}
        self._stack = os.environ.get("PULUMI_STACK", "")
        self._evaluator: Evaluator | None = None
        self._lowered: list[str] = []
        self._level_overrides: dict[str, Level] = {}
        self._lock = threading.Lock()

    # --- evaluation ---------------------------------------------------------------------------
    @override
    @_answers
    def Analyze(self, request: proto.AnalyzeRequest, context: Any) -> proto.AnalyzeResponse:
        """Evaluate a resource before it is created."""
        results = self._current_evaluator().evaluate_resource(wire.new_resource(request), self._stack)
        return proto.AnalyzeResponse(diagnostics=[self._diagnostic(result) for result in _not_exempt(results)])

    @override
    @_answers
    def AnalyzeStack(self, request: proto.AnalyzeStackRequest, context: Any) -> proto.AnalyzeResponse:
        """Evaluate the stack by the checks that need all of it; single resources were evaluated before.

        Exempt findings, those of single resources included, are one diagnostic for each exemption.
        """
        graph = wire.graph(request.resources, self._stack)
        # `pulumi policy analyze` does not name the stack before; its resources do.
        with self._lock:
            if not self._stack:
                self._stack, self._evaluator = graph.stack, None
        results = self._current_evaluator().evaluate_stack(graph)
        diagnostics = [self._diagnostic(result) for result in _not_exempt(by_scope(results, whole_stack=True))]
        diagnostics += [self._exempt_diagnostic(group, graph.root.urn) for group in by_exemption(results)]
        for control in self._lowered:
            message = f"{control} may not be lowered by configuration; exempt single resources in settings.yaml."
            root = graph.root
            diagnostics.append(
                self._diagnostic(Result(EXEMPTIONS, root.urn, root.name, message, "", Status.REFUSED, True))
            )
        return proto.AnalyzeResponse(diagnostics=diagnostics)

    @override
    def Remediate(self, request: Any, context: Any) -> proto.RemediateResponse:
        """Change nothing: violations are corrected in the program."""
        return proto.RemediateResponse()

    # --- information and configuration ----------------------------------------------------------
    @override
    def GetAnalyzerInfo(self, request: Any, context: Any) -> proto.AnalyzerInfo:
        """List the controls."""
        policies = [self._policy_info(row) for row in table().rows.values()]
        schema = proto.PolicyConfigSchema()
        schema.properties.update(
            {"settings": {"type": "object", "description": "settings of the pack, as in settings.yaml"}}
        )
        policies.append(
            proto.PolicyInfo(
                name=EXEMPTIONS,
                displayName="Exemptions are valid",
                description=_EXEMPTIONS_TEXT,
                enforcementLevel=proto.MANDATORY,
                configSchema=schema,
                policy_type=proto.POLICY_TYPE_STACK,
            )
        )
        return proto.AnalyzerInfo(
            name=NAME, version=VERSION, displayName="HIPAA technical safeguards", supportsConfig=True, policies=policies
        )

    @override
    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        """Return the version of the pack."""
        return plugin_pb2.PluginInfo(version=VERSION)

    @override
    def Handshake(self, request: Any, context: Any) -> proto.AnalyzerHandshakeResponse:
        """Do nothing: the pack never calls the engine."""
        return proto.AnalyzerHandshakeResponse()

    @override
    @_answers
    def Configure(self, request: proto.ConfigureAnalyzerRequest, context: Any) -> empty_pb2.Empty:
        """Apply ``--policy-pack-config``; levels may be raised and not lowered."""
        changes = _sent_settings(request.policyConfig[EXEMPTIONS])
        settings = stricter(self._settings, changes, "--policy-pack-config") if changes else self._settings
        rows = table().rows
        requested = {
            name: _level(policy.enforcementLevel) for name, policy in request.policyConfig.items() if name in rows
        }
        # The engine also sends the levels of the pack itself, which change nothing.
        changed = {
            name: level for name, level in requested.items() if level is not rows[name].effective_level(self._settings)
        }
        with self._lock:
            self._settings, self._evaluator = settings, None
            self._lowered = [
                name for name, level in changed.items() if WEIGHT[level] < WEIGHT[rows[name].effective_level(settings)]
            ]
            if request.policyConfig[EXEMPTIONS].enforcementLevel == proto.DISABLED:
                self._lowered.append(EXEMPTIONS)
            self._level_overrides = {name: level for name, level in changed.items() if name not in self._lowered}
        return empty_pb2.Empty()

    @override
    @_answers
    def ConfigureStack(
        self, request: proto.AnalyzerStackConfigureRequest, context: Any
    ) -> proto.AnalyzerStackConfigureResponse:
        """Read the name and the configuration of the stack."""
        with self._lock:
            self._stack = request.stack or self._stack
            self._config = dict(request.config)
            self._evaluator = None
        return proto.AnalyzerStackConfigureResponse()

    @override
    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        """Do nothing: no request takes long."""
        return empty_pb2.Empty()

    # --- helpers --------------------------------------------------------------------------------
    def _current_evaluator(self) -> Evaluator:
        with self._lock:
            if self._evaluator is None:
                config = self._config or _config_of_environment()
                addresses = external_endpoints.read(stack_config.of_engine(self._stack, config))
                self._evaluator = Evaluator(self._settings, addresses, self._level_overrides)
            return self._evaluator

    def _policy_info(self, row: Control) -> proto.PolicyInfo:
        level = row.effective_level(self._settings)
        return proto.PolicyInfo(
            name=row.id,
            displayName=f"{row.id} {row.title}",
            description=row.check,
            enforcementLevel=_LEVELS[level],
            severity=_SEVERITIES[row.severity],
            framework=proto.PolicyComplianceFramework(
                name=FRAMEWORK,
                version=row.profile,
                reference=row.citation(self._settings),
                specification=row.specification,
            ),
            tags=[row.profile, *aws_rules().rules_of(row.id), *row.checkov],
            remediation_steps=row.remediation,
        )

    def _exempt_diagnostic(self, group: ExemptFindings, urn: str) -> proto.AnalyzeDiagnostic:
        row = table().rows[group.exemption.control]
        return proto.AnalyzeDiagnostic(
            policyName=row.id,
            policyPackName=NAME,
            policyPackVersion=VERSION,
            description=row.check,
            message=f"{row.title} ({row.citation(self._settings)})\n{group.text}",
            urn=urn,
            enforcementLevel=proto.ADVISORY,
            severity=_SEVERITIES[row.severity],
        )

    def _diagnostic(self, result: Result) -> proto.AnalyzeDiagnostic:
        row = table().rows.get(result.control)
        cited = f" ({row.citation(self._settings)})" if row else ""
        remediation = f"\n{row.remediation}" if row and result.status in (Status.REFUSED, Status.ADVISORY) else ""
        return proto.AnalyzeDiagnostic(
            policyName=result.control,
            policyPackName=NAME,
            policyPackVersion=VERSION,
            description=row.check if row else _EXEMPTIONS_TEXT,
            message=f"{row.title if row else 'Exemptions'}{cited}\n{result.text}{remediation}",
            urn=result.urn,
            enforcementLevel=proto.MANDATORY if result.blocks else proto.ADVISORY,
            severity=_SEVERITIES[row.severity if row else Severity.HIGH],
        )


def _not_exempt(results: Iterable[Result]) -> list[Result]:
    return [result for result in results if result.status is not Status.EXEMPT]


def _sent_settings(policy: proto.PolicyConfig) -> Any:
    """Return the settings in ``--policy-pack-config``; raises `PackError` where a part of them is not known."""
    try:
        return View(wire.properties(policy.properties)[0]).key("settings").whole()
    except NotKnownError:
        raise PackError("--policy-pack-config has a setting whose value is not known; write the value.") from None


def _config_of_environment() -> dict[str, Any]:
    """Return the configuration that the engine passes in the environment; raises `PackError` where it is not a map."""
    try:
        config = json.loads(os.environ.get("PULUMI_CONFIG") or "{}")
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise PackError("PULUMI_CONFIG is not a JSON object; unset it.")
    return config


def _level(sent: proto.EnforcementLevel.ValueType) -> Level:
    if sent in (proto.MANDATORY, proto.REMEDIATE):
        return Level.MANDATORY
    return Level.OFF if sent == proto.DISABLED else Level.ADVISORY


def serve() -> None:
    """Serve the engine until it ends this process; the port is printed on stdout, as the engine expects."""
    options = [("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.max_send_message_length", _MESSAGE_BYTES)]
    try:
        analyzer = Analyzer()
    except PackError as error:
        sys.exit(f"error: {printable(str(error))}")
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=_THREADS), options=options)
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(analyzer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
