"""The probe of a gRPC server: a handshake with the pod's own certificate."""

import os
import time
from pathlib import Path

import pytest

from services import probe
from services.transport import TlsFiles
from tests.support.databases.postgres import PostgresServer
from tests.support.gateway.envoy_gateway import free_port
from tests.support.gateway.gateway_pki import HospitalAuthority
from tests.support.gateway.gateway_settings import RECORDER_ACCOUNT
from tests.support.gateway.recorder_world import HOST, RunningRecorder, write_files

pytestmark = pytest.mark.process


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TlsFiles:
    found = write_files(tmp_path, HospitalAuthority("workloads of north"), RECORDER_ACCOUNT)
    monkeypatch.setenv("TLS_CA_FILE", str(found.authority))
    monkeypatch.setenv("TLS_CERTIFICATE_FILE", str(found.certificate))
    monkeypatch.setenv("TLS_KEY_FILE", str(found.key))
    return found


def test_a_recorder_that_serves_shakes_hands_and_one_that_stopped_does_not(
    files: TlsFiles, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = RunningRecorder.of(postgres, free_port())
    recorder.files = files
    url = f"tls://{HOST}:{recorder.port}"
    assert probe.main([url]) == 1
    recorder.start()
    try:
        assert probe.main([url]) == 0
    finally:
        recorder.stop()
    assert probe.main([url]) == 1
    assert "no answer" in capsys.readouterr().err


def test_a_server_that_refuses_the_certificate_is_no_answer(
    files: TlsFiles, postgres: PostgresServer, tmp_path: Path
) -> None:
    recorder = RunningRecorder.of(postgres, free_port())
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    recorder.files = write_files(foreign, HospitalAuthority("workloads of south"), RECORDER_ACCOUNT)
    recorder.files.certificate.write_bytes(files.certificate.read_bytes())
    recorder.files.key.write_bytes(files.key.read_bytes())
    recorder.start()
    try:
        assert probe.main([f"tls://{HOST}:{recorder.port}"]) == 1
    finally:
        recorder.stop()


def test_a_file_is_new_enough_or_not(tmp_path: Path) -> None:
    file = tmp_path / "anchored"
    url = f"file://{file}?seconds=60"
    assert probe.main([url]) == 1
    file.touch()
    assert probe.main([url]) == 0
    now = time.time()
    os.utime(file, (now - 90, now - 90))
    assert probe.main([url]) == 1
