"""Encryption, decryption and blind indexes by Vault transit, in batches; the key never leaves Vault."""

import base64
from collections.abc import Sequence
from typing import Any

from model.errors import UserError
from model.io.vault import Transit

KEY_NAME = "identity-lookup"
BATCH = 250
INDEX_CHARACTERS = 43
"""Base64 characters of an HMAC-SHA-256 without padding."""


class TransitCipher:
    """A hospital's transit key for identities: to encrypt, to decrypt and to index are three different rights.

    Parameters
    ----------
    vault
        A client whose role may use the key.
    mount
        The hospital's transit engine.
    """

    def __init__(self, vault: Transit, mount: str) -> None:
        self._vault = vault
        self._mount = mount

    def encrypt(self, texts: Sequence[str]) -> list[str]:
        """Return the ciphertext of each text, in order."""
        items = [{"plaintext": _encoded(text)} for text in texts]
        return [result["ciphertext"] for result in self._ask(f"encrypt/{KEY_NAME}", items, "ciphertext")]

    def decrypt(self, ciphertexts: Sequence[str]) -> list[str]:
        """Return the text of each ciphertext, in order.

        Raises
        ------
        UserError
            When one of them is not a ciphertext of this key.
        """
        items = [{"ciphertext": text} for text in ciphertexts]
        results = self._ask(f"decrypt/{KEY_NAME}", items, "plaintext")
        return [_decoded(result["plaintext"]) for result in results]

    def decrypt_each(self, ciphertexts: Sequence[str]) -> list[str | None]:
        """Return the text of each ciphertext, in order; None for one that is not of this key, if others are.

        Raises
        ------
        UserError
            When Vault does not answer, or none of them is a ciphertext of this key.
        """
        items = [{"ciphertext": text} for text in ciphertexts]
        # Without this code Vault answers 400 for the whole batch.
        results = self._answers(f"decrypt/{KEY_NAME}", items, partial_failure_response_code=200)
        texts = [None if result.get("error") else result.get("plaintext") for result in results]
        return [None if text is None else _decoded(text) for text in texts]

    def decrypt_recorded(self, ciphertexts: Sequence[str | None]) -> list[str | None]:
        """Return the text of each ciphertext, in order; None for what is not recorded. Raises as `decrypt` does."""
        texts = iter(self.decrypt([text for text in ciphertexts if text is not None]))
        return [None if text is None else next(texts) for text in ciphertexts]

    def index(self, texts: Sequence[str]) -> list[str]:
        """Return the blind index of each text by the newest version of the key, in order."""
        return [f"v{version}-{digest}" for version, digest in self._hmac(texts, None)]

    def indexes(self, text: str) -> list[str]:
        """Return the blind indexes under which a text may have been stored: of the newest version and the one before.

        After a rotation of the key the rows keep their indexes until the next ingestion writes them again.
        """
        ((newest, digest),) = self._hmac([text], None)
        indexes = [f"v{newest}-{digest}"]
        if newest > 1:
            ((before, digest),) = self._hmac([text], newest - 1)
            indexes.append(f"v{before}-{digest}")
        return indexes

    def _hmac(self, texts: Sequence[str], version: int | None) -> list[tuple[int, str]]:
        held = {"key_version": version} if version is not None else {}
        items = [{"input": _encoded(text)} for text in texts]
        parts = [result["hmac"].split(":") for result in self._ask(f"hmac/{KEY_NAME}/sha2-256", items, "hmac", **held)]
        return [(int(name.removeprefix("v")), digest[:INDEX_CHARACTERS]) for _, name, digest in parts]

    def _ask(self, path: str, items: list[dict[str, str]], needed: str, **more: Any) -> list[dict[str, str]]:
        results = self._answers(path, items, **more)
        if any(needed not in result for result in results):
            raise UserError(
                f"Vault returned no {needed} at {self._mount}/{path}; check that the key and its version exist."
            )
        return results

    def _answers(self, path: str, items: list[dict[str, str]], **more: Any) -> list[dict[str, str]]:
        results: list[dict[str, str]] = []
        for start in range(0, len(items), BATCH):
            body = {"batch_input": items[start : start + BATCH], **more}
            results.extend(self._vault.post(f"{self._mount}/{path}", body)["batch_results"])
        if len(results) != len(items):
            raise UserError(f"Vault returned {len(results)} results of {len(items)} at {self._mount}/{path}.")
        return results


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
