"""Evaluation of rendered charts: their objects as resources of the production stack, by the policy pack."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from policy_pack.engine.evaluate import Evaluator, Result, Status
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.pods import containers
from tests.policy.changes.planting import Stack
from workloads.platform.charts import Chart

_BROKEN = (Status.REFUSED, Status.ADVISORY)
_CLUSTER_SCOPED = re.compile(
    r"Cluster\w+|CustomResourceDefinition|Namespace|\w+WebhookConfiguration|\w+AdmissionPolicy(Binding)?|"
    r"PriorityClass|GatewayClass|APIService|StorageClass|NodePool|NodeClaim|EC2NodeClass"
)


@dataclass(frozen=True, order=True)
class ChartFinding:
    """Findings of one control with one message on the objects of a chart."""

    control: str
    message: str
    objects: tuple[str, ...]


def resources(chart: Chart, text: str) -> list[Resource]:
    """Return the objects of a rendered chart as resources of a stack."""
    return [_resource(chart, document) for document in yaml.safe_load_all(text) if document]


def _resource(chart: Chart, document: dict[str, Any]) -> Resource:
    api, kind = str(document["apiVersion"]), str(document["kind"])
    metadata = dict(document.get("metadata") or {})
    if not _CLUSTER_SCOPED.fullmatch(kind):
        metadata.setdefault("namespace", chart.namespace)
    type_ = f"kubernetes:{api if '/' in api else f'core/{api}'}:{kind}"
    name = f"{kind}/{metadata.get('name')}"
    urn = f"urn:pulumi:prod::charts::{type_}::{chart.name}/{name}"
    return Resource(urn, type_, name, {**document, "metadata": metadata})


def kinds(objects: list[Resource]) -> dict[str, int]:
    """Return the number of objects of each kind."""
    return dict(sorted(Counter(found.kind.rpartition("/")[2] for found in objects).items()))


def images(objects: list[Resource]) -> list[str]:
    """Return the images of all containers."""
    return sorted({one.view.at("image").text() for found in objects for one in containers(found)} - {""})


def findings(stack: Stack, objects: list[Resource]) -> list[ChartFinding]:
    """Return what the pack finds in a stack with these objects beyond its findings in the stack without them."""
    evaluator = Evaluator(stack.settings, stack.addresses)
    before = {_key(result) for result in _refused(evaluator, Graph(stack.graph.resources, "prod"))}
    after = _refused(evaluator, Graph([*stack.graph.resources, *objects], "prod"))
    grouped: dict[tuple[str, str], set[str]] = defaultdict(set)
    for result in after:
        if _key(result) not in before:
            grouped[result.control, _without_path(result.message)].add(result.name)
    return sorted(ChartFinding(*key, tuple(sorted(names))) for key, names in grouped.items())


def _without_path(message: str) -> str:
    """Return a message with the principal alone where it has a path, of which a role of a chart has hundreds."""
    principal, arrow, _ = message.partition(" -> ")
    return f"{principal} -> more than access.yaml or the zone table allows" if arrow else message


def _refused(evaluator: Evaluator, graph: Graph) -> Iterator[Result]:
    return (result for result in evaluator.evaluate_stack(graph) if result.status in _BROKEN)


def _key(result: Result) -> tuple[str, str, str, str]:
    return result.control, result.urn, result.path, result.message
