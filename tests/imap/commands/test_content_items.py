# SPDX-License-Identifier: Apache-2.0
"""FETCH of what is made of content: BINARY (RFC 3516), PREVIEW (RFC 8970); of what is beside it: OBJECTID
(RFC 8474), SAVEDATE (RFC 8514)."""

from __future__ import annotations

import base64
import re

import pytest

from tests.formats.mail_samples import MIXED, PLAIN
from tests.imap.client import Client, Office

OCTETS = bytes(range(256)) * 2


def attached(size: int = 0) -> bytes:
    encoded = base64.encodebytes(OCTETS + b"x" * size).replace(b"\n", b"\r\n")
    return (
        b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"one =3D two =  \r\nthree  \r\n--b\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded + b"\r\n--b\r\n"
        b"Content-Transfer-Encoding: x-unknown\r\n\r\nz\r\n--b--\r\n"
    )


@pytest.fixture
async def client(office: Office) -> Client:
    return await office.login(mailbox="INBOX")


@pytest.mark.parametrize("size", [0, 300_000], ids=["inline", "file"])
async def test_binary(client: Client, size: int) -> None:
    await client.append(attached(size))
    [answer] = await client.ok("FETCH 1 (BINARY.SIZE[2] BINARY.PEEK[2]<254.4> BINARY.SIZE[1] BINARY.SIZE[9])")
    # NUL goes in a literal8 only (RFC 3516 §4.4)
    expected = b"BINARY.SIZE[2] %d BINARY[2]<254> ~{4}\r\n\xfe\xff\x00\x01" % (len(OCTETS) + size)
    assert expected + b" BINARY.SIZE[1] 15 BINARY.SIZE[9] 0)" in answer
    [text] = await client.ok("FETCH 1 BINARY[1]")
    assert text == b"* 1 FETCH (FLAGS (\\Seen) BINARY[1] {15}\r\none = two three)"
    assert await client.ok("FETCH 1 BINARY.PEEK[9]") == [b"* 1 FETCH (BINARY[9] NIL)"]
    assert await client.no("FETCH 1 BINARY.PEEK[3]") == b"NO [UNKNOWN-CTE] transfer encoding not known"
    assert await client.ok("FETCH 1 (FLAGS)") == [b"* 1 FETCH (FLAGS (\\Seen))"]


@pytest.mark.parametrize(
    "item", ["BINARY[1", "BINARY[HEADER]", "BINARY[0]", "BINARY.PEEK", "BINARY[1]<0.0>", "PREVIEW (EAGER)"]
)
async def test_what_is_bad(client: Client, item: str) -> None:
    await client.append(PLAIN)
    assert (await client.no(f"FETCH 1 ({item})")).startswith(b"BAD")


async def test_preview(client: Client) -> None:
    await client.append(PLAIN)
    await client.append(MIXED)
    assert await client.ok("FETCH 1 (PREVIEW)") == [b'* 1 FETCH (PREVIEW "First line Second line")']
    [answer] = await client.ok("FETCH 2 (UID PREVIEW (LAZY))")
    assert "Привет".encode() in answer
    assert await client.ok("FETCH 2 (FLAGS)") == [b"* 2 FETCH (FLAGS ())"]


async def test_ids(client: Client) -> None:
    await client.append(PLAIN)
    await client.append(b"Subject: re\r\nReferences: <1@x.example>\r\n\r\n")
    await client.append(b"Subject: nothing\r\n\r\n")
    await client.ok("COPY 1 Archive")
    answers = await client.ok("FETCH 1:3 (EMAILID THREADID)")
    found = [re.search(rb"EMAILID \((\w+)\) THREADID (?:\((\w+)\)|NIL)", answer) for answer in answers]
    assert all(found)
    ids = [each.groups() for each in found if each]
    assert len({email for email, _ in ids}) == 3
    assert ids[0][1] == ids[1][1] and ids[2][1] is None
    assert await client.ok(b"SEARCH EMAILID " + ids[1][0]) == [b"* SEARCH 2"]
    assert await client.ok(b"SEARCH THREADID " + ids[0][1]) == [b"* SEARCH 1 2"]
    # the copy is the same message; a renamed mailbox is the same mailbox
    [mailbox] = await client.ok("STATUS Archive (MAILBOXID)")
    await client.ok("RENAME Archive Attic")
    assert (await client.ok("STATUS Attic (MAILBOXID)"))[0].endswith(mailbox.rpartition(b" ")[2])
    await client.ok("SELECT Attic")
    assert (await client.ok("FETCH 1 (EMAILID)"))[0].endswith(b"(EMAILID (%b))" % ids[0][0])


async def test_a_copy_was_saved_when_it_was_made(client: Client) -> None:
    await client.append(PLAIN, options='" 1-Feb-2001 00:00:00 +0000"')
    [answer] = await client.ok("FETCH 1 (INTERNALDATE SAVEDATE)")
    assert b'INTERNALDATE " 1-Feb-2001 00:00:00 +0000"' in answer
    assert re.search(rb'SAVEDATE "[ \d]\d-\w{3}-20[2-9]\d ', answer)
    assert await client.ok("SEARCH SAVEDSINCE 1-Jan-2020 SAVEDATESUPPORTED") == [b"* SEARCH 1"]
    assert await client.ok("SEARCH OR SAVEDBEFORE 1-Jan-2020 SAVEDON 1-Feb-2001") == [b"* SEARCH"]
