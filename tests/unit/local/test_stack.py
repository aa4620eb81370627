"""The stack's file keeps the machine's salt, and a dead update's lock does not stay."""

import json
import os
from pathlib import Path

import pytest

from local import stack as module
from local.errors import UserError
from local.paths import Home
from local.stack import Stack, remove_state

SALT = "v1:abc=:v1:def:ghi"
CONTENT = "config:\n  healthcare-mlops:hospitals:\n    - name: north\n    - name: south\n      release: v1@abc\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(CONTENT)
    monkeypatch.setattr(module, "CONFIG", path)
    return path


@pytest.fixture
def stack(tmp_path: Path, config: Path) -> Stack:
    home = Home(tmp_path / "home")
    home.pulumi.mkdir(parents=True)
    return Stack(home, config=config)


def lock(stack: Stack, pid: int) -> Path:
    path = stack.home.pulumi / ".pulumi" / "locks" / "organization" / "lock.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"pid": pid}))
    return path


def test_a_fresh_clone_gets_the_machines_salt(stack: Stack, config: Path) -> None:
    (stack.home.pulumi / "salt").write_text(SALT)
    stack.restore_salt()
    assert config.read_text() == f"encryptionsalt: {SALT}\n{CONTENT}"
    stack.restore_salt()
    assert config.read_text().count("encryptionsalt") == 1


def test_clean_takes_the_salt_out_again(stack: Stack, config: Path) -> None:
    (stack.home.pulumi / "salt").write_text(SALT)
    stack.restore_salt()
    remove_state(stack.home)
    assert config.read_text() == CONTENT


def test_the_lock_of_a_dead_update_is_released(stack: Stack) -> None:
    path = lock(stack, 2**22 + 1)
    stack.release_dead_lock()
    assert not path.exists()


def test_a_reused_process_id_does_not_hold_the_lock(stack: Stack) -> None:
    path = lock(stack, os.getpid())
    stack.release_dead_lock()
    assert not path.exists()


def test_hospitals_are_read_from_the_file(stack: Stack) -> None:
    assert [(entry["name"], entry.get("release")) for entry in stack.hospitals()] == [
        ("north", None),
        ("south", "v1@abc"),
    ]


def test_another_cluster_is_not_started_over(config: Path) -> None:
    module.require_local_cluster()
    config.write_text(CONTENT.replace("config:\n", "config:\n  healthcare-mlops:cluster: kind\n"))
    with pytest.raises(UserError, match="says `cluster: kind`"):
        module.require_local_cluster()


def test_a_wrong_passphrase_is_one_sentence(stack: Stack) -> None:
    said = module.explain("error: could not decrypt\nerror: incorrect passphrase\n", stack.home)
    assert "encrypted with another passphrase" in said
    assert "\n" not in said
