"""gRPC server of a plugin, started and stopped by the engine."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent import futures
from types import FrameType

import grpc

# Each wait for readiness needs a thread, and the engine may process many resources concurrently.
_THREADS = 256
# The state of a large object may exceed gRPC's default limit of 4 MiB.
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_PARENT_CHECK_SECONDS = 1.0
# The engine kills a plugin that does not exit within five seconds.
_GRACE_SECONDS = 4.0


def dial(address: str) -> grpc.Channel:
    """Open a channel to a server of the engine."""
    return grpc.insecure_channel(address, options=_OPTIONS)


def engine_argument(arguments: list[str]) -> str:
    """Return the engine's address: the first argument that is not an option."""
    return next((a for a in arguments if not a.startswith("-")), "")


def serve(register: Callable[[grpc.Server], None], cancel: Callable[[], None]) -> None:
    """Serve on a free local port, print the port, and return when the engine stops the plugin.

    The engine keeps its plugins away from the terminal's interrupts: it asks them to cancel,
    and interrupts a plugin itself when it has no more use for it.
    """
    server = grpc.server(futures.ThreadPoolExecutor(_THREADS), options=_OPTIONS)
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    stop = threading.Event()

    def ended(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, ended)
    signal.signal(signal.SIGTERM, ended)
    parent = os.getppid()
    server.start()
    print(port, flush=True)
    while not stop.wait(_PARENT_CHECK_SECONDS):
        if os.getppid() != parent:
            break
    cancel()
    server.stop(_GRACE_SECONDS).wait()
    sys.stdout.flush()
    # A thread that still waits for a remote server must not keep the process alive.
    os._exit(0)
