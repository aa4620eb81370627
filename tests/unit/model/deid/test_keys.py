"""Pseudonyms by a real OpenBao: versions, rotation, a token that ends in the middle, a server that cannot answer."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from model.curated.run import ingest
from model.deid.keys import BATCH, VaultKeyring, identity, keyring
from model.deid.subject import Subject
from model.errors import UserError
from tests.support.model.model_world import bundle, write_bundle
from tests.support.vault.bao_server import HOSPITAL, Bao, bao

pytestmark = pytest.mark.process

MOUNT = f"{HOSPITAL}/transit"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    with bao(tmp_path_factory.mktemp("bao")) as running:
        yield running


def test_a_rotated_key_gives_other_pseudonyms_and_the_old_version_can_be_held(server: Bao) -> None:
    names = [f"p{number}" for number in range(BATCH + 1)]
    before = VaultKeyring(server.vault("ingestor"), MOUNT)
    old = before.secrets(names)
    first = int(old[0].version.removeprefix("v"))
    server.rotate("pseudonym")
    assert before.secrets(names) == old
    new = VaultKeyring(server.vault("ingestor"), MOUNT).secrets(names)
    assert {secret.version for secret in new} == {f"v{first + 1}"}
    assert not {secret.key for secret in new} & {secret.key for secret in old}
    assert Subject(new[0]).pseudonym("Patient", "p0") != Subject(old[0]).pseudonym("Patient", "p0")
    held = VaultKeyring(server.vault("ingestor"), MOUNT, first)
    assert held.secrets(names) == old
    assert identity(held) == identity(before)


def test_ingest_follows_a_rotation_whole_or_holds_the_version(server: Bao, tmp_path: Path) -> None:
    write_bundle(tmp_path / "in" / "one.json", bundle())

    def ids(version: int | None = None) -> set[str]:
        ring = VaultKeyring(server.vault("ingestor"), MOUNT, version)
        ingest(str(tmp_path / "in"), hospital=HOSPITAL, out=str(tmp_path / "out"), ring=ring)
        tables = [pq.read_table(path) for path in (tmp_path / "out").rglob("*.parquet")]
        columns = {name for table in tables for name in table.column_names if name.endswith("_id")}
        return {
            value
            for table in tables
            for name in columns & set(table.column_names)
            for value in table[name].to_pylist()
            if value
        }

    old = ids()
    version = int(next(iter(old)).partition("-")[0].removeprefix("v"))
    server.rotate("pseudonym")
    assert ids(version) == old
    new = ids()
    assert {name.partition("-")[0] for name in new} == {f"v{version + 1}"}
    assert len(new) == len(old)


def test_a_token_that_ends_in_the_middle_is_replaced(server: Bao) -> None:
    ring = VaultKeyring(server.vault("ingestor"), MOUNT)
    before = ring.secrets(["p"])
    server.root.sys.revoke_prefix("auth/kubernetes")
    assert ring.secrets(["p"]) == before


def test_a_sealed_server_is_waited_for(server: Bao) -> None:
    ring = VaultKeyring(server.vault("ingestor"), MOUNT)
    before = ring.secrets(["p"])
    impatient = VaultKeyring(server.vault("ingestor", patience=0.3), MOUNT)
    impatient.secrets(["p"])
    server.root.sys.seal()
    with pytest.raises(UserError, match="sealed or on standby; unseal it"):
        impatient.secrets(["p"])
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(ring.secrets(["p"])))
    waiting.start()
    server.root.sys.submit_unseal_key(server.unseal_key)
    waiting.join(timeout=60)
    assert found == [before]


def test_what_vault_will_not_do_is_one_sentence(server: Bao) -> None:
    with pytest.raises(UserError, match=r"check that the key and .*version"):
        VaultKeyring(server.vault("ingestor"), MOUNT, 999).secrets(["p"])
    with pytest.raises(UserError, match="check the policy of the role north-reidentifier"):
        VaultKeyring(server.vault("reidentifier"), MOUNT).secrets(["p"])
    stranger = server.vault("ingestor")
    stranger._role = "south-ingestor"
    with pytest.raises(UserError, match="refused the role south-ingestor"):
        VaultKeyring(stranger, MOUNT).secrets(["p"])


def test_the_environment_names_vault_and_the_version_is_held(server: Bao, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", server.url)
    monkeypatch.setenv("VAULT_ROLE", f"{HOSPITAL}-ingestor")
    monkeypatch.setenv("VAULT_TOKEN_FILE", str(server.token_file("ingestor")))
    assert keyring(HOSPITAL, None, 1).secrets(["p"])[0].version == "v1"
