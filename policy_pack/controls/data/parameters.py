"""Parameters of databases and brokers that force TLS, audit and authentication (``parameters.yaml``)."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables
from policy_pack.controls.rules import join_check, resource_check
from policy_pack.stack.checks import Findings, StackContext, expect, is_not_true, is_true, not_yet_known, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import DATABASES, RDS_CLUSTER, RDS_CLUSTER_INSTANCE, RDS_INSTANCE
from policy_pack.stack.values import UNKNOWN, View

TABLE = Path(__file__).with_name("parameters.yaml")
_MSK = "aws:msk/cluster:Cluster"
_GROUP = "aws:rds/parameterGroup:ParameterGroup"
_GROUPS = {
    RDS_CLUSTER: ("dbClusterParameterGroupName", "aws:rds/clusterParameterGroup:ClusterParameterGroup"),
    RDS_INSTANCE: ("parameterGroupName", _GROUP),
    RDS_CLUSTER_INSTANCE: ("dbParameterGroupName", _GROUP),
}
_BROKER_LOGS = {"cloudwatchLogs": "logGroup", "s3": "bucket", "firehose": "deliveryStream"}
_NAMES = ("name", "id")


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Parameter:
    """A parameter, its allowed values, and the message where it has another one."""

    name: str
    control: str
    message: str
    one_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    optional: bool = False

    def allows(self, values: Sequence[str]) -> bool:
        """Return whether every value of a parameter is allowed; it has none where it is not set."""
        return all(self._allows(value) for value in values) if values else self.optional

    def _allows(self, value: str) -> bool:
        if value.strip().lower() in {allowed.lower() for allowed in self.one_of}:
            return True
        items = {item.strip().lower() for item in value.split(",")}
        return bool(self.all_of) and set(self.all_of) <= items


@cache
def parameters() -> Mapping[str, tuple[Parameter, ...]]:
    """Return the parameters by engine."""
    table = TypeAdapter(dict[Literal["postgresql", "kafka"], tuple[Parameter, ...]])
    return {str(engine): rows for engine, rows in tables.read(table.validate_python, TABLE).items()}


# --- databases -----------------------------------------------------------------------------------
@join_check("ENC-07", *DATABASES)
def databases_force_tls(database: Resource, context: StackContext) -> Findings:
    """Require the parameters that force TLS, in the parameter group of the database."""
    engine = database.at("engine")
    yield from expect(engine, _is_described, "has an engine whose parameters are not described (parameters.yaml)")
    yield from _database(database, context.graph, "ENC-07")


@join_check("AUD-05", *DATABASES)
def databases_audit_statements(database: Resource, context: StackContext) -> Findings:
    """Require the parameters that audit connections and statements, without their values."""
    yield from _database(database, context.graph, "AUD-05")


@join_check("AUTH-05", *DATABASES)
def databases_authenticate_clients(database: Resource, context: StackContext) -> Findings:
    """Require the parameters of password authentication."""
    yield from _database(database, context.graph, "AUTH-05")


@join_check("ENC-07", RDS_CLUSTER_INSTANCE)
def instances_keep_tls(instance: Resource, context: StackContext) -> Findings:
    """Refuse parameter groups of instances that override the cluster's TLS."""
    yield from _overrides(instance, context.graph, "ENC-07")


@join_check("AUD-05", RDS_CLUSTER_INSTANCE)
def instances_keep_audit(instance: Resource, context: StackContext) -> Findings:
    """Refuse parameter groups of instances that override the cluster's audit."""
    yield from _overrides(instance, context.graph, "AUD-05")


@join_check("AUTH-05", RDS_CLUSTER_INSTANCE)
def instances_keep_authentication(instance: Resource, context: StackContext) -> Findings:
    """Refuse parameter groups of instances that override the cluster's authentication."""
    yield from _overrides(instance, context.graph, "AUTH-05")


def _is_described(engine: object) -> bool:
    return engine in (None, "", "postgres", "aurora-postgresql")


