"""Host setup and cleanup: addresses, links, forwarding, control groups, mounts and nftables rules.

Everything here is idempotent: a killed run leaves mounts, addresses, rules and
control groups, which the next start or ``make down`` removes.
"""

import contextlib
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
from tenacity import RetryError, retry, retry_if_result, stop_after_delay, wait_fixed

from local.errors import UserError
from local.paths import NODE_IP, POD_CIDR, SERVICE_CIDR, Home
from local.tools.catalogue import APT_TOOLS

MARK = "HMLOPS_PART"
CGROUP = "hmlops"
CGROUPS = Path("/sys/fs/cgroup")
POINTER = Path("/run/healthcare-mlops.home")
# Cache of the CNI library with the address of each sandbox; its path cannot be configured.
CNI_RESULTS = Path("/var/lib/cni/results")
MINIMUM_FREE_GIB = 6
_IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_TABLES = (("inet", "hmlops_policy"), ("ip", "kube-proxy"), ("ip6", "kube-proxy"))


def run(*command: str, check: bool = True, stdin: str | None = None) -> str:
    """Run a command and return its output.

    Raises
    ------
    UserError
        If it fails and ``check`` is set.
    """
    done = subprocess.run(command, capture_output=True, text=True, input=stdin, check=False)
    if check and done.returncode != 0:
        reason = (done.stderr or done.stdout).strip().splitlines()
        raise UserError(f"`{' '.join(command[:4])}` failed: {reason[-1] if reason else done.returncode}.")
    return done.stdout


def require() -> None:
    """Check that the embedded cluster can run on this machine.

    Raises
    ------
    UserError
        If this is not Linux, not root, or lacks the control groups that pods need.
    """
    if sys.platform != "linux":
        raise UserError(
            "The embedded cluster needs Linux: on this machine install Docker and kind, "
            "and set `healthcare-mlops:cluster: kind`."
        )
    if os.geteuid() != 0:
        raise UserError(
            "The embedded cluster needs root for namespaces, mounts and packet rules: run `sudo make up`, "
            "or install Docker and kind, and set `healthcare-mlops:cluster: kind`."
        )
    if not cgroup_roots():
        raise UserError(
            f"{CGROUPS} has neither cgroup v2 nor the v1 controllers cpu, memory and pids: "
            "mount them (`mount -t cgroup2 none /sys/fs/cgroup`) and run `make up` again."
        )


def cgroup_roots() -> list[Path]:
    """Return the cgroup hierarchies of the pods."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    needed = [CGROUPS / name for name in ("cpu", "memory", "pids")]
    if not all((root / "cgroup.procs").exists() for root in needed):
        return []
    return sorted({root.resolve() for root in CGROUPS.iterdir() if (root / "cgroup.procs").exists()})


def install_packages(packages: Mapping[str, str] = APT_TOOLS) -> None:
    """Install the Debian packages whose commands are missing.

    Parameters
    ----------
    packages
        Package by the path of a command or file of it.

    Raises
    ------
    UserError
        If apt-get is missing or fails.
    """
    missing = sorted({package for command, package in packages.items() if not _present(command)})
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise UserError(
            f"This machine has no apt-get to install {', '.join(missing)}: install them, then run `make up`."
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    done = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        subprocess.run(["apt-get", "update", "-qq"], env=environment, capture_output=True, check=False)
        done = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise UserError(f"apt-get could not install {', '.join(missing)}: {reason[0]}")


def _present(command: str) -> bool:
    return Path(command).exists() or shutil.which(Path(command).name) is not None


def check_network() -> None:
    """Check that the environment's networks are not used by something else."""
    wanted = [ipaddress.ip_network(cidr) for cidr in (POD_CIDR, SERVICE_CIDR, f"{NODE_IP}/32")]
    for line in run("ip", "-4", "-o", "addr", "show").splitlines():
        interface, address = line.split()[1], line.split()[3]
        if interface == "lo" or interface.startswith("veth"):
            continue
        taken = ipaddress.ip_interface(address).network
        for network in wanted:
            if taken.overlaps(network):
                raise UserError(
                    f"The address {address} of {interface} overlaps {network}, which the embedded cluster uses: "
                    f"remove it ({interface}) while the environment runs."
                )


