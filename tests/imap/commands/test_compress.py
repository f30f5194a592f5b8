# SPDX-License-Identifier: Apache-2.0
"""COMPRESS=DEFLATE: RFC 4978, on a real connection."""

from __future__ import annotations

import asyncio
import zlib

import pytest

from armgs_server.imap.commands.compress import Deflate
from armgs_server.imap.responses import ImapError
from tests.imap.client import TIMEOUT, Client, Office


class Compressed:
    """The client's half behind the tagged OK."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._out = zlib.compressobj(9, zlib.DEFLATED, -15)
        self._in = zlib.decompressobj(-15)
        self.buffer = b""

    def send(self, data: bytes) -> None:
        self._client.send(self._out.compress(data) + self._out.flush(zlib.Z_SYNC_FLUSH))

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(TIMEOUT):
            while end not in self.buffer:
                octets = await self._client.reader.read(65536)
                assert octets, self.buffer
                self.buffer += self._in.decompress(octets)
        found, _, self.buffer = self.buffer.partition(end)
        return found


async def test_both_directions(office: Office) -> None:
    client = await office.login(mailbox="INBOX")
    watcher = await office.login(mailbox="INBOX")
    # what is compressed may follow the command at once
    compressed = Compressed(client)
    client.send(b"c COMPRESS DEFLATE\r\n")
    assert (await client.line()).startswith(b"c OK ")
    message = b"Subject: x\r\n\r\n" + b"again and " * 20_000
    compressed.send(b"1 APPEND INBOX {%d+}\r\n%b\r\n2 FETCH 1 BODY.PEEK[]\r\n" % (len(message), message))
    assert b"1 OK [APPENDUID" in await compressed.until(b"APPEND completed\r\n")
    assert message in await compressed.until(b"2 OK FETCH completed\r\n")
    assert b"* 1 EXISTS" in await watcher.ok("NOOP")
    compressed.send(b"3 COMPRESS DEFLATE\r\n")
    await compressed.until(b"3 NO [COMPRESSIONACTIVE] compressed already\r\n")
    compressed.send(b"4 IDLE\r\n")
    await compressed.until(b"+ idling\r\n")
    await watcher.append(b"Subject: y\r\n\r\n")
    await compressed.until(b"* 2 EXISTS\r\n")
    compressed.send(b"DONE\r\n5 LOGOUT\r\n")
    assert b"* BYE" in await compressed.until(b"5 OK LOGOUT completed\r\n")


async def test_what_is_no_stream_ends_the_connection(office: Office) -> None:
    client = await office.login()
    await client.ok("COMPRESS DEFLATE")
    client.send(b"\xff" * 100)
    answer = zlib.decompressobj(-15).decompress(await client.reader.read())
    assert answer == b"* BYE not a deflate stream\r\n"


async def test_other_mechanisms_are_refused(office: Office) -> None:
    client = await office.login()
    assert await client.no("COMPRESS LZMA") == b"BAD no such mechanism"


def test_a_bomb_comes_out_in_pieces() -> None:
    deflate = Deflate()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflate.feed(packer.compress(b"0" * 10_000_000) + packer.flush(zlib.Z_SYNC_FLUSH))
    sizes = []
    while piece := deflate.take():
        sizes.append(len(piece))
    assert sum(sizes) == 10_000_000
    assert max(sizes) <= 65536


def test_the_end_of_the_stream_is_an_error() -> None:
    deflate = Deflate()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflate.feed(packer.compress(b"x") + packer.flush(zlib.Z_FINISH))
    with pytest.raises(ImapError):
        deflate.take()
