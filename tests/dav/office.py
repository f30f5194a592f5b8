# SPDX-License-Identifier: Apache-2.0
"""An office editor as the host of its files sees it: a discovery over HTTP, and requests that it signs."""

from __future__ import annotations

import asyncio
import base64
import html
import re
import struct
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from tests.dav.client import Answer, Client

EPOCH = 621_355_968_000_000_000  # 1970 in 100 ns since the year 1
# As Collabora Online 24.04 names itself.
AGENT = "COOLWSD WOPI Agent 24.04.9.1"


def new_key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def number(value: int) -> str:
    return base64.b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode()


def signature(key: RSAPrivateKey, token: str, url: str, ticks: int) -> str:
    """Written down from the description of proof keys, apart from the server's own code."""
    data = bytearray()
    for part in (token.encode("utf-8"), url.upper().encode("utf-8"), ticks.to_bytes(8, "big")):
        data += struct.pack(">I", len(part)) + part
    return base64.b64encode(key.sign(bytes(data), PKCS1v15(), hashes.SHA256())).decode()


@dataclass
class Office:
    """What it says of itself; `key` may change while it runs."""

    port: int = 0
    key: RSAPrivateKey | None = field(default_factory=new_key)
    old_key: RSAPrivateKey | None = None
    asked: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def discovery(self) -> bytes:
        action = '<action ext="{}" name="{}" default="true" urlsrc="{}/browser/4f2/cool.html?"/>'
        kinds = (("odt", "edit"), ("docx", "edit"), ("pdf", "view"), ("odt", "view"))
        actions = "".join(action.format(ending, name, self.url) for ending, name in kinds)
        proof = ""
        if self.key is not None:
            numbers = {"": self.key, "old": self.old_key or self.key}
            attributes = "".join(
                f' {prefix}value="" {prefix}modulus="{number(key.public_key().public_numbers().n)}"'
                f' {prefix}exponent="{number(65537)}"'
                for prefix, key in numbers.items()
            )
            proof = f"<proof-key{attributes}/>"
        return (
            '<?xml version="1.0" encoding="utf-8"?><wopi-discovery><net-zone name="external-http">'
            f'<app name="writer" favIconUrl="x">{actions}</app></net-zone>{proof}</wopi-discovery>'
        ).encode()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        is_there = head.startswith(b"GET /hosting/discovery ")
        body = self.discovery() if is_there else b""
        status = b"200 OK" if is_there else b"404 Not Found"
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
        await writer.drain()
        writer.close()

    def session(self, client: Client, page: bytes) -> Session:
        """Opens what the host's page has it open."""
        text = page.decode()
        action = html.unescape(found(r'action="([^"]*)"', text))
        assert action.startswith(f"{self.url}/browser/4f2/cool.html?")
        source = parse_qs(urlsplit(action).query)["WOPISrc"][0]
        return Session(self, client, source, found(r'name="access_token" value="([^"]*)"', text))


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


@dataclass
class Session:
    """One document in the editor, for one person."""

    office: Office
    client: Client
    source: str
    token: str

    async def request(
        self, method: str, path: str = "", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """With everything that Collabora adds; `headers` may replace it, "" takes a field away."""
        target = f"{urlsplit(self.source).path}{path}?access_token={self.token}"
        fields = {"User-Agent": AGENT, "Accept": "*/*"}
        if self.office.key is not None:
            ticks = EPOCH + time.time_ns() // 100
            proof = signature(self.office.key, self.token, f"{self.base}{target}", ticks)
            fields |= {"X-WOPI-TimeStamp": str(ticks), "X-WOPI-Proof": proof, "X-WOPI-ProofOld": proof}
        fields |= headers or {}
        return await self.client.request(method, target, body, {k: v for k, v in fields.items() if v})

    async def override(self, operation: str, lock: str = "", **headers: str) -> Answer:
        """One of the operations on the file itself."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.request(
            "POST", "", b"", {"X-WOPI-Override": operation, "X-WOPI-Lock": lock, **more}
        )

    async def save(self, body: bytes, lock: str = "", **headers: str) -> Answer:
        """PutFile as Collabora sends it."""
        fields = {
            "X-WOPI-Override": "PUT",
            "X-WOPI-Lock": lock,
            "X-COOL-WOPI-IsModifiedByUser": "true",
            "X-COOL-WOPI-IsAutosave": "false",
            "X-COOL-WOPI-IsExitSave": "false",
            "Content-Type": "application/octet-stream",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return await self.request("POST", "/contents", body, fields)

    @property
    def base(self) -> str:
        parts = urlsplit(self.source)
        return f"{parts.scheme}://{parts.netloc}"


@asynccontextmanager
async def running_office() -> AsyncIterator[Office]:
    office = Office()
    server = await asyncio.start_server(office.answer, "127.0.0.1", 0)
    office.port = server.sockets[0].getsockname()[1]
    async with server:
        yield office
