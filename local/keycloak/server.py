"""Keycloak server of the environment: its folder, configuration and command.

Configuration and data are in the environment, the program is in the user's cache. The server's first start creates the
service account of ``local.keycloak.admin``, whose secret is in the configuration file, which only the owner can read.
"""

import secrets
from pathlib import Path
from urllib.parse import urlsplit

from local.errors import UserError
from local.keycloak.build import WHAT
from local.paths import KEYCLOAK_URL, Home
from local.secret_file import write_secret
from local.tools import maven

ADMIN = "hmlops-realms"
"""Client ID of the service account that applies the realms."""
_LINKED = ("lib", "providers", "themes")
_MEMORY = (
    *("-Xms64m", "-Xmx256m", "-XX:MaxMetaspaceSize=192m", "-XX:ReservedCodeCacheSize=64m", "-Xss512k"),
    *("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"),
)
# As in the distribution's kc.sh, which cannot be supervised: if it is killed, its child goes on.
_JAVA = (
    *("--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED"),
    *("--add-opens=java.base/java.security=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED"),
    *("-Dfile.encoding=UTF-8", "-Duser.language=en", "-Duser.country=US"),
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "-Djava.util.concurrent.ForkJoinPool.common.threadFactory="
    "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
    "-Dpicocli.disable.closures=true",
    "-Dquarkus-log-max-startup-records=10000",
    "-Djdk.tls.rejectClientInitiatedRenegotiation=true",
)
_MAIN = "io.quarkus.bootstrap.runner.QuarkusEntryPoint"


def folder(home: Home) -> Path:
    """Return Keycloak's folder."""
    return home.root / "keycloak"


def secret_file(home: Home) -> Path:
    """Return the file with the secret of the service account."""
    return folder(home) / "admin-secret"


def discovery(issuer: str) -> str:
    """Return the address of an issuer's discovery document."""
    return f"{issuer}/.well-known/openid-configuration"


def configuration(home: Home, url: str = KEYCLOAK_URL) -> str:
    """Return the configuration of the server, which contains the secret of the service account.

    Parameters
    ----------
    url
        The address at which it serves.
    """
    address = urlsplit(url)
    options = {
        "hostname": url,
        "http-enabled": "false",
        "http-host": address.hostname,
        "https-port": address.port,
        "https-protocols": "TLSv1.3,TLSv1.2",
        "https-certificate-file": home.pki / "keycloak.crt",
        "https-certificate-key-file": home.pki / "keycloak.key",
        # Without a delay, what was committed survives when the process is killed.
        "db-url": f"jdbc:h2:file:{folder(home) / 'data' / 'database'};NON_KEYWORDS=VALUE;WRITE_DELAY=0",
        # One server: no port for a cluster of servers.
        "cache": "local",
        "bootstrap-admin-client-id": ADMIN,
        "bootstrap-admin-client-secret": secret_file(home).read_text(encoding="ascii"),
    }
    return "".join(f"{name}={value}\n" for name, value in options.items())


def prepare(home: Home, built: Path, url: str = KEYCLOAK_URL) -> None:
    """Write the server's folder.

    Raises
    ------
    UserError
        If its data is there and the secret of its service account is not.
    """
    own = folder(home)
    data, configured = own / "data", own / "conf" / "keycloak.conf"
    for path in (own, data, configured.parent):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not secret_file(home).exists():
        if any(data.glob("database*")):
            raise UserError(
                f"{secret_file(home)}, without which Keycloak's realms cannot be changed, is missing: remove {own}, "
                "then run `make up`, which creates the realms again."
            )
        write_secret(secret_file(home), secrets.token_urlsafe(32).encode())
    for name in _LINKED:
        link = own / name
        if not link.is_symlink() or link.readlink() != built / name:
            link.unlink(missing_ok=True)
            link.symlink_to(built / name)
    write_secret(configured, configuration(home, url).encode())


def command(home: Home, built: Path) -> tuple[str, ...]:
    """Return the command of the server."""
    own = folder(home)
    return (
        *(maven.java(WHAT), *_MEMORY, *_JAVA),
        *(f"-Dkc.home.dir={own}", f"-Djboss.server.config.dir={own / 'conf'}", f"-Djava.io.tmpdir={own / 'data'}"),
        *("-cp", str(built / "lib" / "quarkus-run.jar"), _MAIN, "start", "--optimized"),
    )
