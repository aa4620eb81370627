"""The compliant stack, written by hand: a module for each part, and the whole."""

from tests.policy.world.stack import (
    ACCESS,
    ADDRESSES,
    CONFIG,
    HOSPITALS,
    SETTINGS_FILE,
    TODAY,
    config,
    graph,
    its_table,
    platform,
    resources,
    settings,
)

__all__ = [
    "ACCESS",
    "ADDRESSES",
    "CONFIG",
    "HOSPITALS",
    "SETTINGS_FILE",
    "TODAY",
    "config",
    "graph",
    "its_table",
    "platform",
    "resources",
    "settings",
]
