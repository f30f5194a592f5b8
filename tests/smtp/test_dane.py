# SPDX-License-Identifier: Apache-2.0
"""smtp/dane.py: chains against TLSA records, with certificates made for the test (RFC 7672 §3)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from armgs_server.net.certificates import make_certificates
from armgs_server.smtp import dane
from armgs_server.smtp.dane import CERT, DANE_EE, DANE_TA, FULL, SHA2_256, SHA2_512, SPKI, Tlsa

NOW = datetime.now(UTC)
HOST = "mx.other.example"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> list[x509.Certificate]:
    folder: Path = tmp_path_factory.mktemp("tls")
    make_certificates(folder, HOST, ["other.example"])
    return [
        x509.load_pem_x509_certificates((folder / name).read_bytes())[0] for name in ("server.crt", "ca.crt")
    ]


def der(certificates: list[x509.Certificate]) -> list[bytes]:
    return [each.public_bytes(Encoding.DER) for each in certificates]


def key_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(("matching", "digest"), [(SHA2_256, hashlib.sha256), (SHA2_512, hashlib.sha512)])
def test_the_servers_own_key(chain: list[x509.Certificate], matching: int, digest: type) -> None:
    record = Tlsa(DANE_EE, SPKI, matching, digest(key_of(chain[0])).digest())
    assert dane.matches(der(chain), [record], [], NOW)
    assert dane.matches(der(chain[:1]), [record], ["any.name"], NOW + timedelta(days=36500))  # §3.1.1
    other = Tlsa(DANE_EE, SPKI, matching, digest(b"other").digest())
    assert not dane.matches(der(chain), [other], [HOST], NOW)
    assert dane.matches(der(chain), [other, record], [], NOW)


def test_the_whole_certificate(chain: list[x509.Certificate]) -> None:
    assert dane.matches(der(chain), [Tlsa(DANE_EE, CERT, FULL, der(chain)[0])], [], NOW)


def test_an_authority_that_the_server_shows(chain: list[x509.Certificate]) -> None:
    record = Tlsa(DANE_TA, CERT, SHA2_256, hashlib.sha256(der(chain)[1]).digest())
    assert dane.matches(der(chain), [record], [HOST], NOW)
    assert not dane.matches(der(chain), [record], ["mx.third.example"], NOW)  # names count
    assert not dane.matches(der(chain), [record], [HOST], NOW + timedelta(days=36500))  # so do dates
    assert not dane.matches(der(chain[:1]), [record], [HOST], NOW)  # it has to show it
    assert not dane.matches(der([chain[0], chain[0]]), [record], [HOST], NOW)


def test_what_is_of_no_use() -> None:
    for record in (
        Tlsa(0, CERT, SHA2_256, bytes(32)),
        Tlsa(1, SPKI, SHA2_256, bytes(32)),
        Tlsa(DANE_EE, 2, SHA2_256, bytes(32)),
        Tlsa(DANE_EE, SPKI, 3, bytes(32)),
        Tlsa(DANE_EE, SPKI, SHA2_256, bytes(31)),
        Tlsa(DANE_EE, SPKI, FULL, b""),
    ):
        assert not record.is_usable


def test_what_is_no_certificate() -> None:
    record = Tlsa(DANE_EE, CERT, FULL, b"x")
    assert not dane.matches([b"x"], [record], [], NOW)
    assert not dane.matches([], [record], [], NOW)
