# SPDX-License-Identifier: Apache-2.0
"""FETCH: RFC 3501 §6.4.5, §7.4.2."""

from __future__ import annotations

import asyncio
import re

import pytest

from armgs_server.imap.commands.fetch import slices
from armgs_server.imap.view import View
from tests.formats.mail_samples import BROKEN, MIXED, PLAIN, SHARED
from tests.imap.client import Client, Office


@pytest.fixture
async def client(office: Office) -> Client:
    """A client whose INBOX has a plain message and one with all kinds of parts."""
    client = await office.login(mailbox="INBOX")
    for message in (PLAIN, MIXED):
        assert b"APPENDUID" in await client.append(message)
    return client


def body(response: bytes, section: str) -> bytes:
    """The literal of one section."""
    found = re.search(re.escape(f"BODY[{section}]".encode()) + rb"(?:<\d+>)? \{(\d+)\}\r\n", response)
    assert found is not None, response
    return response[found.end() : found.end() + int(found[1])]


async def test_columns(client: Client) -> None:
    [answer] = await client.ok("FETCH 1 (UID RFC822.SIZE ENVELOPE BODY)")
    assert answer == (
        b'* 1 FETCH (UID 1 RFC822.SIZE %d ENVELOPE ("Mon, 1 Jan 2024 10:00:00 +0300" "Hello"'
        b' (("Ann" NIL "ann" "x.example")) (("Ann" NIL "ann" "x.example")) (("Ann" NIL "ann" "x.example"))'
        b' ((NIL NIL "bob" "y.example")) NIL NIL NIL "<1@x.example>")'
        b' BODY ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 25 2))'
    ) % len(PLAIN)


