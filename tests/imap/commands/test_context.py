# SPDX-License-Identifier: Apache-2.0
"""Searches that are kept up to date (RFC 5267 §4): a second client makes them change."""

from __future__ import annotations

import pytest

from tests.formats.mail_samples import crlf
from tests.imap.client import Client, Office
from tests.imap.conftest import Offices


def letter(subject: str, text: str = "text") -> bytes:
    return crlf(f"From: ann@x.example\nSubject: {subject}\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n\n{text}\n")


@pytest.fixture
async def client(office: Office) -> Client:
    client = await office.login(mailbox="INBOX")
    for subject in ("b", "d", "f"):
        await client.append(letter(subject))
    await client.ok("NOOP")
    return client


@pytest.fixture
async def other(office: Office, client: Client) -> Client:
    return await office.login(mailbox="INBOX")


async def news(client: Client, command: str = "NOOP") -> list[bytes]:
    """What a command brings with it, but for RECENT."""
    return [line for line in await client.ok(command) if not line.endswith(b" RECENT")]


async def test_what_comes_to_match_and_what_matches_no_more(client: Client, other: Client) -> None:
    """RFC 5267 §4.3.3, §4.3.4"""
    [line] = await client.ok("UID SEARCH RETURN (UPDATE ALL) UNSEEN")
    assert line.endswith(b" UID ALL 1:3")
    tag = line.split(b'"')[1]
    await other.ok("STORE 2 +FLAGS.SILENT (\\Seen)")
    assert await news(client) == [
        b"* 2 FETCH (UID 2 FLAGS (\\Seen))",
        b'* ESEARCH (TAG "%b") UID REMOVEFROM (0 2)' % tag,
    ]
    await other.ok("STORE 1:2 -FLAGS.SILENT (\\Seen)")
    await other.append(letter("g"))
    await other.append(letter("h"), options="(\\Seen)")
    assert (await news(client))[-1] == b'* ESEARCH (TAG "%b") UID ADDTO (0 2,4)' % tag


async def test_numbers_are_those_before_the_expunge(client: Client, other: Client) -> None:
    [line] = await client.ok("SEARCH RETURN (UPDATE COUNT) SUBJECT f")
    tag = line.split(b'"')[1]
    await other.ok("STORE 1,3 +FLAGS.SILENT (\\Deleted)")
    await other.ok("EXPUNGE")
    assert await news(client) == [
        b'* ESEARCH (TAG "%b") REMOVEFROM (0 3)' % tag,
        b"* 3 EXPUNGE",
        b"* 1 EXPUNGE",
    ]
    await other.append(letter("F"))
    assert await news(client) == [b"* 2 EXISTS", b'* ESEARCH (TAG "%b") ADDTO (0 2)' % tag]


async def test_what_the_client_changes_itself_counts(client: Client) -> None:
    [line] = await client.ok("UID SEARCH RETURN (UPDATE) UNFLAGGED")
    tag = line.split(b'"')[1]
    lines = await client.ok("UID STORE 3 +FLAGS.SILENT (\\Flagged)")
    assert lines == [b'* ESEARCH (TAG "%b") UID REMOVEFROM (0 3)' % tag]


async def test_a_search_is_not_interrupted_by_expunges(client: Client, other: Client) -> None:
    """RFC 3501 §7.4.1: while FETCH is answered nothing goes away, from the results neither."""
    await client.ok("SEARCH RETURN (UPDATE) ALL")
    await other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    await other.ok("EXPUNGE")
    assert await news(client, "FETCH 2 UID") == [b"* 2 FETCH (UID 2)"]
    assert [line.partition(b") ")[2] for line in await news(client)] == [b"REMOVEFROM (0 1)", b""]


async def test_sorted_results_have_places(client: Client, other: Client) -> None:
    """CONTEXT=SORT: a place counts as the results are when it is told."""
    [line] = await client.ok("UID SORT RETURN (UPDATE ALL) (REVERSE SUBJECT) UTF-8 UNDELETED")
    assert line.endswith(b" UID ALL 3,2,1")
    tag = line.split(b'"')[1]
    for subject in ("c", "g", "a", "d"):
        await other.append(letter(subject))
    # g f d d c b a, of which 5 is g, 7 is d, 4 is c, 6 is a
    assert (await news(client))[-1] == b'* ESEARCH (TAG "%b") UID ADDTO (3 4 1 5 6 6 4 7)' % tag
    await other.ok("UID STORE 2,5 +FLAGS.SILENT (\\Deleted)")
    assert (await news(client))[-1] == b'* ESEARCH (TAG "%b") UID REMOVEFROM (3 2 1 5)' % tag
    [line] = await client.ok("UID SORT RETURN (ALL) (REVERSE SUBJECT) UTF-8 UNDELETED")
    assert line.endswith(b" UID ALL 3,7,4,1,6")


