"""The ``hmlops`` command: a group for each of the project's command lines, imported when it is asked for."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typing_extensions import override

PROGRAM = "hmlops"


class Group(NamedTuple):
    """A group of commands, which is also ``python -m`` of its package."""

    module: str
    help: str

    def main(self) -> Callable[..., int | None]:
        """Return the function that runs the group and turns its errors into messages and exit codes."""
        run: Callable[..., int | None] = import_module(self.module).main
        return run

    def command(self, name: str) -> TyperCommand | TyperGroup:
        """Return the group as a command, for help and completion."""
        command = typer.main.get_command(import_module(self.module).app)
        if not isinstance(command, TyperCommand | TyperGroup):
            raise TypeError(f"{self.module}.app is not a command")
        command.name, command.help, command.short_help = name, self.help, self.help
        return command


GROUPS = {
    "model": Group("model.cli.app", "FHIR in, a signed readmission-risk release out."),
    "policy": Group("policy_pack.command", "HIPAA safeguards of a deployed stack, and its evidence."),
    "local": Group("local.__main__", "The embedded environment on this machine."),
}


class _LazyGroup(TyperGroup):
    @override
    def list_commands(self, ctx: Any) -> list[str]:
        return list(GROUPS)

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:
        group = GROUPS.get(cmd_name)
        return group.command(cmd_name) if group else None


app = typer.Typer(name=PROGRAM, cls=_LazyGroup, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def about() -> None:
    """Run the platform's command lines; `--install-completion` lets your shell complete them."""


def main() -> int | None:
    """Run the command line; each group ends with the exit codes of its own."""
    group = GROUPS.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if group is None:
        app(prog_name=PROGRAM)
        return 0
    name = sys.argv.pop(1)
    return group.main()(prog_name=f"{PROGRAM} {name}")
