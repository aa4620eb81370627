"""Grants of objects of the cluster: webhooks, aggregated APIs, and Secrets with the token of a ServiceAccount."""

from collections.abc import Iterator

from policy_pack.facts.grants.acting import Acting, Target
from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.grant import Grant, Subject
from policy_pack.facts.grants.kubernetes import CLUSTER
from policy_pack.facts.rbac.roles import objects
from policy_pack.facts.verbs import Verb
from policy_pack.stack.graph import Resource
from policy_pack.stack.text import known_text
from policy_pack.stack.values import View

_ADMISSION = "k8s:admissionregistration.k8s.io"
_MUTATING, _VALIDATING = f"{_ADMISSION}/MutatingWebhookConfiguration", f"{_ADMISSION}/ValidatingWebhookConfiguration"
_API_SERVICE = "k8s:apiregistration.k8s.io/APIService"
_SECRET = "k8s:core/Secret"
_FORMS = ("", "Patch", "List")
_TOKEN, _ACCOUNT = "kubernetes.io/service-account-token", "kubernetes.io/service-account.name"


def grants(context: AccessContext) -> Iterator[Grant]:
    """Return what the servers of webhooks and aggregated APIs can do: change what they are sent, or read it."""
    for resource, server, certain in _changing(context):
        data = context.data("kube-rules", CLUSTER)
        path = (server, f"{resource.name}: changes what the API server stores or answers")
        yield Grant(Subject(server), data, Verb.ADMINISTER, path, resource.urn, certain)
    for resource in _of(_VALIDATING, context):
        for webhook in _webhooks(resource):
            server, certain = _server(webhook.at("clientConfig"))
            kind = "kube-secrets" if _sees_secrets(webhook) else "kube-objects"
            path = (server, f"{resource.name}: is sent what the API server admits")
            yield Grant(Subject(server), context.data(kind, CLUSTER), Verb.READ, path, resource.urn, certain)


def acting(context: AccessContext) -> Iterator[Acting]:
    """Return the principals that these servers, and readers of a ServiceAccount's token Secret, can act as."""
    for resource, server, certain in _changing(context):
        path = (server, f"{resource.name}: changes pods")
        yield Acting(Subject(server), Target("ServiceAccount *", None), path, resource.urn, certain)
    for resource in _of(_SECRET, context):
        for body in objects(resource):
            kind = body.at("type")
            if not kind.known or kind.text() == _TOKEN:
                yield _token(resource, body, context)


def _token(resource: Resource, body: View, context: AccessContext) -> Acting:
    namespace, account = body.at("metadata.namespace"), body.at("metadata.annotations").key(_ACCOUNT)
    certain = body.at("type").known and namespace.known and account.known
    name = known_text(account)
    if namespace.known:
        subject = context.service_account(known_text(namespace), name or "*")
        target = Target(subject.name, subject.hospital)
    else:
        target = Target(f"*/{name}" if name else "ServiceAccount *", None)
    reader = Subject(f"whoever reads Secret {known_text(namespace)}/{resource.name}")
    return Acting(reader, target, (reader.name, "its token"), resource.urn, certain)


def _changing(context: AccessContext) -> Iterator[tuple[Resource, str, bool]]:
    """Return the servers that change objects or answers, with the resource that names each."""
    for resource in _of(_MUTATING, context):
        for webhook in _webhooks(resource):
            yield (resource, *_server(webhook.at("clientConfig")))
    for resource in _of(_API_SERVICE, context):
        for body in objects(resource):
            # Without a Service, the API server serves the version itself.
            if not body.at("spec.service").known or not body.at("spec.service").absent:
                yield (resource, *_server(body.at("spec")))


def _of(kind: str, context: AccessContext) -> list[Resource]:
    return context.graph.of(*(f"{kind}{form}" for form in _FORMS))


def _webhooks(resource: Resource) -> list[View]:
    return [webhook for body in objects(resource) for webhook in body.at("webhooks").items()]


def _server(client: View) -> tuple[str, bool]:
    """Return the server that a webhook calls: a Service, or a URL; and whether it is known."""
    service, url = client.at("service"), client.at("url")
    known = client.known and service.known and url.known
    name = f"{known_text(service.at('namespace'))}/{known_text(service.at('name'))}"
    return f"webhook server {known_text(url) or name}", known


def _sees_secrets(webhook: View) -> bool:
    rules = webhook.at("rules").items()
    resources = [item for rule in rules for item in rule.at("resources").items()]
    return not rules or any(not item.known or item.text().partition("/")[0] in ("*", "secrets") for item in resources)
