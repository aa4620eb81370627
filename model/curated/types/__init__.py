"""FHIR resource types of the curated tables, one module each: columns, rows and exclusion reasons."""

import functools
from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from model.curated.resource_table import ResourceTable
from model.fhir.resource_types import ACCEPTED


@functools.cache
def resource_tables() -> Mapping[str, ResourceTable]:
    """Return the table of each resource type, in the order of ``model/fhir/resource_types.yaml``.

    Raises
    ------
    LookupError
        When a resource type has no module here, or a module no resource type.
    """
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    tables: dict[str, ResourceTable] = {module.TABLE.resource_type: module.TABLE for module in modules}
    if tables.keys() != set(ACCEPTED):
        raise LookupError(
            f"model/curated/types and resource_types.yaml differ: {sorted(tables.keys() ^ set(ACCEPTED))}"
        )
    return {name: tables[name] for name in ACCEPTED}
