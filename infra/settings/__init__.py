"""The stack's settings: types of the sections, validation, tiers and resource names."""

from infra.settings.cluster import EksSettings, ExistingClusterSettings, Settings
from infra.settings.ehr import Ehr, PublicKey
from infra.settings.environment import Autoscaler, ClusterKind
from infra.settings.errors import SettingsError
from infra.settings.gateway import Gateway
from infra.settings.hospital import Contact, DataClass, Hospital, Leaving
from infra.settings.images import Images
from infra.settings.network import Endpoint, PeerNetwork, PostgresqlServer, VaultServer
from infra.settings.releases import FIRST_MODEL, Canary, FurtherModel, Release, ReleaseRole, Shadow
from infra.settings.resources import Amount, Resources
from infra.settings.sign_in import SignIn, StaffRole

__all__ = [
    "FIRST_MODEL",
    "Amount",
    "Autoscaler",
    "Canary",
    "ClusterKind",
    "Contact",
    "DataClass",
    "Ehr",
    "EksSettings",
    "Endpoint",
    "ExistingClusterSettings",
    "FurtherModel",
    "Gateway",
    "Hospital",
    "Images",
    "Leaving",
    "PeerNetwork",
    "PostgresqlServer",
    "PublicKey",
    "Release",
    "ReleaseRole",
    "Resources",
    "Settings",
    "SettingsError",
    "Shadow",
    "SignIn",
    "StaffRole",
    "VaultServer",
]
