"""Settings of one hospital's program from its environment."""

from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from model.errors import UserError
from model.io.database import DatabaseServer
from model.io.hospital_name import HospitalName
from services.database.connections import Database
from services.database.schemas import Schema


class HospitalSettings(BaseModel):
    """Settings that every program of a hospital has; a program adds its own fields.

    Parameters
    ----------
    hospital
        Name of the hospital.
    database_server
        The server of the hospital's databases.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    program: ClassVar[str] = "service"
    """What reads the settings, for messages."""
    variables: ClassVar[dict[str, str]]
    """Variable by field, of all fields but ``hospital`` and ``database_server``."""

    hospital: HospitalName
    database_server: DatabaseServer

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Return the settings that the environment has; an empty variable counts as absent.

        Raises
        ------
        UserError
            If a variable is missing or not what it must be.
        """
        variables = {"hospital": "HOSPITAL", **cls.variables}
        values: dict[str, object] = {
            field: environment[name] for field, name in variables.items() if environment.get(name)
        }
        server = DatabaseServer.from_environment(environment)
        try:
            return cls.model_validate(values | {"database_server": server})
        except ValidationError as fault:
            names = sorted({variables[str(error["loc"][0])] for error in fault.errors()})
            raise UserError(
                f"{', '.join(names)}: missing or not valid; correct the {cls.program}'s environment."
            ) from None

    def database(self, schema: Schema) -> Database:
        """Return the hospital's database with a schema."""
        return Database.of(self.database_server, self.hospital, schema)
