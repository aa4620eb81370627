"""Where moto differs from AWS in what a deployment would notice, put right."""

from typing import Any

from moto.kafka.exceptions import NotFoundException
from moto.kafka.models import KafkaBackend


class _Clusters(dict[str, Any]):
    """MSK's clusters; that one is absent is an answer, where moto would fail."""

    def __missing__(self, arn: str) -> Any:
        raise NotFoundException(f"The requested resource doesn't exist: {arn}")


_begin = KafkaBackend.__init__


def _begin_with_clusters(self: Any, *args: Any, **kwargs: Any) -> None:
    _begin(self, *args, **kwargs)
    self.clusters = _Clusters()


# Whose attribute, its name, and what takes its place.
REPAIRS: tuple[tuple[Any, str, Any], ...] = ((KafkaBackend, "__init__", _begin_with_clusters),)
