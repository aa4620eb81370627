"""Enforcer of nftables rulesets, applied to the kernel in one transaction."""

import json
import subprocess
from collections.abc import Sequence

from local.errors import UserError
from local.netpol.compile import BASE_CHAINS, TABLE, Objects, Ruleset

NFT_TIMEOUT = 30


class EnforcementError(Exception):
    """Error: the kernel rejected a ruleset; the previous one is still in force."""


class Enforcer:
    """Owner of the nftables table.

    Parameters
    ----------
    nft
        The nft command, such as ``("nft",)``.
    """

    def __init__(self, nft: Sequence[str] = ("nft",)) -> None:
        self._nft = tuple(nft)
        self._held = self._read()
        self._text = ""

    def apply(self, ruleset: Ruleset) -> bool:
        """Replace all rules in one transaction, unless they are in force already.

        The base chains are kept and only their rules change, so that a hook is never without rules. Objects have
        different names in each ruleset and replace those of the last one.
        """
        if ruleset.text == self._text:
            return False
        self._run("-f", "-", script=self._script(ruleset))
        self._held, self._text = ruleset.owns, ruleset.text
        return True

    def check(self, ruleset: Ruleset) -> None:
        """Have the kernel check rules without applying them.

        Raises
        ------
        EnforcementError
            If it would refuse them.
        """
        if ruleset.text != self._text:
            self._run("-c", "-f", "-", script=self._script(ruleset))

    def _script(self, ruleset: Ruleset) -> str:
        return "\n".join([f"add table {TABLE}", f"flush table {TABLE}", *self._deletions(), ruleset.text])

    def intact(self) -> bool:
        """Return whether the table is unchanged since the last ``apply``; if not, the next ``apply`` restores it."""
        held = self._read()
        expected = all(
            set(getattr(held, kind)) == set(getattr(self._held, kind)) for kind in ("maps", "chains", "sets")
        )
        if not expected:
            self._held, self._text = held, ""
        return expected

    def clean(self) -> None:
        """Remove the table."""
        self._run("-f", "-", script=f"add table {TABLE}\ndelete table {TABLE}\n")
        self._held, self._text = Objects(), ""

    def _deletions(self) -> list[str]:
        # Maps first: their elements refer to chains.
        kinds = (("map", self._held.maps), ("chain", self._held.chains), ("set", self._held.sets))
        return [f"delete {kind} {TABLE} {name}" for kind, names in kinds for name in names]

    def _read(self) -> Objects:
        """Return the content of the table, also if another process created it."""
        if TABLE not in self._run("list", "tables"):
            return Objects()
        entries = json.loads(self._run("-j", "-t", "list", "table", *TABLE.split()))["nftables"]
        names = {
            kind: tuple(entry[kind]["name"] for entry in entries if kind in entry) for kind in ("map", "chain", "set")
        }
        return Objects(names["map"], tuple(name for name in names["chain"] if name not in BASE_CHAINS), names["set"])

    def _run(self, *arguments: str, script: str | None = None) -> str:
        try:
            done = subprocess.run(
                [*self._nft, *arguments], input=script, capture_output=True, text=True, timeout=NFT_TIMEOUT, check=False
            )
        except FileNotFoundError as error:
            raise UserError(f"{self._nft[0]} is not installed: apt-get install nftables") from error
        except subprocess.TimeoutExpired as error:
            raise EnforcementError(f"nft {arguments[0]} took longer than {NFT_TIMEOUT} s") from error
        if done.returncode:
            if "Operation not permitted" in done.stderr:
                raise UserError("nft is not permitted to change the firewall: run the environment as root")
            raise EnforcementError(done.stderr.strip()[:500])
        return done.stdout
