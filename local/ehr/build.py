"""Build of the FHIR server from the artifacts of its ``pom.xml``, in the user's cache."""

import hashlib
import re
import shutil
import tempfile
from pathlib import Path

from local.ehr.launch import App
from local.paths import REPOSITORY, cache
from local.tools import maven
from local.tools.build import Progress, check_disk, locked

PROJECT = REPOSITORY / "local" / "ehr" / "java"
MAIN = "hmlops.ehr.FhirServer"
_WHAT = "The FHIR server"
_CLASSES = Path("target", "classes")
_CLASSPATH = "classpath"
_ARGUMENTS = "arguments"
_VERSION = re.compile(r"<hapi\.version>([^<]+)</hapi\.version>")


def folder() -> Path:
    """Return the cache folder of this build of the server, by HAPI's version and the project's content."""
    pom = (PROJECT / "pom.xml").read_text(encoding="utf-8")
    version = _VERSION.search(pom)
    digest = hashlib.sha256()
    for path in sorted(path for path in PROJECT.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(PROJECT)).encode() + path.read_bytes())
    return cache() / "ehr" / f"hapi-fhir-{version[1] if version else 'unknown'}-{digest.hexdigest()[:12]}"


def build(progress: Progress) -> Path:
    """Return the folder of the server, building it if it is not in the cache.

    Raises
    ------
    UserError
        If Java or Maven is missing, or Maven Central does not answer.
    """
    built = folder()
    maven.java(_WHAT)
    with locked(built.parent):
        if _whole(built):
            return built
        check_disk(built.parent)
        shutil.rmtree(built, ignore_errors=True)
        progress("building the FHIR server (the first time, 290 MiB from Maven Central)")
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=built.parent) as name:
            partial = Path(name, "project")
            shutil.copytree(PROJECT, partial)
            output = f"-Dmdep.outputFile={partial / _CLASSPATH}"
            maven.run(partial, _WHAT, "compile", "dependency:build-classpath", output)
            classpath = (partial / _CLASSPATH).read_text(encoding="utf-8").strip()
            # The class path is too long for a command line: Java reads it from a file.
            (partial / _ARGUMENTS).write_text(f"-cp\n{built / _CLASSES}:{classpath}\n", encoding="utf-8")
            partial.rename(built)
    return built


def command(
    built: Path, *, address: str, port: int, certificate: Path, key: Path, database: str, app: App | None = None
) -> tuple[str, ...]:
    """Return the server's command; its base URL is ``https://ADDRESS:PORT/fhir``.

    Parameters
    ----------
    built : Path
        What `build` returned.
    address, port
        Where it listens.
    certificate, key : Path
        PEM files of its certificate and key.
    database : str
        JDBC URL of an H2 database.
    app : App, optional
        The SMART app that it launches.
    """
    memory = ("-Xmx768m", "-XX:MaxMetaspaceSize=320m", "-XX:+UseSerialGC")
    return (
        maven.java(_WHAT),
        *memory,
        f"@{built / _ARGUMENTS}",
        MAIN,
        address,
        str(port),
        str(certificate),
        str(key),
        database,
        *((app.client, app.redirect_uri, str(app.launches)) if app else ()),
    )


def _whole(built: Path) -> bool:
    """Return whether a build and all its artifacts are complete."""
    try:
        _, _, classpath = (built / _ARGUMENTS).read_text(encoding="utf-8").partition("\n")
    except OSError:
        return False
    return all(Path(entry).exists() for entry in classpath.strip().split(":"))
