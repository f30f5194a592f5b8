# SPDX-License-Identifier: Apache-2.0
"""SASL EXTERNAL (RFC 4422 appendix A): who shows a certificate of the people's CA needs no password."""

from __future__ import annotations

import asyncio
import base64
import datetime
import imaplib
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.pop3.client import Client as Pop3Client
from tests.world import HOST, IVANOV, PETROVA, World

DAY = datetime.timedelta(days=1)


class Authority:
    """A CA that certifies people."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "People of the ministry")])
        certificate = self._sign(self.name, self.key, x509.BasicConstraints(ca=True, path_length=0))
        (path / "people.crt").write_bytes(certificate)

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType
    ) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(
            self.name, subject, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def certify(self, name: str, addresses: Sequence[str]) -> Path:
        """A file with a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            key,
            x509.SubjectAlternativeName([x509.RFC822Name(address) for address in addresses]),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
        )
        path = self.path / f"{name}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(certificate + private)
        return path


@pytest.fixture
def people(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def world(tmp_path: Path, people: Authority) -> AsyncIterator[World]:
    settings = {"tls": {"client_ca": str(people.path / "people.crt")}}
    async with World(tmp_path, settings=settings) as world:
        yield world


def context(world: World, certificate: Path | None) -> ssl.SSLContext:
    made = world.client_context()
    if certificate is not None:
        made.load_cert_chain(certificate)
    return made


def authenticate(world: World, certificate: Path | None, identity: bytes = b"") -> tuple[bool, str]:
    """Whether EXTERNAL is offered, and what comes of it."""
    with imaplib.IMAP4_SSL(
        "localhost", world.ports["imaps"], ssl_context=context(world, certificate)
    ) as client:
        offered = "AUTH=EXTERNAL" in client.capabilities
        try:
            _, answer = client.authenticate("EXTERNAL", lambda _: identity)
        except imaplib.IMAP4.error as error:
            return offered, str(error)
        return offered, str(answer)


async def test_the_certificate_is_enough(world: World, people: Authority) -> None:
    certificate = people.certify("ivanov", [IVANOV])
    offered, answer = await asyncio.to_thread(authenticate, world, certificate)
    assert offered
    assert "logged in" in answer
    offered, answer = await asyncio.to_thread(authenticate, world, certificate, PETROVA.encode())
    assert "AUTHORIZATIONFAILED" in answer


@pytest.mark.parametrize("addresses", [[], [IVANOV, PETROVA], ["nobody@digital.example"]])
async def test_a_certificate_of_nobody_or_of_two(
    world: World, people: Authority, addresses: list[str]
) -> None:
    certificate = people.certify("somebody", addresses)
    offered, answer = await asyncio.to_thread(authenticate, world, certificate)
    assert offered is (len(addresses) == 1)
    assert "AUTHENTICATIONFAILED" in answer or "CANNOT" in answer


async def test_without_a_certificate_there_are_passwords(world: World) -> None:
    offered, answer = await asyncio.to_thread(authenticate, world, None)
    assert not offered
    assert "CANNOT" in answer


async def test_a_certificate_of_another_authority_is_refused(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    certificate = Authority(other).certify("ivanov", [IVANOV])
    with pytest.raises((ssl.SSLError, ConnectionError, imaplib.IMAP4.abort)):
        await asyncio.to_thread(authenticate, world, certificate)


async def test_pop3_too(world: World, people: Authority) -> None:
    client = Pop3Client(world, "pop3s")
    client.reader, client.writer = await asyncio.open_connection(
        HOST,
        world.ports["pop3s"],
        ssl=context(world, people.certify("ivanov", [IVANOV])),
        server_hostname="localhost",
    )
    assert (await client.line()).startswith("+OK")
    assert "EXTERNAL" in (await client.lines("AUTH"))
    identity = base64.b64encode(IVANOV.encode()).decode()
    assert (await client.command(f"AUTH EXTERNAL {identity}")).startswith("+OK maildrop")
    await client.__aexit__(None, None, None)
