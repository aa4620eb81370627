"""The class of a release, and the gate that a described workflow asks for releases of that class."""

from pathlib import Path
from typing import Any

import yaml

from model.errors import UserError
from model.gates import Verdict

TABLE = Path(__file__).parents[2] / "services" / "workflows.yaml"
RELEASE_CLASS = "tabular-risk"
"""Class of the releases that this package makes: a risk from a table of features."""


def workflow_verdict(release_class: str, path: Path = TABLE) -> Verdict:
    """Return whether a workflow of ``services/workflows.yaml`` asks for releases of a class.

    Parameters
    ----------
    release_class : str
        The class, as the column ``release`` of the table names it.
    path : Path
        The table, read as data.

    Raises
    ------
    UserError
        If the table does not exist or is not one.
    """
    try:
        rows: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["workflows"]
        asking = sorted(name for name, row in rows.items() if row["release"] == release_class)
    except OSError:
        raise UserError(f"{path} does not exist; a release needs the table of workflows that it is made for.") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path} is not a table of workflows; correct the file.") from None
    return Verdict(
        name="described use",
        passed=bool(asking),
        found=", ".join(asking) or "no workflow",
        demand=f"a workflow of workflows.yaml that asks for releases of the class {release_class}",
    )
