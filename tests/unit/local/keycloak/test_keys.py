"""Keys that sign hospitals' tokens."""

import stat
from pathlib import Path

from local.keycloak.keys import forget_others, signing_key
from local.keycloak.server import folder
from local.paths import Home


def test_a_key_stays_until_its_hospital_leaves(tmp_path: Path) -> None:
    home = Home(tmp_path)
    north, south = signing_key(home, "north"), signing_key(home, "south")
    assert north.startswith("-----BEGIN PRIVATE KEY-----")
    assert north != south
    forget_others(home, {"north"})
    assert signing_key(home, "north") == north
    assert signing_key(home, "south") != south


def test_a_key_is_in_a_file_of_its_owner(tmp_path: Path) -> None:
    home = Home(tmp_path)
    signing_key(home, "north")
    [file] = (folder(home) / "keys").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