async def test_it_is_told_in_idle(client: Client, other: Client) -> None:
    [line] = await client.ok("UID SEARCH RETURN (UPDATE COUNT) BODY fresh")
    tag = await client.idle()
    await other.append(letter("x", "freshly made"))
    lines = [await client.line()]
    while b"ESEARCH" not in lines[-1]:
        lines.append(await client.line())
    assert lines[0] == b"* 4 EXISTS"
    assert lines[-1] == b'* ESEARCH (TAG "%b") UID ADDTO (0 4)' % line.split(b'"')[1]
    await client.done(tag)


async def test_it_is_told_with_notify_at_any_time(client: Client, other: Client) -> None:
    """RFC 5465 §5.2: behind EXISTS and FETCH"""
    await client.ok("NOTIFY SET (selected (MessageNew (UID) MessageExpunge))")
    [line] = await client.ok("SEARCH RETURN (UPDATE COUNT) ALL")
    await other.append(letter("x"))
    lines = [await client.line()]
    while b"ESEARCH" not in lines[-1]:
        lines.append(await client.line())
    assert [each for each in lines if not each.endswith(b" RECENT")] == [
        b"* 4 EXISTS",
        b"* 4 FETCH (UID 4)",
        b'* ESEARCH (TAG "%b") ADDTO (0 4)' % line.split(b'"')[1],
    ]


async def test_it_is_cancelled(client: Client, other: Client) -> None:
    """RFC 5267 §4.3.5; and with the mailbox"""
    tags = []
    for _ in range(2):
        [line] = await client.ok("SEARCH RETURN (UPDATE COUNT) ALL")
        tags.append(line.split(b'"')[1].decode())
    await client.ok(f'CANCELUPDATE "{tags[0]}"')
    assert (await client.no(f'CANCELUPDATE "{tags[0]}"')).startswith(b"NO")
    await other.append(letter("x"))
    assert [line for line in await news(client) if b"ESEARCH" in line] == [
        b'* ESEARCH (TAG "%b") ADDTO (0 4)' % tags[1].encode()
    ]
    await client.ok("SELECT INBOX")
    assert (await client.no(f'CANCELUPDATE "{tags[1]}"')).startswith(b"NO")


@pytest.mark.parametrize(
    "command", ["CANCELUPDATE", "CANCELUPDATE a1", 'CANCELUPDATE "a1" a2', 'CANCELUPDATE "a1"x']
)
async def test_what_is_bad(client: Client, command: str) -> None:
    assert (await client.no(command)).startswith(b"BAD")


@pytest.mark.parametrize(
    "command",
    [
        "SEARCH RETURN (UPDATE COUNT) YOUNGER 3600",
        "SEARCH RETURN (UPDATE COUNT) NOT OLDER 3600",
        "SEARCH RETURN (UPDATE COUNT) $",
        "SORT RETURN (UPDATE COUNT) (RELEVANCY) UTF-8 FUZZY SUBJECT b",
        "ESEARCH IN (personal) RETURN (UPDATE COUNT) ALL",
    ],
)
async def test_what_cannot_be_kept_is_refused_by_name(client: Client, command: str) -> None:
    """RFC 5267 §4.3.1: the results are there, the updates are not."""
    await client.ok("SEARCH RETURN (SAVE) ALL")
    refusal, answer, *_ = await client.ok(command)
    assert refusal.startswith(b"* NO [NOUPDATE ") and b" COUNT " in answer


async def test_too_many(offices: Offices) -> None:
    office = await offices(imap={"contexts": 2})
    client = await office.login(mailbox="INBOX")
    for _ in range(2):
        assert len(await client.ok("SEARCH RETURN (UPDATE COUNT) ALL")) == 1
    refusal, _ = await client.ok("SEARCH RETURN (UPDATE COUNT) ALL")
    assert refusal.startswith(b"* NO [NOUPDATE ")


async def test_too_many_results(offices: Offices) -> None:
    office = await offices(imap={"context_results": 2})
    client = await office.login(mailbox="INBOX")
    for subject in ("b", "d"):
        await client.append(letter(subject))
    assert len(await client.ok("SEARCH RETURN (UPDATE COUNT) ALL")) == 1
    refusal, _ = await client.ok("SEARCH RETURN (UPDATE COUNT) SUBJECT b")
    assert refusal.startswith(b"* NO [NOUPDATE ")
