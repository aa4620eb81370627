"""States as ``pulumi stack export`` writes them, and the evidence of the compliant stack's."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from policy_pack.command import app
from policy_pack.stack.graph import Resource
from policy_pack.stack.wire import SECRET, SIGNATURE
from tests.policy import world

CHANGED = "2026-11-03T04:05:06.789Z"


def exported(resources: list[Resource]) -> dict[str, Any]:
    """Return a state as `pulumi stack export` writes it; secrets stay closed."""

    def entry(resource: Resource) -> dict[str, Any]:
        closed = {key: {SIGNATURE: SECRET, "ciphertext": "v1:x"} for key in resource.secrets}
        return {
            "urn": resource.urn,
            "type": resource.type,
            "custom": True,
            "id": str(resource.props.get("id", resource.name)),
            "inputs": {**resource.props, **closed},
            "outputs": {**resource.props, **closed},
            "protect": resource.protect,
            "propertyDependencies": {key: list(urns) for key, urns in resource.depends.items()},
        }

    return {"version": 3, "deployment": {"resources": [entry(resource) for resource in resources]}}


def state(resources: list[Any] | None = None) -> dict[str, Any]:
    """Return a state whose resources all changed at one time; default: the compliant stack's."""
    found = exported(list(resources or world.resources()))
    for entry in found["deployment"]["resources"]:
        entry |= {"created": "2026-11-01T00:00:00Z", "modified": CHANGED}
    return found


def run_evidence(
    tmp_path: Path, document: Any, name: str = "out", stack: str = "prod", *, own_table: bool = True
) -> tuple[int, str, Path]:
    """Run the evidence command; return its exit code, what it printed, and the folder that it wrote."""
    (tmp_path / "settings.json").write_text(json.dumps(world.SETTINGS_FILE))
    path = tmp_path / "state.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    out = tmp_path / name
    config = tmp_path / "stack.json"
    config.write_text(json.dumps({"config": world.CONFIG}))
    arguments = ["evidence", "--stack", stack, "--out", str(out), "--state", str(path), "--stack-config", str(config)]
    with world.its_table() if own_table else nullcontext():
        result = CliRunner().invoke(app, [*arguments, "--settings", str(tmp_path / "settings.json")])
    return result.exit_code, result.output, out
