"""Filter patterns of CloudWatch Logs over JSON events: ``{ ($.a = "x*") && ($.b NOT EXISTS) }``."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from policy_pack.facts.iam.wildcards import matches as wildcard_matches

Test = Callable[[Mapping[str, Any]], bool]
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<selector>\$(?:\.[\w*@-]+|\[\d+\]|\['[^']+'\])+)|(?P<text>\"[^\"]*\")|(?P<sign>\|\||&&|!=|<=|>=|[=<>(){}])"
    r"|(?P<word>[\w.:/*@-]+))"
)
_MISSING: Final = object()
_DEEPEST: Final = 50


class PatternError(ValueError):
    """A pattern that is not one over JSON events, or has an operator that is not known."""


def selects(pattern: str, event: Mapping[str, Any]) -> bool:
    """Return whether a pattern selects an event; one that cannot be read selects none."""
    test = _test(pattern)
    return test is not None and test(event)


@cache
def _test(pattern: str) -> Test | None:
    try:
        return _Parser(pattern).test()
    except PatternError:
        return None


class _Parser:
    """A parser by recursive descent; ``&&`` binds closer than ``||``."""

    def __init__(self, pattern: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        text = pattern.strip()
        while position < len(text):
            token = _TOKEN.match(text, position)
            if token is None or token.lastgroup is None:
                raise PatternError("unreadable")
            self._tokens.append((token.lastgroup, token[token.lastgroup]))
            position = token.end()
        self._tokens.reverse()

    def test(self) -> Test:
        """Return the pattern as a test of events."""
        self._expect("{")
        test = self._any(0)
        self._expect("}")
        if self._tokens:
            raise PatternError("text after the end")
        return test

    def _any(self, depth: int) -> Test:
        tests = [self._all(depth)]
        while self._takes("||"):
            tests.append(self._all(depth))
        return lambda event: any(test(event) for test in tests)

    def _all(self, depth: int) -> Test:
        tests = [self._one(depth)]
        while self._takes("&&"):
            tests.append(self._one(depth))
        return lambda event: all(test(event) for test in tests)

    def _one(self, depth: int) -> Test:
        if depth > _DEEPEST:
            raise PatternError("nested too deeply")
        if self._takes("("):
            test = self._any(depth + 1)
            self._expect(")")
            return test
        kind, selector = self._next()
        if kind != "selector":
            raise PatternError("no selector")
        kind, operator = self._next()
        if kind == "word":
            return self._unary(selector, operator)
        return _comparison(selector, operator, *self._next())

    def _unary(self, selector: str, word: str) -> Test:
        if word == "EXISTS":
            return lambda event: _value(selector, event) is not _MISSING
        following = self._next()[1]
        if (word, following) == ("NOT", "EXISTS"):
            return lambda event: _value(selector, event) is _MISSING
        wanted = {"TRUE": True, "FALSE": False, "NULL": None}
        if word != "IS" or following not in wanted:
            raise PatternError("an unknown operator")
        return lambda event: _value(selector, event) is wanted[following]

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise PatternError("an early end")
        return self._tokens.pop()

    def _takes(self, sign: str) -> bool:
        if self._tokens and self._tokens[-1] == ("sign", sign):
            self._tokens.pop()
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._takes(sign):
            raise PatternError(f"no {sign}")


def _comparison(selector: str, operator: str, kind: str, written: str) -> Test:
    if kind not in ("text", "word"):
        raise PatternError("no value")
    wanted = written[1:-1] if kind == "text" else written

    def test(event: Mapping[str, Any]) -> bool:
        value = _value(selector, event)
        # A comparison with a field that an event does not have does not hold, whatever the operator is.
        if value is _MISSING or value is None:
            return False
        if operator in ("=", "!="):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            return wildcard_matches(wanted, text) is (operator == "=")
        return _ordered(operator, value, wanted)

    return test


def _ordered(operator: str, value: object, wanted: str) -> bool:
    try:
        left, right = float(str(value)), float(wanted)
    except ValueError:
        return False
    return {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[operator]


def _value(selector: str, event: Mapping[str, Any]) -> Any:
    value: Any = event
    for name, index, quoted in re.findall(r"\.([\w*@-]+)|\[(\d+)\]|\['([^']+)'\]", selector):
        if index:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else _MISSING
        else:
            value = value.get(name or quoted, _MISSING) if isinstance(value, Mapping) else _MISSING
    return value
