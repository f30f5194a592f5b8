# SPDX-License-Identifier: Apache-2.0
"""SORT, THREAD (RFC 5256), ESORT and PARTIAL (RFC 5267, RFC 9394) over a real mailbox."""

from __future__ import annotations

import pytest

from tests.imap.client import Client, Office

MESSAGES = (
    ("Zoe <b@x.example>", "Re: apples", 3, "<2@x>", "<1@x>"),
    ("ann@x.example", "apples", 1, "<1@x>", ""),
    ("Ann <c@x.example>", "Ягоды", 2, "<3@x>", ""),
    ("Bob <a@x.example>", "[list] Bananas", 4, "<4@x>", "<2@x>"),
)


@pytest.fixture
async def client(office: Office) -> Client:
    client = await office.login(mailbox="INBOX")
    for place, (sender, subject, day, message_id, refs) in enumerate(MESSAGES):
        text = (
            f"From: {sender}\r\nTo: all@x.example\r\nSubject: {subject}\r\nDate: {day} Jan 2024 10:00 +0000"
            f"\r\nMessage-ID: {message_id}\r\nReferences: {refs}\r\n\r\n" + "x" * (10 - place)
        )
        await client.append(text.encode())
    return client


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ("DATE", b"2 3 1 4"),
        ("REVERSE DATE", b"4 1 3 2"),
        ("ARRIVAL", b"1 2 3 4"),
        ("SUBJECT DATE", b"2 1 4 3"),
        ("SUBJECT REVERSE DATE", b"1 2 4 3"),
        ("FROM", b"4 2 1 3"),
        ("DISPLAYFROM", b"3 2 4 1"),
        ("TO REVERSE ARRIVAL", b"4 3 2 1"),
        ("DISPLAYTO", b"1 2 3 4"),
        ("CC", b"1 2 3 4"),
    ],
)
async def test_sort(client: Client, criteria: str, expected: bytes) -> None:
    assert await client.ok(f"SORT ({criteria}) UTF-8 ALL") == [b"* SORT " + expected]
    assert await client.ok(f"UID SORT ({criteria}) UTF-8 NOT ANSWERED") == [b"* SORT " + expected]


async def test_sort_by_size(client: Client) -> None:
    [answer] = await client.ok("SORT (SIZE) UTF-8 1:2")
    assert answer == b"* SORT 2 1"


async def test_esort(client: Client) -> None:
    [answer] = await client.ok("SORT RETURN (MIN MAX COUNT ALL) (REVERSE DATE) UTF-8 ALL")
    assert answer.endswith(b") MIN 4 MAX 2 ALL 4,1,3,2 COUNT 4")
    assert (await client.ok("UID SORT RETURN (SAVE PARTIAL 2:3) (REVERSE DATE) UTF-8 ALL"))[0].endswith(
        b"UID PARTIAL (2:3 1,3)"
    )
    assert await client.ok("FETCH $ (UID)") == [b"* 1 FETCH (UID 1)", b"* 3 FETCH (UID 3)"]


@pytest.mark.parametrize(
    ("partial", "expected"),
    [
        ("1:2", b"1:2"),
        ("4:9", b"4"),
        ("5:9", b"NIL"),
        ("-1:-2", b"3:4"),
        ("-4:-3", b"1:2"),
        ("-5:-9", b"NIL"),
    ],
)
async def test_partial(client: Client, partial: str, expected: bytes) -> None:
    [answer] = await client.ok(f"SEARCH RETURN (PARTIAL {partial} COUNT) ALL")
    assert answer.endswith(b"COUNT 4 PARTIAL (%b %b)" % (partial.encode(), expected))
    uids = await client.ok(f"UID FETCH 1:* (UID) (PARTIAL {partial})")
    assert len(uids) == (0 if expected == b"NIL" else 2 if b":" in expected else 1)


async def test_thread(client: Client) -> None:
    assert await client.ok("THREAD REFERENCES UTF-8 ALL") == [b"* THREAD (2 1 4)(3)"]
    assert await client.ok("UID THREAD ORDEREDSUBJECT UTF-8 ALL") == [b"* THREAD (2 1)(3)(4)"]
    assert await client.ok("THREAD REFERENCES UTF-8 DELETED") == [b"* THREAD"]


@pytest.mark.parametrize(
    "command",
    [
        "SORT () UTF-8 ALL",
        "SORT (NONSENSE) UTF-8 ALL",
        "SORT (DATE) ALL",
        "THREAD NONSENSE UTF-8 ALL",
        "SEARCH RETURN (PARTIAL 0:3) ALL",
        "SEARCH RETURN (PARTIAL 1:-3) ALL",
        "SEARCH RETURN (ALL PARTIAL 1:3) ALL",
    ],
)
async def test_what_is_bad(client: Client, command: str) -> None:
    assert (await client.no(command)).startswith((b"BAD", b"NO [BADCHARSET"))
