"""SMART App Launch by the FHIR server: the app that it launches, and the tokens of launches.

A token stands for what a clinician has open in the EHR. It is good for one use and some minutes.
"""

import contextlib
import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from local.secret_file import write_secret

LIFE_SECONDS = 300


@dataclass(frozen=True)
class App:
    """SMART app that is registered at the FHIR server, a public client with PKCE.

    Parameters
    ----------
    client
        Its client ID.
    redirect_uri
        Where the authorization server sends the browser.
    launches
        Folder of launch tokens, which the server reads.
    """

    client: str
    redirect_uri: str
    launches: Path

    def launch(self, patient: str, encounter: str) -> str:
        """Return a new launch token for a patient and an encounter, as the server knows them.

        Only the token's SHA-256 is stored, as the name of a file. Tokens that were not used in time are removed.
        """
        token = secrets.token_urlsafe(32)
        self.launches.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in self.launches.iterdir():
            # The server removes a token that is used, at any time.
            with contextlib.suppress(FileNotFoundError):
                if file.stat().st_mtime < time.time() - LIFE_SECONDS:
                    file.unlink()
        context = {"patient": patient, "encounter": encounter, "until": int(time.time()) + LIFE_SECONDS}
        name = hashlib.sha256(token.encode("ascii")).hexdigest()
        write_secret(self.launches / name, json.dumps(context).encode())
        return token
