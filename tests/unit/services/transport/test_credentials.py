"""Credentials that are read again when the files change."""

import logging
from pathlib import Path

import pytest

from model.errors import UserError
from services.transport.credentials import Credentials, TlsFiles
from services.transport.identity import SpiffeId
from tests.support.identity.workload_certificates import WorkloadAuthority, files, replace

URI = "spiffe://hmlops/north/planner"


def test_the_context_stays_until_a_file_changes(tmp_path: Path) -> None:
    authority, mine = WorkloadAuthority(), files(tmp_path)
    authority.issue(mine, URI)
    credentials = Credentials(mine, server=True)
    first = credentials.context()
    assert credentials.context() is first
    assert credentials.identity == SpiffeId("north", "planner")
    authority.issue(mine, "spiffe://hmlops/north/care")
    assert credentials.context() is not first
    assert credentials.identity == SpiffeId("north", "care")


@pytest.mark.parametrize("damage", ["other key", "no key", "empty certificate", "no authority", "not PEM"])
def test_files_that_cannot_be_used_leave_the_ones_before_in_use(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    authority, mine, other = WorkloadAuthority(), files(tmp_path / "mine"), files(tmp_path / "other")
    authority.issue(mine, URI)
    authority.issue(other, URI)
    credentials = Credentials(mine, server=True)
    first = credentials.context()
    if damage == "other key":
        replace(mine.key, other.key.read_bytes())
    elif damage == "no key":
        mine.key.unlink()
    elif damage == "empty certificate":
        replace(mine.certificate, b"")
    elif damage == "no authority":
        replace(mine.authority, b"")
    else:
        replace(mine.certificate, b"not a certificate")
    with caplog.at_level(logging.WARNING):
        assert credentials.context() is first
        assert credentials.context() is first
    assert len(caplog.records) == (0 if damage == "no key" else 1)
    authority.issue(mine, URI)
    assert credentials.context() is not first


@pytest.mark.parametrize("uris", [(), (URI, "spiffe://hmlops/north/care"), ("spiffe://elsewhere/north/planner",)])
def test_a_certificate_without_one_identity_is_refused_at_the_start(tmp_path: Path, uris: tuple[str, ...]) -> None:
    mine = files(tmp_path)
    WorkloadAuthority().issue(mine, *uris)
    with pytest.raises(UserError, match=f"in {tmp_path} cannot be used"):
        Credentials(mine, server=False)


def test_missing_files_are_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        Credentials(files(tmp_path), server=True)


def test_a_revocation_list_that_is_named_must_exist(tmp_path: Path) -> None:
    mine = files(tmp_path, revocations=True)
    WorkloadAuthority().issue(mine, URI)
    with pytest.raises(UserError, match="No such file"):
        Credentials(mine, server=True)


def test_the_environment_names_the_files() -> None:
    assert TlsFiles.from_environment({}) == TlsFiles()
    named = TlsFiles.from_environment({"TLS_CERTIFICATE_FILE": "/a", "TLS_CRL_FILE": "/r"})
    assert named == TlsFiles(certificate=Path("/a"), revocations=Path("/r"))
