"""Promotion of a hospital's canary, and rollback to the last good release: edits of its entry, each with an update.

The edits are in the overlay of the stack's file, and no state between two of them is one that the stack refuses.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from kubernetes.client import ApiException, AppsV1Api
from urllib3.exceptions import HTTPError

from local.errors import UserError
from local.hospitals import canary_stop, pipeline
from local.paths import Home
from local.progress import Steps
from local.stack import jobs, rollouts
from local.stack.settings import CONFIG, ROLES
from local.stack.stack import Stack

# What chooses among the releases, with its Service; the update of nothing else is needed for another one to answer.
_CHOOSES = ("**::{hospital}-planning", "**::{hospital}-care", "**::{hospital}-model-server")
_PLANNING = "planner"
_RELEASES = "RELEASES"
"""Variable of planning with its releases by role."""


@dataclass(frozen=True)
class Delivered:
    """The release that answers now, and the one that it answers in place of; empty if there was none."""

    answers: str
    withdrawn: str


def promote(home: Home, hospital: str, steps: Steps) -> Delivered:
    """Let the canary answer all encounters; the release that did is kept warm as the previous one.

    Raises
    ------
    UserError
        If there is no canary, it is not deployed, it was stopped, or it was not approved.
    """
    stack = Stack(home)
    entry = _editable(stack, hospital)
    canary = entry.get("canary")
    if not canary:
        raise UserError(
            f"{hospital} has no canary to promote: name one with `pulumi config set --path "
            f"healthcare-mlops:hospitals.{hospital}.canary.release v2@…` and `….canary.percent 10`."
        )
    release, active = str(canary["release"]), str(entry["release"])
    if _deployed_canary(home, hospital) != release:
        raise UserError(
            f"{hospital}'s canary {release} is not deployed, so it answered nobody yet: run `make up` first."
        )
    stop = canary_stop.stops(home, hospital).get(release)
    if stop:
        raise UserError(
            f"{hospital}'s canary {release} was {stop}; `make rollback HOSPITAL={hospital}` withdraws it, and a "
            "corrected model needs a release of its own."
        )
    if not _approved(hospital, release):
        raise UserError(
            f"{hospital}'s canary {release} has no clinical approval: release it again with `promotion` in the "
            "hospital's entry, which names who approved it."
        )
    stack.unset_field(hospital, "canary")
    stack.set_fields(hospital, {"release": release, "previous": active})
    with steps() as tell:
        stack.up(tell)
        _await_planning(home, hospital)
    return Delivered(release, active)


def roll_back(home: Home, hospital: str, steps: Steps) -> Delivered:
    """Withdraw the canary, or without one let the previous release answer in place of the active one.

    The two then change places: both stay warm, and a second rollback undoes the first. Only what chooses among the
    releases is updated before the release answers; an update of the whole stack follows.

    Raises
    ------
    UserError
        If there is neither a canary nor a previous release.
    """
    stack = Stack(home)
    entry = _editable(stack, hospital)
    active = str(entry.get("release") or "")
    withdrawn_as_shadow = False
    if entry.get("canary"):
        delivered = Delivered(active, str(entry["canary"]["release"]))
        stack.unset_field(hospital, "canary")
        # An update of some resources may end no other ones: until all are updated, the canary's servers stay in the
        # stack for a release that answers nobody.
        withdrawn_as_shadow = not entry.get("shadow")
        if withdrawn_as_shadow:
            stack.set_fields(hospital, {"shadow.release": delivered.withdrawn, "shadow.percent": "1"})
    elif entry.get("previous"):
        delivered = Delivered(str(entry["previous"]), active)
        stack.set_fields(hospital, {"release": delivered.answers, "previous": active})
    else:
        raise UserError(
            f"{hospital} has no canary to withdraw and no previous release to return to: set `release` in its entry, "
            "and run `make up`."
        )
    if withdrawn_as_shadow or not entry.get("canary"):
        with steps() as tell:
            stack.up(tell, only=tuple(pattern.format(hospital=hospital) for pattern in _CHOOSES))
            _await_planning(home, hospital)
            tell(f"{hospital}: {delivered.answers} answers")
    if withdrawn_as_shadow:
        stack.unset_field(hospital, "shadow")
    with steps() as tell:
        stack.up(tell)
        _await_planning(home, hospital)
    return delivered


def _editable(stack: Stack, hospital: str) -> dict[str, Any]:
    """Return the entry of a hospital whose releases the overlay names.

    Raises
    ------
    UserError
        If there is no such hospital, or the project's file names one of its releases.
    """
    entry = stack.named(hospital)
    [declared] = [one for one in stack.declared() if one["name"] == hospital]
    fixed = [role for role in ROLES if declared.get(role)]
    if fixed:
        raise UserError(
            f"{hospital}'s {' and '.join(fixed)} is in its entry of {CONFIG.name}, which is edited by hand: change it "
            "there, and run `make up`."
        )
    return entry


def _approved(hospital: str, release: str) -> bool:
    try:
        lineage = pipeline.release_document(pipeline.storage(), hospital, release, pipeline.LINEAGE_FILE)
    except (ClientError, BotoCoreError, ValueError) as error:
        raise UserError(
            f"{hospital}'s canary {release} cannot be read from its bucket ({type(error).__name__}): correct the "
            "release in the hospital's entry."
        ) from None
    approval = lineage.get("approval")
    return isinstance(approval, Mapping) and bool(approval.get("by"))


def _deployed_canary(home: Home, hospital: str) -> str:
    """Return the canary that planning has; empty if it has none."""
    with jobs.connect(home) as api:
        apps: Any = AppsV1Api(api)
        try:
            pods = apps.read_namespaced_deployment(_PLANNING, f"{hospital}-serving").spec.template.spec
        except (ApiException, HTTPError) as error:
            raise UserError(
                f"The releases of {hospital}'s planning cannot be read ({type(error).__name__}): `make status` names "
                "what does not run, `make up` starts it."
            ) from None
    values = {variable.name: variable.value for container in pods.containers for variable in container.env or ()}
    canary = json.loads(values.get(_RELEASES) or "{}").get("canary") or {}
    return str(canary.get("release", ""))


def _await_planning(home: Home, hospital: str) -> None:
    """Wait until all pods of planning have the releases of the update."""
    with jobs.connect(home) as api:
        rollouts.wait(api, f"{hospital}-serving", _PLANNING)
