"""gRPC servicer of a provider: converts between protocol messages and plain requests."""

import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2
from typing_extensions import override

from local.errors import UserError
from local.plugins.provider.common import (
    Checked,
    EngineLog,
    InitError,
    PluginError,
    Provider,
    Request,
)
from local.plugins.provider.diffs import Diff, Kind, path_text
from local.plugins.provider.server import engine_argument, serve
from local.plugins.provider.values import Path, Props, Values, project_secrets, unwrap, wrap

_KINDS = {
    (Kind.ADD, False): provider_pb2.PropertyDiff.ADD,
    (Kind.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (Kind.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (Kind.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
    (Kind.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (Kind.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
}


def _fail(context: grpc.ServicerContext, text: str, detail: any_pb2.Any | None = None) -> NoReturn:
    """Abort the call with an error that the engine shows unchanged."""
    if detail is not None:
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=text, details=[detail])
        packed = ("grpc-status-details-bin", status.SerializeToString())
        context.set_trailing_metadata((packed,))
    context.abort(grpc.StatusCode.UNKNOWN, text)
    raise AssertionError  # abort raises; this tells the type checker so


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """Convert exceptions of a provider to gRPC errors of one sentence."""

    @wraps(method)
    def call(self: "Servicer", message: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, message, context)
        except (PluginError, UserError) as error:
            text = str(error)
        except Exception as error:
            # A bug in the plugin: the stack trace goes to its log, one line to the user.
            traceback.print_exc(file=sys.stderr)
            text = f"the {self.provider.name} plugin failed: {type(error).__name__}: {error}"
        return _fail(context, text)

    return call


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """gRPC service of one provider."""

    def __init__(self, provider: Provider, log: EngineLog) -> None:
        self.provider = provider
        self.engine = log

    def _request(self, message: Any, inputs: Values | None = None, **fields: Any) -> Request:
        new_inputs = inputs or Values({})
        return Request(
            urn=message.urn,
            log=self.engine.about(message.urn),
            inputs=new_inputs.plain,
            secrets=new_inputs.secrets,
            preview=getattr(message, "preview", False),
            id=getattr(message, "id", ""),
            ignore_changes=tuple(getattr(message, "ignoreChanges", ())),
            **fields,
        )

    def _outputs(self, state: Props, request: Request) -> struct_pb2.Struct:
        """Wrap outputs: values that came in as secrets, or are always secret, are secrets."""
        marked: set[Path] = set(self.provider.secret_paths(request))
        marked |= project_secrets(request.secrets)
        return wrap(state, marked)

    # --- the provider itself -------------------------------------------------------------
    @override
    def Handshake(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Return the supported features."""
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    @override
    def GetPluginInfo(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Return the version of the official plugin that this one replaces."""
        return plugin_pb2.PluginInfo(version=self.provider.version)

    @override
    def GetSchema(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Return the schema of the supported types."""
        return provider_pb2.GetSchemaResponse(schema=self.provider.schema())

    @override
    @_guarded
    def CheckConfig(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Validate configuration."""
        news = unwrap(message.news)
        request = self._request(message, news)
        return self._checked(self.provider.check_config(request), news)

    @override
    @_guarded
    def DiffConfig(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Compare configurations."""
        olds = unwrap(message.old_inputs if message.HasField("old_inputs") else message.olds)
        request = self._request(message, unwrap(message.news), old_inputs=olds.plain)
        return _diff_response(self.provider.diff_config(request))

    @override
    @_guarded
    def Configure(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Configure the provider."""
        self.provider.configure(unwrap(message.args).plain)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    @override
    @_guarded
    def Invoke(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Handle a function call."""
        answer = self.provider.invoke(message.tok, unwrap(message.args).plain)
        response = provider_pb2.InvokeResponse()
        # ``return`` is a keyword in Python, so the field is not available as an attribute.
        getattr(response, "return").CopyFrom(wrap(answer))
        return response

    @override
    def Cancel(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Do nothing: no operation takes long."""
        return empty_pb2.Empty()

    # --- resources -----------------------------------------------------------------------
    def _checked(self, checked: Checked, news: Values) -> Any:
        failures = [provider_pb2.CheckFailure(property=f.property, reason=f.reason) for f in checked.failures]
        inputs = wrap(checked.inputs, news.secrets)
        return provider_pb2.CheckResponse(inputs=inputs, failures=failures)

    @override
    @_guarded
    def Check(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Fill in defaults and names."""
        news = unwrap(message.news)
        options = message.autonaming if message.HasField("autonaming") else None
        disabled = provider_pb2.CheckRequest.AutonamingOptions.DISABLE
        request = self._request(
            message,
            news,
            old_inputs=unwrap(message.olds).plain,
            random_seed=message.randomSeed,
            proposed_name=options.proposed_name if options else "",
            autoname=not options or options.mode != disabled,
        )
        checked = self.provider.check(request)
        secrets = frozenset(path for path in request.secrets if _same_shape(checked.inputs, path))
        return self._checked(checked, Values(news.plain, secrets))

    @override
    @_guarded
    def Diff(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Return the changes of an update."""
        request = self._request(
            message,
            unwrap(message.news),
            old_inputs=unwrap(message.old_inputs).plain,
            state=unwrap(message.olds).plain,
        )
        return _diff_response(self.provider.diff(request))

    @override
    @_guarded
    def Create(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Create an object."""
        request = self._request(message, unwrap(message.properties))
        try:
            created = self.provider.create(request)
        except InitError as error:
            return self._init_failed(error, request, context)
        state = self._outputs(created.state, request)
        return provider_pb2.CreateResponse(id=created.id, properties=state)

    @override
    @_guarded
    def Read(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Read an object."""
        olds = unwrap(message.inputs)
        state = unwrap(message.properties)
        request = self._request(message, olds, old_inputs=olds.plain, state=state.plain)
        read = self.provider.read(request)
        if not read.id:
            return provider_pb2.ReadResponse()
        # Secrets of the old state stay secret in the new state.
        marked = {*project_secrets(state.secrets), *project_secrets(olds.secrets), *self.provider.secret_paths(request)}
        return provider_pb2.ReadResponse(
            id=read.id,
            properties=wrap(read.state, marked),
            inputs=wrap(read.inputs, marked),
        )

    @override
    @_guarded
    def Update(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Update an object in place."""
        request = self._request(
            message,
            unwrap(message.news),
            old_inputs=unwrap(message.old_inputs).plain,
            state=unwrap(message.olds).plain,
        )
        state = self.provider.update(request)
        return provider_pb2.UpdateResponse(properties=self._outputs(state, request))

    @override
    @_guarded
    def Delete(self, message: Any, context: grpc.ServicerContext) -> Any:
        """Delete an object."""
        request = self._request(
            message,
            old_inputs=unwrap(message.old_inputs).plain,
            state=unwrap(message.properties).plain,
        )
        self.provider.delete(request)
        return empty_pb2.Empty()

    def _init_failed(self, error: InitError, request: Request, context: grpc.ServicerContext) -> NoReturn:
        failed = provider_pb2.ErrorResourceInitFailed(
            id=error.id,
            properties=self._outputs(error.state, request),
            inputs=wrap(request.inputs, request.secrets),
            reasons=error.reasons,
        )
        detail = any_pb2.Any()
        detail.Pack(failed)
        _fail(context, str(error), detail)


def _same_shape(inputs: Props, path: Path) -> bool:
    """Return whether a path still exists in the checked inputs."""
    value: Any = inputs
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _diff_response(diff: Diff) -> Any:
    detailed = {}
    for path, kind in diff.changes.items():
        change = provider_pb2.PropertyDiff(kind=_KINDS[kind, path in diff.replaces], inputDiff=True)
        detailed[path_text(path)] = change
    some = bool(diff.changes or diff.replaces)
    changes = provider_pb2.DiffResponse.DIFF_SOME if some else provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(
        changes=changes,
        diffs=sorted({str(path[0]) for path in diff.changes}),
        replaces=sorted(path_text(path) for path in diff.replaces),
        deleteBeforeReplace=diff.delete_before_replace,
        detailedDiff=detailed,
        hasDetailedDiff=True,
    )


def run(provider: Provider, arguments: list[str] | None = None) -> None:
    """Serve a provider to the engine that started this process."""
    log = EngineLog(engine_argument(sys.argv[1:] if arguments is None else arguments))
    servicer = Servicer(provider, log)

    def register(server: grpc.Server) -> None:
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)

    serve(register, lambda: None)
