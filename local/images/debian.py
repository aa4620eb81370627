"""The base layer: Debian's Python unpacked from packages, by way of the machine's own mirror."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from local.errors import UserError
from local.images.compiling import compile_python
from local.images.store import Recipe

# The release whose Python the wheels are made for.
RELEASE = "bookworm"
POCKETS = ("", "-updates", "-security")
PACKAGES = (
    "base-files",
    "busybox-static",
    "ca-certificates",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "libgomp1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libsqlite3-0",
    "libssl3",
    "libstdc++6",
    "libuuid1",
    "python3-minimal",
    "python3.11-minimal",
    "zlib1g",
)
ACCOUNTS = {
    "passwd": "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/bin/sh\n",
    "group": "root:x:0:\nnonroot:x:65532:\n",
    "nsswitch.conf": "hosts: files dns\n",
}
# What only a package manager needs, and settings of the building machine that it leaves behind.
UNWANTED = (
    "boot",
    "etc/apt",
    "etc/cron.daily",
    "etc/dpkg",
    "etc/kernel",
    "home",
    "media",
    "mnt",
    "opt",
    "srv",
    "usr/include",
    "usr/lib/systemd",
    "usr/share/bash-completion",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/man",
    "usr/share/python3",
    "var",
)
KEPT_SETTING = re.compile(r"Acquire::(http|https|Check-|Retries|Force)", re.IGNORECASE)
TIMEOUT = 600
SHOWN = 3


def base() -> Recipe:
    """Return the layer with Debian's Python."""
    inputs = (RELEASE, *PACKAGES, *ACCOUNTS.values(), *UNWANTED)
    return Recipe("base", inputs, _fill)


def sources(targets: str) -> list[str]:
    """Return apt source lines for the release from apt's own index targets.

    Parameters
    ----------
    targets
        Lines of ``address|codename|component|origin``.

    Raises
    ------
    UserError
        If no Debian mirror is configured.
    """
    source_lines: dict[str, None] = {}
    for line in targets.splitlines():
        address, codename, component, origin = line.split("|")
        name, _, pocket = codename.partition("-")
        suffix = codename.removeprefix(name)
        if component == "main" and origin == "Debian" and name and suffix in POCKETS:
            source_lines[f"deb {address} {RELEASE}{'-' if pocket else ''}{pocket} main"] = None
    if not source_lines:
        raise UserError(
            "apt has no Debian mirror from which images can be built: add one to /etc/apt/sources.list.d "
            "and run `apt-get update`"
        )
    return list(source_lines)


def settings(dump: str) -> str:
    """Return the settings of apt that decide how a mirror is reached (proxies, checks)."""
    kept = (line for line in dump.splitlines() if KEPT_SETTING.match(line))
    return "".join(f"{line}\n" for line in kept if not line.endswith((' "";', "{}")))


def _fill(root: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        raise UserError("mmdebstrap is not installed: run `apt-get install mmdebstrap`")
    lines = sources(
        _run(
            [
                "apt-get",
                "indextargets",
                "Created-By: Packages",
                "--format",
                "$(REPO_URI)|$(CODENAME)|$(COMPONENT)|$(ORIGIN)",
            ]
        )
    )
    with tempfile.TemporaryDirectory(dir=root.parent) as name:
        options = Path(name) / "apt.conf"
        options.touch(mode=0o600)
        options.write_text(settings(_run(["apt-config", "dump", "--format", '%F "%v";%n'])))
        target = Path(name) / "root"
        _run(
            [
                "mmdebstrap",
                "--variant=extract",
                "--format=directory",
                f"--aptopt={options}",
                "--architectures=amd64",
                f"--include={','.join(PACKAGES)}",
                "--dpkgopt=path-exclude=/usr/share/*",
                "--dpkgopt=path-include=/usr/share/ca-certificates/*",
                RELEASE,
                str(target),
                *lines,
            ]
        )
        for item in target.iterdir():
            item.rename(root / item.name)
    _settle(root)


def _settle(root: Path) -> None:
    """Do by hand the few things that the packages' own scripts would do."""
    for unwanted in UNWANTED:
        shutil.rmtree(root / unwanted, ignore_errors=True)
    for name in ("dev", "proc", "sys", "run", "tmp"):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "mnt").mkdir()
    for name, content in ACCOUNTS.items():
        (root / "etc" / name).write_text(content)
    _link(root / "usr/bin/python3", "python3.11")
    _link(root / "usr/bin/python", "python3.11")
    _link(root / "bin/sh", "busybox")
    authorities = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text("".join(path.read_text() for path in authorities))
    shutil.rmtree(root / "usr/share/ca-certificates")
    compile_python(root / "usr/lib/python3.11", root)


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _run(command: Iterable[str]) -> str:
    arguments = list(command)
    try:
        done = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
            env={**os.environ, "LC_ALL": "C", "SOURCE_DATE_EPOCH": "0"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"the images' base layer could not be built: {error}") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        print("\n".join(lines[-SHOWN:]), file=sys.stderr)
        raise UserError(
            f"the images' base layer could not be built: {arguments[0]} ended with "
            f"{done.returncode}; check that apt's mirror is reachable (`apt-get update`)"
        )
    return done.stdout
