"""The access log that a gateway's EnvoyProxy writes: every request, and nothing that can identify a patient."""

import re
from collections.abc import Iterator, Sequence

from policy_pack.facts.exposure.protections import Spec, part
from policy_pack.facts.exposure.table import ExposureTable
from policy_pack.stack.values import View

_STANDARD_STREAMS = ("/dev/stdout", "/dev/stderr")
# A command operator of Envoy's access log, such as %REQ(:METHOD)%.
_OPERATOR = re.compile(r"%[A-Z_0-9]+(?:\([^)]*\))?(?::\d+)?%")


def access_log(spec: Spec, table: ExposureTable) -> Iterator[str]:
    """Yield why an EnvoyProxy does not record every request."""
    log = part(spec, "telemetry", "accessLog") or {}
    if log.get("disable"):
        yield "the access log is disabled (telemetry.accessLog.disable)"
        return
    settings = log.get("settings") or ()
    complete = [setting for setting in settings if _records_all(setting)]
    if not complete:
        yield "no access log of every request goes to the standard output (telemetry.accessLog.settings)"
        return
    texts = [_logged(View(setting.get("format")).whole() or {}) for setting in complete]
    missing = [word for word in table.record_contains if not any(word in text for text in texts)]
    if missing:
        yield f"the access log does not contain {', '.join(missing)} (telemetry.accessLog.settings)"
    yield from _other_fields(settings, table)
    yield from _refusals(settings, table)
    unknown = sorted({item for setting in settings for item in _excess(setting, table)})
    if unknown:
        names = ", ".join(unknown)
        yield f"the access log contains {names}, which can identify a patient (telemetry.accessLog.settings)"


def _excess(setting: Spec, table: ExposureTable) -> set[str]:
    """Return what a setting of the access log contains beyond the table."""
    allowed = set(table.record_may_contain)
    if _goes_to(table.refusals.service, setting):
        allowed |= set(table.refusals.may_contain)
    return set(_OPERATOR.findall(_logged(View(setting.get("format")).whole() or {}))) - allowed


def _goes_to(service: str, setting: Spec) -> bool:
    """Return whether a setting sends some entries, and these to one Service of the gateway's own namespace alone."""
    sinks = [View(sink).whole() or {} for sink in setting.get("sinks") or ()]
    references = [
        {"group": "", "kind": "Service", **reference}
        for sink in sinks
        for reference in part(sink, "openTelemetry", "backendRefs") or ()
    ]
    return (
        bool(setting.get("matches"))
        and bool(sinks)
        and all(sink.get("type") == "OpenTelemetry" and "host" not in sink["openTelemetry"] for sink in sinks)
        and len(references) >= len(sinks)
        and all(
            (one["group"], one["kind"], one.get("name")) == ("", "Service", service) and "namespace" not in one
            for one in references
        )
    )


def _logged(log_format: Spec) -> str:
    """Return the format of a log, in the field that its type names."""
    field = {"JSON": "json", "Text": "text"}.get(log_format.get("type") or "", "")
    return str(log_format.get(field) or "")


def _records_all(setting: Spec) -> bool:
    sinks = [part(sink, "file", "path") for sink in setting.get("sinks") or () if sink.get("type") == "File"]
    everything = not setting.get("matches") and setting.get("type") in (None, "Route")
    return everything and any(path in _STANDARD_STREAMS for path in sinks)


def _fields(setting: Spec) -> Spec:
    log_format = View(setting.get("format")).whole() or {}
    return log_format.get("json") or {} if log_format.get("type") == "JSON" else {}


def _other_fields(settings: Sequence[Spec], table: ExposureTable) -> Iterator[str]:
    """Yield fields of a log in JSON that say something else than their names."""
    for setting in settings:
        for name, value in _fields(setting).items():
            meant = table.record_fields.get(name, ())
            if value not in ((meant,) if isinstance(meant, str) else meant):
                yield f"the field {name} of the access log says something else (telemetry.accessLog.settings)"


def _refusals(settings: Sequence[Spec], table: ExposureTable) -> Iterator[str]:
    """Yield why refusals of requests are not recorded, where they are sent to the recorder."""
    sent = [setting for setting in settings if _goes_to(table.refusals.service, setting)]
    if not sent:
        return
    matches = {text for setting in sent for text in setting.get("matches") or ()}
    if matches != set(table.refusals.matches):
        yield "the recorder does not get each refusal (telemetry.accessLog.settings.matches)"
    for setting in sent:
        lacking = set(table.refusals.must_contain) - _fields(setting).keys()
        if lacking:
            yield f"refusals lack {', '.join(sorted(lacking))} (telemetry.accessLog.settings)"
        references = [one for sink in setting["sinks"] for one in part(sink, "openTelemetry", "backendRefs") or ()]
        if any(one.get("port") != table.refusals.port for one in references):
            yield f"refusals are sent to another port than {table.refusals.port} (telemetry.accessLog.settings.sinks)"
