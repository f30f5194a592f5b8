# SPDX-License-Identifier: Apache-2.0
"""QRESYNC, a client that comes back: RFC 7162 §3.2.5. See also qresync.txt."""

from __future__ import annotations

import re

import pytest

from tests.formats.mail_samples import PLAIN
from tests.imap.client import Client, Office


@pytest.fixture
async def client(office: Office) -> Client:
    """Five messages; at modseq 6, then 2 and 3 are removed and 4 is seen."""
    writer = await office.login(mailbox="INBOX")
    for _ in range(5):
        await writer.append(PLAIN)
    await writer.ok("STORE 2:3 +FLAGS.SILENT (\\Deleted)")
    await writer.ok("EXPUNGE")
    await writer.ok("UID STORE 4 +FLAGS.SILENT (\\Seen)")
    client = await office.login()
    await client.ok("ENABLE QRESYNC")
    return client


async def resync(client: Client, known: str) -> list[bytes]:
    [status] = await client.ok("STATUS INBOX (UIDVALIDITY)")
    found = re.search(rb"UIDVALIDITY (\d+)", status)
    assert found is not None
    lines = await client.ok(f"SELECT INBOX (QRESYNC ({found[1].decode()} {known}))")
    return [
        re.sub(rb"MODSEQ \(\d+\)", b"MODSEQ", line)
        for line in lines
        if b"VANISHED" in line or b"FETCH" in line
    ]


SEEN = b"* 2 FETCH (UID 4 FLAGS (\\Seen) MODSEQ)"


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ("6", [b"* VANISHED (EARLIER) 2:3", SEEN]),
        ("6 1:3", [b"* VANISHED (EARLIER) 2:3"]),
        ("6 3:5 (1,4 1,4)", [b"* VANISHED (EARLIER) 3", SEEN]),
        ("6 (1,4 1,4)", [b"* VANISHED (EARLIER) 2:3", SEEN]),
        ("999", []),
    ],
)
async def test_what_is_told(client: Client, known: str, expected: list[bytes]) -> None:
    assert await resync(client, known) == expected


async def test_who_does_not_enable_it_hears_expunge(office: Office, client: Client) -> None:
    old = await office.login(mailbox="INBOX")
    await client.ok("SELECT INBOX")
    await old.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert await old.ok("EXPUNGE") == [b"* 1 EXPUNGE"]
    assert await client.ok("NOOP") == [b"* VANISHED 1"]
