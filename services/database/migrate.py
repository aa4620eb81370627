"""Alembic migrations of a hospital's schemas."""

from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, text

from services.database.schemas import OWNER, Schema, role_name

FOLDER = Path(__file__).with_name("migrations")
HEADS = "heads"


def configuration(schema: Schema, hospital: str, connection: Connection) -> Config:
    """Return Alembic's configuration for the migrations of one schema of a hospital."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("version_locations", str(FOLDER / schema))
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, schema=schema, hospital=hospital)
    return config


def upgrade(connection: Connection, schema: Schema, hospital: str, revision: str = HEADS) -> None:
    """Apply the migrations of a schema as the hospital's owner role, in one transaction.

    Parameters
    ----------
    connection
        A connection to the schema's database, of a login that may become the owner role. The transaction is the
        caller's: nothing is committed here.
    schema, hospital
        The schema and the hospital.
    revision
        The revision to migrate to.
    """
    owner = role_name(hospital, OWNER)
    connection.execute(text(f'SET LOCAL ROLE "{owner}"'))
    # Two Jobs that migrate at once: the second waits for the first, and then has nothing to do.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('migrations'))"))
    command.upgrade(configuration(schema, hospital, connection), revision)
    connection.execute(text("RESET ROLE"))


def role(name: str) -> str:
    """Return the quoted name of a group role of the hospital whose database is being migrated, for a policy."""
    hospital = context.config.attributes["hospital"]
    return f'"{role_name(hospital, name)}"'
