"""Rows of ordinary AWS types: the life of an object through the calls that its type declares."""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

import jmespath
from botocore import xform_name
from botocore.exceptions import ClientError

from local.plugins.aws_calls import (
    NOT_EMULATED,
    ApiType,
    Call,
    arguments,
    calls_for,
    emptied,
    fill,
    fixed_for_good,
    judge,
    known,
    names_in,
    parse,
    place,
    plain_tags,
    spelled_tags,
    taken,
)
from local.plugins.aws_cloud import Cloud, NotEmulatedError, found, not_emulated, retag
from local.plugins.aws_models import at, output_shape
from local.plugins.aws_names import member, members, show
from local.plugins.common import PluginError, Props
from local.plugins.rows import EMPTY, Made, Row, Told


def row(kind: ApiType, **settings: Any) -> Row[Cloud]:
    """Return the row of an ordinary type; settings are those of :class:`Row`, such as defaults."""
    life = _Life(kind)
    tagged = ("tagsAll",) if kind.tags else ()
    computed = {**kind.outputs, **kind.derived, **dict.fromkeys(("region", *tagged))}
    return Row(
        kind.token,
        life.create,
        life.read,
        life.update if kind.changes or kind.tags else None,
        life.delete if kind.deletes else None,
        settle=life.settle,
        judge=lambda inputs: judge(kind, inputs),
        replaces=lambda name: name == "region" or fixed_for_good(kind, name),
        computed=(*computed, *settings.pop("computed", ())),
        volatile=(*tagged, *settings.pop("volatile", ())),
        optional=tuple(sorted(kind.filled)),
        kept=(NOT_EMULATED,),
        identify=lambda made: parse(kind.id, made) if isinstance(kind.id, str) and "{" in kind.id else {},
        **settings,
    )


