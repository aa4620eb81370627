"""Keycloak's distribution in the user's cache, built once with the options that cannot change later."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from local.errors import UserError
from local.paths import REPOSITORY, cache
from local.tools import maven
from local.tools.build import Progress, check_disk, locked

PROJECT = REPOSITORY / "local" / "keycloak" / "pom.xml"
WHAT = "Keycloak"
DATABASE = "dev-file"
# What a browser sign-in does not need: consoles, self-service, and other grants and protocols.
WITHOUT = (
    "account",
    "account-api",
    "admin",
    "admin-fine-grained-authz",
    "authorization",
    "ciba",
    "device-flow",
    "impersonation",
    "kerberos",
    "organization",
    "passkeys",
    "recovery-codes",
    "step-up-authentication-saml",
    "token-exchange-standard",
    "web-authn",
    "workflows",
)
_OPTIONS = (f"--db={DATABASE}", f"--features-disabled={','.join(WITHOUT)}")
_MARK = "built"
_VERSION = re.compile(r"<keycloak\.version>([^<]+)</keycloak\.version>")


def version() -> str:
    """Return the version that ``pom.xml`` names."""
    named = _VERSION.search(PROJECT.read_text(encoding="utf-8"))
    return named[1] if named else "unknown"


def folder() -> Path:
    """Return the cache folder of this build, by Keycloak's version and the build's inputs."""
    digest = hashlib.sha256(PROJECT.read_bytes() + repr(_OPTIONS).encode())
    return cache() / "keycloak" / f"keycloak-{version()}-{digest.hexdigest()[:12]}"


def build(progress: Progress) -> Path:
    """Return the folder of the server, building it if it is not in the cache.

    Raises
    ------
    UserError
        If Java or Maven is missing, Maven Central does not answer, or the build fails.
    """
    built = folder()
    java = maven.java(WHAT)
    with locked(built.parent):
        if (built / _MARK).exists():
            return built
        check_disk(built.parent)
        shutil.rmtree(built, ignore_errors=True)
        progress(f"building keycloak {version()} (the first time, 180 MiB from Maven Central)")
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=built.parent) as name:
            project = Path(name)
            shutil.copy(PROJECT, project)
            unpack = ("dependency:unpack-dependencies", f"-DoutputDirectory={project / 'unpacked'}")
            maven.run(project, WHAT, "--strict-checksums", *unpack)
            [distribution] = (project / "unpacked").iterdir()
            # The build keeps no path of its folder, so that it can be moved into place.
            _augment(distribution, java)
            (distribution / _MARK).touch()
            distribution.rename(built)
    return built


def _augment(distribution: Path, java: str) -> None:
    """Build the server image in a distribution.

    Raises
    ------
    UserError
        If it fails, with the last line of its output.
    """
    command = [str(distribution / "bin" / "kc.sh"), "build", *_OPTIONS]
    variables = {**os.environ, "JAVA": java}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise UserError(f"Keycloak {version()} did not build: {lines[-1] if lines else 'no output'}.")
