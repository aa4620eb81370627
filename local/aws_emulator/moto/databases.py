"""Corrections of moto's RDS: changes of subnet groups, and monitoring settings of instances and clusters."""

from collections.abc import Callable
from typing import Any, Final

from moto.rds.models import DBCluster, DBInstance, RDSBackend

# Settings that moto accepts but does not store, by their request names.
_INSTANCE: Final = (
    "database_insights_mode",
    "enable_performance_insights",
    "performance_insights_kms_key_id",
    "performance_insights_retention_period",
)
_CLUSTER: Final = (*_INSTANCE, "auto_minor_version_upgrade", "monitoring_interval", "monitoring_role_arn")


def _keep(begin: Callable[..., None], names: tuple[str, ...]) -> Callable[..., None]:
    """Return a constructor that stores the settings; moto already stores their changes."""

    def begin_and_keep(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        for name in names:
            setattr(self, name, kwargs.get(name))

    return begin_and_keep


_watched: Final = property(lambda self: bool(self.enable_performance_insights))
_modify_group: Final = RDSBackend.modify_db_subnet_group


def _modify_and_keep_group(self: Any, subnet_name: str, *changed: Any) -> Any:
    """Modify a subnet group, which moto would otherwise lose."""
    if subnet_name not in self.subnet_groups:
        self.describe_db_subnet_groups(subnet_name)
    self.subnet_groups[subnet_name] = _modify_group(self, subnet_name, *changed)
    return self.subnet_groups[subnet_name]


REPAIRS: Final[tuple[tuple[Any, str, Any], ...]] = (
    (DBInstance, "__init__", _keep(DBInstance.__init__, _INSTANCE)),
    (DBInstance, "performance_insights_enabled", _watched),
    (DBCluster, "__init__", _keep(DBCluster.__init__, _CLUSTER)),
    (DBCluster, "performance_insights_enabled", _watched),
    (RDSBackend, "modify_db_subnet_group", _modify_and_keep_group),
)
