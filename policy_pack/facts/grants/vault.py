"""Grants of Vault: what each login may do with keys, database roles, PKI roles, secrets, and Vault's configuration."""

from collections.abc import Iterator

from policy_pack.facts.grants.acting import Acting, Target
from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.grant import EVERYTHING, Data, Grant, Subject
from policy_pack.facts.principals import Principal
from policy_pack.facts.vault.logins import Login
from policy_pack.facts.vault.policies import PathRule
from policy_pack.facts.vault.requests import MOUNT, OtherPath, requests, resource_name
from policy_pack.facts.vault.table import table
from policy_pack.facts.verbs import Verb
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import VAULT_AUTH_METHOD, VAULT_JWT_AUTH
from policy_pack.stack.text import known_text
from policy_pack.stack.values import UNKNOWN, View

ADMINISTRATOR = "Vault administrator"
"""Whoever holds a token of Vault's operators, such as the deployer: may do everything that a key's flags allow."""
AUDIT_READER, STATE_READER = "reader of Vault's audit log", "reader of the stack's state"
PATH = "vault-path"
_KEY = "vault:transit/secretBackendKey:SecretBackendKey"
_MOUNTS = (MOUNT, "vault:database/secretsMount:SecretsMount", VAULT_AUTH_METHOD, VAULT_JWT_AUTH)
_AUTHORITIES = (
    "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
    "vault:pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest",
)
_AUDITED = ("auditNonHmacRequestKeys", "auditNonHmacResponseKeys")
_DISCLOSING_FLAGS = ("exportable", "allowPlaintextBackup")


def grants(context: AccessContext) -> Iterator[Grant]:
    """Return what logins to Vault grant, and what the flags of keys allow to Vault's administrators."""
    computed = requests(context.graph)
    for one in computed.granted:
        row = table().resources[one.resource.kind]
        data = context.data(row.place, resource_name(one.resource))
        for subject in _subjects(one.login, context):
            path = _path(subject, one.login, one.rule, f"{resource_name(one.resource)}: {one.label}")
            yield Grant(subject, data, Verb(one.request.verb), path, one.login.source, one.certain)
    for other in computed.other:
        for subject in _subjects(other.login, context):
            yield from _of_other_path(subject, other, context)
    for key in context.graph.of(_KEY):
        yield from _disclosing(key, context)
    for mount in context.graph.of(*_MOUNTS):
        yield from _audited(mount, context)
    for authority in context.graph.of(*_AUTHORITIES):
        yield from _exported(authority, context)


def acting(context: AccessContext) -> Iterator[Acting]:
    """Return as which database logins and PKI roles the logins to Vault can act."""
    for one in requests(context.graph).granted:
        if table().resources[one.resource.kind].uses and one.request.verb == Verb.SIGN:
            used = used_subject(one.resource, context)
            for subject in _subjects(one.login, context):
                path = _path(subject, one.login, one.rule, f"{resource_name(one.resource)}: {one.label}")
                target = Target(used.name, used.hospital)
                yield Acting(subject, target, path, one.login.source, one.certain)


def used_subject(resource: Resource, context: AccessContext) -> Subject:
    """Return the principal that a database role or PKI role is: whoever uses the role has its grants."""
    hospital, name = context.split(resource_name(resource))
    return Subject(f"{table().resources[resource.kind].uses} {name}", hospital)


def subject_of(principal: Principal, context: AccessContext) -> Subject:
    """Return a principal as the table of access names it."""
    if principal.kind == "ServiceAccount":
        namespace, _, name = principal.name.partition("/")
        return context.service_account(namespace, name)
    hospital, name = context.split(principal.name)
    return Subject(f"{principal.kind} {name}", hospital)


def _subjects(login: Login, context: AccessContext) -> list[Subject]:
    return [subject_of(principal, context) for principal in login.principals]


def _path(subject: Subject, login: Login, rule: PathRule, place: str) -> tuple[str, ...]:
    return (f"{subject.hospital} {subject.name}".strip(), login.name, f"policy {rule.policy}", place)


def _of_other_path(subject: Subject, other: OtherPath, context: AccessContext) -> Iterator[Grant]:
    rule = other.rule
    path = _path(subject, other.login, rule, f"{rule.path}: {', '.join(sorted(rule.capabilities))}")
    if rule.path == "*":
        yield Grant(subject, Data(EVERYTHING), None, path, other.login.source, other.certain)
        return
    data = context.data(PATH, rule.path)
    for verb in _verbs(rule):
        yield Grant(subject, data, verb, path, other.login.source, other.certain)


def _verbs(rule: PathRule) -> list[Verb]:
    verbs = {Verb(table().verbs[capability]) for capability in rule.capabilities}
    segment = rule.path.partition("/")[0]
    if segment in table().system_paths or "*" in segment or "+" in segment:
        verbs = {verb if verb in (Verb.READ, Verb.LIST) else Verb.ADMINISTER for verb in verbs}
    return sorted(verbs)


def _disclosing(key: Resource, context: AccessContext) -> Iterator[Grant]:
    """Return the grants of flags by which the key itself leaves Vault."""
    for flag in _DISCLOSING_FLAGS:
        value = key.at(flag).raw
        if value is UNKNOWN or value not in (None, False, "false"):
            name = resource_name(key)
            path = (ADMINISTRATOR, f"key {name}: {flag}")
            data = context.data("vault-key", name)
            yield Grant(Subject(ADMINISTRATOR), data, Verb.READ, path, key.urn, value is not UNKNOWN)


def _audited(mount: Resource, context: AccessContext) -> Iterator[Grant]:
    """Return what readers of Vault's audit log see, where a mount writes values to it that are not hashed."""
    place = known_text(mount.at("path")) or mount.name
    for view in [view for name in _AUDITED for view in (mount.at(name), *_tunes(mount, name))]:
        if not view.known or view.items():
            path = (AUDIT_READER, f"mount {place}: {view.path}")
            data = context.data(PATH, f"{place}/*")
            yield Grant(Subject(AUDIT_READER), data, Verb.READ, path, mount.urn, view.known)


def _tunes(mount: Resource, name: str) -> list[View]:
    return [item.key(name) for item in mount.at("tune").items()]


def _exported(authority: Resource, context: AccessContext) -> Iterator[Grant]:
    """Return what readers of the stack's state can do with a certificate authority whose key Vault gives away."""
    kind = authority.at("type")
    if not kind.known or kind.text() not in ("internal", "existing", "kms"):
        place = known_text(authority.at("backend")) or authority.name
        path = (STATE_READER, f"certificate authority {place}: its key is {known_text(kind) or 'not known yet'}")
        data = context.data(PATH, f"{place}/*")
        yield Grant(Subject(STATE_READER), data, Verb.ADMINISTER, path, authority.urn, kind.known)
