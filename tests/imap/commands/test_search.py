# SPDX-License-Identifier: Apache-2.0
"""SEARCH: RFC 3501 §6.4.4, ESEARCH (RFC 4731), SEARCHRES (RFC 5182), WITHIN (RFC 5032), MODSEQ (RFC 7162)."""

from __future__ import annotations

import re

import pytest

from tests.formats.mail_samples import MIXED, crlf
from tests.imap.client import Client, Office

MESSAGES = (
    # 1
    (
        crlf(
            "From: =?utf-8?B?0JjQstCw0L3QvtCy?= <ivanov@x.example>\nTo: bob@y.example\nCc: carl@z.example\n"
            "Subject: =?koi8-r?B?78cgz9Q=?= quarter\nDate: Mon, 1 Jan 2024 23:30:00 -0500\nX-Priority: 1\n"
            "Message-ID: <one@x.example>\n\nA body with WORDS in it\n"
        ),
        '(\\Seen $Label) "02-Jan-2024 00:00:00 +0000"',
    ),
    # 2
    (
        crlf(
            "From: ann@x.example\nSubject: other\nDate: Wed, 3 Jan 2024 10:00:00 +0000\n"
            "Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: base64\n\n8NLJ18XU\n"
        ),
        '(\\Flagged \\Draft) "03-Jan-2024 12:00:00 +0000"',
    ),
    # 3
    (MIXED, '(\\Answered) "10-Jan-2024 00:00:00 +0000"'),
    # 4
    (
        crlf("Bcc: hidden@y.example\nSubject:\n\n" + "long " * 1000),
        '(\\Deleted) "20-Jan-2024 00:00:00 +0000"',
    ),
)


@pytest.fixture
async def client(office: Office) -> Client:
    client = await office.login(mailbox="INBOX")
    for message, options in MESSAGES:
        await client.append(message, options=options)
    return client


async def numbers(client: Client, program: str | bytes) -> list[int]:
    text = program.encode() if isinstance(program, str) else program
    [answer] = await client.ok(b"SEARCH " + text)
    found = re.fullmatch(rb"\* SEARCH((?: \d+)*)", answer)
    assert found is not None, answer
    return [int(number) for number in found[1].split()]


KEYS: list[tuple[str, list[int]]] = [
    ("ALL", [1, 2, 3, 4]),
    ("SEEN", [1]),
    ("UNSEEN", [2, 3, 4]),
    ("FLAGGED", [2]),
    ("UNFLAGGED DRAFT", []),
    ("ANSWERED", [3]),
    ("DELETED", [4]),
    ("UNDELETED UNDRAFT", [1, 3]),
    ("KEYWORD $label", [1]),
    ("UNKEYWORD $Label", [2, 3, 4]),
    ("NEW", []),
    ("RECENT", []),
    ("OLD", [1, 2, 3, 4]),
    ("FROM ivanov", [1]),
    ("FROM Иванов", [1]),
    ("TO BOB", [1, 3]),
    ("CC carl", [1]),
    ("BCC hidden", [4]),
    ("SUBJECT Quarter", [1]),
    ('SUBJECT "от quarter"', [1]),
    ('SUBJECT ""', [1, 2, 3, 4]),
    ("BODY words", [1]),
    ("BODY привет", [2, 3]),
    ("BODY hello", [3]),
    ("BODY quarter", []),
    ("TEXT quarter", [1]),
    ("TEXT deep", [3]),
    ("HEADER X-Priority 1", [1]),
    ('HEADER X-Priority ""', [1]),
    ('HEADER X-None ""', []),
    ("HEADER Subject other", [2]),
    ("HEADER Message-ID one@x", [1]),
    ("LARGER 4000", [4]),
    ("SMALLER 200 SEEN", []),
    ("BEFORE 3-Jan-2024", [1]),
    ("ON 3-Jan-2024", [2]),
    ("SINCE 10-Jan-2024", [3, 4]),
    ("SENTBEFORE 2-Jan-2024", [1, 3]),  # by the date as written: 1 Jan, though 2 Jan in UTC
    ("SENTON 1-Jan-2024", [1, 3]),
    ("SENTSINCE 3-Jan-2024", [2, 4]),  # 4 has no Date: its arrival counts
    ("OLDER 86400", [1, 2, 3, 4]),
    ("YOUNGER 86400", []),
    ("2:3", [2, 3]),
    ("*", [4]),
    ("UID 3:* UNDELETED", [3]),
    ("UID 77", []),
    ("NOT SEEN", [2, 3, 4]),
    ("NOT (SEEN)", [2, 3, 4]),
    ("NOT 1:2", [3, 4]),
    ("OR SEEN FLAGGED", [1, 2]),
    ("OR BODY words DELETED", [1, 4]),
    ("OR (BODY words SEEN) (TEXT привет FLAGGED)", [1, 2]),
    ("NOT BODY words NOT BODY привет", [4]),
    ("NOT OR SEEN OR FLAGGED ANSWERED", [4]),
    ("(SEEN (KEYWORD $Label))", [1]),
    ("CHARSET UTF-8 SUBJECT от", [1]),
    ("charset us-ascii seen", [1]),
]


