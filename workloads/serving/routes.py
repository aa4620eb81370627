"""The route table (``routes.yaml``, which documents the fields), checked against the tables of workflows and zones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from infra.settings import FIRST_MODEL, DataClass, FurtherModel, Hospital, Release, ReleaseRole, Settings, SettingsError
from infra.settings.fields import Memory
from workloads.blocks.deployment import PORT
from workloads.zones import flow_table
from workloads.zones.workload_table import GATEWAY, DnsLabel, Workload

TABLE = Path(__file__).with_name("routes.yaml")
WORKFLOWS = Path(__file__).parents[2] / "services" / "workflows.yaml"
MODEL_IN_PATH = "{model}"
"""Stands in the paths of a route of each further model for the name of it."""
_STRICT = ConfigDict(extra="forbid")
# From the least to the most sensitive.
_SENSITIVITY = ("none", DataClass.CURATED, DataClass.RAW)


class Application(StrEnum):
    """Kind of application that calls a route."""

    EHR = "ehr"
    CLIENT = "client"
    PERSON = "person"


class Proof(StrEnum):
    """Proof of an application's identity."""

    EHR_JWT = "ehr-jwt"
    OAUTH = "oauth"
    SIGN_IN = "sign-in"


_PROOFS = {
    Application.EHR: Proof.EHR_JWT,
    Application.CLIENT: Proof.OAUTH,
    Application.PERSON: Proof.SIGN_IN,
}
Method = Literal["GET", "POST"]
RoutePath = Annotated[str, Field(pattern=r"^(/([a-z0-9-]+|\{model\}))+/?$", max_length=100)]
Version = Annotated[str, Field(pattern=r"^v[1-9][0-9]{0,3}$")]
RequestData = Literal["none", DataClass.CURATED, DataClass.RAW]


@validated(frozen=True, config=_STRICT)
class Rate:
    """Rate limit of each replica: a burst, and the time in which as many requests again are allowed."""

    burst: Annotated[int, Field(ge=1, le=1000)]
    per: Literal["Second", "Minute", "Hour"]


@validated(frozen=True, config=_STRICT)
class Route:
    """A row of the table; ``routes.yaml`` documents the fields.

    Parameters
    ----------
    clients
        Not of the table: the applications that may ask a further model, on the route of it that a hospital has.
    """

    application: Application
    proof: Proof
    workflow: str
    data: RequestData
    paths: Annotated[dict[Method, tuple[RoutePath, ...]], Field(min_length=1)]
    rate: Rate
    payload: Memory | Annotated[str, Field(pattern=r"^[1-9][0-9]{0,2}Ki$")]
    timeout: Annotated[int, Field(ge=1, le=60)]
    workload: str | None = None
    at_once: Annotated[int | None, Field(ge=1, le=1000)] = None
    scope: Annotated[str, Field(pattern=r"^[a-z]+(\.[a-z]+)+$")] | None = None
    models: dict[DnsLabel, tuple[Version, ...]] = Field(default_factory=dict)
    per_model: bool = False
    clients: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.proof is not _PROOFS[self.application]:
            raise ValueError(
                f"application {self.application} proves itself by {_PROOFS[self.application]}; correct proof"
            )
        if (self.scope is not None) != (self.proof is Proof.OAUTH):
            raise ValueError("a scope belongs to proof oauth and to no other; correct one of the two")
        if (self.at_once is None) != self.queued:
            raise ValueError("at_once belongs to routes that a workload answers; add or remove it")
        listed = [path for paths in self.paths.values() for path in paths]
        if any((MODEL_IN_PATH in path) != self.per_model for path in listed):
            raise ValueError(
                f"{MODEL_IN_PATH} is in each path of routes per_model and of no other; correct one of the two"
            )
        if self.per_model and (self.queued or self.proof is not Proof.OAUTH):
            raise ValueError("per_model belongs to routes of proof oauth that a workload answers; remove it")

    @property
    def queued(self) -> bool:
        """Whether no workload answers, so that the gateway answers 501."""
        return self.workload is None

    def of_model(self, model: FurtherModel) -> "Route":
        """Return the route of one further model."""
        paths = {
            method: tuple(path.replace(MODEL_IN_PATH, model.name) for path in listed)
            for method, listed in self.paths.items()
        }
        return replace(self, per_model=False, paths=paths, clients=model.applications)

    def allows(self, model: str, release: Release) -> bool:
        """Return whether a release of a model may answer; a route without models asks none."""
        return not self.models or release.version in self.models.get(model, ())


@validated(frozen=True)
class WorkflowRow:
    """Fields of a row of ``services/workflows.yaml`` that the gateway reads."""

    data: RequestData
    mode: Literal["synchronous", "queued"]
    release: str | None


