"""Life cycle of the embedded environment: build, start, health checks and stop."""

import contextlib
import fcntl
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.cluster import addons, charts, container_runtime, control_plane, host, node, openbao, pki, postgres
from local.cluster.host import run
from local.cluster.part import Part
from local.cluster.parts import parts
from local.cluster.supervision import Supervisor
from local.ehr import build as ehr_build
from local.ehr import state as ehr_state
from local.errors import UserError
from local.images.build import BuiltImage, build_all
from local.keycloak import build as keycloak_build
from local.keycloak import server as keycloak_server
from local.paths import NODE_IP, NODE_NAME, REPOSITORY, Home, cache
from local.tools import build

START_SECONDS = 90
EHR_START_SECONDS = 600
_RULES = ("hmlops", "kube-proxy", "KUBE-")
_FIRST = ("etcd", "openbao", "aws", "postgres", "charts")
# They take as long as all others together, and no other part depends on them.
_SLOW = {"ehr", "keycloak"}
_CLIENTS = ("kube-controller-manager", "kube-scheduler", "netpol")
_NODE = ("kubelet", "kube-proxy", "metrics-server")
_PLATFORM = ("kserve", "injector", "cert-manager", "entry")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """Built binaries (folders by tool) and images by name."""

    tools: dict[str, Path]
    images: dict[str, BuiltImage]


