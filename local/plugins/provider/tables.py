"""Table-driven provider: common behaviour of all rows, such as names, diffs, previews and drift."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic

from typing_extensions import override

from local.plugins.provider.common import (
    UNKNOWN,
    Checked,
    Created,
    Diff,
    Failure,
    InitError,
    Path,
    PluginError,
    Props,
    Provider,
    Read,
    Request,
    differences,
    has_unknowns,
)
from local.plugins.provider.rows import (
    DEFAULTS,
    EMPTY,
    Client,
    CreationResult,
    Row,
    bare,
    completed,
    forget_defaults,
    known_at_preview,
    plain,
    same,
)
from local.plugins.provider.schema import schema


class TableProvider(Provider, Generic[Client]):
    """Provider defined by a table of rows and one client."""

    rows: Mapping[str, Row[Client]]

    @abstractmethod
    def client(self) -> Client:
        """Return the client, connected at the first use."""

    @abstractmethod
    def fault(self, error: Exception, row: Row[Client], request: Request) -> PluginError | None:
        """Return a client's exception as one sentence; None for a bug in the plugin."""

    def row(self, request: Request) -> Row[Client]:
        """Return the row of a resource."""
        row = self.rows.get(request.type)
        if row is None:
            raise PluginError(
                f"the embedded {self.name} plugin does not support the type {request.type}: install the official "
                f"plugin (pulumi plugin install resource {self.name} {self.version}) or add a row in local/plugins"
            )
        return row

    @override
    def schema(self) -> str:
        """Return the package schema with the types of the table."""
        return schema(self.name, self.version, self.rows)

    @override
    def secret_paths(self, request: Request) -> Iterable[Path]:
        """Return the outputs that are always secret."""
        row = self.rows.get(request.type)
        return [tuple(name.split(".")) for name in row.secret] if row else []

    # --- check and diff ------------------------------------------------------------------
    @override
    def check(self, request: Request) -> Checked:
        """Fill in defaults and the name, and report missing inputs."""
        row = self.row(request)
        inputs, filled = dict(request.inputs), []
        inputs.pop(DEFAULTS, None)
        for name, value in row.defaults.items():
            if name not in inputs:
                inputs[name] = value
                filled.append(name)
        if row.autoname and not any(inputs.get(name) for name in (row.autoname, *row.autoname_unless)):
            inputs[row.autoname] = self._name(row, request)
            filled.append(row.autoname)
        for name in row.json & set(inputs):
            if isinstance(inputs[name], dict) and not has_unknowns(inputs[name]):
                inputs[name] = json.dumps(inputs[name], separators=(",", ":"))
        missing = [name for name in row.required if name not in inputs]
        inputs[DEFAULTS] = sorted(filled)
        failures = tuple(Failure(name, f"missing required property '{name}' of {request.name}") for name in missing)
        strange = tuple(Failure(name, row.unsupported[name]) for name in row.unsupported if inputs.get(name))
        invalid = () if missing else tuple(Failure(name, text) for name, text in row.validate(plain(inputs)))
        return Checked(inputs, (*failures, *strange, *invalid))

    def _name(self, row: Row[Client], request: Request) -> str:
        name = request.old_inputs.get(row.autoname)
        if name and row.autoname in request.old_inputs.get(DEFAULTS, [row.autoname]):
            return str(name)
        if request.proposed_name:
            return request.proposed_name
        tail = hashlib.sha256(request.random_seed or request.urn.encode()).hexdigest()[:7]
        head = row.autoname_prefix + request.name
        head = head[: row.autoname_length - len(tail) - 1] if row.autoname_length else head
        return f"{head}-{tail}"

    @override
    def diff(self, request: Request) -> Diff:
        """Compare inputs, ignoring differences between equivalent values."""
        row = self.row(request)
        old, new = plain(request.old_inputs), plain(request.inputs)
        forget_defaults(old, new, request)
        for name in sorted({*old, *new}):
            if name in old and name in new and same(row, name, old[name], new[name]):
                new[name] = old[name]
            if name in request.ignore_changes and name in old:
                new[name] = old[name]
        changes = differences(old, new)
        fixed = row.update is None
        replaces = frozenset(path for path in changes if fixed or path[0] in row.replace or row.replaces(str(path[0])))
        return Diff(changes, replaces, delete_before_replace=bool(replaces) and self._same_place(row, old, new))

    def _same_place(self, row: Row[Client], old: Props, new: Props) -> bool:
        """Return whether a replacement would have the same name as the replaced object."""
        return row.delete_before_replace or (bool(row.autoname) and old.get(row.autoname) == new.get(row.autoname))

    # --- objects -------------------------------------------------------------------------
    @override
    def create(self, request: Request) -> Created:
        """Create the object and read it."""
        row, inputs = self.row(request), plain(request.inputs)
        if request.preview:
            unknown = dict.fromkeys((*row.computed, *row.optional), UNKNOWN)
            return Created("", {**unknown, **known_at_preview(row, inputs, {})})
        answer = self._call(row, request, lambda: row.create(self.client(), inputs))
        creation = answer if isinstance(answer, CreationResult) else CreationResult(id=answer)
        try:
            state = {**inputs, **creation.outputs}
            outputs = {**creation.outputs, **self._wait_until_ready(row, request, creation.id, state)}
            return Created(creation.id, self._state(row, request, creation.id, inputs, outputs))
        except PluginError as error:
            # The object exists: without its state it would be orphaned.
            raise InitError([str(error)], {**inputs, **creation.outputs, "id": creation.id}, id=creation.id) from error

    def _wait_until_ready(self, row: Row[Client], request: Request, object_id: str, inputs: Props) -> Props:
        wait = row.wait_until_ready
        outputs = self._call(row, request, lambda: wait(self.client(), object_id, inputs)) if wait else None
        return dict(outputs or {})

    @override
    def update(self, request: Request) -> Props:
        """Update the object in place and read it."""
        row, old, new = self.row(request), plain(request.old_inputs), plain(request.inputs)
        if request.preview:
            shown = (*row.computed, *row.optional, *row.sticky)
            sticky = {name: request.state[name] for name in shown if name in request.state}
            return {
                **sticky,
                **dict.fromkeys(row.volatile, UNKNOWN),
                **known_at_preview(row, new, request.state),
                "id": request.id,
            }
        change = row.update
        if change is None:
            raise PluginError(f"{request.type} cannot be changed in place")
        sticky = {name: request.state[name] for name in row.sticky if name in request.state}
        outputs = self._call(
            row, request, lambda: change(self.client(), request.id, {**old, **sticky}, {**new, **sticky})
        )
        return self._state(row, request, request.id, new, {**sticky, **(outputs or {})})

    @override
    def delete(self, request: Request) -> None:
        """Remove the object."""
        row, remove = self.row(request), self.row(request).delete
        if remove is not None:
            state = {**plain(request.state), **plain(request.old_inputs)}
            self._call(row, request, lambda: remove(self.client(), request.id, state))

    @override
    def read(self, request: Request) -> Read:
        """Return the current object, with external changes in its inputs."""
        row, old = self.row(request), plain(request.old_inputs)
        known_inputs = old or row.identify(request.id)
        live = self._call(
            row, request, lambda: row.read(self.client(), request.id, {**plain(request.state), **known_inputs})
        )
        if live is None:
            return Read()
        shown = {name: value for name, value in live.items() if value is not None}
        if not request.old_inputs:
            imported = {n: v for n, v in shown.items() if n not in row.computed and v not in EMPTY}
            return Read(
                request.id,
                completed(row, {**shown, "id": request.id}),
                {**row.identify(request.id), **imported, DEFAULTS: []},
            )
        inputs = self._drifted(row, request, old, live)
        hidden = {name: value for name, value in request.state.items() if name in row.write_only or name in row.sticky}
        state = {**hidden, **shown, **inputs}
        state |= {name: shown[name] for name in row.server_spelling if name in shown} | {"id": request.id}
        marks = {name: value for name, value in request.old_inputs.items() if name == DEFAULTS}
        return Read(request.id, completed(row, state), {**inputs, **marks})

    def _drifted(self, row: Row[Client], request: Request, old: Props, live: Props) -> Props:
        """Return the live inputs; equivalent values keep the program's form."""
        inputs = dict(old)
        for name, value in live.items():
            if name in row.write_only or name in row.computed:
                continue
            before = old.get(name, request.state.get(name))
            if before is None and (value in EMPTY or name in row.optional):
                continue
            if value is None:
                inputs.pop(name, None)
            elif not same(row, name, bare(before), bare(value)):
                inputs[name] = value
        return inputs

    def _state(self, row: Row[Client], request: Request, object_id: str, inputs: Props, outputs: Props) -> Props:
        live = self._call(row, request, lambda: row.read(self.client(), object_id, {**inputs, **outputs}))
        if live is None:
            raise PluginError(f"{request.name} ({request.type}, {object_id}) did not exist right after it was written")
        shown = {name: value for name, value in live.items() if value is not None}
        spelled = {name: shown[name] for name in row.server_spelling if name in shown}
        state = completed(row, {**outputs, **shown, **inputs, **spelled, "id": object_id})
        if row.warning(state):
            request.log.warn(f"{request.name} ({request.type}): {row.warning(state)}")
        return state

    def _call(self, row: Row[Client], request: Request, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except PluginError:
            raise
        except Exception as error:
            explained = self.fault(error, row, request)
            if explained is None:
                raise
            raise explained from error
