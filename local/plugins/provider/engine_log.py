"""Client of the engine's log, with lines attached to a resource."""

from collections.abc import Callable

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from local.plugins.provider.server import dial


class Log:
    """Log of one resource."""

    def __init__(self, send: "Callable[[engine_pb2.LogSeverity.ValueType, str, str, bool], None]", urn: str) -> None:
        self._send = send
        self._urn = urn

    def warn(self, text: str) -> None:
        """Log a persistent warning."""
        self._send(engine_pb2.WARNING, text, self._urn, False)


class EngineLog:
    """Log of the engine, at the address with which it started the plugin."""

    def __init__(self, address: str) -> None:
        self._stub = engine_pb2_grpc.EngineStub(dial(address)) if address else None

    def send(self, severity: "engine_pb2.LogSeverity.ValueType", text: str, urn: str, ephemeral: bool) -> None:
        """Send one line; a lost log line never fails an operation."""
        if self._stub is None:
            return
        line = engine_pb2.LogRequest(
            severity=severity,
            message=text,
            urn=urn,
            ephemeral=ephemeral,
        )
        try:
            self._stub.Log(line, timeout=5)
        except grpc.RpcError:
            return

    def about(self, urn: str) -> Log:
        """Return the log of one resource."""
        return Log(self.send, urn)
