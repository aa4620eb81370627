"""Agents at addresses, and the edges between them tried with real packets."""

import json
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.netpol.reference import Edge

AGENT = Path(__file__).with_name("agent.py")
QUICK, PATIENT = 0.3, 3.0


class Member:
    """An agent, somewhere in the network.

    Parameters
    ----------
    command
        What starts it.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.command = tuple(command)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, name: str, *arguments: Any) -> None:
        """Begin a command."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps([name, arguments]) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """Return what the agent says next."""
        assert self.process.stdout
        answer = json.loads(self.process.stdout.readline())
        if isinstance(answer, dict):
            raise RuntimeError(f"{' '.join(self.command)}: {answer['error']}")
        return answer

    def ask(self, name: str, *arguments: Any) -> Any:
        """Do a command."""
        self.send(name, *arguments)
        return self.answer()

    def close(self) -> None:
        """End the agent."""
        self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()


class Probing:
    """Members by address."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}

    def reached(self, edges: Iterable[Edge], timeout: float = QUICK) -> set[Edge]:
        """Try all edges with real packets; return those over which an answer came."""
        by_source: defaultdict[str, list[Edge]] = defaultdict(list)
        for edge in edges:
            by_source[edge.source].append(edge)
        for source, some in by_source.items():
            self.members[source].send("probe", [(e.target, e.protocol, e.port) for e in some], timeout)
        answers = {source: self.members[source].answer() for source in by_source}
        return {
            edge for source, some in by_source.items() for edge, ok in zip(some, answers[source], strict=True) if ok
        }

    def disagreements(self, edges: Sequence[Edge], expected: set[Edge]) -> set[Edge]:
        """Return the edges over which the packets do not do what is expected.

        An answer is proof at once; its absence is believed only after a patient second try.
        """
        reached = self.reached(edges)
        missing = expected - reached
        if missing:
            reached |= self.reached(missing, PATIENT)
        return reached ^ expected
