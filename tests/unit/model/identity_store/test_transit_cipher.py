"""Encryption by the real OpenBao, with the rights of the one who writes and of the one who reads."""

from collections.abc import Iterator

import pytest

from model.errors import UserError
from model.identity_store.transit_cipher import BATCH, TransitCipher
from tests.support.vault.bao_server import HOSPITAL, LOOKUP_KEY, Bao, bao

pytestmark = pytest.mark.process
MOUNT = f"{HOSPITAL}/transit"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    with bao(tmp_path_factory.mktemp("bao")) as running:
        yield running


def cipher(server: Bao, workload: str) -> TransitCipher:
    return TransitCipher(server.vault(workload), MOUNT)


def test_what_the_writer_encrypts_care_reads_in_order(server: Bao) -> None:
    texts = [f"Müller {number}" for number in range(BATCH + 3)]
    ciphertexts = cipher(server, "identity-writer").encrypt(texts)
    assert len(set(ciphertexts)) == len(texts)
    assert all(text.startswith("vault:v1:") for text in ciphertexts)
    assert cipher(server, "care").decrypt(ciphertexts) == texts


def test_equal_texts_have_different_ciphertexts_and_equal_indexes(server: Bao) -> None:
    writer = cipher(server, "identity-writer")
    first, second = writer.encrypt(["a", "a"])
    assert first != second
    assert writer.index(["a", "b", "a"])[0] == writer.index(["a"])[0]
    assert writer.index(["a"]) != writer.index(["b"])


@pytest.mark.parametrize("workload", ["identity-writer", "ingestor", "reidentifier"])
def test_nobody_but_care_decrypts(server: Bao, workload: str) -> None:
    ciphertexts = cipher(server, "care").encrypt(["a"])
    with pytest.raises(UserError, match="Vault refused"):
        cipher(server, workload).decrypt(ciphertexts)


@pytest.mark.parametrize("changed", ["vault:v1:AAAA", "vault:v9:AAAA", "plain", ""])
def test_what_is_no_ciphertext_of_the_key_is_refused(server: Bao, changed: str) -> None:
    reader = cipher(server, "care")
    whole = reader.encrypt(["a"])
    with pytest.raises(UserError):
        reader.decrypt([*whole, changed])


@pytest.mark.parametrize("changed", ["vault:v1:AAAA", "vault:v9:AAAA", "plain"])
def test_one_ciphertext_of_another_key_hides_no_other(server: Bao, changed: str) -> None:
    reader = cipher(server, "care")
    first, second = reader.encrypt(["a", "b"])
    assert reader.decrypt_each([first, changed, second]) == ["a", None, "b"]
    with pytest.raises(UserError):
        reader.decrypt_each([changed])


def test_nothing_is_asked_for_nothing(server: Bao) -> None:
    reader = cipher(server, "care")
    assert (reader.encrypt([]), reader.decrypt([]), reader.index([])) == ([], [], [])
    assert (reader.decrypt_each([]), reader.decrypt_recorded([None])) == ([], [None])


def test_after_a_rotation_old_values_are_read_and_found(server: Bao) -> None:
    reader = cipher(server, "care")
    ciphertexts, (before,) = reader.encrypt(["rotated"]), reader.index(["rotated"])
    server.rotate(LOOKUP_KEY)
    assert reader.decrypt(ciphertexts) == ["rotated"]
    assert before in reader.indexes("rotated")
    assert reader.encrypt(["rotated"])[0].startswith("vault:v2:")
