"""Time limits of the proposed rule of 2025: restores within 72 hours, tested every month, and copies of 48 hours."""

from policy_pack.controls.rules import join_check, stack_check
from policy_pack.facts.backups import PLAN, RESOURCE_TYPES, plans_of
from policy_pack.facts.schedules import schedule
from policy_pack.facts.structure import holds_phi
from policy_pack.stack.checks import Findings, StackContext, expect, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import ID_KEYS
from policy_pack.stack.values import NotKnownError, View

_RESTORE_PLAN = "aws:backup/restoreTestingPlan:RestoreTestingPlan"
_RESTORE_SELECTION = "aws:backup/restoreTestingSelection:RestoreTestingSelection"
_RESTORE_HOURS, _COPY_HOURS, _DAILY_HOURS = 72, 48, 24
# What AWS Backup uses where a property is not set.
_START_HOURS, _START_MINUTES, _COMPLETION_MINUTES = 24, 480, 10_080


@join_check("BCP-05", _RESTORE_SELECTION)
def restores_take_72_hours_at_most(selection: Resource, context: StackContext) -> Findings:
    """Require that a restore test begins and ends within 72 hours, and runs every month."""
    plan = context.graph.target(selection, "restoreTestingPlanName", (_RESTORE_PLAN,), ID_KEYS)
    if plan is None:
        name = selection.at("restoreTestingPlanName")
        yield violation(f"has the restore testing plan {name.text()}, which this stack does not declare", name.path)
        return
    start = plan.at("startWindowHours").value
    window = selection.at("validationWindowHours")
    hours = (_START_HOURS if start is None else start) + (window.value or 0)
    if hours > _RESTORE_HOURS:
        yield violation(f"its restore test may take {hours} hours, over {_RESTORE_HOURS}", window.path)
    expression = plan.at("scheduleExpression")
    yield from expect(expression, lambda text: schedule(str(text)).monthly, "its restore test does not run every month")


@stack_check("BCP-05")
def every_type_of_store_has_a_restore_test(context: StackContext) -> Findings:
    """Require a restore test of every type of PHI store that AWS Backup covers."""
    tested = {one.at("protectedResourceType").text() for one in context.graph.of(_RESTORE_SELECTION)}
    for kind, names in RESOURCE_TYPES.items():
        if not tested & set(names) and any(holds_phi(store, context) for store in context.graph.of(kind)):
            yield violation(f"has no restore test of {names[0]} (RestoreTestingSelection)")


@join_check("BCP-06", PLAN)
def copies_are_48_hours_old_at_most(plan: Resource, context: StackContext) -> Findings:
    """Require that each PHI store that a plan covers has a copy of the last 48 hours in another region."""
    late: dict[str, str] = context.graph.memo("plans with late copies", lambda _: _late(context))
    if plan.urn in late:
        yield violation(f"leaves {late[plan.urn]} without a copy of the last {_COPY_HOURS} hours elsewhere", "rules")


def _late(context: StackContext) -> dict[str, str]:
    """Return the plans without timely copies, each with a store that no other plan copies in time."""
    plans = plans_of(context.graph, context.settings.services.regions[0])
    in_time = {plan.urn: any(map(_is_timely, plan.at("rules").items())) for plan in context.graph.of(PLAN)}
    late: dict[str, str] = {}
    for store in context.graph.of(*RESOURCE_TYPES):
        covering = plans.covering(store) if holds_phi(store, context) else []
        if not any(in_time[plan.urn] for plan in covering):
            for plan in covering:
                late.setdefault(plan.urn, store.name)
    return late


def _is_timely(rule: View) -> bool:
    """Return whether a daily rule copies, and starts and ends in time."""
    try:
        start, completion = rule.at("startWindow").value, rule.at("completionWindow").value
        minutes = (start or _START_MINUTES) + (completion or _COMPLETION_MINUTES)
        in_time = _DAILY_HOURS + minutes / 60 <= _COPY_HOURS
        return in_time and schedule(rule.at("schedule").text()).daily and not rule.at("copyActions").absent
    except NotKnownError:
        return False