@contextmanager
def exclusive(home: Home) -> Iterator[None]:
    """Hold the environment's lock, so that only one start or stop runs.

    Raises
    ------
    UserError
        If another start or stop is under way.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    home.root.chmod(0o700)
    with (home.root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"Another `make up` or `make down` uses {home.root}: wait until it ends, then run this again."
            ) from error
        yield


def prepare(progress: Progress) -> Built:
    """Build or find every tool and image."""
    host.install_packages()
    lock = REPOSITORY / "build"
    with ThreadPoolExecutor(2) as background:
        # Packages and wheels are downloaded while the compilers work.
        layers = background.submit(build_all, cache(), lock, progress=progress)
        keycloak = background.submit(keycloak_build.build, progress)
        tools = build.build_all(progress=progress)
        layers.result()
        keycloak.result()
    programs = {"coredns": tools["kubernetes"] / "coredns", "envoy-gateway": tools["envoy-gateway"] / "envoy-gateway"}
    return Built(tools, build_all(cache(), lock, progress=progress, programs=programs))


def _check_disk(home: Home) -> None:
    free = shutil.disk_usage(home.root).free / 2**30
    if free < host.MINIMUM_FREE_GIB:
        raise UserError(
            f"{home.root} has {free:.1f} GiB free and the environment needs {host.MINIMUM_FREE_GIB}: "
            "free some space, or point HMLOPS_HOME at a larger disk."
        )


def _owner(port: int) -> str:
    for connection in psutil.net_connections(kind="tcp"):
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr
        if listens and getattr(connection.laddr, "port", 0) == port and connection.pid:
            with contextlib.suppress(psutil.Error):
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return "another process"


def check_ports(listed: Iterable[Part]) -> None:
    """Check that the ports of all parts are free.

    Raises
    ------
    UserError
        Naming the port, the part and the process that holds it.
    """
    for part in listed:
        for address, port in part.ports:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((address, port))
                except OSError as error:
                    raise UserError(
                        f"Port {port} of {address}, which {part.name} needs, is held by {_owner(port)}: "
                        "stop it, then run `make up` again."
                    ) from error


def wait_healthy(home: Home, part: Part, seconds: int = START_SECONDS) -> None:
    """Wait until a part is healthy.

    Raises
    ------
    UserError
        With what is wrong and where its log is.
    """
    problem = ""

    def check() -> str:
        nonlocal problem
        problem = part.healthy(home)
        return problem

    try:
        Retrying(stop=stop_after_delay(seconds), wait=wait_fixed(0.2), retry=retry_if_result(bool))(check)
    except RetryError as error:
        raise UserError(
            f"{part.name} {problem} after {seconds} s: read `make logs NAME={part.name}`, then run `make up` again."
        ) from error


def _start(home: Home, supervisor: Supervisor, chosen: Iterable[Part]) -> None:
    wave = list(chosen)
    for part in wave:
        supervisor.start(part.name)
    for part in wave:
        wait_healthy(home, part)


def _revive_runtime(home: Home, supervisor: Supervisor, containerd: Part) -> None:
    """Start the container runtime, and remove containers whose processes have ended."""
    _start(home, supervisor, [containerd])
    container_runtime.forget_containers(home)
    supervisor.stop(containerd.name)
    _start(home, supervisor, [containerd])


def start(home: Home, built: Built, progress: Progress) -> None:
    """Start all parts; running parts that have not changed are not restarted.

    Raises
    ------
    UserError
        If the machine cannot run the environment, or a part does not become healthy.
    """
    host.require()
    _check_disk(home)
    host.check_pointer(home)
    supervisor = Supervisor(home)
    cold = not supervisor.running()
    if cold:
        host.clear(home)
        host.check_network()
    home.run.mkdir(parents=True, exist_ok=True)
    pki.ensure(home, *([charts.identity()] if charts.marker(home).exists() else []))
    host.prepare(home)
    control_plane.write(home)
    node.write(home, built.tools["cni"], built.images["pause"].reference)
    all_parts = parts(home, built.tools)
    if cold:
        check_ports(all_parts.values())
    if ehr_state.population(home):
        ehr_build.build(progress)
    if "keycloak" in all_parts:
        keycloak_server.prepare(home, keycloak_build.folder())
    supervisor.configure(part.program for part in all_parts.values())
    for name in _SLOW & all_parts.keys():
        supervisor.start(name)
    if cold:
        progress("starting the container runtime")
        _revive_runtime(home, supervisor, all_parts["containerd"])
    _start(home, supervisor, [all_parts["containerd"]])
    with ThreadPoolExecutor(1) as background:
        images = background.submit(container_runtime.import_images, home, built.images)
        progress("starting state, secrets and the AWS emulator")
        _start(home, supervisor, (all_parts[name] for name in _FIRST if name in all_parts))
        openbao.initialise_and_unseal(home)
        postgres.publish_administrator(home)
        progress("starting the Kubernetes control plane")
        _start(home, supervisor, [all_parts["kube-apiserver"]])
        images.result()
    _install(home, built, supervisor, all_parts, progress)
    if "ehr" in all_parts:
        progress("starting the EHR")
        wait_healthy(home, all_parts["ehr"], EHR_START_SECONDS)


def _install(home: Home, built: Built, supervisor: Supervisor, all_parts: dict[str, Part], progress: Progress) -> None:
    kubernetes, kserve = built.tools["kubernetes"], built.tools["kserve"] / "config"
    images = {name: image.reference for name, image in built.images.items()}
    stamp, wanted = home.run / "addons", addons.digest(home, kserve, images)
    installed = stamp.exists() and stamp.read_text() == wanted
    if not installed:
        addons.before_kserve(home, kubernetes, kserve, images)
        addons.certify_envoy_gateway(home, built.tools["envoy-gateway"])
    _start(home, supervisor, (all_parts[name] for name in _CLIENTS))
    progress("starting the node and KServe")
    _start(home, supervisor, (all_parts[name] for name in (*_NODE, *_PLATFORM)))
    if installed:
        return
    addons.after_kserve(home, kubernetes, kserve)
    wait = ("wait", "--timeout=90s")
    addons.kubectl(home, kubernetes, *wait, "--for=condition=Ready", f"node/{NODE_NAME}")
    for namespace, name in (("kube-system", "coredns"), (addons.ENVOY_GATEWAY, "envoy-gateway")):
        addons.kubectl(home, kubernetes, *wait, "--for=condition=Available", "-n", namespace, f"deployment/{name}")
    stamp.write_text(wanted)


def stop(home: Home) -> None:
    """Stop all parts and undo their changes to the host; the data is kept."""
    supervisor = Supervisor(home)
    if supervisor.running():
        supervisor.shutdown()
        with contextlib.suppress(RetryError):
            Retrying(stop=stop_after_delay(25), wait=wait_fixed(0.2), retry=retry_if_result(bool))(
                lambda: any(name in host.marked().values() for name in ("supervisord", "etcd"))
            )
    host.check_pointer(home)
    host.clear(home)


def remains() -> list[str]:
    """Return remains of the environment on the host; empty after `make down`."""
    remaining = [f"process {pid} ({name})" for pid, name in host.marked().items()]
    remaining += [f"contained process {pid}" for pid in host.contained()]
    remaining += [f"mount {point}" for point in host.mounts(Home.default().root)]
    rules = run("nft", "list", "ruleset", check=False).splitlines()
    remaining += [f"rule {line.strip()}" for line in rules if any(name in line for name in _RULES)]
    remaining += [f"address {line}" for line in run("ip", "-o", "addr").splitlines() if f"{NODE_IP}/" in line]
    remaining += [f"link {name}" for name in host.pod_links()]
    remaining += [
        f"control group {root / host.CGROUP}" for root in host.cgroup_roots() if (root / host.CGROUP).exists()
    ]
    return remaining
