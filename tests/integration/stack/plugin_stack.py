"""A stack of a program of a few lines, with its own backend and a namespace of the embedded cluster."""

import json
import os
import secrets
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SECONDS = 180
HEADER = """
import pulumi, pulumi_kubernetes as k8s
config = pulumi.Config()
namespace = k8s.core.v1.Namespace("zone", metadata={"name": config.require("namespace")})
here = namespace.metadata.name
"""


@dataclass(frozen=True)
class Stack:
    """A program of a few lines with its own backend and namespace."""

    folder: Path
    namespace: str
    environment: dict[str, str]

    def write(self, program: str) -> None:
        """Replace the program."""
        (self.folder / "__main__.py").write_text(HEADER + textwrap.dedent(program))

    def command(self, *arguments: str) -> list[str]:
        return ["pulumi", "--non-interactive", "--color", "never", *arguments]

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stdout
        return done.stdout

    def up(self, *, fails: bool = False) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", "--suppress-progress", fails=fails)

    def unchanged(self) -> None:
        self.pulumi("preview", "--expect-no-changes", "--suppress-progress")

    def steps(self) -> dict[str, Json]:
        """Return the steps that a preview plans, by logical name."""
        done = subprocess.run(
            self.command("preview", "--json"),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        steps = json.loads(done.stdout).get("steps") or []
        return {step["urn"].split("::")[-1]: step for step in steps if step["op"] not in ("same", "read")}

    def resources(self) -> list[Json]:
        exported = json.loads(self.pulumi("stack", "export"))
        found: list[Json] = exported["deployment"].get("resources") or []
        return found


def kubectl(*arguments: str) -> str:
    done = subprocess.run(
        ["kubectl", *arguments], capture_output=True, text=True, timeout=SECONDS, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def own_stack(folder_of_test: Path) -> Iterator[Stack]:
    """Give an empty stack in a folder, and remove its namespace at the end."""
    name = f"hmlops-plugin-{secrets.token_hex(4)}"
    state = folder_of_test / "state"
    state.mkdir()
    folder = folder_of_test / "program"
    folder.mkdir()
    settings = folder_of_test / "home"
    settings.mkdir()
    (settings / "plugins").symlink_to(Path(os.environ["PULUMI_HOME"]) / "plugins")
    (folder / "Pulumi.yaml").write_text("name: plugin-test\nruntime: python\n")
    environment = {
        **{key: value for key, value in os.environ.items() if key != "PULUMI_CONFIG_PASSPHRASE_FILE"},
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_CONFIG_PASSPHRASE": "of this test",
        "PULUMI_HOME": str(settings),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    made = Stack(folder, name, environment)
    made.pulumi("stack", "init", "test")
    made.pulumi("config", "set", "namespace", name)
    yield made
    kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")
