"""The parts of the planning service, as its settings assign them: releases, their servers, databases."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx
from sqlalchemy import Engine

from model.artifact.trust import TRUSTED_KEYS, trusted_keys
from model.errors import UserError
from services.audit.http import Recorder
from services.database import connections
from services.database.schemas import Schema
from services.planning import answers, release
from services.planning.delivery.canary import Canary
from services.planning.delivery.causes import Causes, causes
from services.planning.delivery.metrics import Metrics
from services.planning.delivery.releases import Assigned, Role
from services.planning.delivery.shadow import Shadow
from services.planning.delivery.stops import Stops
from services.planning.delivery.watch import Watch
from services.planning.model_client import ModelClient, ReleaseServer
from services.planning.online_features import OnlineFeatures
from services.planning.refresh import Refresh
from services.planning.scoring import Scoring
from services.planning.settings import Settings

CONNECTIONS = 8
"""Connections to each database, which stay open: to open one takes longer than to answer a request."""

log = logging.getLogger("services.planning")


@dataclass(frozen=True)
class Planning:
    """Dependencies of the routes.

    Attributes
    ----------
    settings
        The hospital's settings.
    scoring, features
        Scores, the online features.
    engine
        The hospital's database ``planning``.
    recorder
        Appends to the hospital's audit chain.
    servers
        The assigned releases and their model servers, by role.
    models, model_servers
        Scores of each further model by its name, and its release with the model server.
    watch, stops
        The watch over the canary, where there is one, and the canaries that were stopped.
    shadow
        Gets copies of requests that were answered, where the hospital has one.
    metrics
        Counts what is observed of the releases, for Prometheus.
    refresh
        Reads release and features beside the requests.
    """

    settings: Settings
    scoring: Scoring
    features: OnlineFeatures
    engine: Engine
    recorder: Recorder
    servers: Mapping[Role, ReleaseServer]
    models: Mapping[str, Scoring]
    model_servers: Mapping[str, ReleaseServer]
    watch: Watch | None
    stops: Stops
    shadow: Shadow | None
    metrics: Metrics
    refresh: Refresh

    def active(self) -> release.AssignedRelease | None:
        """Return the active release, or None while there is none that could be read."""
        server = self.servers.get(Role.ACTIVE)
        return server.source.get() if server else None


def planning(
    settings: Settings, model_client: Callable[[Assigned], httpx.Client], stop_causes: Causes | None = None
) -> Planning:
    """Return the parts of the service.

    Parameters
    ----------
    settings : Settings
        The hospital's settings.
    model_client : callable
        Returns a client that verifies the identity of a release's model server.
    stop_causes : Causes, optional
        What stops a canary, in place of the table.
    """
    features = OnlineFeatures(settings.online_features)
    engine = connections.engine(
        settings.database(Schema.PLANNING), settings.planning_database, pool_size=CONNECTIONS, max_overflow=0
    )
    audit_engine = connections.engine(
        settings.database(Schema.AUDIT),
        settings.audit_database,
        pool_size=CONNECTIONS,
        max_overflow=0,
        tried_after=connections.IDLE_SECONDS,
    )
    recorder = Recorder("planning", settings.hospital, audit_engine)
    stops = Stops(engine, recorder)
    metrics = Metrics(settings.releases, stops)
    budget = settings.budget_milliseconds / 1000
    servers: dict[Role, ReleaseServer] = {
        role: _server(assigned, model_client(assigned), budget)
        for role, assigned in settings.releases.by_role()
        if role is not Role.PREVIOUS
    }
    model_servers = {
        name: _server(assigned, model_client(assigned), budget) for name, assigned in settings.releases.models.items()
    }
    if Role.ACTIVE not in servers:
        log.warning("The hospital has no active release (RELEASES); patients are ranked by LACE")
    assigned_canary = settings.releases.canary
    canary = Canary(assigned_canary, servers[Role.CANARY], stops) if assigned_canary else None
    watch = Watch(canary, stops, engine, stop_causes or causes(), answers.release_ref) if canary else None
    assigned_shadow = settings.releases.shadow
    shadow = Shadow(assigned_shadow, servers[Role.SHADOW], engine, metrics) if assigned_shadow else None
    sources = [server.source.refresh for server in (*servers.values(), *model_servers.values())]
    watching = [part.refresh for part in (watch, shadow) if part is not None]
    return Planning(
        settings=settings,
        scoring=Scoring(servers.get(Role.ACTIVE), features, stale_hours=settings.stale_hours, canary=canary),
        features=features,
        engine=engine,
        recorder=recorder,
        servers=servers,
        models={
            name: Scoring(server, features, stale_hours=settings.stale_hours) for name, server in model_servers.items()
        },
        model_servers=model_servers,
        watch=watch,
        stops=stops,
        shadow=shadow,
        metrics=metrics,
        refresh=Refresh([*sources, features.refresh, stops.refresh, *watching]),
    )


def _server(assigned: Assigned, http: httpx.Client, budget_seconds: float) -> ReleaseServer:
    return ReleaseServer(
        release.ReleaseSource(lambda: _verified(assigned)), ModelClient(http, assigned.inference_url, budget_seconds)
    )


def _verified(assigned: Assigned) -> release.AssignedRelease:
    keys = trusted_keys()
    if keys is None:
        raise UserError(f"{TRUSTED_KEYS} is empty, so no release can be trusted; set the hospital's public keys")
    return release.read(assigned.files, assigned.release, keys)
