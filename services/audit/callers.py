"""The answer to a workload that may not call a service, which is on record as any other."""

from starlette.types import ASGIApp, Receive, Scope, Send

from services.audit.http import RecordedRequests, Recorder
from services.problems import Problem


def caller_refused(recorder: Recorder) -> ASGIApp:
    """Return the application that answers a workload whose certificate is not of an allowed caller: 403, on record."""

    async def forbidden(scope: Scope, receive: Receive, send: Send) -> None:
        problem = Problem(403, "Caller not allowed", "This workload may not call this service.")
        await problem.response()(scope, receive, send)

    return RecordedRequests(forbidden, recorder=recorder)
