# SPDX-License-Identifier: Apache-2.0
"""metrics/certificate.py: the figure is that of the certificate which is shown."""

from __future__ import annotations

from pathlib import Path

from armgs_server.config import Config, ServerSettings, TlsSettings
from armgs_server.metrics.certificate import seconds_left
from armgs_server.net.certificates import make_certificates

DAY = 86400.0


def test_seconds_left(tmp_path: Path) -> None:
    config = Config(tmp_path, server=ServerSettings(data_dir="data"))
    assert seconds_left(config) is None
    make_certificates(tmp_path / "tls", "localhost", ())
    assert 396 * DAY < (seconds_left(config) or 0) <= 397 * DAY
    assert seconds_left(Config(tmp_path, tls=TlsSettings(certificate=""))) is None


def test_that_of_an_acme_ca_stands_before_it_with_key_and_chain_in_one_file(tmp_path: Path) -> None:
    make_certificates(tmp_path / "tls", "localhost", ())
    tls = TlsSettings(acme_directory="https://ca.example/dir")
    config = Config(tmp_path, server=ServerSettings(data_dir="data"), tls=tls)
    assert config.certificate_files == (tmp_path / "tls" / "server.crt", tmp_path / "tls" / "server.key")
    (tmp_path / "data").mkdir()
    parts = [(tmp_path / "tls" / name).read_bytes() for name in ("server.key", "server.crt")]
    config.acme_file.write_bytes(b"".join(parts))
    assert config.certificate_files == (config.acme_file, config.acme_file)
    assert 396 * DAY < (seconds_left(config) or 0) <= 397 * DAY
