"""The pack as the engine calls it.

The policy SDK's own server reads every resource again for each stack policy, and ends a policy at the first value that
is not known. This one speaks the same protocol, reads the stack once, and judges every control on that one graph.
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

from policy_pack.controls.rows import FRAMEWORK, Row, Severity, table
from policy_pack.engine.aws_rules import aws_rules
from policy_pack.engine.evaluate import EXEMPTIONS, Judge, Result, Status, settled
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
_EXEMPTIONS_TEXT = "Every exemption names an owner and a day, is in force, and covers something"


class Analyzer(analyzer_pb2_grpc.AnalyzerServicer):
    """Judge resources one by one before they are made, and the stack as a whole."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or load()
        self._config: dict[str, Any] = {}
        self._stack = os.environ.get("PULUMI_STACK", "")
        self._judge: Judge | None = None
        self._lowered: list[str] = []
        self._raised: dict[str, Level] = {}
        self._lock = threading.Lock()

    # --- what the engine asks -----------------------------------------------------------------
    @override
    def Analyze(self, request: proto.AnalyzeRequest, context: Any) -> proto.AnalyzeResponse:
        """Judge a resource before it is made."""
        results = self._ready().one(wire.alone(request), self._stack)
        return proto.AnalyzeResponse(diagnostics=[self._diagnostic(result) for result in results])

    @override
    def AnalyzeStack(self, request: proto.AnalyzeStackRequest, context: Any) -> proto.AnalyzeResponse:
        """Judge the stack by the controls that take all of it; single resources were judged one by one."""
        graph = wire.graph(request.resources, self._stack)
        results = settled(self._ready().whole(graph), joins=True)
        found = [self._diagnostic(result) for result in results]
        for control in self._lowered:
            message = f"{control} may not be lowered by configuration; write an exemption with owner and expiry."
            root = graph.root
            found.append(self._diagnostic(Result(EXEMPTIONS, root.urn, root.name, message, "", Status.REFUSED, True)))
        return proto.AnalyzeResponse(diagnostics=found)

    @override
    def Remediate(self, request: Any, context: Any) -> proto.RemediateResponse:
        """Change nothing: what is wrong is mended where it is declared."""
        return proto.RemediateResponse()

    # --- facts ----------------------------------------------------------------------------------
    @override
    def GetAnalyzerInfo(self, request: Any, context: Any) -> proto.AnalyzerInfo:
        """List the controls."""
        policies = [self._info(row) for row in table().rows.values()]
        schema = proto.PolicyConfigSchema()
        schema.properties.update(
            {"settings": {"type": "object", "description": "the pack's settings, as settings.yaml"}}
        )
        policies.append(
            proto.PolicyInfo(
                name=EXEMPTIONS,
                displayName="Exemptions are in order",
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
        """Return the pack's version."""
        return plugin_pb2.PluginInfo(version=VERSION)

    @override
    def Handshake(self, request: Any, context: Any) -> proto.AnalyzerHandshakeResponse:
        """Learn nothing: the pack never calls the engine."""
        return proto.AnalyzerHandshakeResponse()

    @override
    def Configure(self, request: proto.ConfigureAnalyzerRequest, context: Any) -> empty_pb2.Empty:
        """Take settings from ``--policy-pack-config``; levels may be raised and not lowered."""
        written = json_format.MessageToDict(request.policyConfig[EXEMPTIONS].properties).get("settings")
        try:
            # What the configuration does not name stays as the pack's own file has it.
            own = self._settings.model_dump(mode="json")
            settings = parse({**own, **written}, "--policy-pack-config") if written else self._settings
        except PackError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise
        rows = table().rows
        weight = {Level.OFF: 0, Level.ADVISORY: 1, Level.MANDATORY: 2}
        asked = {name: _level(given.enforcementLevel) for name, given in request.policyConfig.items() if name in rows}
        # The engine also sends what the pack itself said; that asks for nothing.
        changed = {name: level for name, level in asked.items() if level is not rows[name].held(self._settings)}
        with self._lock:
            self._settings, self._judge = settings, None
            self._lowered = [
                name for name, level in changed.items() if weight[level] < weight[rows[name].held(settings)]
            ]
            self._raised = {name: level for name, level in changed.items() if name not in self._lowered}
        return empty_pb2.Empty()

    @override
    def ConfigureStack(
        self, request: proto.AnalyzerStackConfigureRequest, context: Any
    ) -> proto.AnalyzerStackConfigureResponse:
        """Learn the stack's name and configuration."""
        with self._lock:
            self._stack = request.stack or self._stack
            self._config = dict(request.config)
            self._judge = None
        return proto.AnalyzerStackConfigureResponse()

    @override
    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        """Stop nothing: every answer is quick."""
        return empty_pb2.Empty()

    # --- inside ---------------------------------------------------------------------------------
    def _ready(self) -> Judge:
        with self._lock:
            if self._judge is None:
                config = self._config or json.loads(os.environ.get("PULUMI_CONFIG") or "{}")
                addresses = external_endpoints.read(stack_config.of_engine(self._stack, config))
                self._judge = Judge(self._settings, addresses, self._raised)
            return self._judge

    def _info(self, row: Row) -> proto.PolicyInfo:
        level = row.held(self._settings)
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
            tags=[row.profile, *aws_rules().asked_by(row.id), *row.checkov],
            remediation_steps=row.remediation,
        )

    def _diagnostic(self, result: Result) -> proto.AnalyzeDiagnostic:
        row = table().rows.get(result.control)
        cited = f" ({row.citation(self._settings)})" if row else ""
        mend = f"\n{row.remediation}" if row and result.status in (Status.REFUSED, Status.ADVISED) else ""
        return proto.AnalyzeDiagnostic(
            policyName=result.control,
            policyPackName=NAME,
            policyPackVersion=VERSION,
            description=row.check if row else _EXEMPTIONS_TEXT,
            message=f"{row.title if row else 'Exemptions'}{cited}\n{result.text}{mend}",
            urn=result.urn,
            enforcementLevel=proto.MANDATORY if result.blocks else proto.ADVISORY,
            severity=_SEVERITIES[row.severity if row else Severity.HIGH],
        )


def _level(sent: proto.EnforcementLevel.ValueType) -> Level:
    if sent in (proto.MANDATORY, proto.REMEDIATE):
        return Level.MANDATORY
    return Level.OFF if sent == proto.DISABLED else Level.ADVISORY


def serve() -> None:
    """Answer the engine until it ends this process; the port is told on stdout, as the engine expects."""
    options = [("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.max_send_message_length", _MESSAGE_BYTES)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=_THREADS), options=options)
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Analyzer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
