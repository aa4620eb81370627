"""Every ordinary AWS type through its life, made by the plugin's own code on a real emulator process."""

import inspect
import sys
from collections.abc import Iterator

import pulumi_aws
import pytest

from local.plugins.aws.calls import NOT_EMULATED
from local.plugins.aws_provider import AwsProvider
from tests.support.aws import aws_rows_cluster, aws_rows_network, aws_rows_stores, aws_rows_watch
from tests.support.aws.aws_emulator_server import Emulator
from tests.support.aws.aws_rows_world import Example, Thing, World, provider

pytestmark = pytest.mark.process

EXAMPLES: dict[str, Example] = {
    **aws_rows_network.EXAMPLES,
    **aws_rows_cluster.EXAMPLES,
    **aws_rows_watch.EXAMPLES,
    **aws_rows_stores.EXAMPLES,
}

ORDINARY = {token for token, row in AwsProvider.rows.items() if NOT_EMULATED in row.sticky}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    running = Emulator(tmp_path_factory.mktemp("emulator"))
    running.start()
    yield World(provider(running), EXAMPLES)
    running.kill()


def official_names(token: str) -> set[str]:
    """Return the names that the official SDK knows for a type."""
    _, module, kind = token.split(":")
    # The SDK loads its folders when they are first used; one that is imported by name would stay empty for others.
    known = getattr(getattr(pulumi_aws, module.partition("/")[0]), kind)
    state = getattr(sys.modules[known.__module__], f"_{kind}State")
    return set(inspect.signature(state.__init__).parameters)


def snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


def unchanged(thing: Thing) -> None:
    """Assert that a refresh finds what the program wrote, and that a second update would do nothing."""
    wanted = thing.inputs
    assert thing.refresh()
    assert thing.inputs == wanted
    assert thing.differing(wanted) == (set(), set())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", EXAMPLES)
def test_one_life(world: World, name: str) -> None:
    example, thing = EXAMPLES[name], world.get(name)
    assert thing.state.get("notEmulated", False) is example.not_emulated
    assert len(thing.log.warnings) == example.not_emulated
    assert {snake(key) for key in thing.state} - official_names(example.token) <= {"id", "not_emulated"}
    unchanged(thing)
    merged = {**example.inputs, **example.change}
    changed, failures = thing.check(world.resolved({k: v for k, v in merged.items() if v is not None}))
    assert failures == []
    assert thing.differing(changed) == (set(example.change), set(example.change) if example.replaced else set())
    if example.change and not example.replaced:
        thing.update(changed)
        for key in example.change:
            assert thing.state.get(key) == changed.get(key)
        unchanged(thing)


@pytest.mark.parametrize("name", [name for name, example in EXAMPLES.items() if example.token in ORDINARY])
def test_an_unknown_input_is_refused_by_name(world: World, name: str) -> None:
    thing = Thing(world.provider, name, EXAMPLES[name].token)
    _, failures = thing.check({**world.get(name).inputs, "nonsenseName": "x"})
    assert [text for text in failures if "nonsenseName" in text] == failures != []


def test_nothing_is_left(world: World) -> None:
    for name, thing in reversed(world.made.items()):
        thing.delete()
        assert not thing.refresh() or EXAMPLES[name].not_emulated or EXAMPLES[name].stays, name
        thing.delete()


def test_every_ordinary_type_has_an_example() -> None:
    assert ORDINARY - {example.token for example in EXAMPLES.values()} == set()
