# SPDX-License-Identifier: Apache-2.0
"""A push service (RFC 8030) with the devices behind it, which decrypt what they get with http_ece."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import http_ece  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from armgs_server import base64url
from armgs_server.net.web_push import parse_base64url

NS = "https://bitfire.at/webdav-push"


@dataclass
class Posted:
    """One message as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Device:
    """A subscription at the push service; `name` is its path."""

    name: str
    port: int
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    secret: bytes = field(default_factory=lambda: os.urandom(16))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.name}"

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )

    def register(self, trigger: str = "", expires: str = "", endpoint: str = "") -> str:
        """The body of a push-register."""
        wanted = trigger or (
            "<content-update><D:depth>infinity</D:depth></content-update>"
            "<property-update><D:depth>0</D:depth></property-update>"
        )
        key, secret = base64url.encode(self.public_key), base64url.encode(self.secret)
        return (
            f'<push-register xmlns="{NS}" xmlns:D="DAV:"><subscription><web-push-subscription>'
            f"<push-resource>{endpoint or self.endpoint}</push-resource>"
            "<content-encoding>aes128gcm</content-encoding>"
            f'<subscription-public-key type="p256dh">{key}</subscription-public-key>'
            f"<auth-secret>{secret}</auth-secret></web-push-subscription></subscription>"
            f"<trigger>{wanted}</trigger>"
            + (f"<expires>{expires}</expires>" if expires else "")
            + "</push-register>"
        )

    def decrypt(self, posted: Posted) -> etree._Element:
        data = http_ece.decrypt(posted.body, private_key=self.key, auth_secret=self.secret)
        return etree.fromstring(data)


@dataclass
class PushService:
    """`status` by path, else 201; everything that came."""

    port: int = 0
    status: dict[str, str] = field(default_factory=dict)
    got: list[Posted] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def device(self, name: str) -> Device:
        return Device(name, self.port)

    def of(self, device: Device) -> list[Posted]:
        return [each for each in self.got if each.path == f"/{device.name}"]

    async def wait(self, device: Device, count: int = 1) -> list[Posted]:
        """The messages to a device when there are so many."""
        async with asyncio.timeout(30):
            while len(self.of(device)) < count:
                self.news.clear()
                await self.news.wait()
        return self.of(device)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            fields = dict(line.split(": ", 1) for line in lines if line)
            headers = {name.lower(): value for name, value in fields.items()}
            path = first.split(" ")[1]
            body = await reader.readexactly(int(headers["content-length"]))
            assert first == f"POST {path} HTTP/1.1"
            writer.write(
                f"HTTP/1.1 {self.status.get(path, '201 Created')}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            await writer.drain()
            self.got.append(Posted(path, headers, body))
            self.news.set()
        finally:
            writer.close()


@asynccontextmanager
async def running_push_service() -> AsyncIterator[PushService]:
    service = PushService()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()
        await server.wait_closed()


def check_vapid(authorization: str) -> tuple[str, dict[str, object]]:
    """The public key and the claims of an Authorization field (RFC 8292 §3) whose signature is good."""
    scheme, _, rest = authorization.partition(" ")
    assert scheme == "vapid"
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    signed, _, signature = fields["t"].rpartition(".")
    raw = parse_base64url(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), parse_base64url(fields["k"]))
    key.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
    header, claims = (json.loads(parse_base64url(part)) for part in signed.split("."))
    assert header == {"typ": "JWT", "alg": "ES256"}
    return fields["k"], claims
