# SPDX-License-Identifier: Apache-2.0
"""Two workplaces that federate, a CA for both, and a raw server to be nasty with."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.world import PEOPLE, PORTS, World, free_offset
from tests.xmpp.client import NAMESPACES, TIMEOUT

PARTNER = "partner.example"
SMIRNOV = f"smirnov@{PARTNER}"
ORLOVA = f"orlova@{PARTNER}"
PARTNERS = {SMIRNOV: "Smirnov Oleg", ORLOVA: "Orlova Vera"}
SERVICES = ("conference", "upload", "pubsub")
DIALBACK = "jabber:server:dialback"


class Authority:
    """A CA that vouches for whom it is asked to."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self._certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.path = folder / "ca.pem"
        self.path.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def certify(self, folder: Path, names: Sequence[str], *, for_clients: bool = True) -> tuple[Path, Path]:
        """A certificate and its key, as PEM files."""
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH]
        if for_clients:
            purposes.append(ExtendedKeyUsageOID.CLIENT_AUTH)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]), key)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
            )
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        certificate_path, key_path = folder / "server.crt", folder / "server.key"
        certificate_path.write_bytes(certificate.public_bytes(Encoding.PEM))
        key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate_path, key_path

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
        )


def names_of(domains: Sequence[str]) -> list[str]:
    """Each domain with the services below it."""
    return [name for domain in domains for name in (domain, *(f"{label}.{domain}" for label in SERVICES))]


class Workplace(World):
    """A world whose certificate another one trusts."""

    def __init__(self, path: Path, authority: Authority, **options: Any) -> None:
        super().__init__(path, **options)
        self._authority = authority
        self.is_certified_for_clients = True

    def certify(self) -> None:
        names = ["localhost", *names_of(self.domains)]
        self._authority.certify(self.path / "tls", names, for_clients=self.is_certified_for_clients)
        (self.path / "tls" / "ca.crt").write_bytes(self._authority.path.read_bytes())


def offsets(count: int) -> list[int]:
    """Port offsets of several worlds at the same time."""
    found: list[int] = []
    taken: set[int] = set()
    while len(found) < count:
        offset = free_offset()
        ports = {port + offset for port in PORTS.values()}
        if not ports & taken:
            taken |= ports
            found.append(offset)
    return found


def federation(authority: Authority, routes: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """The settings section: everybody may talk to everybody."""
    lines = [f"{domain}={host}" for domain, host in routes.items()]
    return {"enabled": True, "allow": ["*=*"], "ca": str(authority.path), "routes": lines, **more}


def workplaces(
    path: Path,
    authority: Authority,
    *,
    direct: bool = False,
    ours: Mapping[str, Any] = {},
    theirs: Mapping[str, Any] = {},
    process: bool = False,
) -> tuple[Workplace, Workplace]:
    """The usual world, and a partner's; each knows the way to the other."""
    near, far = offsets(2)
    port = PORTS["xmpps-server" if direct else "xmpp-server"]
    scheme = "tls://" if direct else ""

    def settings(peer: int, offset: int, more: Mapping[str, Any]) -> dict[str, Any]:
        section = federation(authority, {"*": f"{scheme}127.0.0.1:{port + peer}"}, **more)
        return {"federation": section, "server": {"port_offset": offset}}

    return (
        Workplace(
            path / "near", authority, settings=settings(far, near, ours), people=PEOPLE, process=process
        ),
        Workplace(
            path / "far", authority, settings=settings(near, far, theirs), people=PARTNERS, process=process
        ),
    )


class RawServer:
    """One stream of another server, spoken by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.elements: list[Element] = []
        self.header: Element | None = None
        self.ended = asyncio.Event()  # set by who serves the stream

    @classmethod
    async def connect(cls, world: World, tls: ssl.SSLContext | None = None) -> RawServer:
        """To port 5269, or with TLS to 5270."""
        port = world.ports["xmpps-server" if tls is not None else "xmpp-server"]
        name = world.domains[0] if tls is not None else None
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name))

    def send(self, text: str) -> None:
        self.writer.write(text.encode())

    def begin(self) -> None:
        """What comes next is a new stream."""
        self.parser = ElementTree.XMLPullParser(("start", "end"))
        self.depth = 0
        self.header = None
        self.elements.clear()

    def send_header(self, from_: str, to: str, id_: str = "") -> None:
        id_part = f" id='{id_}'" if id_ else ""
        self.send(
            f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='{DIALBACK}' version='1.0'"
            f" xmlns:stream='http://etherx.jabber.org/streams' from='{from_}' to='{to}'{id_part}>"
        )

    async def open(self, from_: str, to: str) -> Element:
        """Opens a stream; the features."""
        self.begin()
        self.send_header(from_, to)
        return await self.receive("stream:features")

    @property
    def stream_id(self) -> str:
        assert self.header is not None
        return self.header.get("id", "")

    async def wait_header(self) -> None:
        """Returns when the other side has opened its stream."""
        async with asyncio.timeout(TIMEOUT):
            while self.header is None:
                data = await self.reader.read(65536)
                if not data:
                    raise ConnectionResetError("no stream header")
                self._feed(data)

    async def receive(self, name: str) -> Element:
        """The next element, which must have that name (or `db:…`, `s:…` for jabber:server)."""
        prefix, _, local = name.partition(":")
        namespace = {"db": DIALBACK, "s": "jabber:server"}.get(prefix) or NAMESPACES[prefix]
        element = await self.next()
        assert element is not None, f"the stream ended without {name}"
        assert element.tag == f"{{{namespace}}}{local}", ElementTree.tostring(element).decode()
        return element

    async def next(self) -> Element | None:
        """The next element; None at the end of the stream."""
        async with asyncio.timeout(TIMEOUT):
            while not self.elements:
                data = await self.reader.read(65536)
                if not data:
                    return None
                self._feed(data)
        return self.elements.pop(0)

    async def error(self) -> str:
        """The condition of the stream error that comes next."""
        element = await self.receive("stream:error")
        return element[0].tag.rpartition("}")[2]

    def _feed(self, data: bytes) -> None:
        self.parser.feed(data)
        for event, element in self.parser.read_events():
            if event == "start":
                self.depth += 1
                if self.depth == 1:
                    self.header = element
            else:
                self.depth -= 1
                if self.depth == 1:
                    self.elements.append(element)

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            return
