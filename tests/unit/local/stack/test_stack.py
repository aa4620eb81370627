"""The stack and the engine: a dead update's lock does not stay, and errors are one sentence."""

import json
import os
from pathlib import Path

import pytest

from local.errors import UserError
from local.stack.stack import Stack, explain


def lock(stack: Stack, pid: int) -> Path:
    path = stack.home.pulumi / ".pulumi" / "locks" / "organization" / "lock.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"pid": pid}))
    return path


def test_a_release_that_the_user_s_file_names_is_not_set(stack: Stack) -> None:
    with pytest.raises(UserError, match=r"its entry in Pulumi\.dev\.yaml has v1@abc"):
        stack.set_release("south", "v1@new")


def test_the_lock_of_a_dead_update_is_released(stack: Stack) -> None:
    path = lock(stack, 2**22 + 1)
    stack.release_dead_lock()
    assert not path.exists()


def test_a_reused_process_id_does_not_hold_the_lock(stack: Stack) -> None:
    path = lock(stack, os.getpid())
    stack.release_dead_lock()
    assert not path.exists()


def test_a_wrong_passphrase_is_one_sentence(stack: Stack) -> None:
    said = explain("error: could not decrypt\nerror: incorrect passphrase\n", stack.home)
    assert "encrypted with another passphrase" in said
    assert "\n" not in said