@pytest.mark.parametrize(
    ("macro", "items"),
    [
        ("FAST", [b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"]),
        ("all", [b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE"]),
        ("FULL", [b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE", b"BODY"]),
    ],
)
async def test_macros(client: Client, macro: str, items: list[bytes]) -> None:
    [answer] = await client.ok(f"FETCH 1 {macro}")
    assert re.findall(rb"(FLAGS|INTERNALDATE|RFC822.SIZE|ENVELOPE|BODY) ", answer) == items


async def test_bodies_are_what_came_in(client: Client) -> None:
    answers = await client.ok("FETCH 1:2 (BODY.PEEK[])")
    assert [body(answer, "") for answer in answers] == [PLAIN, MIXED]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("1.1", b"=D0=9F=D1=80=D0=B8=D0=B2=D0=B5=D1=82"),
        (
            "2.2.MIME",
            b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        ),
        ("HEADER.FIELDS (SUBJECT date)", b"Subject: Hello\r\nDate: Mon, 1 Jan 2024 10:00:00 +0300\r\n\r\n"),
        ("2.HEADER.FIELDS (Subject)", b"Subject: Inner\r\n\r\n"),
        ("3", b"0JrQvtC90LXRhg=="),
    ],
)
async def test_sections(client: Client, section: str, expected: bytes) -> None:
    [answer] = await client.ok(f"FETCH 2 (BODY.PEEK[{section}])")
    assert body(answer, section) == expected


async def test_sections_that_are_not_there_are_nil(client: Client) -> None:
    [answer] = await client.ok("FETCH 1 (BODY.PEEK[2] BODY.PEEK[1.1] BODY.PEEK[1.HEADER])")
    assert answer == b"* 1 FETCH (BODY[2] NIL BODY[1.1] NIL BODY[1.HEADER] NIL)"


@pytest.mark.parametrize(
    ("partial", "expected"), [("0.5", b"First"), ("20.100", b"line\r\n"[1:]), ("25.1", b""), ("999.1", b"")]
)
async def test_partial_bodies(client: Client, partial: str, expected: bytes) -> None:
    [answer] = await client.ok(f"FETCH 1 BODY.PEEK[TEXT]<{partial}>")
    assert answer.startswith(
        b"* 1 FETCH (BODY[TEXT]<%b> {%d}" % (partial.partition(".")[0].encode(), len(expected))
    )
    assert body(answer, "TEXT") == expected


async def test_the_old_names_of_sections(client: Client) -> None:
    [answer] = await client.ok("FETCH 1 (RFC822.HEADER RFC822.TEXT)")
    header, text = PLAIN.split(b"\r\n\r\n", 1)
    assert b"RFC822.HEADER {%d}\r\n%b\r\n\r\n" % (len(header) + 4, header) in answer
    assert b"RFC822.TEXT {%d}\r\n%b" % (len(text), text) in answer


async def test_reading_marks_as_seen_and_others_hear(office: Office, client: Client) -> None:
    other = await office.login(mailbox="INBOX")
    [answer] = await client.ok("FETCH 1 BODY[TEXT]")
    assert answer.startswith(b"* 1 FETCH (FLAGS (\\Seen) BODY[TEXT] ")
    assert await other.ok("NOOP") == [b"* 1 FETCH (UID 1 FLAGS (\\Seen))"]
    [again] = await client.ok("FETCH 1 BODY[TEXT]")
    assert again == answer
    assert await other.ok("NOOP") == []


async def test_peeking_and_examining_mark_nothing(office: Office, client: Client) -> None:
    await client.ok("FETCH 1 (BODY.PEEK[] RFC822.HEADER)")
    await client.ok("EXAMINE INBOX")
    await client.ok("FETCH 1:2 BODY[]")
    assert await client.ok("FETCH 1:2 FLAGS") == [b"* 1 FETCH (FLAGS ())", b"* 2 FETCH (FLAGS ())"]


async def test_uid_fetch_always_has_the_uid(client: Client) -> None:
    assert await client.ok("UID FETCH 2:99 FLAGS") == [b"* 2 FETCH (UID 2 FLAGS ())"]
    assert await client.ok("UID FETCH 50:* (UID)") == [b"* 2 FETCH (UID 2)"]
    assert await client.ok("UID FETCH 77 (FLAGS)") == []


@pytest.mark.parametrize(
    "text",
    [
        "FETCH 1",
        "FETCH 1 ()",
        "FETCH 1 NONSENSE",
        "FETCH x FLAGS",
        "FETCH 1 (FLAGS",
        "FETCH 3 FLAGS",
        "FETCH 1 BODY[",
        "FETCH 1 BODY[MIME]",
        "FETCH 1 BODY[1.]",
        "FETCH 1 BODY[HEADER.FIELDS]",
        "FETCH 1 BODY[HEADER.FIELDS ()]",
        "FETCH 1 BODY[]<0.0>",
        "FETCH 1 BODY[]<1>",
        "FETCH 1 FLAGS (CHANGEDSINCE 0)",
        "FETCH 1 FLAGS (NONSENSE 1)",
        "FETCH 1 (ALL)",
    ],
)
async def test_what_is_bad(client: Client, text: str) -> None:
    assert (await client.no(text)).startswith(b"BAD ")
    assert await client.ok("NOOP") == []


async def test_large_messages_come_from_their_file(office: Office) -> None:
    client = await office.login(mailbox="INBOX")
    large = PLAIN + b"".join(b"%09d\r\n" % number for number in range(120_000))  # 1.3 MB
    await client.append(large)
    await client.append(PLAIN)
    answers = await client.ok("FETCH 1:2 (UID BODY.PEEK[])")
    assert [body(answer, "") for answer in answers] == [large, PLAIN]
    [part] = await client.ok(
        "FETCH 1 (BODY.PEEK[TEXT]<400000.30> BODY.PEEK[HEADER] BODY.PEEK[HEADER.FIELDS (To)])"
    )
    start = large.index(b"First") + 400_000
    assert body(part, "TEXT") == large[start : start + 30]
    assert body(part, "HEADER") == large[: large.index(b"First")]
    assert body(part, "HEADER.FIELDS (To)") == b"To: bob@y.example\r\n\r\n"


async def test_every_message_comes_back_byte_for_byte(office: Office) -> None:
    client = await office.login(mailbox="INBOX")
    sent = [data for data in BROKEN.values() if data]
    if SHARED.is_dir():
        sent += [path.read_bytes() for path in sorted(SHARED.rglob("*.eml"))]
    for data in sent:
        assert b"APPENDUID" in await client.append(data)
    answers = await client.ok("FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY.PEEK[])")
    assert [body(answer, "") for answer in answers] == sent


async def test_other_sessions_go_on_while_much_is_fetched(office: Office) -> None:
    """A client that does not read holds only its own command."""
    slow, other = await office.login(mailbox="INBOX"), await office.login(mailbox="INBOX")
    big = PLAIN + b"x" * 1_000_000
    for _ in range(4):
        await slow.append(big)
    slow.reader._transport.pause_reading()  # type: ignore[attr-defined]
    slow.send(b"x FETCH 1:* (BODY.PEEK[])\r\n")
    async with asyncio.timeout(5):
        await other.ok("NOOP")
        assert len(await other.ok("FETCH 1:* (FLAGS)")) == 4
    slow.reader._transport.resume_reading()  # type: ignore[attr-defined]
    assert len(await slow.responses(b"x")) == 5


def test_slices_cover_all_and_stay_small() -> None:
    view = View(range(1, 1001), 1)
    found: list[int] = []
    for selection in slices(view, [(0, 3), (5, 6), (10, 700), (800, 801)], 100):
        if selection.uids is None:
            assert selection.high - selection.low < 100
            found += range(selection.low, selection.high + 1)
        else:
            assert (selection.low, selection.high) == (selection.uids[0], selection.uids[-1])
            found += selection.uids
    assert found == [1, 2, 3, 6, *range(11, 701), 801]
