"""The controller's behaviour when the API server, the kernel or its user are not as they should be."""

import subprocess
import sys
import threading
import urllib.error
import urllib.request
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from local.errors import UserError
from local.netpol.__main__ import main
from local.netpol.addresses import Leases
from local.netpol.compile import Network, Objects, Ruleset
from local.netpol.controller import Controller, deny_all
from local.netpol.enforce import EnforcementError, Enforcer
from local.netpol.health import Health, serve
from local.netpol.model import Policy
from local.netpol.store import Kind, Store
from local.paths import REPOSITORY

NETWORK = Network(IPv4Network("10.245.0.0/16"))


class Kernel(Enforcer):
    """Keeps what it is given, and refuses as often as told."""

    def __init__(self, refuse: int = 0) -> None:
        self.refuse = refuse
        self.applied: list[Ruleset] = []
        self.cleaned = 0

    def apply(self, ruleset: Ruleset) -> bool:
        if self.refuse:
            self.refuse -= 1
            raise EnforcementError("no")
        self.applied.append(ruleset)
        return True

    def check(self, ruleset: Ruleset) -> None:
        if self.refuse:
            raise EnforcementError("no")

    def clean(self) -> None:
        self.cleaned += 1

    def intact(self) -> bool:
        if self.refuse:
            self.refuse -= 1
            raise EnforcementError("no")
        return not self.applied


def controller(store: Store, kernel: Kernel, folder: Path) -> tuple[Controller, Health, list[str]]:
    health, said = Health(), list[str]()
    return Controller(store, Leases(folder), kernel, NETWORK, health, said.append), health, said


def listed() -> Store:
    store = Store()
    for kind in Kind:
        store.replace(kind, [])
    return store


def test_nothing_is_applied_while_the_api_server_cannot_be_followed(tmp_path: Path) -> None:
    store, kernel = listed(), Kernel()
    some, health, _ = controller(store, kernel, tmp_path)
    store.lost(Kind.PODS)
    some.step()
    assert kernel.applied == []
    assert "cannot be followed" in health.problem
    store.replace(Kind.PODS, [])
    some.step()
    assert len(kernel.applied) == 1
    assert health.problem == ""


def test_a_refusal_is_told_and_tried_again(tmp_path: Path) -> None:
    kernel = Kernel(refuse=2)
    some, health, said = controller(listed(), kernel, tmp_path)
    some.step()
    assert "refused" in health.problem
    assert len(said) == 1
    kernel.refuse = 0
    some.step()
    assert health.problem == ""
    assert len(kernel.applied) == 1


def test_a_closed_policy_is_named_in_health_log_and_events(tmp_path: Path) -> None:
    store, health, said, noted = listed(), Health(), list[str](), list[tuple[Policy, ...]]()
    some = Controller(store, Leases(tmp_path), Kernel(), NETWORK, health, said.append, noted.append)
    meta = {"uid": "u", "namespace": "n", "name": "p"}
    store.put(Kind.POLICIES, {"metadata": meta, "spec": {"ingress": [{"ports": [{"protocol": "ICMP"}]}]}})
    for _ in range(2):
        some.step()
    line = "NetworkPolicy n/p closes its pods: the protocol 'ICMP' is not one of TCP, UDP, SCTP"
    assert (health.problem, health.closed) == ("", (line,))
    assert said.count(line) == 1
    assert [policy.name for policy in noted[0]] == ["p"]
    store.put(Kind.POLICIES, {"metadata": meta, "spec": {}})
    some.step()
    assert (health.closed, noted[-1]) == ((), ())


def test_other_hands_on_the_rules_are_told(tmp_path: Path) -> None:
    kernel = Kernel(refuse=1)
    some, health, said = controller(listed(), kernel, tmp_path)
    some.verify()
    assert "refused" in health.problem
    some.step()
    some.verify()
    assert "somebody else" in said[-1]


def test_the_loop_ends_when_told(tmp_path: Path) -> None:
    store, stop = listed(), threading.Event()

    class Once(Kernel):
        def apply(self, ruleset: Ruleset) -> bool:
            stop.set()
            return super().apply(ruleset)

    kernel = Once()
    some, _, _ = controller(store, kernel, tmp_path)
    some.run(stop)
    assert len(kernel.applied) == 1


def test_a_table_of_another_version_gives_way() -> None:
    kernel = Kernel(refuse=1)
    deny_all(kernel, NETWORK)
    assert kernel.cleaned == 1
    assert kernel.applied[0].pods == 0


def test_health_says_what_is_wrong() -> None:
    health = Health()
    server = serve("127.0.0.1:0", health)
    try:
        url = f"http://127.0.0.1:{server.server_port}/healthz"
        with pytest.raises(urllib.error.HTTPError, match="503") as caught:
            urllib.request.urlopen(url, timeout=5)
        caught.value.close()
        health.problem = ""
        health.closed = ("NetworkPolicy n/p closes its pods: why",)
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert answer.status == 200
            assert answer.read() == b"ok\nNetworkPolicy n/p closes its pods: why\n"
        with pytest.raises(UserError, match="free host:port"):
            serve(f"127.0.0.1:{server.server_port}", health)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:http", "127.0.0.1:99999"])
def test_a_bad_health_address_is_told_in_one_sentence(address: str) -> None:
    with pytest.raises(UserError, match="--health-address"):
        serve(address, Health())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--pod-cidr is missing"),
        (["--pod-cidr", "10.245.0.0/16", "--node-ip", "10.245.0.1"], "keep them apart"),
    ],
)
def test_wrong_arguments_are_told_in_one_sentence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_missing_nft_is_told_in_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local.netpol", "--clean"],
        env={"PATH": str(tmp_path)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "nft is not installed: apt-get install nftables\n"


@pytest.mark.parametrize(
    ("says", "error", "message"),
    [
        ("Operation not permitted (you must be root)", UserError, "as root"),
        ("syntax error", EnforcementError, "syntax error"),
    ],
)
def test_what_nft_says_becomes_an_error(tmp_path: Path, says: str, error: type[Exception], message: str) -> None:
    nft = tmp_path / "nft"
    nft.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    nft.chmod(0o755)
    with pytest.raises(error, match=message):
        Enforcer((str(nft),))


def test_the_same_rules_are_not_applied_twice(tmp_path: Path) -> None:
    nft, log = tmp_path / "nft", tmp_path / "log"
    nft.write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    nft.chmod(0o755)
    enforcer = Enforcer((str(nft),))
    ruleset = Ruleset("table inet hmlops_policy { }", Objects(), 0, 0)
    assert enforcer.apply(ruleset)
    assert not enforcer.apply(ruleset)
    assert log.read_text().count("-f -") == 1
