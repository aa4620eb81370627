"""What is refused before anything is touched."""

import os
import socket
import sys
from pathlib import Path

import pytest

from local.cluster import host
from local.cluster.part import Part
from local.cluster.supervision import Program
from local.errors import UserError
from local.lifecycle import check_ports, exclusive
from local.paths import Home


def part(port: int) -> Part:
    return Part(Program("etcd", ("etcd",)), lambda _: "", "cluster state", (("127.0.0.1", port),))


def test_a_port_in_use_names_the_part_and_the_holder() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"Port {port} of 127.0.0.1, which etcd needs, is held by .*{os.getpid()}"):
            check_ports([part(port)])


def test_a_free_port_is_fine() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    check_ports([part(port)])


def test_another_system_is_told_about_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UserError, match="install Docker and kind"):
        host.require()


def test_a_user_without_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UserError, match="needs root"):
        host.require()


def test_a_machine_without_control_groups_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(host, "CGROUPS", tmp_path)
    with pytest.raises(UserError, match="cgroup v2"):
        host.require()


def test_two_starts_do_not_meet(tmp_path: Path) -> None:
    with exclusive(Home(tmp_path)), pytest.raises(UserError, match="Another `make up`"), exclusive(Home(tmp_path)):
        pass


def test_mounts_are_listed_deepest_first_and_below_the_folder_alone() -> None:
    found = host.mounts(Path("/proc"))
    assert found == sorted(found, key=len, reverse=True)
    assert all(Path(point).is_relative_to("/proc") for point in found)
