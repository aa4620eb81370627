"""NetworkPolicy controller: applies the rules for the cluster's state to the kernel."""

import threading
import time
from collections.abc import Callable

from local.netpol.addresses import Leases, settle
from local.netpol.compile import Network, compile_ruleset
from local.netpol.enforce import EnforcementError, Enforcer
from local.netpol.health import Health
from local.netpol.isolate import Isolation
from local.netpol.model import Policy, Snapshot
from local.netpol.store import Store

# Events come in bursts, such as a namespace with all its policies or a rollout: apply one transaction per burst.
BURST_SECONDS = 0.02
VERIFY_SECONDS = 5.0


def deny_all(enforcer: Enforcer, network: Network) -> None:
    """Apply the rules without pods, which deny everything."""
    try:
        enforcer.apply(compile_ruleset(Snapshot(), network))
    except EnforcementError:
        # The table of another version may be incompatible.
        enforcer.clean()
        enforcer.apply(compile_ruleset(Snapshot(), network))


class Controller:
    """Reconciliation loop from the store to the kernel.

    Parameters
    ----------
    store, leases
        State of the cluster.
    enforcer, network
        The owner of the rules, and the pod network.
    health, report
        Health state, and log of its changes.
    note
        Receives the policies that are closed because they cannot be enforced as written.
    """

    def __init__(
        self,
        store: Store,
        leases: Leases,
        enforcer: Enforcer,
        network: Network,
        health: Health,
        report: Callable[[str], None],
        note: Callable[[tuple[Policy, ...]], None] = lambda _: None,
    ) -> None:
        self._store, self._leases, self._enforcer = store, leases, enforcer
        self._isolation = Isolation(enforcer, network)
        self._health, self._report, self._note = health, report, note

    def step(self) -> None:
        """Enforce the current state, if it is complete."""
        snapshot = self._store.snapshot()
        if snapshot is None:
            self._health.problem = "the API server cannot be followed; the last rules stay and new pods are denied"
            return
        began = time.monotonic()
        try:
            ruleset, changed, closed = self._isolation.enforce(settle(snapshot, self._leases.current()))
        except EnforcementError as error:
            self._failed(error)
            return
        if changed:
            took = (time.monotonic() - began) * 1000
            self._report(f"{ruleset.pods} pods, {ruleset.policies} policies in force after {took:.0f} ms")
        self._say(closed, snapshot.unreadable)
        self._health.problem = ""

    def _say(self, closed: tuple[Policy, ...], unreadable: tuple[str, ...]) -> None:
        lines = (*(f"NetworkPolicy {'/'.join(p.key)} closes its pods: {p.problem}" for p in closed), *unreadable)
        for line in lines:
            if line not in self._health.closed:
                self._report(line)
        self._health.closed = lines
        self._note(closed)

    def verify(self) -> None:
        """Check whether the rules were changed externally; if so, the next step restores them."""
        try:
            if not self._enforcer.intact():
                self._report("the rules were changed by somebody else; putting them back")
        except EnforcementError as error:
            self._failed(error)

    def _failed(self, error: EnforcementError) -> None:
        self._health.problem = f"the kernel refused the rules: {error}"
        self._report(self._health.problem)

    def run(self, stop: threading.Event) -> None:
        """Enforce until stopped."""
        while not stop.is_set():
            if self._store.changed.wait(VERIFY_SECONDS):
                stop.wait(BURST_SECONDS)
                self._store.changed.clear()
            else:
                self.verify()
            self.step()
