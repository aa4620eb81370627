"""NetworkPolicy enforcer of the node: ``python -m local.netpol``."""

import argparse
import sys
import threading
import time
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from local.errors import UserError
from local.netpol import watch
from local.netpol.addresses import Leases
from local.netpol.compile import Network
from local.netpol.controller import Controller, deny_all
from local.netpol.enforce import Enforcer
from local.netpol.events import Events
from local.netpol.health import Health, serve
from local.netpol.store import Store


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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the controller; return the exit code."""
    arguments = _arguments(argv)
    try:
        if arguments.clean:
            Enforcer().clean()
        else:
            _run(arguments)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _network(arguments: argparse.Namespace) -> Network:
    if arguments.pod_cidr is None:
        raise UserError("--pod-cidr is missing: name the addresses of pods, such as 10.245.0.0/16")
    if arguments.node_ip and arguments.node_ip in arguments.pod_cidr:
        raise UserError(f"--node-ip {arguments.node_ip} lies in --pod-cidr {arguments.pod_cidr}: keep them apart")
    return Network(arguments.pod_cidr, arguments.pod_interfaces)


def _run(arguments: argparse.Namespace) -> None:
    network = _network(arguments)
    enforcer = Enforcer()
    deny_all(enforcer, network)
    if arguments.deny_all:
        return
    if not arguments.kubeconfig or not Path(arguments.kubeconfig).is_file():
        raise UserError(f"--kubeconfig {arguments.kubeconfig}: no such file; `make up` writes it")
    store, leases, health, stop = Store(), Leases(arguments.leases), Health(), threading.Event()
    if arguments.health_address:
        serve(arguments.health_address, health)
    leases.refresh()
    api = watch.ClusterApi(arguments.kubeconfig)
    watch.start(api, store, stop, _report)
    events = Events(api, _report)
    threading.Thread(target=events.follow, args=(stop,), name="events", daemon=True).start()
    threading.Thread(target=leases.follow, args=(stop, store.changed.set), name="leases", daemon=True).start()
    Controller(store, leases, enforcer, network, health, _report, events.note).run(stop)


if __name__ == "__main__":
    sys.exit(main())
