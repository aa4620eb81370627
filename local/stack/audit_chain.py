"""Verification of a hospital's audit chain, with a login of this minute and the keys that the stack published."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from local.cluster import openbao
from local.errors import UserError
from local.paths import NODE_IP, POSTGRES_PORT, REPOSITORY, Home
from local.secret_file import write_secret
from local.stack import environment
from local.stack.stack import Stack

LOGIN = "database/creds/audit-reader"


def verify(home: Home, hospital: str, *options: str) -> int:
    """Run ``python -m services.audit verify`` for a hospital of the stack; return its exit code.

    Raises
    ------
    UserError
        If there is no such hospital, or the deployed stack has no keys of its anchors.
    """
    stack = Stack(home)
    working = [entry["name"] for entry in stack.working()]
    if hospital not in working:
        raise UserError(f"There is no hospital {hospital or '(none named)'}: set HOSPITAL= to {' or '.join(working)}.")
    deployed = stack.outputs().get("hospitals", {}).get(hospital, {})
    if not deployed.get("auditKeys"):
        raise UserError(f"The deployed stack has no keys of the audit chain of {hospital}: run `make up`.")
    answer = openbao.operator(home).read(f"{hospital}/{LOGIN}")
    if not answer:
        raise UserError(f"Vault gives no login of the audit database of {hospital}: run `make status`.")
    with tempfile.TemporaryDirectory() as folder:
        login = Path(folder) / "database-audit.json"
        write_secret(login, json.dumps(answer["data"]).encode())
        variables = {
            **environment.process(home),
            "HOSPITAL": hospital,
            "AUDIT_BUCKET": f"s3://{deployed['buckets']['audit']}",
            "AUDIT_TRUSTED_KEYS": deployed["auditKeys"],
            "AUDIT_DATABASE_FILE": str(login),
            "DATABASE_HOST": NODE_IP,
            "DATABASE_PORT": str(POSTGRES_PORT),
            "DATABASE_CA": str(home.pki / "ca.crt"),
        }
        command = [sys.executable, "-m", "services.audit", "verify", *options]
        return subprocess.run(command, cwd=REPOSITORY, env=variables, check=False).returncode
