"""A capture of packets on the node, while a discharge passes the gateway, care, planning, model server and PostgreSQL.

Every connection of a hospital's pods is TLS, and nothing of the discharge can be read in it. The exceptions are named
below. The same capture sees plain HTTP on such a port, with everything that is looked for.
"""

import json
import socket
from dataclasses import dataclass
from typing import Any

import pytest

from local.paths import NODE_IP, POSTGRES_PORT, Home
from tests.integration.care.clinic import Clinic
from tests.integration.gateway.gateway_callers import Callers
from tests.integration.network.packets import UDP, Capture, Packet, Stream, interface_of, streams
from tests.integration.network.plaintext import (
    READABLE,
    begins_with_hello,
    carries_data,
    feature_names,
    identifying,
    is_tls,
    readable,
)
from tests.support.stack.service_accounts import CLINIC

pytestmark = pytest.mark.skipif(not CLINIC, reason="the stack has no gateway")
HOSPITAL, UNIT = "north", "medicine"
ZONES = ("platform", "phi", "serving", "data")
NAME = "app.kubernetes.io/name"
HTTPS, GATEWAY_HTTPS, METRICS, DNS = 8443, 10443, 19001, 53
PLAIN = {
    8082: "figures of the model server, which have no data of patients",
    8083: "metrics of planning, which have no data of patients",
    METRICS: "figures of Envoy, which have no data of patients",
    19002: "probes of Envoy's shutdown manager, by the kubelet",
    19003: "probes of Envoy, by the kubelet",
}
"""Ports that answer in plain HTTP, and what."""


@dataclass(frozen=True)
class Hop:
    """A connection of the clinical path: workloads, and the port of the target."""

    source: str
    target: str
    port: int


HOPS = (
    Hop("envoy", "care", HTTPS),
    Hop("envoy", "planner", HTTPS),
    Hop("care", "planner", HTTPS),
    Hop("planner", "model-server", HTTPS),
    Hop("care", "postgresql", POSTGRES_PORT),
    Hop("planner", "postgresql", POSTGRES_PORT),
)


@dataclass(frozen=True)
class Seen:
    """What a capture saw of a discharge.

    Parameters
    ----------
    packets, streams, lost
        The capture.
    addresses
        Addresses of the pods of workloads.
    values
        What identifies the patient, and names of features, by their names.
    control
        Port of the plain HTTP client.
    """

    packets: list[Packet]
    streams: list[Stream]
    lost: int
    addresses: dict[str, set[str]]
    values: dict[str, bytes]
    control: int

    def of(self, hop: Hop) -> tuple[list[Stream], list[Stream]]:
        """Return what was sent by the source of a hop, and what by its target."""
        sources = self.addresses[hop.source]
        targets = {(address, hop.port) for address in self.addresses[hop.target]}
        return (
            [one for one in self.streams if one.source[0] in sources and one.target in targets],
            [one for one in self.streams if one.target[0] in sources and one.source in targets],
        )


def pods(core: Any) -> dict[str, set[str]]:
    """Return the addresses of the hospital's running pods, by workload."""
    found: dict[str, set[str]] = {"postgresql": {NODE_IP}}
    for zone in ZONES:
        for pod in core.list_namespaced_pod(f"{HOSPITAL}-{zone}").items:
            if pod.status.phase == "Running" and pod.status.pod_ip:
                found.setdefault((pod.metadata.labels or {}).get(NAME, "other"), set()).add(pod.status.pod_ip)
    return found


@pytest.fixture(scope="module")
def seen(home: Home, core: Any) -> Seen:
    clinic, callers, addresses = Clinic(home, HOSPITAL), Callers(home, HOSPITAL), pods(core)
    stay = clinic.stay(UNIT)
    values = identifying(clinic.prefetch(stay), stay.patient, stay.encounter) | feature_names()
    token = callers.program.access_token("readmission.scores")
    interfaces = {interface_of(one) for name, own in addresses.items() if name != "postgresql" for one in own}
    with Capture(interfaces) as capture:
        control = plain_request(min(addresses["envoy"]), values)
        _, record = clinic.card(stay)
        assert callers.score(token).status_code == 200
    values["the encounter's pseudonym"] = record["encounter"].encode()
    return Seen(capture.packets, streams(capture.packets), capture.lost, addresses, values, control)


def plain_request(address: str, values: dict[str, bytes]) -> int:
    """Send all that is looked for in plain HTTP to Envoy's port of figures, and return the port of this side.

    Envoy has no such path there, so it answers 404 and passes nothing on.
    """
    tokens = b"Bearer abcdefgh v1-0123456789abcdef SELECT sequence FROM audit.records"
    body = b'{"control": [' + b", ".join([tokens, *values.values()]) + b"]}"
    head = f"POST /control HTTP/1.1\r\nHost: control\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((address, METRICS), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        assert connection.recv(4096).startswith(b"HTTP/1.1 404")
        return int(connection.getsockname()[1])


def of_control(seen: Seen, one: Packet | Stream) -> bool:
    return seen.control in (one.source[1], one.target[1])


def test_the_capture_is_complete_and_sees_plain_text_where_there_is_some(seen: Seen) -> None:
    assert seen.lost == 0
    packets = [one for one in seen.packets if of_control(seen, one)]
    own = [one for one in seen.streams if of_control(seen, one)]
    assert len(own) == 2
    assert not [one for one in own if is_tls(one)]
    found = readable(packets, own, seen.values)
    looked_for = {*READABLE, *seen.values} - {"the encounter's pseudonym"}
    assert found.keys() >= looked_for


@pytest.mark.parametrize("hop", HOPS, ids=lambda hop: f"{hop.source} to {hop.target}")
def test_each_hop_was_captured_and_is_tls(seen: Seen, hop: Hop) -> None:
    for side in seen.of(hop):
        assert side
        assert [(one.source, one.target) for one in side if not is_tls(one)] == []
        assert any(carries_data(one) for one in side)


def test_a_connection_of_the_capture_begins_with_the_hellos_of_both_sides(seen: Seen) -> None:
    gateways = seen.addresses["envoy"]
    sides = [
        [one for one in seen.streams if (one.target if asks else one.source) in {(a, GATEWAY_HTTPS) for a in gateways}]
        for asks in (True, False)
    ]
    for side in sides:
        assert any(begins_with_hello(one) for one in side)


def test_every_connection_of_the_hospital_s_pods_is_tls_but_the_named_ones(seen: Seen) -> None:
    judged = [one for one in seen.streams if not PLAIN.keys() & {one.source[1], one.target[1]}]
    assert [(one.source, one.target, one.data[:8]) for one in judged if not is_tls(one)] == []
    # Beside TCP there are questions to the cluster's DNS, which name services.
    others = [one for one in seen.packets if one.protocol == UDP and DNS not in (one.source[1], one.target[1])]
    assert [(one.source, one.target) for one in others] == []


def test_nothing_of_the_discharge_can_be_read_in_any_packet(seen: Seen) -> None:
    packets = [one for one in seen.packets if not of_control(seen, one)]
    own = [one for one in seen.streams if not of_control(seen, one)]
    found = readable(packets, own, seen.values)
    http = {name: ports for name, ports in found.items() if name in ("an HTTP request", "an HTTP answer")}
    assert json.dumps({name: sorted(ports) for name, ports in found.items() if name not in http}) == "{}"
    plain = [one for one in own if PLAIN.keys() & {one.source[1], one.target[1]}]
    elsewhere = [one for one in packets if not PLAIN.keys() & {one.source[1], one.target[1]}]
    assert readable(elsewhere, [one for one in own if one not in plain], {}) == {}
