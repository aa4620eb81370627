"""Identity, nodes and tokens of pods in hospitals' zones, as the tables of workloads and node classes give them."""

from collections.abc import Iterator, Mapping

from policy_pack.controls.rules import join_check, resource_check
from policy_pack.facts.admission_table import API_SERVER, admission_table
from policy_pack.facts.network.topology import NAME_LABEL, Namespace, topology
from policy_pack.facts.secret_table import PREFIX, secret_table
from policy_pack.facts.zone_table import SHARED, pool_table, zones
from policy_pack.stack.checks import Findings, StackContext, expect, guarded, is_empty, is_not_true, one_of, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import SERVICE_ACCOUNT
from policy_pack.stack.pods import CONTAINER_OWNERS, POD_OWNERS, Pod, namespace, pod, pods
from policy_pack.stack.values import NotKnownError, View

_PRIORITY_CLASS = "k8s:scheduling.k8s.io/PriorityClass"
_VOLUMES = {"emptyDir", "configMap", "projected", "downwardAPI"}
_PROJECTED = {"configMap", "downwardAPI", "serviceAccountToken"}
# Kubernetes adds tolerations of these to every pod.
_ADDED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


@join_check("CM-06", *POD_OWNERS)
def pods_have_what_their_workload_has(resource: Resource, context: StackContext) -> Findings:
    """Require identity, placement, volumes and tokens of the workload tables for pods of hospitals' zones."""
    own = topology(context, zones()).namespaces.get(namespace(resource).text())
    if own is None or not own.zone or own.hospital in ("", SHARED):
        return
    declared = pod(resource)
    yield from guarded(_identity(declared, own, context), declared.labels.path)
    yield from guarded(_placement(declared.spec, context), declared.spec.path)
    yield from guarded(_priority(declared.spec), declared.spec.path)
    yield from guarded(_node_class(declared.spec, own, context), declared.spec.path)
    for volume in declared.spec.at("volumes").items():
        yield from guarded(_volume(volume, declared.spec, own), volume.path)


@join_check("CM-01", *CONTAINER_OWNERS)
def agents_have_the_secrets_of_their_workload(resource: Resource, context: StackContext) -> Findings:
    """Require that the annotations of Vault's agent are those of the pod's workload in the table of secrets."""
    for declared in pods(resource):
        for container in declared.containers:
            if container.view.at("name").value in admission_table().constants["agent_containers"]:
                yield violation(
                    "has the name of a container that the injector of Vault's agent adds", container.view.path
                )
        names = [name for holder in (declared.annotations, declared.labels) for name, _ in holder.fields()]
        if any(name.startswith(PREFIX) for name in names):
            own = topology(context, zones()).namespaces.get(namespace(resource).text())
            account = declared.spec.at("serviceAccountName").text()
            is_own = own is not None and own.zone == zones().workload_zones.get(account)
            expected = secret_table().of(own.hospital, account) if own is not None and is_own else {}
            yield from guarded(_annotations(declared, expected), declared.annotations.path)


def _annotations(declared: Pod, expected: Mapping[str, str]) -> Findings:
    for holder in (declared.annotations, declared.labels):
        for name, view in holder.fields():
            if name.startswith(PREFIX) and (name not in expected or holder is declared.labels):
                yield violation(f"{name} gives the pod a secret that its workload does not have", view.path)
            elif name.startswith(PREFIX):
                message = f"{name} is not that of the workload in the table of secrets"
                yield from expect(view, one_of(expected[name]), message)


@join_check("CM-06", SERVICE_ACCOUNT)
def service_accounts_are_those_of_workloads(account: Resource, context: StackContext) -> Findings:
    """Require that a ServiceAccount of a hospital's zone is that of a workload, or one as which people log in."""
    own = topology(context, zones()).namespaces.get(namespace(account).text())
    if own is None or not own.zone or own.hospital in ("", SHARED):
        return
    name = account.at("metadata.name")
    table = admission_table()
    of_pods = table.accounts[own.zone]
    known = {*of_pods, *of_pods.values(), *table.accounts_of_people[own.zone], "default"}
    yield from expect(name, one_of(*known), f"is of no workload of the zone {own.zone}")


def _identity(declared: Pod, own: Namespace, context: StackContext) -> Findings:
    account, table = declared.spec.at("serviceAccountName"), zones().workload_zones
    name = account.text()
    label = admission_table().accounts[own.zone].get(name, name if table.get(name) == own.zone else None)
    if label is None:
        message = f"uses the ServiceAccount {name or 'default'}, which is no workload of the zone {own.zone}"
        yield violation(message, account.path)
        return
    named = declared.labels.key(NAME_LABEL)
    yield from expect(named, one_of(label), f"has not the label {NAME_LABEL}: {label} of its ServiceAccount")
    for key, value in (("hospital", own.hospital), ("zone", own.zone)):
        message = f"has the label {key} of another {key} than its namespace"
        yield from expect(declared.labels.key(f"{context.settings.prefix}/{key}"), one_of(None, value), message)


