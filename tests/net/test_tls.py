# SPDX-License-Identifier: Apache-2.0
"""Contexts and their reload; the workplace's own CA."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from armgs_server.errors import Invalid
from armgs_server.net.certificates import make_certificates, server_names
from armgs_server.net.stream import Stream
from armgs_server.net.tls import TlsContexts
from tests.net.harness import Harness


async def presented(harness: Harness, port: int) -> bytes:
    """The certificate a new connection is shown, DER."""
    _, writer = await harness.connect(port, secure=True)
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return found


def leaf(directory: Path) -> bytes:
    pem = (directory / "server.crt").read_bytes()
    return x509.load_pem_x509_certificates(pem)[0].public_bytes(Encoding.DER)


async def silent(stream: Stream) -> None:
    await stream.read(10)


async def test_reload_for_new_connections_and_refusal_of_bad_files(tmp_path: Path) -> None:
    make_certificates(tmp_path, "localhost", ["digital.example"])
    harness = Harness(tmp_path)
    contexts = TlsContexts(tmp_path / "server.crt", tmp_path / "server.key")
    harness.server._tls = contexts
    port = harness.serve(silent, tls="direct")
    first = leaf(tmp_path)
    assert await presented(harness, port) == first
    make_certificates(tmp_path, "localhost", ["digital.example"])
    contexts.reload(tmp_path / "server.crt", tmp_path / "server.key")
    second = leaf(tmp_path)
    assert first != second
    assert await presented(harness, port) == second
    (tmp_path / "server.crt").write_text("nonsense")
    with pytest.raises(Invalid):
        contexts.reload(tmp_path / "server.crt", tmp_path / "server.key")
    assert await presented(harness, port) == second
    await harness.stop()


@pytest.mark.parametrize("offered", [["imap"], None])
async def test_alpn(harness: Harness, offered: list[str] | None) -> None:
    port = harness.serve(silent, tls="direct")
    context = harness.client_context()
    if offered:
        context.set_alpn_protocols(offered)
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    writer.close()
    assert chosen == (offered[0] if offered else None)


def test_certificate_names_and_chain(tmp_path: Path) -> None:
    make_certificates(tmp_path, "server.example", ["digital.example", "пример.example"])
    certificate = x509.load_pem_x509_certificates((tmp_path / "server.crt").read_bytes())[0]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "server.example",
        "digital.example",
        "conference.digital.example",
        "upload.digital.example",
        "autoconfig.digital.example",
        "ua-auto-config.digital.example",
        "mta-sts.digital.example",
        "xn--e1afmkfd.example",
        "conference.xn--e1afmkfd.example",
        "upload.xn--e1afmkfd.example",
        "autoconfig.xn--e1afmkfd.example",
        "ua-auto-config.xn--e1afmkfd.example",
        "mta-sts.xn--e1afmkfd.example",
    ]
    ca = x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes())
    certificate.verify_directly_issued_by(ca)
    assert (tmp_path / "server.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600


def test_ca_is_kept_while_it_may_sign_the_names(tmp_path: Path) -> None:
    make_certificates(tmp_path, "localhost", ["digital.example"])
    ca = (tmp_path / "ca.crt").read_bytes()
    make_certificates(tmp_path, "localhost", ["digital.example"])
    assert (tmp_path / "ca.crt").read_bytes() == ca
    make_certificates(tmp_path, "localhost", ["digital.example", "finance.example"])
    assert (tmp_path / "ca.crt").read_bytes() != ca


def test_ca_is_constrained_to_its_own_names(tmp_path: Path) -> None:
    make_certificates(tmp_path, "192.0.2.1", ["digital.example"])
    ca = x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes())
    constraints = ca.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    permitted = {str(name.value) for name in constraints.value.permitted_subtrees or []}
    assert permitted == {"192.0.2.1/32", *server_names("digital.example", ["digital.example"])}


def test_key_that_does_not_fit(tmp_path: Path) -> None:
    make_certificates(tmp_path / "a", "localhost", [])
    make_certificates(tmp_path / "b", "localhost", [])
    with pytest.raises(Invalid):
        TlsContexts(tmp_path / "a" / "server.crt", tmp_path / "b" / "server.key")
    with pytest.raises(Invalid):
        TlsContexts(tmp_path / "none.crt", tmp_path / "none.key")


async def test_certificate_of_an_address_is_trusted(tmp_path: Path) -> None:
    make_certificates(tmp_path, "127.0.0.1", ["digital.example"])
    harness = Harness(tmp_path)
    port = harness.serve(silent, tls="direct")
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
    writer.close()
    await harness.stop()