def prepare(home: Home) -> None:
    """Set up the address, forwarding and control groups that the cluster needs."""
    POINTER.write_text(str(home.root))
    if f"{NODE_IP}/32" not in run("ip", "-4", "-o", "addr", "show", "dev", "lo"):
        run("ip", "addr", "add", f"{NODE_IP}/32", "dev", "lo")
    before = home.run / "ip_forward"
    if not before.exists():
        before.write_text(_IP_FORWARD.read_text())
    _IP_FORWARD.write_text("1")
    for root in cgroup_roots():
        group = root / CGROUP
        group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (group / name).exists() and not (group / name).read_text().strip():
                (group / name).write_text((root / name).read_text())
    if cgroup_roots() == [CGROUPS]:
        _delegate(CGROUPS)
        _delegate(CGROUPS / CGROUP)


def _delegate(group: Path) -> None:
    for controller in (group / "cgroup.controllers").read_text().split():
        with contextlib.suppress(OSError):
            (group / "cgroup.subtree_control").write_text(f"+{controller}")


def marked() -> dict[int, str]:
    """Return the processes of the environment: part name by process id."""
    names = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            name = process.environ().get(MARK)
            if name:
                names[process.pid] = name
    names.pop(os.getpid(), None)
    return names


def contained() -> Iterator[int]:
    """Yield the process ids in the environment's pods."""
    for root in cgroup_roots():
        for path in (root / CGROUP).rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                yield from (int(pid) for pid in path.read_text().split())


def memory() -> dict[int, int]:
    """Return the proportional memory in bytes by process id, for the parts and the pods."""
    bytes_by_process = {}
    for pid in {*marked(), *contained()}:
        with contextlib.suppress(psutil.Error):
            bytes_by_process[pid] = psutil.Process(pid).memory_full_info().pss
    return bytes_by_process


def _alive() -> bool:
    return bool(marked()) or any(True for _ in contained())


@retry(retry=retry_if_result(bool), stop=stop_after_delay(20), wait=wait_fixed(0.2))
def _kill_until_gone() -> bool:
    for pid in {*marked(), *contained()}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return _alive()


def kill_all() -> None:
    """Kill all processes of the environment, including its pods."""
    try:
        _kill_until_gone()
    except RetryError as error:
        raise UserError(
            f"Processes {sorted(marked())} of the environment do not end: inspect them with `ps`, "
            "then run `make down` again."
        ) from error


def mounts(below: Path) -> list[str]:
    """Return the mount points below a folder, deepest first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return sorted((point for point in points if Path(point).is_relative_to(below)), key=len, reverse=True)


def pod_links(network: str = POD_CIDR) -> list[str]:
    """Return the node's links to pods, by their address, which is in the pod network."""
    pods = ipaddress.ip_network(network)
    links = json.loads(run("ip", "-json", "-4", "address", "show", "type", "veth") or "[]")
    addresses = ((link["ifname"], entry["local"]) for link in links if link for entry in link["addr_info"])
    return [name for name, address in addresses if ipaddress.ip_address(address) in pods]


def remove_pod_links(network: str = POD_CIDR) -> None:
    """Remove the node's links to pods, and their routes with them.

    The kernel keeps a killed pod's network for as long as it sends that pod's last packets, which can take minutes.
    With the link the route would stay, and lead to the old pod when a new one gets its address.
    """
    for name in pod_links(network):
        run("ip", "link", "delete", name, check=False)


def clear(home: Home) -> None:
    """Remove mounts, links, rules, control groups and the address; the data is kept."""
    kill_all()
    remove_pod_links()
    for point in mounts(home.root):
        run("umount", "-l", point, check=False)
    for family, table in _TABLES:
        run("nft", "delete", "table", family, table, check=False)
    for root in cgroup_roots():
        for group in sorted((root / CGROUP).rglob("*"), key=lambda path: len(path.parts), reverse=True):
            if group.is_dir():
                with contextlib.suppress(OSError):
                    group.rmdir()
        with contextlib.suppress(OSError):
            (root / CGROUP).rmdir()
    run("ip", "addr", "del", f"{NODE_IP}/32", "dev", "lo", check=False)
    before = home.run / "ip_forward"
    if before.exists():
        _IP_FORWARD.write_text(before.read_text())
    for gone in (home.run, home.root / "containerd" / "state"):
        shutil.rmtree(gone, ignore_errors=True)
    for result in CNI_RESULTS.glob("hmlops-*"):
        result.unlink(missing_ok=True)
    POINTER.unlink(missing_ok=True)


def check_pointer(home: Home) -> None:
    """Clean up after a stopped environment with another home; fail if it is running."""
    if not POINTER.exists():
        return
    other = Home(Path(POINTER.read_text().strip()))
    if other.root == home.root:
        return
    if marked():
        raise UserError(
            f"The environment of {other.root} runs on this machine, which can run only one: "
            f"stop it with `HMLOPS_HOME={other.root} make down`."
        )
    clear(other)
