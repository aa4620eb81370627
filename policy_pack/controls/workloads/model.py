"""Models: papers, gates, alerts, and that training never sees raw PHI."""

import re
from fnmatch import fnmatchcase

from policy_pack.controls.rules import on_join, on_set
from policy_pack.facts.human_roles import account_of
from policy_pack.facts.iam.statements import Statement, statements
from policy_pack.facts.releases import Papers, folder, read
from policy_pack.facts.vault_policies import paths
from policy_pack.stack.checks import About, Findings, expect, fault, given, guarded, matches
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET, INFERENCE, KEY, ROLE, ROLE_KEYS, ROLE_POLICY, VAULT_POLICY, VAULT_ROLE
from policy_pack.stack.pods import WHOLE, namespace, pod
from policy_pack.stack.values import NotKnownError

_RULES = "k8s:monitoring.coreos.com/PrometheusRule"
_WATCHED = ("drift", "calibration", "errors", "latency")
_GATES = re.compile(r"(?P<profile>[\w-]+):passed")
_CLINICAL = "clinical"
_PAPERS = {
    "signature": (given, "its release is not signed"),
    "model-card": (matches(r"\S+MODEL_CARD\S*"), "its release has no model card"),
    "training-data": (matches(r"(sha256:)?[0-9a-f]{64}"), "does not say on which data it was trained"),
}


@on_set("ML-01", INFERENCE)
def models_carry_their_papers(service: Resource, about: About) -> Findings:
    """Ask for signature, card, training data and approval, told by annotations."""
    for name, (holds, message) in _PAPERS.items():
        yield from expect(about.note(service, name), holds, message)
    if not about.synthetic:
        yield from expect(about.note(service, "approval"), given, "its release is not approved")


@on_set("ML-02", INFERENCE)
def models_passed_their_gates(service: Resource, about: About) -> Findings:
    """Ask that every gate of the profile passed, told by an annotation; patients need the clinical profile."""
    note = about.note(service, "gates")
    passed = _GATES.fullmatch(note.text())
    if passed is None:
        yield fault("its release did not pass its gates", note.path)
    elif passed["profile"] != _CLINICAL and not about.synthetic:
        yield fault(f"passed gates of profile {passed['profile']}, which is not for patients", note.path)
    if not about.synthetic:
        yield from expect(about.note(service, "evaluated"), matches("true"), "its release was not evaluated")


@on_set("ML-01", INFERENCE)
def releases_hold_their_papers(service: Resource, about: About) -> Findings:
    """Hold the same against the release's own files, where a mirror of them is at hand."""
    papers = _papers(service, about)
    if papers:
        for what in papers.faults:
            yield fault(f"its release {what}")
        if not papers.approved and not about.synthetic:
            yield fault("its release's files name no approval")


@on_set("ML-02", INFERENCE)
def releases_hold_their_gates(service: Resource, about: About) -> Findings:
    """Hold the gates against the release's own files."""
    papers = _papers(service, about)
    if papers and not papers.passed:
        yield fault("its release's files do not say that every gate passed")
    if papers and not papers.evaluated and not about.synthetic:
        yield fault("its release's files say that it was not evaluated")
    if papers and papers.profile != _CLINICAL and not about.synthetic:
        yield fault(f"its release's files are of profile {papers.profile or 'none'}, which is not for patients")


def _papers(service: Resource, about: About) -> Papers | None:
    uri = service.at("spec.predictor.model.storageUri").text()
    if about.settings.releases is None or not uri:
        return None
    return read(folder(about.settings.releases, uri), uri.rstrip("/").rpartition("/")[2])


@on_join("ML-03", INFERENCE)
def models_are_watched(service: Resource, about: About) -> Findings:
    """Ask for alerts (label watch) of drift, calibration, errors and latency that name the model."""
    name, home = service.at("metadata.name").text(), namespace(service).text()
    alerts: list[tuple[str, str, str]] = about.graph.memo("alerts", _alerts)
    watched = {what for what, own, expression in alerts if _names(expression, name, home, own)}
    for what in _WATCHED:
        if what not in watched:
            yield fault(f"no alert watches its {what}")


