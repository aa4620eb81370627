"""The policy analyzer of the pack, as the engine calls it.

The server of the policy SDK reads every resource again for each stack policy, and ends a policy at the first unknown
value. This one uses the same protocol, reads the stack once, and evaluates all controls on that one graph.
"""

import json
import os
import sys
import threading
from concurrent import futures
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import analyzer_pb2 as proto
from pulumi.runtime.proto import analyzer_pb2_grpc, plugin_pb2
from typing_extensions import override

from policy_pack.controls.rows import FRAMEWORK, Control, Severity, table
from policy_pack.engine.aws_rules import aws_rules
from policy_pack.engine.evaluate import EXEMPTIONS, Evaluator, Result, Status, by_scope
from policy_pack.errors import PackError
from policy_pack.settings import Level, Settings, load, parse
from policy_pack.stack import external_endpoints, stack_config, wire

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
_EXEMPTIONS_TEXT = "Every exemption has an owner and an expiry date, is in force, and matches a finding"


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
    def Analyze(self, request: proto.AnalyzeRequest, context: Any) -> proto.AnalyzeResponse:
        """Evaluate a resource before it is created."""
        results = self._current_evaluator().evaluate_resource(wire.new_resource(request), self._stack)
        return proto.AnalyzeResponse(diagnostics=[self._diagnostic(result) for result in results])

    @override
    def AnalyzeStack(self, request: proto.AnalyzeStackRequest, context: Any) -> proto.AnalyzeResponse:
        """Evaluate the stack by the checks that need all of it; single resources were evaluated before."""
        graph = wire.graph(request.resources, self._stack)
        results = by_scope(self._current_evaluator().evaluate_stack(graph), whole_stack=True)
        diagnostics = [self._diagnostic(result) for result in results]
        for control in self._lowered:
            message = f"{control} may not be lowered by configuration; add an exemption with owner and expiry date."
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
    def Configure(self, request: proto.ConfigureAnalyzerRequest, context: Any) -> empty_pb2.Empty:
        """Apply ``--policy-pack-config``; levels may be raised and not lowered."""
        changes = json_format.MessageToDict(request.policyConfig[EXEMPTIONS].properties).get("settings")
        try:
            if changes and "access" in changes:
                raise PackError("--policy-pack-config: access: change the table of access, policy_pack/access.yaml.")
            # Settings that the configuration does not have stay as in the file of the pack.
            own = self._settings.model_dump(mode="json")
            settings = parse({**own, **changes}, "--policy-pack-config") if changes else self._settings
        except PackError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise
        rows = table().rows
        weight = {Level.OFF: 0, Level.ADVISORY: 1, Level.MANDATORY: 2}
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
                name for name, level in changed.items() if weight[level] < weight[rows[name].effective_level(settings)]
            ]
            self._level_overrides = {name: level for name, level in changed.items() if name not in self._lowered}
        return empty_pb2.Empty()

    @override
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
                config = self._config or json.loads(os.environ.get("PULUMI_CONFIG") or "{}")
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


def _level(sent: proto.EnforcementLevel.ValueType) -> Level:
    if sent in (proto.MANDATORY, proto.REMEDIATE):
        return Level.MANDATORY
    return Level.OFF if sent == proto.DISABLED else Level.ADVISORY


def serve() -> None:
    """Serve the engine until it ends this process; the port is printed on stdout, as the engine expects."""
    options = [("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.max_send_message_length", _MESSAGE_BYTES)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=_THREADS), options=options)
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Analyzer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
