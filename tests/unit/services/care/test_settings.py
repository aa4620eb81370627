import pytest

from model.errors import UserError
from services.care.settings import Settings
from tests.support.care.ehr import Ehr, clients
from tests.support.databases.postgres import ELSEWHERE

ENVIRONMENT = {
    "HOSPITAL": "north",
    "PUBLIC_URL": "https://north.example/",
    "PLANNING_URL": "https://planning.north-serving.svc:8443",
    "EHR_CLIENTS": "[]",
    "CURATED": "s3://north-curated/tables",
}
ALL = ENVIRONMENT | ELSEWHERE


def test_the_environment_is_read_and_other_variables_are_ignored() -> None:
    settings = Settings.from_environment(ALL | {"PATH": "/bin", "KEY_VERSION": "2"})
    assert (settings.hospital, settings.address, settings.key_version) == ("north", "https://north.example", 2)
    assert settings.fhir_server is None
    assert settings.ehr_address == settings.address
    elsewhere = Settings.from_environment(ALL | {"EHR_URL": "https://north.api.example"})
    assert (elsewhere.address, elsewhere.ehr_address) == ("https://north.example", "https://north.api.example")


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_missing_variable_is_named(name: str) -> None:
    environment = {other: value for other, value in ALL.items() if other != name}
    with pytest.raises(UserError, match=f"^Missing or invalid environment variables: {name}; correct them.$"):
        Settings.from_environment(environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOSPITAL", "North Hospital"),
        ("PUBLIC_URL", "http://north.example"),
        ("EHR_URL", "http://north.example"),
        ("UNITS", "medicine"),
        ("PLANNING_URL", "http://planning"),
        ("KEY_VERSION", "0"),
        ("LARGEST_BODY_BYTES", "many"),
        ("FHIR_SERVER", "fhir"),
    ],
)
def test_an_invalid_variable_is_named_without_its_value(name: str, value: str) -> None:
    with pytest.raises(UserError) as refused:
        Settings.from_environment(ALL | {name: value})
    assert name in str(refused.value)
    assert value not in str(refused.value)


def test_the_clients_are_those_of_the_table() -> None:
    settings = Settings.from_environment(ALL | {"EHR_CLIENTS": clients(Ehr())})
    assert [client.name for client in settings.clients] == ["north-ehr"]


def test_a_fault_of_the_table_is_named_at_the_start() -> None:
    with pytest.raises(UserError, match=r"^EHR_CLIENTS is invalid: 0\.jwks: Field required"):
        Settings.from_environment(ALL | {"EHR_CLIENTS": '[{"name": "north-ehr", "iss": "https://ehr.example"}]'})