@validated(frozen=True, config=_STRICT)
class RouteTable:
    """Routes and workflows by name, and the most sensitive data that may pass through the gateway's zone."""

    routes: Annotated[dict[DnsLabel, Route], Field(min_length=1)]
    workflows: dict[str, WorkflowRow]
    passes: RequestData

    def __post_init__(self) -> None:
        paths: dict[tuple[str, str], str] = {}
        for name, route in self.routes.items():
            self._check(name, route)
            for method, path in ((method, path) for method, listed in route.paths.items() for path in listed):
                if (method, path) in paths:
                    raise ValueError(f"routes {paths[method, path]} and {name} both have {method} {path}; remove one")
                paths[method, path] = name

    def _check(self, name: str, route: Route) -> None:
        if route.clients is not None:
            raise ValueError(f"route {name}: the applications of a hospital are in its entry; remove clients")
        workflow = self.workflows.get(route.workflow)
        if workflow is None:
            raise ValueError(
                f"route {name}: workflow {route.workflow} is not described; check the spelling or add it to "
                "services/workflows.yaml"
            )
        if route.queued != (workflow.mode == "queued"):
            raise ValueError(
                f"route {name}: a queued workflow has no workload, and a synchronous one has; correct workload"
            )
        if bool(route.models) and workflow.release is None:
            raise ValueError(f"route {name}: workflow {route.workflow} asks no model; remove models")
        if not route.queued and workflow.release is not None and not route.models:
            raise ValueError(f"route {name}: workflow {route.workflow} asks a model; add models")
        for limit, owner in ((workflow.data, f"workflow {route.workflow}"), (self.passes, "the gateway's zone")):
            if _SENSITIVITY.index(route.data) > _SENSITIVITY.index(limit):
                raise ValueError(f"route {name} sends {route.data} data, and {owner} allows at most {limit}")

    def served(
        self,
        workloads: Mapping[str, Workload],
        model: str,
        release: Release | None,
        further: Sequence[FurtherModel] = (),
    ) -> dict[str, Route]:
        """Return the routes of a hospital: queued ones, and those whose workload has a port and may use its release.

        Without a release no model answers, and the services fall back. A route ``per_model`` is one of each further
        model. Any other route is refused as an unknown path.
        """
        routes: dict[str, Route] = {}
        for name, route in self.routes.items():
            if route.per_model:
                if _serves(route, workloads):
                    allowed = [one for one in further if route.allows(model, one.release)]
                    routes |= {f"{name}-{one.name}": route.of_model(one) for one in allowed}
            elif route.queued or (_serves(route, workloads) and (release is None or route.allows(model, release))):
                routes[name] = route
        return routes

    def narrowed(self, model: str, hospital: Hospital) -> Iterator[str]:
        """Yield a sentence for each release of a hospital that may answer fewer routes than it must.

        A hospital has a route only if its active release may answer it, so a promotion or a rollback would remove it;
        and a further model is asked by routes of its own.
        """
        first = {name: route for name, route in self.routes.items() if not route.per_model}
        active = hospital.release
        for role, release in hospital.roles.items():
            lost = [
                name
                for name, route in first.items()
                if active and route.allows(model, active) and not route.allows(model, release)
            ]
            if lost and role is not ReleaseRole.SHADOW:
                yield _unanswered(str(role), release, lost)
        for one in hospital.models:
            lost = [
                name for name, route in self.routes.items() if route.per_model and not route.allows(model, one.release)
            ]
            if lost:
                yield _unanswered(f"the model {one.name}", one.release, lost)


def check(settings: Settings) -> None:
    """Refuse releases that may not answer the routes that their hospital has.

    Raises
    ------
    SettingsError
        With a sentence for each.
    """
    faults = [
        f"Stack {settings.environment}: hospital {hospital.name}: {sentence}."
        for hospital in settings.working
        for sentence in table().narrowed(FIRST_MODEL, hospital)
    ]
    if faults:
        raise SettingsError("\n".join(faults))


def _unanswered(subject: str, release: Release, routes: Sequence[str]) -> str:
    return (
        f"{subject} {release} may not answer the routes {', '.join(routes)}; add {release.version} to their models in "
        "workloads/serving/routes.yaml, or choose another release"
    )


def _serves(route: Route, workloads: Mapping[str, Workload]) -> bool:
    workload = workloads.get(route.workload or "")
    return workload is not None and PORT in workload.ports


def parse(routes: Any, workflows: Any, passes: str) -> RouteTable:
    """Return the table of routes for a table of workflows.

    Raises
    ------
    ValidationError
        When the tables contradict each other.
    """
    table: RouteTable = TypeAdapter(RouteTable).validate_python({**routes, **workflows, "passes": passes})
    return table


@cache
def table() -> RouteTable:
    """Return the project's table of routes."""
    routes, workflows = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (TABLE, WORKFLOWS))
    zones = flow_table.table()
    return parse(routes, workflows, zones.passes[zones.workloads[GATEWAY].zone])
