"""The requests that servers answered, step by step, for a transcript."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Step:
    """An answer: which server gave it, and to what."""

    server: str
    method: str
    path: str
    status: int


@dataclass
class HttpSteps:
    """What servers answered, in the order of the answers."""

    steps: list[Step] = field(default_factory=list)

    def of(self, app: ASGIApp, server: str) -> ASGIApp:
        """Return the application of a server, whose answers are noted."""

        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self.steps.append(Step(server, scope["method"], scope["path"], message["status"]))
                await send(message)

            await app(scope, receive, sent)

        return noted

    def taken(self, names: Mapping[str, str]) -> list[str]:
        """Return a line for each step since the last call, with names in the place of identifiers."""
        lines = [f"{one.status}  {one.server:5}{one.method:5}{named(one.path, names)}".rstrip() for one in self.steps]
        self.steps.clear()
        return lines


def named(text: str, names: Mapping[str, str]) -> str:
    """Return a text with names in the place of identifiers."""
    for identifier, name in names.items():
        text = text.replace(identifier, name)
    return text
