"""Python language host: runs programs and policy packs for the Pulumi engine."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2
from typing_extensions import override

from local.errors import UserError
from local.plugins.host import interpreters
from local.plugins.provider.server import engine_argument, serve
from local.plugins.provider.values import unwrap

_EXECUTE = Path(__file__).with_name("execute.py")
_STOP_SECONDS = 5.0
_SHOWN = 32
"""Exit code of a program that says: the user has seen why. It is the SDK's own."""

_IMPORTED = "Declare what was imported, here in Pulumi's own language with the inputs that this plugin's schema has:"

_LIST_PACKAGES = """
import json, re
from importlib.metadata import distributions
found = {d.metadata["Name"]: d for d in distributions()}
words = (re.match(r"[A-Za-z0-9._-]+", r) for d in found.values() for r in d.requires or ())
needed = {w.group().lower().replace("_", "-") for w in words if w}
print(json.dumps([[n, d.version, n.lower().replace("_", "-") in needed] for n, d in sorted(found.items())]))
"""


class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """Language host service for the engine that started this process."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()

    # --- programs ------------------------------------------------------------------------
    @override
    def Run(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Run a program to its end."""
        program = Path(request.info.program_directory or request.pwd)
        entry = program / request.info.entry_point if request.info.entry_point not in ("", ".") else program
        try:
            python = _python(request.info)
        except UserError as error:
            return language_pb2.RunResponse(error=str(error))
        command = [
            *(str(python), "-u", "-P", str(_EXECUTE)),
            *("--monitor", request.monitor_address, "--engine", self._engine),
            *("--project", request.project, "--stack", request.stack),
            *("--organization", request.organization, "--root-directory", request.info.root_directory),
            *("--parallel", str(request.parallel), "--shown", str(_SHOWN)),
            *(["--dry-run"] if request.dryRun else []),
            *(str(entry), *request.args),
        ]
        environment = {
            **os.environ,
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        # The engine reads this process's output, to which the program writes too.
        process = self._start(command, request.pwd or str(program), environment)
        context.add_callback(lambda: _stop(process))
        code = process.wait()
        self._forget(process)
        if code in (0, _SHOWN):
            return language_pb2.RunResponse(bail=code == _SHOWN)
        cause = f"was stopped by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return language_pb2.RunResponse(error=f"the program {cause}")

    @override
    def RunPlugin(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Run a plugin written in Python, such as a policy pack, and stream its output."""
        try:
            python = _python(request.info)
        except UserError as error:
            yield language_pb2.RunPluginResponse(stderr=f"{error}\n".encode())
            yield language_pb2.RunPluginResponse(exitcode=1)
            return
        variables = dict(entry.split("=", 1) for entry in request.env if "=" in entry)
        command = [str(python), "-u", request.info.program_directory, *request.args]
        process = self._start(command, request.pwd, variables or dict(os.environ), subprocess.PIPE)
        context.add_callback(lambda: _stop(process))
        for stream, data in _output(process):
            printed = language_pb2.RunPluginResponse()
            setattr(printed, stream, data)
            yield printed
        code = process.wait()
        self._forget(process)
        yield language_pb2.RunPluginResponse(exitcode=code)

    @override
    def InstallDependencies(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Install the program's dependencies, and stream the output."""
        folder = Path(request.directory or request.info.program_directory)
        root = Path(request.info.root_directory or folder)
        commands = interpreters.install_command(_options(request.info), root, folder)
        if not commands:
            yield _said(f"nothing to install: {folder} has neither uv.lock nor requirements.txt\n")
        for command in commands:
            yield _said(f"{' '.join(command)}\n")
            try:
                process = self._start(command, str(folder), dict(os.environ), subprocess.PIPE)
            except FileNotFoundError:
                context.abort(grpc.StatusCode.UNKNOWN, f"{command[0]} is not installed; install it and run again")
            for stream, data in _output(process):
                yield language_pb2.InstallDependenciesResponse(**{stream: data})
            code = process.wait()
            self._forget(process)
            if code:
                context.abort(grpc.StatusCode.UNKNOWN, f"`{' '.join(command)}` ended with exit code {code}")

    # --- facts ---------------------------------------------------------------------------
    @override
    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Receive the engine's address."""
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    @override
    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Return the SDK's version as this host's version."""
        return plugin_pb2.PluginInfo(version=version("pulumi"))

    @override
    def GetRequiredPackages(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Return no packages: the engine then uses the plugins that it finds when they are needed."""
        return language_pb2.GetRequiredPackagesResponse()

    @override
    def GetRequiredPlugins(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Return no plugins, for the same reason."""
        return language_pb2.GetRequiredPluginsResponse()

    @override
    def About(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Return the interpreter and its version."""
        try:
            python = _python(request.info)
        except UserError:
            python = Path(sys.executable)
        answer = subprocess.run([str(python), "--version"], capture_output=True, text=True, check=False)
        return language_pb2.AboutResponse(executable=str(python), version=answer.stdout.removeprefix("Python ").strip())

    @override
    def GetProgramDependencies(self, request: Any, context: grpc.ServicerContext) -> Any:
        """List the installed packages; only those that no other requires, unless transitive ones are requested."""
        try:
            command = [str(_python(request.info)), "-P", "-c", _LIST_PACKAGES]
        except UserError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        dependencies = [
            language_pb2.DependencyInfo(name=name, version=number)
            for name, number, needed in json.loads(answer.stdout)
            if request.transitiveDependencies or not needed
        ]
        return language_pb2.GetProgramDependenciesResponse(dependencies=dependencies)

    @override
    def GenerateProgram(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Return the definition of imported resources as a comment; the official language host generates Python."""
        lines = [_IMPORTED, *(line for _, text in sorted(request.source.items()) for line in text.splitlines())]
        program = "".join(f"# {line}".rstrip() + "\n" for line in lines)
        return language_pb2.GenerateProgramResponse(source={"__main__.py": program.encode()})

    @override
    def RuntimeOptionsPrompts(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Return no prompts: new projects are not supported."""
        return language_pb2.RuntimeOptionsResponse()

    # --- the end -------------------------------------------------------------------------
    @override
    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Stop the running processes."""
        self.cancel()
        return empty_pb2.Empty()

    def cancel(self) -> None:
        """Stop all processes that this host started."""
        with self._lock:
            running = list(self._running)
        for process in running:
            _stop(process)

    def _start(
        self, command: list[str], folder: str, environment: Mapping[str, str], pipe: int | None = None
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command, cwd=folder or None, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        with self._lock:
            self._running.add(process)
        return process

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running.discard(process)


def _options(info: Any) -> dict[str, Any]:
    return unwrap(info.options).plain


def _python(info: Any) -> Path:
    program = Path(info.program_directory or info.root_directory or ".")
    return interpreters.find(_options(info), Path(info.root_directory or program), program)


def _said(text: str) -> Any:
    return language_pb2.InstallDependenciesResponse(stdout=text.encode())


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process, and kill it if it does not exit."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _output(process: subprocess.Popen[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the output of a process as it is printed."""
    lines: queue.Queue[tuple[str, bytes]] = queue.Queue()

    def pump(stream: Any, name: str) -> None:
        while data := stream.read1(4096):
            lines.put((name, data))
        lines.put((name, b""))

    streams = {"stdout": process.stdout, "stderr": process.stderr}
    for name, stream in streams.items():
        threading.Thread(target=pump, args=(stream, name), daemon=True).start()
    ended = 0
    while ended < len(streams):
        name, data = lines.get()
        if data:
            yield name, data
        else:
            ended += 1


def main() -> None:
    """Serve until the engine stops the host."""
    host = Host(engine_argument(sys.argv[1:]))

    def register(server: grpc.Server) -> None:
        language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)

    serve(register, host.cancel)


if __name__ == "__main__":
    main()
