"""Access log of the gateway to the recorder: an entry for each request or connection that it refused itself."""

from dataclasses import dataclass

# Fields of an entry, for `services/recorder/entries.py`. As in the access log, no path, query, body, user name or
# header of a client; the certificate is read of requests only, whose handshake has verified it.
FIELDS = {
    "request": "%REQ(X-REQUEST-ID)%",
    "method": "%REQ(:METHOD)%",
    "route": "%ROUTE_NAME%",
    "status": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "certificate": "%DOWNSTREAM_PEER_SUBJECT%",
    "failure": "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%",
}
# Answers of a service have a record of their own. A redirect to the sign-in is no refusal.
_REFUSED_REQUEST = "response.code >= 400 && response.code_details != 'via_upstream'"
# The other reasons that no request was read are a client that closes, such as a probe of a load balancer.
_REFUSED_CONNECTION = "response.code_details == 'filter_chain_not_found' || connection.transport_failure_reason != ''"


@dataclass(frozen=True)
class Recorder:
    """Reference to the recorder: a Service of the gateway's namespace, or what replaces one.

    Parameters
    ----------
    name
        Its name.
    port
        Its port; None for a kind that has its own.
    group, kind
        API group and kind.
    """

    name: str
    port: int | None
    group: str = ""
    kind: str = "Service"

    @property
    def reference(self) -> dict[str, object]:
        """The reference, as objects of the gateway have it."""
        port = {} if self.port is None else {"port": self.port}
        return {"group": self.group, "kind": self.kind, "name": self.name, **port}


def record_settings(recorder: Recorder) -> list[dict[str, object]]:
    """Return the settings of the access log that send refusals to the recorder."""
    sink = {"type": "OpenTelemetry", "openTelemetry": {"backendRefs": [recorder.reference]}}
    return [
        {"type": kind, "matches": [match], "format": {"type": "JSON", "json": FIELDS}, "sinks": [sink]}
        for kind, match in (("Route", _REFUSED_REQUEST), ("Listener", _REFUSED_CONNECTION))
    ]