def _database(database: Resource, graph: Graph, control: str) -> Findings:
    path, kind = _GROUPS[database.kind]
    group = graph.target(database, path, (kind,), _NAMES)
    if group is None and not database.at(path).known:
        yield not_yet_known(path)
        return
    yield from _wrong(group.at("parameters") if group else View(None, path), "postgresql", control, required=True)


def _overrides(instance: Resource, graph: Graph, control: str) -> Findings:
    path, kind = _GROUPS[instance.kind]
    group = graph.target(instance, path, (kind,), _NAMES)
    if group:
        yield from _wrong(group.at("parameters"), "postgresql", control, required=False)
    # AWS's default groups cannot be changed, and leave the cluster's parameters as they are.
    elif not instance.at(path).absent and not instance.at(path).text().startswith("default."):
        yield violation("has a parameter group that the stack does not have", path)


def _wrong(written: View, engine: str, control: str, *, required: bool) -> Findings:
    values: dict[str, list[str]] = {}
    for item in written.items():
        values.setdefault(item.at("name").text(), []).append(item.at("value").text())
    yield from _violations(values, written.path, engine, control, required=required)


def _violations(
    values: Mapping[str, Sequence[str]], path: str, engine: str, control: str, *, required: bool
) -> Findings:
    for parameter in parameters()[engine]:
        own = values.get(parameter.name, ())
        if parameter.control == control and (required or own) and not parameter.allows(own):
            yield violation(f"{parameter.message} ({parameter.name})", path)


# --- brokers -------------------------------------------------------------------------------------
@resource_check("AUTH-05", _MSK)
def brokers_authenticate_clients(cluster: Resource) -> Findings:
    """Require authentication of every client of a broker."""
    authentication = cluster.at("clientAuthentication")
    yield from expect(authentication.at("unauthenticated"), is_not_true, "accepts clients without authentication")
    ways = [authentication.at("sasl.iam"), authentication.at("sasl.scram")]
    certificates = authentication.at("tls.certificateAuthorityArns")
    if not any(is_true(way.value) for way in ways) and certificates.absent:
        yield violation("authenticates its clients in no way (clientAuthentication)", authentication.path)


@join_check("AUTH-05", _MSK)
def brokers_have_secure_properties(cluster: Resource, context: StackContext) -> Findings:
    """Require the server properties that refuse clients without an ACL."""
    kind = "aws:msk/configuration:Configuration"
    arn = cluster.at("configurationInfo.arn")
    configuration = context.graph.target(cluster, arn.path, (kind,), ("arn",))
    own = configuration.at("arn").raw if configuration else None
    if arn.known and isinstance(own, str) and own != arn.raw:
        configuration = None
    if configuration is None:
        yield violation("has no configuration of this stack", arn.path) if arn.known else not_yet_known(arn.path)
        return
    revision, latest = cluster.at("configurationInfo.revision").raw, configuration.at("latestRevision").raw
    if revision is not UNKNOWN and latest is not UNKNOWN and None not in (revision, latest) and revision != latest:
        yield violation("has an older revision of its configuration", "configurationInfo.revision")
    values: dict[str, list[str]] = {}
    for name, value in _properties(configuration.at("serverProperties").text()):
        values.setdefault(name, []).append(value)
    yield from _violations(values, "configurationInfo", "kafka", "AUTH-05", required=True)
    for name in sorted(values.keys() - {parameter.name for parameter in parameters()["kafka"]}):
        yield violation(f"sets {name}, which parameters.yaml does not describe", "configurationInfo")


def _properties(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name.strip() and not name.lstrip().startswith("#"):
            yield name.strip(), value.strip()


@resource_check("AUD-05", _MSK)
def brokers_have_logs(cluster: Resource) -> Findings:
    """Require that the brokers' log is delivered."""
    logs = cluster.at("loggingInfo.brokerLogs")
    if not any(
        is_true(logs.at(f"{way}.enabled").value) and not _is_missing(logs.at(f"{way}.{destination}"))
        for way, destination in _BROKER_LOGS.items()
    ):
        yield violation("does not deliver the log of its brokers (loggingInfo)", "loggingInfo.brokerLogs")


def _is_missing(destination: View) -> bool:
    return destination.known and destination.absent
