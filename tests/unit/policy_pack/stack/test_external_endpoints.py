"""Addresses of external endpoints, from a stack's configuration."""

from policy_pack.stack.external_endpoints import Addresses, Endpoint
from policy_pack.stack.external_endpoints import read as read_places
from policy_pack.stack.hospital_entries import HospitalEntry


def test_addresses_are_read_from_a_stack_s_configuration() -> None:
    config = {
        "healthcare-mlops:endpoints": '{"vault": {"url": "https://10.1.2.3:8200"}, "kubernetes": {"url": "https://x"}}',
        "healthcare-mlops:networks": {"vpc": "10.40.0.0/16"},
        "healthcare-mlops:hospitals": [
            {"name": "north", "fhir": {"url": "https://f.example"}, "network": "10.50.0.0/24"}
        ],
    }
    found = read_places(config)
    assert found == Addresses(
        {
            "vault": Endpoint("10.1.2.3/32", 8200),
            "aws": Endpoint("10.40.0.0/16", 443),
            "postgresql": Endpoint("10.40.192.0/18", 5432),
        },
        {("north", "fhir"): Endpoint("10.50.0.0/24", 443)},
        frozenset({("north", "issuer"), ("north", "gateway-control"), ("north", "sign-in")}),
        vault="https://10.1.2.3:8200",
        pods="10.40.0.0/16",
        networks=("10.40.0.0/16",),
        hosts=frozenset({"10.1.2.3", "x", "f.example"}),
        entries={"north": HospitalEntry({"raw": 30, "curated": 2190}, {})},
    )
    gateway = {"jwksUri": "https://login.example/keys", "network": "10.41.1.0/24"}
    asked = read_places({**config, "healthcare-mlops:gateway": gateway})
    assert asked.of("north", "issuer") == Endpoint("10.41.1.0/24", 443)
    assert asked.of("north", "clinic") == Endpoint("10.50.0.0/24", 0)
