"""``python -m local.netpol``: enforce the cluster's NetworkPolicies on this node."""

import argparse
import sys
import threading
import time
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from local.errors import UserError
from local.netpol import watch
from local.netpol.addresses import Leases, settle
from local.netpol.compile import Network, compile_ruleset
from local.netpol.enforce import EnforcementError, Enforcer
from local.netpol.health import Health, serve
from local.netpol.model import Snapshot
from local.netpol.store import Store

# Events come in bursts: a namespace with all its policies, a rollout. One transaction serves a burst.
BURST_SECONDS = 0.02
VERIFY_SECONDS = 5.0


def _report(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.netpol", description=__doc__)
    parser.add_argument("--clean", action="store_true", help="remove the rules and end")
    parser.add_argument("--deny-all", action="store_true", help="cut all pods off and end")
    parser.add_argument("--kubeconfig", help="how to reach the API server, and as whom")
    parser.add_argument("--node-ip", type=IPv4Address, help="the node's address")
    parser.add_argument("--pod-cidr", type=IPv4Network, help="the addresses of pods")
    parser.add_argument("--pod-interfaces", default="veth*", help="the node's ends of the pods' links (%(default)s)")
    parser.add_argument("--health-address", help="host:port that answers GET /healthz")
    parser.add_argument("--leases", type=Path, default=Path("/var/lib/cni/results"), help="CNI results (%(default)s)")
    return parser.parse_args(argv)


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

    def __init__(self, store: Store, leases: Leases, enforcer: Enforcer, network: Network, health: Health) -> None:
        self._store, self._leases, self._enforcer, self._network = store, leases, enforcer, network
        self._health = health

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
                _report(f"{ruleset.pods} pods, {ruleset.policies} policies in force after {took:.0f} ms")
            self._health.problem = ""
        except EnforcementError as error:
            self._health.problem = f"the kernel refused the rules: {error}"
            _report(self._health.problem)

    def run(self, stop: threading.Event) -> None:
        """Enforce until told to stop, and put the rules back if somebody else removed them."""
        while not stop.is_set():
            if self._store.changed.wait(VERIFY_SECONDS):
                stop.wait(BURST_SECONDS)
                self._store.changed.clear()
            elif not self._enforcer.intact():
                _report("the rules were changed by somebody else; putting them back")
            self.step()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the controller; return the exit code."""
    arguments = _arguments(argv)
    try:
        enforcer = Enforcer()
        if arguments.clean:
            enforcer.clean()
            return 0
        if arguments.pod_cidr is None:
            raise UserError("--pod-cidr is missing: name the addresses of pods, such as 10.245.0.0/16")
        if arguments.node_ip and arguments.node_ip in arguments.pod_cidr:
            raise UserError(f"--node-ip {arguments.node_ip} lies in --pod-cidr {arguments.pod_cidr}: keep them apart")
        network = Network(arguments.pod_cidr, arguments.pod_interfaces)
        deny_all(enforcer, network)
        if arguments.deny_all:
            return 0
        if not arguments.kubeconfig or not Path(arguments.kubeconfig).is_file():
            raise UserError(f"--kubeconfig {arguments.kubeconfig}: no such file; `make up` writes it")
        _run(arguments, enforcer, network)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _run(arguments: argparse.Namespace, enforcer: Enforcer, network: Network) -> None:
    store, leases, health, stop = Store(), Leases(arguments.leases), Health(), threading.Event()
    if arguments.health_address:
        serve(arguments.health_address, health)
    leases.refresh()
    watch.start(watch.ClusterApi(arguments.kubeconfig), store, stop, _report)
    threading.Thread(target=leases.follow, args=(stop, store.changed.set), name="leases", daemon=True).start()
    Controller(store, leases, enforcer, network, health).run(stop)


if __name__ == "__main__":
    sys.exit(main())
