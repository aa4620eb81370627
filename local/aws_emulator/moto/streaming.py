"""Additions to moto's MSK: configurations, bootstrap brokers, and states of clusters."""

import json
from typing import Any, Final
from urllib.parse import unquote

from moto.core.utils import iso_8601_datetime_with_milliseconds, utcnow
from moto.kafka.exceptions import NotFoundException
from moto.kafka.models import KafkaBackend
from moto.kafka.responses import KafkaResponse
from moto.kafka.urls import url_paths
from moto.moto_api._internal import mock_random
from moto.utilities.utils import get_partition
from typing_extensions import override

# By type of access: name of the response field, and port.
_DOORS: Final = {"iam": ("bootstrapBrokerStringSaslIam", 9098), "scram": ("bootstrapBrokerStringSaslScram", 9096)}
_TLS: Final = ("bootstrapBrokerStringTls", 9094)


class _Found(dict[str, Any]):
    """Objects by ARN, with a NotFound error for a missing one, where moto would fail."""

    def __missing__(self, arn: str) -> Any:
        raise NotFoundException(f"The requested resource doesn't exist: {arn}")

    @override
    def pop(self, arn: str, *_: Any) -> Any:
        """Take one out, which has to be there."""
        cluster = self[arn]
        del self[arn]
        return cluster


_begin: Final = KafkaBackend.__init__
_create: Final = KafkaBackend.create_cluster


def _begin_with_absent(self: Any, *args: Any, **kwargs: Any) -> None:
    _begin(self, *args, **kwargs)
    self.clusters, self.configurations = _Found(), _Found()


def _create_ready(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Create a cluster that is active as soon as the request returns."""
    cluster = _create(self, *args, **kwargs)
    self.clusters[cluster[0]].state = "ACTIVE"
    return cluster


# --- bootstrap brokers -------------------------------------------------------------------
def _brokers(self: Any) -> str:
    arn = unquote(self.parsed_url.path.split("/clusters/")[-1]).removesuffix("/bootstrap-brokers")
    cluster = self.kafka_backend.clusters[arn]
    zone = f"{cluster.cluster_name}.{cluster.cluster_id[:6]}.c1.kafka.{cluster.region_name}.amazonaws.com"
    login = cluster.client_authentication or {}
    sasl = {name for name, method in (login.get("sasl") or {}).items() if method.get("enabled")}
    doors = [_DOORS[name] for name in sorted(sasl & set(_DOORS))] or [_TLS]
    numbers = range(1, (cluster.number_of_broker_nodes or 0) + 1)
    return json.dumps({door: ",".join(f"b-{n}.{zone}:{port}" for n in numbers) for door, port in doors})


# --- configurations ----------------------------------------------------------------------
def _revise(self: Any, kept: dict[str, Any], number: int) -> None:
    revision = {"revision": number, "creationTime": iso_8601_datetime_with_milliseconds(utcnow())}
    described = self._get_param("description")
    kept["latestRevision"] = {**revision, **({"description": described} if described else {})}


def _create_configuration(self: Any) -> str:
    backend, name = self.kafka_backend, self._get_param("name")
    where = f"arn:{get_partition(self.region)}:kafka:{self.region}:{self.current_account}"
    arn = f"{where}:configuration/{name}/{mock_random.uuid4()}-1"
    kept = {"arn": arn, "name": name, "state": "ACTIVE", "kafkaVersions": self._get_param("kafkaVersions") or []}
    kept["description"] = self._get_param("description") or ""
    _revise(self, kept, 1)
    kept["creationTime"] = kept["latestRevision"]["creationTime"]
    backend.configurations[arn] = kept
    return json.dumps(kept)


def _configuration(self: Any) -> str:
    return unquote(self.parsed_url.path.split("/configurations/")[-1])


def _describe_configuration(self: Any) -> str:
    return json.dumps(self.kafka_backend.configurations[_configuration(self)])


def _update_configuration(self: Any) -> str:
    kept = self.kafka_backend.configurations[_configuration(self)]
    _revise(self, kept, kept["latestRevision"]["revision"] + 1)
    return json.dumps({"arn": kept["arn"], "latestRevision": kept["latestRevision"]})


def _delete_configuration(self: Any) -> str:
    kept = self.kafka_backend.configurations.pop(_configuration(self))
    return json.dumps({"arn": kept["arn"], "state": "DELETING"})


for _path in ("{0}/v1/configurations$", "{0}/v1/configurations/(?P<arn>.+)$"):
    url_paths[_path] = KafkaResponse.dispatch

REPAIRS: Final[tuple[tuple[Any, str, Any], ...]] = (
    (KafkaBackend, "__init__", _begin_with_absent),
    (KafkaBackend, "create_cluster", _create_ready),
    (KafkaResponse, "get_bootstrap_brokers", _brokers),
    (KafkaResponse, "create_configuration", _create_configuration),
    (KafkaResponse, "describe_configuration", _describe_configuration),
    (KafkaResponse, "update_configuration", _update_configuration),
    (KafkaResponse, "delete_configuration", _delete_configuration),
)
