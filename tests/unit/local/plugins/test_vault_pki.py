"""The vault plugin's rows against the real OpenBao: a hospital's authority, and who gets certificates of it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import hvac
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hvac.exceptions import Forbidden, InvalidRequest

from local.plugins.provider.common import PluginError, Props
from local.plugins.vault_provider import VaultProvider
from tests.support.vault.bao_server import ROOT as ROOT_TOKEN
from tests.support.vault.bao_server import bao
from tests.support.vault.openbao_server import World, plugged

pytestmark = pytest.mark.process

MOUNT = "vault:index/mount:Mount"
ROOT = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
ROLE = "vault:pkiSecret/secretBackendRole:SecretBackendRole"
LISTS = "vault:pkiSecret/secretBackendCrlConfig:SecretBackendCrlConfig"
READ = "vault:generic/getSecret:getSecret"
AUTHORITY: Props = {
    "backend": "north/pki",
    "type": "internal",
    "commonName": "Authority of hospital north",
    "ttl": "315360000s",
    "keyType": "ec",
    "keyBits": 384,
    "maxPathLength": 0,
}
SERVER: Props = {
    "backend": "north/pki",
    "name": "envoy",
    "allowedDomains": ["north.risk.example"],
    "allowBareDomains": True,
    "allowSubdomains": False,
    "allowLocalhost": False,
    "serverFlag": True,
    "clientFlag": False,
    "keyType": "ec",
    "keyBits": 256,
    "keyUsages": ["DigitalSignature"],
    "ttl": "2592000",
    "maxTtl": "2592000",
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with plugged(tmp_path) as made:
        yield made


def request_for(name: str) -> str:
    """Return a request for a certificate of a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_the_operator_lays_out_an_authority_and_cannot_use_it(world: World) -> None:
    world.create(MOUNT, {"path": "north/pki", "type": "pki", "maxLeaseTtlSeconds": 315360000})
    made, state = world.create(ROOT, AUTHORITY)
    assert made == f"north/pki/issuer/{state['issuerId']}"
    authority = x509.load_pem_x509_certificate(state["certificate"].encode())
    assert authority.subject.rfc4514_string() == "CN=Authority of hospital north"
    assert world.read(ROOT, made, AUTHORITY, state).inputs == {**AUTHORITY, "__defaults": []}
    role, shown = world.create(ROLE, SERVER)
    assert role == "north/pki/roles/envoy"
    assert world.read(ROLE, role, SERVER, shown).inputs == {**SERVER, "__defaults": []}
    with pytest.raises(Forbidden):
        world.http.write_data("north/pki/sign/envoy", data={"csr": request_for("north.risk.example")})
    old = world.request(ROLE, SERVER).inputs
    changed = world.request(ROLE, {**SERVER, "ttl": "86400"}, id=role, old_inputs=old, state=shown)
    assert world.provider.update(changed)["ttl"] == "86400"
    assert world.http.read("north/pki/roles/envoy")["data"]["ttl"] == 86400
    world.provider.delete(world.request(ROLE, SERVER, id=role, old_inputs=old, state=shown))
    assert not world.read(ROLE, role, SERVER, shown).id
    world.provider.delete(world.request(ROOT, AUTHORITY, id=made, old_inputs=AUTHORITY, state=state))
    assert not world.read(ROOT, made, AUTHORITY, state).id


def test_a_role_signs_its_own_name_alone(tmp_path: Path) -> None:
    with bao(tmp_path) as server:
        provider = VaultProvider({})
        provider.configure({"address": server.url, "token": ROOT_TOKEN})
        world = World(None, provider, hvac.Client(url=server.url, token=ROOT_TOKEN))
        world.create(MOUNT, {"path": "north/pki", "type": "pki", "maxLeaseTtlSeconds": 315360000})
        _, state = world.create(ROOT, AUTHORITY)
        world.create(ROLE, SERVER)
        answer = world.http.write_data("north/pki/sign/envoy", data={"csr": request_for("north.risk.example")})
        signed = x509.load_pem_x509_certificate(answer["data"]["certificate"].encode())
        signed.verify_directly_issued_by(x509.load_pem_x509_certificate(state["certificate"].encode()))
        usage = signed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
        for other in ("south.risk.example", "x.north.risk.example", "localhost"):
            with pytest.raises(InvalidRequest, match="not allowed"):
                world.http.write_data("north/pki/sign/envoy", data={"csr": request_for(other)})


def test_a_workload_s_role_issues_its_own_uri_alone(tmp_path: Path) -> None:
    with bao(tmp_path) as server:
        provider = VaultProvider({})
        provider.configure({"address": server.url, "token": ROOT_TOKEN})
        world = World(None, provider, hvac.Client(url=server.url, token=ROOT_TOKEN))
        world.create(MOUNT, {"path": "north/pki", "type": "pki", "maxLeaseTtlSeconds": 315360000})
        world.create(ROOT, AUTHORITY)
        own = "spiffe://hmlops/north/planner"
        more = {"allowIpSans": False, "requireCn": False, "clientFlag": True, "ttl": "28800", "maxTtl": "28800"}
        role = {**SERVER, **more, "name": "planner", "allowedDomains": [], "allowedUriSans": [own]}
        made, shown = world.create(ROLE, role)
        assert world.read(ROLE, made, role, shown).inputs["allowedUriSans"] == [own]
        answer = world.http.write_data("north/pki/issue/planner", data={"uri_sans": own})
        issued = x509.load_pem_x509_certificate(answer["data"]["certificate"].encode())
        names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [name.value for name in names] == [own]
        for other in ({"uri_sans": "spiffe://hmlops/north/care"}, {"common_name": "north.example"}):
            with pytest.raises(InvalidRequest):
                world.http.write_data("north/pki/issue/planner", data={"uri_sans": own, **other})


def test_the_program_reads_the_revocation_list_that_an_authority_publishes(world: World) -> None:
    world.create(MOUNT, {"path": "north/pki", "type": "pki", "maxLeaseTtlSeconds": 315360000})
    settings: Props = {"backend": "north/pki", "expiry": "31536000s", "disable": False}
    made, state = world.create(LISTS, settings)
    world.create(ROOT, AUTHORITY)
    assert made == "north/pki/config/crl"
    assert world.read(LISTS, made, settings, state).inputs == {**settings, "__defaults": []}
    answer = world.provider.invoke(READ, {"path": "north/pki/cert/crl"})
    listed = x509.load_pem_x509_crl(answer["data"]["certificate"].encode())
    assert listed.issuer.rfc4514_string() == "CN=Authority of hospital north"
    assert listed.next_update_utc is not None
    assert listed.next_update_utc - listed.last_update_utc >= timedelta(days=364)
    with pytest.raises(PluginError, match="has nothing at south/pki/cert/crl"):
        world.provider.invoke(READ, {"path": "south/pki/cert/crl"})
    with pytest.raises(PluginError, match="does not support the function"):
        world.provider.invoke("vault:index/getRaftAutopilotState:getRaftAutopilotState", {})


def test_an_authority_whose_key_would_leave_vault_is_refused(world: World) -> None:
    with pytest.raises(PluginError, match="supports only internal"):
        world.create(ROOT, {**AUTHORITY, "type": "exported"})
