"""Rows of table-driven AWS types: create, read, update and delete through the calls of the type."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import jmespath
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.waiter import WaiterModel, create_waiter_with_client

from local.plugins.aws.arguments import (
    arguments,
    calls_for,
    emptied,
    fill,
    fixed_for_good,
    known,
    names_in,
    parse,
    plain_tags,
    spelled_tags,
    taken,
    validate,
)
from local.plugins.aws.aws_api import Cloud, NotEmulatedError, found, not_emulated, retag
from local.plugins.aws.calls import NOT_EMULATED, ApiType, Call
from local.plugins.aws.outputs import outputs, written
from local.plugins.provider.common import PluginError, Props
from local.plugins.provider.rows import CreationResult, Row

_WARNING: Final = "not emulated: checked against the API's model alone"


def row(kind: ApiType, **settings: Any) -> Row[Cloud]:
    """Return the row of a table-driven type; settings are those of :class:`Row`, such as defaults."""
    life = _Life(kind)
    tagged = ("tagsAll",) if kind.tags else ()
    region = ("region",) if kind.regional else ()
    computed = {**kind.outputs, **kind.derived, **dict.fromkeys((*region, *tagged))}
    nested = tuple((path.partition(".")[0], path.partition(".")[2]) for path in kind.nested)
    own = settings.get("normalisers", {})
    settings["normalisers"] = {**{name: _without(nested, name) for name, _ in nested}, **own}
    settings["server_spelling"] = frozenset({*(name for name, _ in nested), *settings.get("server_spelling", ())})
    return Row(
        kind.token,
        life.create,
        life.read,
        life.update if kind.changes or kind.tags else None,
        life.delete if kind.deletes else None,
        wait_until_ready=life.wait_until_ready,
        warning=lambda state: _WARNING if state.get(NOT_EMULATED) else "",
        validate=lambda inputs: validate(kind, inputs),
        replaces=lambda name: name == "region" or fixed_for_good(kind, name),
        computed=(*computed, *settings.pop("computed", ())),
        volatile=(*tagged, *settings.pop("volatile", ())),
        optional=tuple(sorted(kind.filled)),
        sticky=(NOT_EMULATED,),
        nested=nested,
        identify=lambda object_id: parse(kind.id, object_id) if isinstance(kind.id, str) and "{" in kind.id else {},
        **settings,
    )


def _without(nested: tuple[tuple[str, str], ...], name: str) -> Callable[[Any], Any]:
    """Return a normaliser for values of an input that differ only in computed parts."""
    parts = {part for whole, part in nested if whole == name}

    def written(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        # Compared as text: lists of ids are sets, in the program's order.
        return json.dumps({key: item for key, item in value.items() if key not in parts}, sort_keys=True, default=str)

    return written


class _Life:
    """Life cycle (create, read, update, delete) of the objects of one type."""

    def __init__(self, kind: ApiType) -> None:
        self.kind = kind

    # --- creation ------------------------------------------------------------------------
    def create(self, cloud: Cloud, inputs: Props) -> CreationResult:
        """Create the object, or only its state if the emulator does not support the operation."""
        kind, cloud = self.kind, cloud.at(inputs.get("region"))
        values = self._values(cloud, "", inputs)
        extra: dict[str, Any] = {}
        tags = cloud.all_tags(inputs)
        if kind.tags and kind.tags.sent and tags:
            extra[kind.tags.sent] = spelled_tags(kind, kind.create, kind.tags.sent, tags)
        try:
            answer = self._perform(cloud, kind.create, inputs, values, extra)
        except NotEmulatedError:
            return CreationResult(self._id(inputs, values) or self._placeholder_id(inputs), {NOT_EMULATED: True})
        object_id = self._id(inputs, values) or jmespath.search(str(kind.id), answer)
        if not object_id:
            why = "; ".join(jmespath.search("Unsuccessful[].Error.Message", answer) or [f"there is no {kind.id}"])
            raise PluginError(f"{kind.create.operation} created nothing: {why}")
        return CreationResult(str(object_id))

    def _id(self, inputs: Props, values: Props) -> str:
        """Return the id if the inputs define it."""
        template = self.kind.id
        if not isinstance(template, str):
            return template(inputs)
        return str(fill(template, values)) if "{" in template else ""

    def _placeholder_id(self, inputs: Props) -> str:
        """Return a placeholder id for an object that exists only in the state."""
        key = json.dumps([self.kind.token, inputs], sort_keys=True, default=str)
        return f"not-emulated-{hashlib.sha256(key.encode()).hexdigest()[:17]}"

    def wait_until_ready(self, cloud: Cloud, object_id: str, inputs: Props) -> Props | None:
        """Set inputs that the create call does not take, and wait until the object is ready."""
        if inputs.get(NOT_EMULATED):
            return None
        kind, cloud = self.kind, cloud.at(inputs.get("region"))
        self._wait(cloud, kind.wait, object_id, inputs)
        at_birth = set(taken(kind, kind.create, inputs))
        late = calls_for(kind, inputs, lambda name: name not in at_birth)
        outputs = self._change(cloud, object_id, late, {}, inputs)
        tags = cloud.all_tags(inputs)
        if kind.tags and not kind.tags.sent and tags:
            self._tag(cloud, object_id, {}, tags, inputs)
        return outputs

    # --- changes -------------------------------------------------------------------------
    def update(self, cloud: Cloud, object_id: str, old: Props, new: Props) -> Props | None:
        """Make the calls whose inputs have changed; all of them after an incomplete creation."""
        kind, cloud = self.kind, cloud.at(new.get("region"))
        both = {**old, **new}
        calls = calls_for(kind, both, lambda name: old == new or old.get(name) != new.get(name))
        outputs = self._change(cloud, object_id, calls, old, new)
        if not kind.tags or new.get(NOT_EMULATED):
            return outputs
        try:
            before, after = cloud.all_tags(old), cloud.all_tags(new)
            self._tag(cloud, object_id, before if old != new else {}, after, new)
        except NotEmulatedError:
            return {NOT_EMULATED: True}
        return outputs

    def _change(self, cloud: Cloud, object_id: str, calls: Iterable[Call], old: Props, new: Props) -> Props | None:
        outputs: Props | None = None
        for call in calls:
            inputs = {**new, **self._taken_away(call, old, new)}
            values = self._values(cloud, object_id, new, names_in(dict(call.fixed)))
            values |= {f"old {name}": old.get(name) for name in call.sets}
            try:
                self._perform(cloud, call, inputs, values)
                self._wait(cloud, self.kind.wait, object_id, new)
            except NotEmulatedError:
                outputs = {NOT_EMULATED: True}
        return outputs

    def _taken_away(self, call: Call, old: Props, new: Props) -> Props:
        emptying = {}
        for name in (name for name in taken(self.kind, call, old) if name not in new):
            emptying[name] = [] if name in call.sets else emptied(self.kind, call, name)
            if emptying[name] is None:
                raise PluginError(f"{name} cannot be removed once it is set: set its value")
        return emptying

    def _tag(self, cloud: Cloud, object_id: str, old: dict[str, str], new: dict[str, str], inputs: Props) -> None:
        kind, tags = self.kind, self.kind.tags
        if tags is None or old == new:
            return
        values = self._values(cloud, object_id, inputs, names_in([dict(tags.add.fixed), dict(tags.remove.fixed)]))

        def call(how: Call, where: str, changed: dict[str, str]) -> None:
            self._perform(cloud, how, {}, values, {where: spelled_tags(kind, how, where, changed)})

        retag(
            old,
            new,
            lambda changed: call(tags.add, tags.into, changed),
            lambda gone: call(tags.remove, tags.out, dict.fromkeys(gone, "")),
        )

    # --- reading -------------------------------------------------------------------------
    def read(self, cloud: Cloud, object_id: str, inputs: Props) -> Props | None:
        """Return the live object; the state for an object that exists only there."""
        kind, cloud = self.kind, cloud.at(inputs.get("region"))
        values = self._values(cloud, object_id, inputs)
        derived = {name: fill(text, values) for name, text in kind.derived.items()}
        state = {**derived, "region": cloud.region} if kind.regional else derived
        if inputs.get(NOT_EMULATED):
            own_inputs = {name: value for name, value in inputs.items() if known(kind, name)}
            tags = cloud.show_tags(cloud.all_tags(inputs), inputs) if kind.tags else {}
            return {**state, **own_inputs, **tags, NOT_EMULATED: True}
        try:
            live = self._live(cloud, values)
            if live is None:
                return None
            tags = self._shown_tags(cloud, live, {**values, **outputs(self.kind, live)}, inputs)
        except NotEmulatedError:
            return self.read(cloud, object_id, {**inputs, NOT_EMULATED: True})
        return {**state, **outputs(self.kind, live), **written(self.kind, live, inputs), **tags}

    def _live(self, cloud: Cloud, values: Props) -> Any:
        kind = self.kind
        answer = self._found(cloud, kind.read, values)
        live: Any = None if answer is None else jmespath.search(_put_names(kind.shown, values), answer)
        if live is None or not kind.more:
            return live
        return {**dict(live), **{name: self._found(cloud, call, values) for name, call in kind.more.items()}}

    def _found(self, cloud: Cloud, call: Call, values: Props) -> Any:
        try:
            return found(self._method(cloud, call), **arguments(self.kind, _bare(call), {}, values, []))
        except ClientError as error:
            raise not_emulated(error) or error from error

    def _shown_tags(self, cloud: Cloud, live: Any, values: Props, inputs: Props) -> Props:
        tags = self.kind.tags
        if tags is None:
            return {}
        if tags.read is not None:
            live = self._found(cloud, tags.read, values)
        return cloud.show_tags(plain_tags(jmespath.search(tags.shown, live)), inputs)

    # --- removal -------------------------------------------------------------------------
    def delete(self, cloud: Cloud, object_id: str, state: Props) -> None:
        """Delete the object; nothing to do for one that exists only in the state."""
        cloud = cloud.at(state.get("region"))
        values = self._values(cloud, object_id, state)
        for call in self.kind.deletes:
            if any(values.get(name) in (None, "") for name in call.needs):
                continue
            try:
                self._found(cloud, call, values)
            except NotEmulatedError:
                continue
        if not state.get(NOT_EMULATED):
            self._wait(cloud, self.kind.wait_gone, object_id, state)

    # --- calls ---------------------------------------------------------------------------
    def _values(self, cloud: Cloud, object_id: str, inputs: Props, wanted: Iterable[str] = ()) -> Props:
        """Return the values of template names; the object is read if only it has one of them."""
        kind = self.kind
        used = names_in(
            [[dict(call.fixed), call.needs] for call in (kind.create, kind.read, *kind.more.values(), *kind.deletes)]
        )
        used |= names_in([str(kind.id), kind.shown, dict(kind.derived)]) | set(wanted)
        values = {**inputs, "region": cloud.region, "partition": cloud.partition}
        values |= {"id": object_id} if object_id else {}
        values |= {"account": cloud.account} if "account" in used else {}
        for name, text in kind.derived.items():
            filled = fill(text, values)
            values |= {} if filled is None else {name: filled}
        if object_id and any(name in kind.outputs and name not in values for name in wanted):
            live = self._live(cloud, values)
            values |= outputs(self.kind, live) if live is not None else {}
        return values

    def _method(self, cloud: Cloud, call: Call) -> Any:
        return getattr(cloud.client(self.kind.service), xform_name(call.operation))

    def _perform(
        self, cloud: Cloud, call: Call, inputs: Props, values: Props, extra: dict[str, Any] | None = None
    ) -> Any:
        problems: list[str] = []
        object_id = arguments(self.kind, call, inputs, values, problems) | (extra or {})
        if problems:
            raise PluginError(f"{call.operation}: {'; '.join(problems)}")
        try:
            return self._method(cloud, call)(**object_id)
        except ClientError as error:
            raise not_emulated(error) or error from error

    def _wait(self, cloud: Cloud, waiter: str | Mapping[str, Any], object_id: str, inputs: Props) -> None:
        if not waiter:
            return
        how = arguments(self.kind, _bare(self.kind.read), {}, self._values(cloud, object_id, inputs), [])
        client = cloud.client(self.kind.service)
        if isinstance(waiter, str):
            client.get_waiter(waiter).wait(**how)
        else:
            model = WaiterModel({"version": 2, "waiters": {"Wanted": dict(waiter)}})
            create_waiter_with_client("Wanted", model, client).wait(**how)


def _bare(call: Call) -> Call:
    """Return a call without inputs that are mapped by name."""
    return replace(call, only=frozenset())


def _put_names(text: str, values: Props) -> str:
    """Fill the names in a JMESPath expression, which uses braces itself."""
    for name in names_in(text) & set(values):
        text = text.replace(f"{{{name}}}", str(values[name]))
    return text
