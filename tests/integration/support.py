"""What several integration tests need."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.paths import REPOSITORY, Home
from local.stack.settings import CONFIG, HOSPITALS, STACK
from local.stack.stack import Stack


def eventually(condition: Callable[[], bool], seconds: float = 90) -> None:
    """Wait until a condition is met."""
    Retrying(stop=stop_after_delay(seconds), wait=wait_fixed(0.3), retry=retry_if_result(lambda met: not met))(
        condition
    )


@contextmanager
def forwarded(namespace: str, target: str, port: int) -> Iterator[str]:
    """Give the address on this machine of a port of a pod or Service, forwarded past NetworkPolicies."""
    command = ["kubectl", "port-forward", "-n", namespace, target, f":{port}", "--address", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"Forwarding from (127\.0\.0\.1:\d+)", process.stdout.readline())
            assert found
            yield found[1]
        finally:
            process.terminate()


def pulumi(*arguments: str, config: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the Pulumi CLI on the dev stack, with another file of its configuration where one is given."""
    chosen = ["--config-file", str(config)] if config else []
    command = ["pulumi", "--non-interactive", *arguments, "--stack", STACK, *chosen]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise AssertionError(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}"
        )
    return done


def steps(config: Path | None = None) -> dict[str, set[str]]:
    """Return operation to the URNs that a preview lists for it."""
    plan = json.loads(pulumi("preview", "--json", config=config).stdout)
    found: dict[str, set[str]] = {}
    for step in plan["steps"]:
        if step["op"] != "read":  # what the program looks up is read anew each time
            found.setdefault(step["op"], set()).add(step["urn"])
    return found


def with_hospital(folder: Path, name: str, **more: Any) -> Path:
    """Return the stack's configuration in one file, with one more entry; ``more`` are further fields of it."""
    content: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    content["config"][HOSPITALS] = Stack(Home.default()).hospitals()
    entry = {
        "name": name,
        "fhir": {"path": f"build/fhir/{name}"},
        "network": "172.31.251.32/28",
        "applications": [f"{name}-program"],
        "retention": {"raw": "30d", "curated": "6y"},
        "contact": {"security": f"secops@{name}.example", "baa": "BAA-2026-099"},
        "replicas": {"min": 1, "max": 2},
        **more,
    }
    content["config"][HOSPITALS].append(entry)
    path = folder / "Pulumi.dev.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
