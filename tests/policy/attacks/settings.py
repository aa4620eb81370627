"""The pack turned off quietly: settings from outside that are weaker, and exemptions that cover too much."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from policy_pack.engine.evaluate import EXEMPTIONS, Evaluator
from policy_pack.engine.overrides import stricter
from policy_pack.errors import PackError
from policy_pack.settings import Exemption, Services, Settings, Written, parse
from tests.policy.attacks.stacks import attacked

FAMILY = "settings"
_OUTSIDE, _REVIEWED = "settings from outside", "exemption in the reviewed file"
_WIDER: dict[str, tuple[Any, ...]] = {
    "control": ("*", "AC-*", "UNHEARD-01", ""),
    "kind": ("*", "aws:*", "aws:iam/unheard:Unheard", ""),
    "resource": ("*", "**", "*a*", "?*", "[a-z]*", "[!x]*", "urn:pulumi:*", ""),
    "finding": ("unheard of", "", "[a-z"),
    "reason": ("", " "),
    "owner": ("", "security"),
    "approver": ("", "platform", "Platform", " platform "),
    "ticket": ("", " "),
    "expires": ("9999-12-31", "2020-01-01", "never", ""),
    "stacks": ([], ["*"], ["unheard-of"], [""], "dev"),
}


@dataclass(frozen=True)
class Change:
    """A change of the settings: where it is made, what it is, and the settings that it changes."""

    api: str
    operation: str
    changes: dict[str, Any]


def changes() -> Iterator[Change]:
    """Return the changes of each setting."""
    reviewed = attacked("dev").settings
    written = reviewed.model_dump(mode="json", include=set(Written.model_fields))
    for operation, changed in _weaker(reviewed, written):
        yield Change(_OUTSIDE, operation, changed)
    [first, *_] = written["exemptions"]
    yield Change(_REVIEWED, "a year and a day", {"expires": str(reviewed.today + timedelta(days=367))})
    for field in Exemption.model_fields:
        yield Change(_REVIEWED, f"without {field}", {key: value for key, value in first.items() if key != field})
        for value in _WIDER[field]:
            yield Change(_REVIEWED, f"{field} {value!r}", {**first, field: value})


def _weaker(reviewed: Settings, written: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for level in ("off", False, "advisory", None, "none", 0):
        yield f"hipaa {level}", {"profiles": {"hipaa": level, "nprm-2025": "advisory"}}
    for level in ("off", False, None, "none"):
        yield f"nprm-2025 {level}", {"profiles": {"hipaa": "mandatory", "nprm-2025": level}}
    yield "another profile", {"profiles": {"hipaa": "mandatory", "mine": "off"}}
    yield "production is synthetic", {"synthetic": ["dev", "prod"]}
    yield "any stack is synthetic", {"synthetic": ["*"]}
    yield "another prefix", {"prefix": "other"}
    for name in (one for one, phi in written["data_classes"].items() if phi):
        yield f"{name} is no PHI", {"data_classes": {**written["data_classes"], name: False}}
    yield "a new class without PHI", {"data_classes": {**written["data_classes"], "patients": False}}
    for name in Services.model_fields:
        held = written["services"][name]
        ports = name == "denied_ports"
        wider: Any = {} if ports else [*held, "*"] if isinstance(held, list) else {**held, "*": "all"}
        yield f"services.{name} of everything", {"services": {**written["services"], name: wider}}
    far = str(reviewed.today + timedelta(days=3650))
    yield "evidence of the future", {"evidence": dict.fromkeys(written["evidence"], far)}
    more = {**written["exemptions"][0], "control": "AC-05", "resource": "*-raw"}
    yield "one more exemption", {"exemptions": [*written["exemptions"], more]}
    yield "an exemption for longer", {"exemptions": [{**written["exemptions"][0], "expires": far}]}
    for name in ("today", "clock_problem", "access", "unheard"):
        yield f"the setting {name}", {name: "2020-01-01"}
    for text in ("[]", "off", "", "{profiles: off}"):
        yield f"no map: {text!r}", {"profiles": text}


def escapes(change: Change) -> bool:
    """Return whether a change takes effect without a refusal."""
    of = attacked("dev")
    try:
        if change.api == _OUTSIDE:
            stricter(of.settings, change.changes, "a file")
            return True
        written = of.settings.model_dump(mode="json", include=set(Written.model_fields))
        changed = parse({**written, "exemptions": [change.changes, *written["exemptions"]]}, "a file")
    except PackError:
        return False
    results = Evaluator(changed, of.addresses).evaluate_stack(of.target.base)
    return not any(result.control == EXEMPTIONS and result.blocks for result in results)
