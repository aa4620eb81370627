"""Configuration and command of the Keycloak server."""

import stat
from pathlib import Path

import pytest

from local.errors import UserError
from local.keycloak import server
from local.paths import KEYCLOAK_PORT, NODE_IP, Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.pki.mkdir(parents=True)
    return home


@pytest.fixture
def built(tmp_path: Path) -> Path:
    for name in ("lib", "providers", "themes"):
        (tmp_path / "built" / name).mkdir(parents=True)
    return tmp_path / "built"


def options(home: Home) -> dict[str, str]:
    lines = (server.folder(home) / "conf" / "keycloak.conf").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_it_serves_with_tls_alone_on_one_address(home: Home, built: Path) -> None:
    server.prepare(home, built)
    found = options(home)
    assert found["http-enabled"] == "false"
    assert (found["http-host"], found["https-port"]) == (NODE_IP, str(KEYCLOAK_PORT))
    assert found["https-certificate-file"] == str(home.pki / "keycloak.crt")
    assert found["cache"] == "local"


def test_the_secret_is_in_files_of_the_owner_and_on_no_command_line(home: Home, built: Path) -> None:
    server.prepare(home, built)
    secret = server.secret_file(home).read_text()
    assert options(home)["bootstrap-admin-client-secret"] == secret
    assert secret not in " ".join(server.command(home, built))
    for file in (server.secret_file(home), server.folder(home) / "conf" / "keycloak.conf"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_preparing_again_keeps_the_secret_and_follows_another_build(home: Home, built: Path, tmp_path: Path) -> None:
    server.prepare(home, built)
    before = server.secret_file(home).read_text()
    newer = built.rename(tmp_path / "newer")
    server.prepare(home, newer)
    assert server.secret_file(home).read_text() == before
    assert (server.folder(home) / "lib").resolve() == newer / "lib"


def test_data_without_its_secret_is_refused(home: Home, built: Path) -> None:
    server.prepare(home, built)
    (server.folder(home) / "data" / "database.mv.db").touch()
    server.secret_file(home).unlink()
    with pytest.raises(UserError, match="is missing: remove"):
        server.prepare(home, built)
