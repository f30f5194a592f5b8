# SPDX-License-Identifier: Apache-2.0
"""A real log-in over each protocol, as a client does it: TLS, greeting, authentication, goodbye.

Each probe takes an address to connect to, a TLS context (certificates verified), a name and a password, and
returns what it saw or raises ProbeFailed. Every wait ends after TIMEOUT.
"""

from __future__ import annotations

import asyncio
import base64
import imaplib
import poplib
import smtplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, TypeVar

from armgs_server.formats.xmltree import quote

T = TypeVar("T")

TIMEOUT = 15.0
STREAM_LIMIT = 65536


class ProbeFailed(Exception):
    """The log-in did not work; the text says at which step."""


class ClientContext(ssl.SSLContext):
    """Verifies every certificate for one name, whatever address is connected to."""

    hostname: str

    @classmethod
    def trusting(cls, ca: Path | None, hostname: str) -> ClientContext:
        """A context that trusts this CA, or the system's where there is none."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.hostname = hostname
        if ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(ca)
        return context

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, *args, **{**options, "server_hostname": self.hostname})

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        return super().wrap_bio(*args, **{**options, "server_hostname": self.hostname})


@dataclass(frozen=True, slots=True)
class Target:
    host: str
    port: int
    context: ClientContext
    address: str
    password: str


def smtp_submission(target: Target) -> str:
    """RFC 6409: STARTTLS, then AUTH."""
    with smtplib.SMTP(target.host, target.port, timeout=TIMEOUT) as client:
        client.starttls(context=target.context)
        client.login(target.address, target.password)
        return _text(client.noop()[1])


def smtp_submissions(target: Target) -> str:
    """RFC 8314: TLS from the first byte."""
    with smtplib.SMTP_SSL(target.host, target.port, timeout=TIMEOUT, context=target.context) as client:
        client.login(target.address, target.password)
        return _text(client.noop()[1])


def imaps(target: Target) -> str:
    """RFC 9051 over RFC 8314."""
    client = imaplib.IMAP4_SSL(target.host, target.port, ssl_context=target.context, timeout=TIMEOUT)
    try:
        client.login(target.address, target.password)
        status, data = client.select("INBOX", readonly=True)
        if status != "OK":
            raise ProbeFailed(f"SELECT INBOX: {_text(data[0])}")
        return f"INBOX holds {_text(data[0])}"
    finally:
        client.logout()


def managesieve(target: Target) -> str:
    """RFC 5804: STARTTLS, then AUTHENTICATE."""
    raw = base64.b64encode(f"\0{target.address}\0{target.password}".encode()).decode("ascii")
    with socket.create_connection((target.host, target.port), TIMEOUT) as plain:
        plain.sendall(b"STARTTLS\r\n")
        _until_ok(plain)  # the greeting
        _until_ok(plain)
        with target.context.wrap_socket(plain) as secure:
            secure.sendall(f'AUTHENTICATE "PLAIN" "{raw}"\r\nLOGOUT\r\n'.encode())
            _until_ok(secure)  # the capabilities, sent again
            return _until_ok(secure)


def _until_ok(connection: socket.socket) -> str:
    """The next response, octet by octet: what is behind it belongs to the next."""
    line = b""
    while True:
        octet = connection.recv(1)
        if not octet:
            raise ProbeFailed("the connection has ended")
        line += octet
        if octet != b"\n":
            continue
        if line.startswith((b"NO", b"BYE")):
            raise ProbeFailed(_text(line))
        if line.startswith(b"OK"):
            return _text(line)
        line = b""


def https_dav(target: Target) -> str:
    """RFC 6764 §6: who am I, over HTTPS with Basic."""
    raw = base64.b64encode(f"{target.address}:{target.password}".encode()).decode("ascii")
    headers = {"Authorization": f"Basic {raw}", "Depth": "0", "Content-Type": "application/xml"}
    body = '<propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>'
    client = HTTPSConnection(target.host, target.port, timeout=TIMEOUT, context=target.context)
    try:
        client.request("PROPFIND", "/dav/", body, headers)
        response = client.getresponse()
        response.read()
        if response.status != 207:
            raise ProbeFailed(f"PROPFIND /dav/: {response.status} {response.reason}")
        return "PROPFIND /dav/: 207"
    finally:
        client.close()


def xmpps(target: Target) -> str:
    """RFC 6120 over XEP-0368: stream, SASL PLAIN, stream again, features with bind."""
    return asyncio.run(_xmpp(target))


async def _xmpp(target: Target) -> str:
    domain = target.address.partition("@")[2]
    async with asyncio.timeout(TIMEOUT):
        reader, writer = await asyncio.open_connection(
            target.host,
            target.port,
            ssl=target.context,
            server_hostname=target.context.hostname,
            limit=STREAM_LIMIT,
        )
        try:
            header = (
                f"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
                f" to='{quote(domain)}' version='1.0'>"
            )
            writer.write(f"<?xml version='1.0'?>{header}".encode())
            await reader.readuntil(b"</stream:features>")
            response = f"\0{target.address.rpartition('@')[0]}\0{target.password}".encode()
            auth = base64.b64encode(response).decode("ascii")
            namespace = "urn:ietf:params:xml:ns:xmpp-sasl"
            writer.write(f"<auth xmlns='{namespace}' mechanism='PLAIN'>{auth}</auth>".encode())
            answer = await reader.readuntil(b">")
            if b"<success" not in answer:
                answer = await reader.readuntil(b"</failure>")
                raise ProbeFailed(f"SASL: {_text(answer)}")
            writer.write(header.encode())
            features = await reader.readuntil(b"</stream:features>")
            if b"urn:ietf:params:xml:ns:xmpp-bind" not in features:
                raise ProbeFailed("no resource binding after SASL")
            writer.write(b"</stream:stream>")
            await reader.read()  # RFC 6120 §4.4: until the server has closed its stream as well
            return "SASL PLAIN, bind offered"
        finally:
            writer.close()
            await writer.wait_closed()


def run(probe: Callable[[T], str], target: T) -> str:
    """What the probe saw; ProbeFailed for whatever kept it from it."""
    try:
        return probe(target)
    except ssl.SSLCertVerificationError as error:
        raise ProbeFailed(f"certificate: {error.verify_message}") from error
    except (OSError, EOFError, TimeoutError, HTTPException, asyncio.IncompleteReadError) as error:
        raise ProbeFailed(f"{type(error).__name__}: {error}") from error
    except (smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto) as error:
        raise ProbeFailed(str(error)) from error


def _text(data: Any) -> str:
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
    return " ".join(text.split())[:200]


# Standard port, name, probe: every protocol a person logs in to.
PROBES: tuple[tuple[int, str, Callable[[Target], str]], ...] = (
    (465, "submissions", smtp_submissions),
    (587, "submission (STARTTLS)", smtp_submission),
    (993, "imaps", imaps),
    (4190, "sieve (STARTTLS)", managesieve),
    (5223, "xmpps", xmpps),
    (443, "https (WebDAV)", https_dav),
)
