"""Verification of a hospital's audit chain now, by the Job that verifies it every night."""

from local.errors import UserError
from local.paths import Home
from local.stack import jobs
from local.stack.stack import Stack

CRON_JOB, KEY = "audit-verify", "now"


def verify(home: Home, hospital: str) -> tuple[bool, str]:
    """Return whether the chain of a hospital of the stack is intact, and what the verification says.

    Raises
    ------
    UserError
        If there is no such hospital, or the Job says nothing.
    """
    run = jobs.Run(f"{Stack(home).named(hospital)['name']}-data", CRON_JOB, KEY)
    with jobs.connect(home) as api:
        jobs.delete(api, run)
        try:
            jobs.ensure(api, run, tell=lambda _: None)
        except UserError:
            text = jobs.logs(api, run)
            if not text:
                raise
            return False, text
        return True, jobs.logs(api, run)
