"""Certificates are made once, renewed in time, and belong to their own authority."""

import datetime
from pathlib import Path

import pytest
from cryptography import x509

from local.cluster import pki
from local.paths import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def certificate(home: Home, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((home.pki / f"{name}.crt").read_bytes())


def test_every_identity_is_made_and_then_kept(home: Home) -> None:
    assert pki.ensure(home) == {identity.name for identity in pki.IDENTITIES}
    assert pki.ensure(home) == frozenset()


def test_keys_are_readable_by_their_owner_alone(home: Home) -> None:
    pki.ensure(home)
    secret = [path for path in home.pki.iterdir() if path.suffix == ".key"]
    assert len(secret) >= len(pki.IDENTITIES)
    assert all(path.stat().st_mode & 0o077 == 0 for path in secret)


def test_etcd_trusts_an_authority_of_its_own(home: Home) -> None:
    pki.ensure(home)
    cluster = certificate(home, "ca")
    certificate(home, "admin").verify_directly_issued_by(cluster)
    with pytest.raises(Exception, match="does not match"):
        certificate(home, "apiserver-etcd-client").verify_directly_issued_by(cluster)


def test_a_certificate_that_expires_soon_is_renewed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    pki.ensure(home)
    old = certificate(home, "openbao").serial_number
    monkeypatch.setattr(pki, "RENEW_BEFORE", pki.LEAF_LIFE + datetime.timedelta(days=1))
    assert "openbao" in pki.ensure(home)
    assert certificate(home, "openbao").serial_number != old


def test_a_damaged_or_foreign_certificate_is_made_again(home: Home, tmp_path: Path) -> None:
    pki.ensure(home)
    (home.pki / "aws.crt").write_text("not a certificate")
    other = Home(tmp_path / "other")
    pki.ensure(other)
    (home.pki / "admin.crt").write_bytes((other.pki / "admin.crt").read_bytes())
    assert pki.ensure(home) == {"aws", "admin"}


def test_no_part_but_the_administrator_is_a_master(home: Home) -> None:
    masters = [identity.name for identity in pki.IDENTITIES if "system:masters" in identity.groups]
    assert masters == ["admin"]