def _alerts(graph: Graph) -> list[tuple[str, str, str]]:
    """Return what each alert watches, the namespace that it is in, and its expression."""
    return [
        (alert.at("labels.watch").text(), namespace(rule).text(), alert.at("expr").text())
        for rule in graph.of(_RULES)
        for group in rule.at("spec.groups").items()
        for alert in group.at("rules").items()
        if not alert.at("alert").absent
    ]


def _names(expression: str, name: str, home: str, own: str) -> bool:
    """Return whether an alert is about a model; hospitals' models share names, so the namespace counts."""
    return home in expression or (own == home and name in expression)


# --- training --------------------------------------------------------------------------------------
@on_join("ML-04", *WHOLE)
def training_never_sees_raw_phi(resource: Resource, about: About) -> Findings:
    """Refuse a right to raw PHI, or to pseudonym keys, in the zone where models are trained."""
    if about.label(resource, "zone") != "data":
        return
    account = (namespace(resource).text(), pod(resource).spec.at("serviceAccountName").text())
    for role in about.graph.memo("roles by account", _roles).get(account, ()):
        for policy in about.graph.pointing(role, ROLE_POLICY, "role", ROLE_KEYS):
            yield from guarded(_reads_raw(policy, about), "policy", policy)
    yield from guarded(_asks_pseudonyms(account, about))


def _roles(graph: Graph) -> dict[tuple[str, str], list[Resource]]:
    found: dict[tuple[str, str], list[Resource]] = {}
    for role in graph.of(ROLE):
        try:
            account = account_of(role.at("assumeRolePolicy"))
        except (NotKnownError, ValueError):
            continue
        if account:
            found.setdefault(account, []).append(role)
    return found


def _reads_raw(policy: Resource, about: About) -> Findings:
    held = [statement for statement in statements(policy.at("policy")) if statement.allows]
    buckets = about.graph.memo("raw buckets", lambda graph: _raw(graph, about, BUCKET))
    keys = about.graph.memo("raw keys", lambda graph: _raw(graph, about, KEY))
    for name in _covered(held, "s3:GetObject", buckets):
        yield fault(f"lets training read {name}, which holds raw PHI", "policy")
    for name in _covered(held, "kms:Decrypt", keys):
        yield fault(f"lets training decrypt by {name}, the key of raw PHI", "policy")


def _raw(graph: Graph, about: About, kind: str) -> dict[str, str]:
    """Return names by ARN of what holds, or encrypts, raw PHI."""
    found = {}
    for resource in graph.of(kind):
        arn, name = resource.at("arn"), resource.at("bucket")
        if about.label(resource, "data-class") == "raw":
            known = arn.raw if isinstance(arn.raw, str) else f"arn:aws:s3:::{name.text()}"
            found[known] = resource.name
    return found


def _covered(held: list[Statement], action: str, named: dict[str, str]) -> list[str]:
    """Return the names of what some statement lets one act on; a pattern without a star is looked up."""
    found = set()
    for pattern in [pattern for statement in held if statement.covers(action) for pattern in statement.resources]:
        head = pattern.partition("/")[0] if ":s3:" in pattern else pattern
        if "*" not in head and "?" not in head:
            found |= {named[head]} if head in named else set()
        else:
            found |= {name for arn, name in named.items() if fnmatchcase(arn, head)}
    return sorted(found)


def _asks_pseudonyms(account: tuple[str, str], about: About) -> Findings:
    for role in about.graph.memo("vault roles by account", _logins).get(account, ()):
        for named in role.at("tokenPolicies").items():
            for policy in about.graph.where("name", named.text(), VAULT_POLICY):
                yield from _pseudonym_paths(policy, role)


def _logins(graph: Graph) -> dict[tuple[str, str], list[Resource]]:
    found: dict[tuple[str, str], list[Resource]] = {}
    for role in graph.of(VAULT_ROLE):
        for home in role.at("boundServiceAccountNamespaces").items():
            for name in role.at("boundServiceAccountNames").items():
                found.setdefault((home.text(), name.text()), []).append(role)
    return found


def _pseudonym_paths(policy: Resource, role: Resource) -> Findings:
    for path, _ in paths(policy.at("policy")):
        if "pseudonym" in path or "/transit/*" in path:
            yield fault(f"lets training use {path}, which makes pseudonyms", "policy", role)
