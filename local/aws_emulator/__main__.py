"""Command line of the AWS API emulator: ``python -m local.aws_emulator --help``."""

import argparse
import configparser
import io
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from local.aws_emulator.access.sts import Issuer
from local.aws_emulator.application import Emulator
from local.aws_emulator.eks.clusters import Face
from local.aws_emulator.journal import Journal
from local.aws_emulator.server import Server, tls_context
from local.errors import UserError

log = logging.getLogger("local.aws_emulator")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.aws_emulator", description="AWS API emulator")
    parser.add_argument("--address", required=True, help="address and port, such as 172.31.250.1:4566")
    parser.add_argument("--cert", required=True, type=Path, help="TLS certificate (PEM)")
    parser.add_argument("--key", required=True, type=Path, help="TLS private key (PEM)")
    parser.add_argument("--data", required=True, type=Path, help="folder of the journal")
    parser.add_argument("--oidc-issuer", required=True, help="issuer of the web identities, such as https://…:6443")
    parser.add_argument("--oidc-keys", required=True, type=Path, help="the issuer's public keys (PEM)")
    parser.add_argument(
        "--admin-credentials", required=True, type=Path, help="where the administrator's key is written"
    )
    parser.add_argument(
        "--eks-endpoint", help="API server of the cluster that stands for EKS's; without it EKS has none"
    )
    parser.add_argument("--eks-authority", type=Path, help="certificate authority of that cluster (PEM)")
    return parser.parse_args()


def write_credentials(path: Path, access_key: str, secret_key: str) -> None:
    """Write an AWS shared credentials file that only its owner can read."""
    profiles = configparser.ConfigParser()
    profiles["default"] = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key}
    text = io.StringIO()
    profiles.write(text)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text.getvalue())
        fresh.replace(path)
    except OSError as error:
        raise UserError(f"Cannot write {path} ({error.strerror}); check the permissions of the folder.") from None


def run(arguments: argparse.Namespace) -> None:
    """Serve until the process receives a stop signal."""
    host, separator, port = arguments.address.rpartition(":")
    if not separator or not port.isdigit():
        raise UserError(f"'{arguments.address}' is not an address; write it as 172.31.250.1:4566.")
    for path in (arguments.oidc_keys, arguments.eks_authority):
        if path is not None and not path.is_file():
            raise UserError(f"The file {path} is missing; run `make up` to create the keys again.")
    if bool(arguments.eks_endpoint) != bool(arguments.eks_authority):
        raise UserError("--eks-endpoint and --eks-authority must be set together.")
    server = Server(host.strip("[]"), int(port), tls_context(arguments.cert, arguments.key))
    journal = Journal(arguments.data)
    cluster = None
    if arguments.eks_endpoint:
        cluster = Face(arguments.eks_endpoint, arguments.eks_authority, arguments.oidc_issuer)
    issuer = Issuer(arguments.oidc_issuer, arguments.oidc_keys)
    emulator = Emulator(journal, issuer, arguments.address, cluster)
    started = time.monotonic()
    count = emulator.replay()
    write_credentials(arguments.admin_credentials, *emulator.administrator)
    log.info(
        "Replayed %d entries in %.1f s; serving on https://%s", count, time.monotonic() - started, arguments.address
    )
    server.emulator = emulator
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    journal.close()


def main() -> int:
    """Run; a user error is reported in one line, with exit code 2."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    try:
        run(_arguments())
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