def _placement(spec: View, context: StackContext) -> Findings:
    node_class = f"{context.settings.prefix}/node-class"
    yield from expect(spec.at("nodeName"), is_empty, "chooses its node by name")
    yield from expect(spec.at("affinity.nodeAffinity"), is_empty, "chooses its node by affinity")
    yield from expect(spec.at("schedulerName"), one_of(None, "default-scheduler"), "has another scheduler")
    yield from expect(spec.at("securityContext.sysctls"), is_empty, "sets kernel parameters")
    for key, view in spec.at("nodeSelector").fields():
        if key != node_class:
            yield violation(f"chooses its node by the label {key}", view.path)
    chosen = spec.at("nodeSelector").key(node_class).text()
    for toleration in spec.at("tolerations").items():
        yield from guarded(_toleration(toleration, node_class, chosen), toleration.path)


def _priority(spec: View) -> Findings:
    """Yield a priority class that is not of the pool of the pod's workload."""
    account = spec.at("serviceAccountName").text()
    allowed = admission_table().priorities.get(account) or pool_table().of_accounts.get(account, ())
    message = f"has not the priority class of its workload's pool ({' or '.join(allowed) or 'none'})"
    yield from expect(spec.at("priorityClassName"), one_of(*allowed), message)


@resource_check("CM-06", _PRIORITY_CLASS)
def priority_classes_are_those_of_the_pools(priority_class: Resource) -> Findings:
    """Require the PriorityClasses of the pool table, of which none is that of pods that name none."""
    expected = pool_table().classes.get(priority_class.at("metadata.name").text())
    if expected is None:
        yield violation("is a priority class of no pool of pools.yaml", "metadata.name")
        return
    value, preempts = expected
    yield from expect(priority_class.at("value"), one_of(value), "has another value than its pool in pools.yaml")
    policies = (None, "PreemptLowerPriority") if preempts else ("Never",)
    message = "takes the place of other pods, or does not, otherwise than its pool in pools.yaml"
    yield from expect(priority_class.at("preemptionPolicy"), one_of(*policies), message)
    yield from expect(priority_class.at("globalDefault"), is_not_true, "is the priority of pods that name none")


def _toleration(toleration: View, node_class: str, chosen: str) -> Findings:
    key, operator = toleration.at("key").text(), toleration.at("operator").text() or "Equal"
    if key in _ADDED and (operator, toleration.at("effect").text()) == ("Exists", "NoExecute"):
        return
    if key != node_class or operator != "Equal" or not chosen or toleration.at("value").text() != chosen:
        yield violation(f"tolerates {key or 'every taint'}, and not the taint of its node class alone", toleration.path)


def _node_class(spec: View, own: Namespace, context: StackContext) -> Findings:
    """Yield whether pods of another zone choose the same node class."""
    node_class = f"{context.settings.prefix}/node-class"
    chosen = spec.at("nodeSelector").key(node_class)
    by_class: Mapping[str, set[str]] = context.graph.memo("zones by node class", lambda _: _zones_by_class(context))
    others = sorted(by_class.get(chosen.text(), set()) - {own.zone})
    if not chosen.absent and others:
        message = f"shares the node class {chosen.text()} with pods of the zone {', '.join(others)}"
        yield violation(message, chosen.path)


def _zones_by_class(context: StackContext) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for zone, chosen in _classes(context):
        found.setdefault(chosen, set()).add(zone)
    return found


def _classes(context: StackContext) -> Iterator[tuple[str, str]]:
    namespaces = topology(context, zones()).namespaces
    for resource in context.graph.of(*POD_OWNERS):
        try:
            own = namespaces.get(namespace(resource).text())
            chosen = pod(resource).spec.at("nodeSelector").key(f"{context.settings.prefix}/node-class").text()
        except NotKnownError:
            continue
        if own is not None and own.zone and chosen and own.hospital not in ("", SHARED):
            yield own.zone, chosen


def _volume(volume: View, spec: View, own: Namespace) -> Findings:
    allowed = _VOLUMES | ({"secret"} if own.zone == admission_table().gateway_zone else set())
    kinds = {key for key, view in volume.fields() if key != "name" and view.raw is not None}
    for kind in sorted(kinds - allowed):
        yield violation(f"mounts a volume of the type {kind}, which the zone {own.zone} does not allow", volume.path)
    audiences = admission_table().audiences.get(spec.at("serviceAccountName").text(), ())
    for source in volume.at("projected.sources").items():
        for kind, view in source.fields():
            if kind not in _PROJECTED:
                yield violation(f"projects {kind} into the pod", view.path)
        token = source.at("serviceAccountToken")
        audience = token.at("audience").text()
        if token.raw is not None and audience not in audiences:
            text = "the API server" if audience == API_SERVER else audience
            yield violation(f"gets a token for {text}, which its workload does not use", token.path)