async def test_keys(client: Client) -> None:
    for program, expected in KEYS:
        assert await numbers(client, program) == expected, program


async def test_text_as_a_literal(client: Client) -> None:
    text = "Привет".encode()
    assert await numbers(client, b"CHARSET UTF-8 BODY {%d+}\r\n%b SEEN" % (len(text), text)) == []
    assert await numbers(client, b"CHARSET UTF-8 BODY {%d+}\r\n%b" % (len(text), text)) == [2, 3]


@pytest.mark.parametrize(
    "program",
    [
        "",
        "NONSENSE",
        "SEEN FOO",
        "FROM",
        "KEYWORD",
        "(SEEN",
        "()",
        "OR SEEN",
        "NOT",
        "SINCE yesterday",
        "LARGER x",
    ],
)
async def test_what_is_bad(client: Client, program: str) -> None:
    assert (await client.no(f"SEARCH {program}")).startswith(b"BAD ")
    assert await numbers(client, "SEEN") == [1]


async def test_a_charset_that_is_not_known(client: Client) -> None:
    assert await client.no("SEARCH CHARSET KOI8-R SUBJECT x") == (
        b"NO [BADCHARSET (US-ASCII UTF-8)] charset not known"
    )
    assert (await client.no(b'SEARCH SUBJECT "\xff"')).startswith(b"NO [BADCHARSET")


@pytest.mark.parametrize(
    "program", ["NOT " * 100 + "SEEN", "(" * 100 + "SEEN" + ")" * 100, "SEEN " * 1000 + "SEEN"]
)
async def test_a_search_that_is_too_complex(client: Client, program: str) -> None:
    assert (await client.no(f"SEARCH {program}")).startswith(b"NO [LIMIT]")


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("RETURN () UNSEEN", b"ALL 2:4"),
        ("RETURN (ALL) 1,3", b"ALL 1,3"),
        ("RETURN (MIN MAX COUNT) UNSEEN", b"MIN 2 MAX 4 COUNT 3"),
        ("RETURN (COUNT) NEW", b"COUNT 0"),
        ("RETURN (MIN ALL) NEW", b""),
    ],
)
async def test_extended_results(client: Client, program: str, expected: bytes) -> None:
    [answer] = await client.ok(f"SEARCH {program}")
    assert re.fullmatch(rb'\* ESEARCH \(TAG "t\d+"\) ?%b' % re.escape(expected), answer)
    [by_uid] = await client.ok(f"UID SEARCH {program}")
    assert re.fullmatch(rb'\* ESEARCH \(TAG "t\d+"\) UID ?%b' % re.escape(expected), by_uid)


async def test_a_result_that_is_saved(client: Client) -> None:
    assert await client.ok("UID SEARCH RETURN (SAVE) UNSEEN") == []
    assert await numbers(client, "$") == [2, 3, 4]
    assert await numbers(client, "$ FLAGGED") == [2]
    assert len(await client.ok("FETCH $ (UID)")) == 3
    await client.ok("SEARCH RETURN (SAVE MIN) UNSEEN")
    assert await numbers(client, "$") == [2]
    await client.ok("SEARCH RETURN (SAVE) NEW")
    assert await client.ok("FETCH $ (UID)") == []


async def test_the_saved_result_forgets_what_is_expunged(client: Client) -> None:
    await client.ok("SEARCH RETURN (SAVE) ALL")
    await client.ok("EXPUNGE")
    assert await client.ok("FETCH $ (UID)") == [b"* %d FETCH (UID %d)" % (n, n) for n in (1, 2, 3)]


async def test_modseq(client: Client) -> None:
    told, line = await client.ok("FETCH 4 (MODSEQ)")
    assert told.startswith(b"* OK [HIGHESTMODSEQ ")  # RFC 7162 §3.1: the first command that enables it
    found = re.search(rb"MODSEQ \((\d+)\)", line)
    assert found is not None
    highest = int(found[1])
    assert await client.ok(f"SEARCH MODSEQ {highest}") == [b"* SEARCH 4 (MODSEQ %d)" % highest]
    assert await client.ok(f'SEARCH MODSEQ "/flags/\\\\draft" all {highest}') == [
        b"* SEARCH 4 (MODSEQ %d)" % highest
    ]
    assert await client.ok(f"SEARCH MODSEQ {highest + 1}") == [b"* SEARCH"]
    [extended] = await client.ok("SEARCH RETURN (COUNT) MODSEQ 1")
    assert extended.endswith(b"COUNT 4 MODSEQ %d" % highest)


async def test_the_body_of_a_large_message(office: Office) -> None:
    client = await office.login(mailbox="INBOX")
    await client.append(crlf("Subject: big\n\n") + b"filler\r\n" * 100_000 + b"needle\r\n")
    assert await numbers(client, "BODY needle") == [1]
    assert await numbers(client, "TEXT big") == [1]
    assert await numbers(client, "BODY absent") == []
