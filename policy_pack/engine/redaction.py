"""Text of findings without the values of Pulumi secrets, and without characters that control a terminal."""

import re
from collections.abc import Iterator, Mapping

from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.text import printable

_REDACTED = "[secret]"
# Shorter values occur in ordinary text.
_SHORTEST, _SHORTEST_NUMBER = 4, 3


def message(text: str, graph: Graph) -> str:
    """Return the text of a finding, with each value that a Pulumi secret of the stack has replaced."""
    pattern: re.Pattern[str] | None = graph.memo("secret values", _pattern)
    return printable(pattern.sub(_REDACTED, text) if pattern else text)


def path(text: str, resource: Resource) -> str:
    """Return the path of a finding; the keys of a map that is a Pulumi secret are left out."""
    for secret in resource.secrets:
        if text.startswith((f"{secret}.", f"{secret}[")):
            text = secret
    return printable(text)


def _pattern(graph: Graph) -> re.Pattern[str] | None:
    texts = {text for resource in graph if resource.secrets for text in _secret_texts(resource)}
    if not texts:
        return None
    return re.compile("|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True)))


def _secret_texts(resource: Resource) -> Iterator[str]:
    """Return the values below the secrets of a resource, as text."""
    pending: list[tuple[str, object, bool]] = [(key, value, False) for key, value in resource.props.items()]
    while pending:
        where, value, inside = pending.pop()
        inside = inside or where in resource.secrets
        if isinstance(value, Mapping):
            pending += [(f"{where}.{key}", item, inside) for key, item in value.items()]
        elif isinstance(value, list):
            pending += [(f"{where}[{number}]", item, inside) for number, item in enumerate(value)]
        elif inside and isinstance(value, str | int | float) and not isinstance(value, bool):
            shortest = _SHORTEST if isinstance(value, str) else _SHORTEST_NUMBER
            if len(str(value)) >= shortest:
                yield str(value)
