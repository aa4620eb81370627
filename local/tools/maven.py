"""Java and Maven, which build the parts that come from Maven Central."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from local.errors import UserError
from local.paths import cache

LEAST_JAVA = 17
_INSTALL = "`apt-get install openjdk-17-jdk-headless maven`, or set JAVA_HOME and put mvn on PATH"


def java(what: str) -> str:
    """Return the Java command.

    Parameters
    ----------
    what
        What needs it, for the message.

    Raises
    ------
    UserError
        If there is none, or an older one.
    """
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=str(Path(home, "bin"))) if home else shutil.which("java")
    if program is None:
        raise UserError(f"{what} needs Java {LEAST_JAVA}, which is not installed: {_INSTALL}.")
    output = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', output)
    if version is None or int(version[1]) < LEAST_JAVA:
        raise UserError(f"{what} needs Java {LEAST_JAVA}, and {program} is older: {_INSTALL}.")
    return program


def run(project: Path, what: str, *arguments: str) -> None:
    """Run Maven in a project's folder, with its repository in the user's cache.

    Parameters
    ----------
    project
        Folder of the ``pom.xml``.
    what
        What is built, for the message.
    *arguments
        Goals and options.

    Raises
    ------
    UserError
        If Maven is missing or fails, such as when Maven Central does not answer.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise UserError(f"{what} is built by Maven, which is not installed: {_INSTALL}.")
    command = [maven, "-B", "-q", f"-Dmaven.repo.local={cache() / 'maven'}", *arguments]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    errors = [line for line in done.stdout.splitlines() if line.startswith("[ERROR]")]
    reason = errors[0].removeprefix("[ERROR]").strip()[:300] if errors else "no output"
    raise UserError(f"{what} was not built by Maven ({reason}): check the network and Maven's settings.")
