"""From what the cluster says to what the kernel does."""

import threading
import time
from collections.abc import Callable

from local.netpol.addresses import Leases, settle
from local.netpol.compile import Network, compile_ruleset
from local.netpol.enforce import EnforcementError, Enforcer
from local.netpol.health import Health
from local.netpol.model import Snapshot
from local.netpol.store import Store

# Events come in bursts: a namespace with all its policies, a rollout. One transaction serves a burst.
BURST_SECONDS = 0.02
VERIFY_SECONDS = 5.0


def deny_all(enforcer: Enforcer, network: Network) -> None:
    """Put the rules in force that know no pod."""
    try:
        enforcer.apply(compile_ruleset(Snapshot(), network))
    except EnforcementError:
        # What another version left may not fit together with ours.
        enforcer.clean()
        enforcer.apply(compile_ruleset(Snapshot(), network))


class Controller:
    """From the store to the kernel, again and again."""

    def __init__(
        self,
        store: Store,
        leases: Leases,
        enforcer: Enforcer,
        network: Network,
        health: Health,
        report: Callable[[str], None],
    ) -> None:
        self._store, self._leases, self._enforcer, self._network = store, leases, enforcer, network
        self._health, self._report = health, report

    def step(self) -> None:
        """Enforce the present state, if it is known in full."""
        snapshot = self._store.snapshot()
        if snapshot is None:
            self._health.problem = "the API server cannot be followed; the last rules stay and new pods are denied"
            return
        began = time.monotonic()
        try:
            ruleset = compile_ruleset(settle(snapshot, self._leases.current()), self._network)
            if self._enforcer.apply(ruleset):
                took = (time.monotonic() - began) * 1000
                self._report(f"{ruleset.pods} pods, {ruleset.policies} policies in force after {took:.0f} ms")
            self._health.problem = ""
        except EnforcementError as error:
            self._failed(error)

    def verify(self) -> None:
        """Look whether somebody else changed the rules; if so, the next step puts them back."""
        try:
            if not self._enforcer.intact():
                self._report("the rules were changed by somebody else; putting them back")
        except EnforcementError as error:
            self._failed(error)

    def _failed(self, error: EnforcementError) -> None:
        self._health.problem = f"the kernel refused the rules: {error}"
        self._report(self._health.problem)

    def run(self, stop: threading.Event) -> None:
        """Enforce until told to stop."""
        while not stop.is_set():
            if self._store.changed.wait(VERIFY_SECONDS):
                stop.wait(BURST_SECONDS)
                self._store.changed.clear()
            else:
                self.verify()
            self.step()
