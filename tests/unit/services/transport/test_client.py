"""Trust store of a client: the authorities that it accepts."""

from typing import Any

import httpx
import pytest

from services.transport import ServerSettings
from tests.support.identity.mutual_tls import CALLER, OTHER, SERVER, World, echo, running
from tests.support.identity.workload_certificates import WorkloadAuthority, files

pytestmark = pytest.mark.process


@pytest.mark.parametrize("uri", [str(OTHER), "spiffe://hmlops/south/planner"])
def test_a_client_sends_nothing_to_another_server(world: World, uri: str) -> None:
    seen: list[str] = []

    async def record(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append(scope["path"])
        await echo(scope, receive, send)

    mine = files(world.folder / "imposter")
    world.authority.issue(mine, uri)
    with running(ServerSettings((CALLER,), mine), record) as url, pytest.raises(httpx.ConnectError, match=uri):
        world.get(url, world.caller_files)
    assert seen == []


def test_a_client_trusts_its_own_authority_alone(world: World) -> None:
    mine = files(world.folder / "imposter")
    WorkloadAuthority().issue(mine, str(SERVER))
    with running(ServerSettings((CALLER,), mine)) as url, pytest.raises(httpx.ConnectError, match="verify failed"):
        world.get(url, world.caller_files)
