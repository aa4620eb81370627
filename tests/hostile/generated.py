"""Requests that schemathesis generates from the services' OpenAPI documents: right ones and wrong ones."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from tests.hostile.request import HostileRequest, bearer
from tests.hostile.world import CALLERS, World

AT_ONCE = 150
"""Requests of one operation that are generated before those of the next."""
BASE = "https://north.example"


def generated(world: World, service: str) -> Iterator[HostileRequest]:
    """Generate requests of each documented operation in turn."""
    process = world.path.planning if service == "planning" else world.path.care
    with process.client(world.path.certificates[CALLERS[service]]) as caller:
        document = caller.get("/openapi.json").raise_for_status().json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    number = 0
    while True:
        for operation in operations:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                number += 1
                for case in _cases(operation, mode, number):
                    yield _request(world, service, case)


def _cases(operation: Any, mode: GenerationMode, number: int) -> list[Any]:
    found: list[Any] = []

    @seed(number)
    @settings(
        max_examples=AT_ONCE,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def keep(case: Any) -> None:
        found.append(case)

    # An operation without parameters has no request that does not match its document.
    with suppress(Unsatisfiable):
        keep()
    return found


def _request(world: World, service: str, case: Any) -> HostileRequest:
    arguments = case.as_transport_kwargs(base_url=BASE)
    arguments["headers"] = {}
    prepared = requests.Request(**arguments).prepare()
    content: Any = prepared.body or b""
    body = content if isinstance(content, bytes) else str(content).encode("utf-8", "surrogatepass")
    given_headers: list[tuple[Any, Any]] = []
    given_headers += [
        (name, value) for name, value in prepared.headers.items() if name.lower() in ("content-type", "cookie")
    ]
    target = str(prepared.path_url)
    # Half of them prove who sends them, where that is possible.
    admitted = service == "care" and world.source.random() < 0.5
    if admitted:
        given_headers += bearer(world.path.token(target.partition("?")[0]))
    return world.builder.request(
        "generated", service, str(prepared.method), target, headers=tuple(given_headers), body=body, admitted=admitted
    )
