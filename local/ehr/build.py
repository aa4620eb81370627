"""Build of the FHIR server from the artifacts of its ``pom.xml``, in the user's cache."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from local.errors import UserError
from local.paths import REPOSITORY, cache
from local.tools.build import Progress, check_disk, locked

PROJECT = REPOSITORY / "local" / "ehr" / "java"
MAIN = "hmlops.ehr.FhirServer"
LEAST_JAVA = 17
_CLASSES = Path("target", "classes")
_CLASSPATH = "classpath"
_ARGUMENTS = "arguments"
_VERSION = re.compile(r"<hapi\.version>([^<]+)</hapi\.version>")
_INSTALL = "`apt-get install openjdk-17-jdk-headless maven`, or set JAVA_HOME and put mvn on PATH"


def folder() -> Path:
    """Return the cache folder of this build of the server, by HAPI's version and the project's content."""
    pom = (PROJECT / "pom.xml").read_text(encoding="utf-8")
    version = _VERSION.search(pom)
    digest = hashlib.sha256()
    for path in sorted(path for path in PROJECT.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(PROJECT)).encode() + path.read_bytes())
    return cache() / "ehr" / f"hapi-fhir-{version[1] if version else 'unknown'}-{digest.hexdigest()[:12]}"


def java() -> str:
    """Return the Java command.

    Raises
    ------
    UserError
        If there is none, or an older one.
    """
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=str(Path(home, "bin"))) if home else shutil.which("java")
    if program is None:
        raise UserError(f"The FHIR server needs Java {LEAST_JAVA}, which is not installed: {_INSTALL}.")
    output = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', output)
    if version is None or int(version[1]) < LEAST_JAVA:
        raise UserError(f"The FHIR server needs Java {LEAST_JAVA}, and {program} is older: {_INSTALL}.")
    return program


def build(progress: Progress) -> Path:
    """Return the folder of the server, building it if it is not in the cache.

    Raises
    ------
    UserError
        If Java or Maven is missing, or Maven Central does not answer.
    """
    built = folder()
    java()
    with locked(built.parent):
        if _whole(built):
            return built
        maven = shutil.which("mvn")
        if maven is None:
            raise UserError(f"The FHIR server is built by Maven, which is not installed: {_INSTALL}.")
        check_disk(built.parent)
        shutil.rmtree(built, ignore_errors=True)
        progress("building the FHIR server (the first time, 290 MiB from Maven Central)")
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=built.parent) as name:
            partial = Path(name, "project")
            shutil.copytree(PROJECT, partial)
            _compile(maven, partial)
            classpath = (partial / _CLASSPATH).read_text(encoding="utf-8").strip()
            # The class path is too long for a command line: Java reads it from a file.
            (partial / _ARGUMENTS).write_text(f"-cp\n{built / _CLASSES}:{classpath}\n", encoding="utf-8")
            partial.rename(built)
    return built


def command(built: Path, *, address: str, port: int, certificate: Path, key: Path, database: str) -> tuple[str, ...]:
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
    """
    memory = ("-Xmx768m", "-XX:MaxMetaspaceSize=320m", "-XX:+UseSerialGC")
    return (java(), *memory, f"@{built / _ARGUMENTS}", MAIN, address, str(port), str(certificate), str(key), database)


def _whole(built: Path) -> bool:
    """Return whether a build and all its artifacts are complete."""
    try:
        _, _, classpath = (built / _ARGUMENTS).read_text(encoding="utf-8").partition("\n")
    except OSError:
        return False
    return all(Path(entry).exists() for entry in classpath.strip().split(":"))


def _compile(maven: str, partial: Path) -> None:
    goals = ("compile", "dependency:build-classpath", f"-Dmdep.outputFile={partial / _CLASSPATH}")
    command = [maven, "-B", "-q", f"-Dmaven.repo.local={cache() / 'maven'}", *goals]
    done = subprocess.run(command, cwd=partial, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    errors = [line for line in done.stdout.splitlines() if line.startswith("[ERROR]")]
    reason = errors[0].removeprefix("[ERROR]").strip()[:300] if errors else "no output"
    raise UserError(f"Maven could not build the FHIR server ({reason}): check the network and ~/.m2/settings.xml.")
