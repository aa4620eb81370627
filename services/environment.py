"""Settings of a service from its environment."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from model.errors import UserError
from model.io.database import DatabaseServer

S = TypeVar("S", bound=BaseModel)


def settings_of(kind: type[S], variables: Mapping[str, str], environment: Mapping[str, str], *, program: str) -> S:
    """Return the settings that an environment has; an empty variable counts as absent.

    Parameters
    ----------
    kind
        The settings, with the field ``database_server``: the server of the hospital's databases.
    variables
        Variable by field, of all other fields.
    environment
        The environment.
    program
        What reads them, for messages.

    Raises
    ------
    UserError
        If a variable is missing or not what it must be.
    """
    values: dict[str, Any] = {field: environment[name] for field, name in variables.items() if environment.get(name)}
    server = DatabaseServer.from_environment(environment)
    try:
        return kind.model_validate(values | {"database_server": server})
    except ValidationError as fault:
        names = sorted({variables[str(error["loc"][0])] for error in fault.errors()})
        raise UserError(f"{', '.join(names)}: missing or not valid; correct the {program}'s environment.") from None