class _Life:
    """Creation, reading, changes and removal of the objects of one type."""

    def __init__(self, kind: ApiType) -> None:
        self.kind = kind

    # --- creation ------------------------------------------------------------------------
    def create(self, cloud: Cloud, inputs: Props) -> Made:
        """Make the object, or where an emulator does not know how, its entry in the state."""
        kind, cloud = self.kind, cloud.at(inputs.get("region"))
        values = self._values(cloud, "", inputs)
        extra: dict[str, Any] = {}
        tags = cloud.all_tags(inputs)
        if kind.tags and kind.tags.sent and tags:
            extra[kind.tags.sent] = spelled_tags(kind, kind.create, kind.tags.sent, tags)
        try:
            answer = self._perform(cloud, kind.create, inputs, values, extra)
        except NotEmulatedError as error:
            return Made(*self._unemulated(error), id=self._id(inputs, values) or self._pretended(inputs))
        made = self._id(inputs, values) or jmespath.search(str(kind.id), answer)
        if not made:
            raise PluginError(f"{kind.create.operation} of {kind.service} answered without an id ({kind.id})")
        return Made(id=str(made))

    def _id(self, inputs: Props, values: Props) -> str:
        """Return the id where inputs tell it."""
        told = self.kind.id
        if not isinstance(told, str):
            return told(inputs)
        return str(fill(told, values)) if "{" in told else ""

    def _pretended(self, inputs: Props) -> str:
        """Return an id for an object that is in the state alone."""
        told = json.dumps([self.kind.token, inputs], sort_keys=True, default=str)
        return f"not-emulated-{hashlib.sha256(told.encode()).hexdigest()[:17]}"

    def _unemulated(self, error: NotEmulatedError) -> tuple[Props, str]:
        return {NOT_EMULATED: True}, f"{error}: checked against the API's model alone"

    def settle(self, cloud: Cloud, made: str, inputs: Props) -> Told | None:
        """Set what the create call does not take, and wait until the object is ready."""
        if inputs.get(NOT_EMULATED):
            return None
        kind, cloud = self.kind, cloud.at(inputs.get("region"))
        self._wait(cloud, kind.wait, made, inputs)
        at_birth = set(taken(kind, kind.create, inputs))
        late = calls_for(kind, inputs, lambda name: name not in at_birth)
        told = self._change(cloud, made, late, {}, inputs)
        tags = cloud.all_tags(inputs)
        if kind.tags and not kind.tags.sent and tags:
            self._tag(cloud, made, {}, tags, inputs)
        return told

    # --- changes -------------------------------------------------------------------------
    def update(self, cloud: Cloud, made: str, old: Props, new: Props) -> Told | None:
        """Make the calls whose inputs have changed; all of them after a creation that stopped half-way."""
        kind, cloud = self.kind, cloud.at(new.get("region"))
        both = {**old, **new}
        calls = calls_for(kind, both, lambda name: old == new or old.get(name) != new.get(name))
        told = self._change(cloud, made, calls, old, new)
        if not kind.tags or new.get(NOT_EMULATED):
            return told
        try:
            before, after = cloud.all_tags(old), cloud.all_tags(new)
            self._tag(cloud, made, before if old != new else {}, after, new)
        except NotEmulatedError as error:
            return Told(*self._unemulated(error))
        return told

    def _change(self, cloud: Cloud, made: str, calls: Iterable[Call], old: Props, new: Props) -> Told | None:
        told = None
        for call in calls:
            inputs = {**new, **self._taken_away(call, old, new)}
            values = self._values(cloud, made, new, names_in(dict(call.fixed)))
            values |= {f"old {name}": old.get(name) for name in call.sets}
            try:
                self._perform(cloud, call, inputs, values)
                self._wait(cloud, self.kind.wait, made, new)
            except NotEmulatedError as error:
                told = Told(*self._unemulated(error))
        return told

    def _taken_away(self, call: Call, old: Props, new: Props) -> Props:
        emptying = {}
        for name in (name for name in taken(self.kind, call, old) if name not in new):
            emptying[name] = [] if name in call.sets else emptied(self.kind, call, name)
            if emptying[name] is None:
                raise PluginError(f"{name} cannot be taken away once it is set: write the value that it is to have")
        return emptying

    def _tag(self, cloud: Cloud, made: str, old: dict[str, str], new: dict[str, str], inputs: Props) -> None:
        kind, tags = self.kind, self.kind.tags
        if tags is None or old == new:
            return
        values = self._values(cloud, made, inputs, names_in([dict(tags.add.fixed), dict(tags.remove.fixed)]))

        def call(how: Call, where: str, changed: dict[str, str]) -> None:
            self._perform(cloud, how, {}, values, {where: spelled_tags(kind, how, where, changed)})

        retag(
            old,
            new,
            lambda changed: call(tags.add, tags.into, changed),
            lambda gone: call(tags.remove, tags.out, dict.fromkeys(gone, "")),
        )

    # --- reading -------------------------------------------------------------------------
    def read(self, cloud: Cloud, made: str, inputs: Props) -> Props | None:
        """Return the object as it is; one that is in the state alone as the state has it."""
        kind, cloud = self.kind, cloud.at(inputs.get("region"))
        values = self._values(cloud, made, inputs)
        derived = {name: fill(text, values) for name, text in kind.derived.items()}
        state = {**derived, "region": cloud.region}
        if inputs.get(NOT_EMULATED):
            written = {name: value for name, value in inputs.items() if known(kind, name)}
            tags = cloud.show_tags(cloud.all_tags(inputs), inputs) if kind.tags else {}
            return {**state, **written, **tags, NOT_EMULATED: True}
        try:
            live = self._live(cloud, values)
            if live is None:
                return None
            tags = self._shown_tags(cloud, live, {**values, **self._outputs(live)}, inputs)
        except NotEmulatedError:
            return self.read(cloud, made, {**inputs, NOT_EMULATED: True})
        return {**state, **self._outputs(live), **self._inputs(live, inputs), **tags}

    def _live(self, cloud: Cloud, values: Props) -> Any:
        kind = self.kind
        answer = self._found(cloud, kind.read, values)
        live = None if answer is None else jmespath.search(_put_names(kind.shown, values), answer)
        if live is None or not kind.more:
            return live
        return {**live, **{name: self._found(cloud, call, values) for name, call in kind.more.items()}}

    def _found(self, cloud: Cloud, call: Call, values: Props) -> Any:
        try:
            return found(self._method(cloud, call), **arguments(self.kind, _bare(call), {}, values, []))
        except ClientError as error:
            raise not_emulated(error) or error from error

    def _shape(self) -> Any:
        """Return the shape of what the read call shows."""
        shown = re.sub(r"\[\?.*", "[0]", self.kind.shown)
        return at(output_shape(self.kind.service, self.kind.read.operation), shown)

    def _outputs(self, live: Any) -> Props:
        shape = self._shape()
        return {
            name: show(
                at(shape, where) if "{" not in where and "[?" not in where else None, jmespath.search(where, live)
            )
            for name, where in self.kind.outputs.items()
        }

    def _inputs(self, live: Any, inputs: Props) -> Props:
        """Return what the program wrote, and what the server fills in, as the object has it."""
        kind, shape, shown = self.kind, self._shape(), {}
        skipped = {"tags", "tagsAll", "region", *kind.outputs, *kind.derived}
        for name in [*(name for name in inputs if name not in skipped and known(kind, name)), *kind.filled]:
            where = self._shown_at(shape, name)
            if not where:
                shown[name] = inputs.get(name)
                continue
            value = jmespath.search(where, live)
            if name in kind.forms:
                shown[name] = None if value is None else kind.forms[name].shown(value)
            else:
                inner = at(shape, where) if "{" not in where and "[?" not in where else None
                shown[name] = show(inner, value, inputs.get(name))
            if shown[name] is None and inputs.get(name) in EMPTY:
                # What is left out of an answer is empty.
                shown[name] = inputs.get(name)
        return shown

    def _shown_at(self, shape: Any, name: str) -> str:
        """Return where the object shows an input; nowhere where the API takes it and never shows it."""
        kind = self.kind
        if name in kind.reads:
            return kind.reads[name]
        for call in (kind.create, *kind.changes):
            where = place(kind, call, name)
            if where and at(shape, where) is not None:
                return where
        return member(members(shape), name) or ""

    def _shown_tags(self, cloud: Cloud, live: Any, values: Props, inputs: Props) -> Props:
        tags = self.kind.tags
        if tags is None:
            return {}
        if tags.read is not None:
            live = self._found(cloud, tags.read, values)
        return cloud.show_tags(plain_tags(jmespath.search(tags.shown, live)), inputs)

    # --- removal -------------------------------------------------------------------------
    def delete(self, cloud: Cloud, made: str, state: Props) -> None:
        """Remove the object; what an emulator never made is gone already."""
        cloud = cloud.at(state.get("region"))
        values = self._values(cloud, made, state)
        for call in self.kind.deletes:
            if any(values.get(name) in (None, "") for name in call.needs):
                continue
            try:
                self._found(cloud, call, values)
            except NotEmulatedError:
                continue
        if not state.get(NOT_EMULATED):
            self._wait(cloud, self.kind.wait_gone, made, state)

    # --- calls ---------------------------------------------------------------------------
    def _values(self, cloud: Cloud, made: str, inputs: Props, wanted: Iterable[str] = ()) -> Props:
        """Return what texts with names stand for; the object is read when only it tells one of them."""
        kind = self.kind
        used = names_in(
            [[dict(call.fixed), call.needs] for call in (kind.create, kind.read, *kind.more.values(), *kind.deletes)]
        )
        used |= names_in([str(kind.id), kind.shown, dict(kind.derived)]) | set(wanted)
        values = {**inputs, "region": cloud.region, "partition": cloud.partition}
        values |= {"id": made} if made else {}
        values |= {"account": cloud.account} if "account" in used else {}
        for name, text in kind.derived.items():
            filled = fill(text, values)
            values |= {} if filled is None else {name: filled}
        if made and any(name in kind.outputs and name not in values for name in wanted):
            live = self._live(cloud, values)
            values |= self._outputs(live) if live is not None else {}
        return values

    def _method(self, cloud: Cloud, call: Call) -> Any:
        return getattr(getattr(cloud, self.kind.service.replace("-", "_")), xform_name(call.operation))

    def _perform(
        self, cloud: Cloud, call: Call, inputs: Props, values: Props, extra: dict[str, Any] | None = None
    ) -> Any:
        problems: list[str] = []
        made = arguments(self.kind, call, inputs, values, problems) | (extra or {})
        if problems:
            raise PluginError(f"{call.operation}: {'; '.join(problems)}")
        try:
            return self._method(cloud, call)(**made)
        except ClientError as error:
            raise not_emulated(error) or error from error

    def _wait(self, cloud: Cloud, waiter: str, made: str, inputs: Props) -> None:
        if not waiter:
            return
        how = arguments(self.kind, _bare(self.kind.read), {}, self._values(cloud, made, inputs), [])
        getattr(cloud, self.kind.service.replace("-", "_")).get_waiter(waiter).wait(**how)


def _bare(call: Call) -> Call:
    """Return a call that takes nothing of the inputs by itself."""
    return Call(call.operation, only=frozenset(), fixed=call.fixed)


def _put_names(text: str, values: Props) -> str:
    """Put values in a JMESPath expression in the place of names, whose braces it shares."""
    for name in names_in(text) & set(values):
        text = text.replace(f"{{{name}}}", str(values[name]))
    return text
