# SPDX-License-Identifier: Apache-2.0
"""What a search finds is the same whether the words of the mailbox are indexed or not (decision 45)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from armgs_server.imap import search_mailbox
from armgs_server.storage import mail_words
from armgs_server.storage.tx import Tx
from tests.formats.mail_samples import MIXED, crlf
from tests.imap.client import Client, Office
from tests.imap.conftest import Offices
from tests.imap.search_index import indexed

LETTERS = [
    crlf(
        "From: =?utf-8?B?0J/QtdGC0YDQvtCy0LA=?= <petrova@digital.example>\nTo: ivanov@digital.example\n"
        "Subject: Quarterly report\nX-Tracker: ABC-123\n\nThe budget was agreed on Monday, well-done all.\n"
    ),
    crlf(
        "From: sidorov@finance.example\nSubject: other\nContent-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: 8bit\n\nДоговоры о поставке ёлок; бюджет согласован. foo_bar  two"
        " spaces\n"
    ),
    MIXED,
    crlf("Subject: =?utf-8?Q?=D0=81=D0=BB=D0=BA=D0=B0?=\n\nStraße, naïve café, ﬁnal x²\n"),
    crlf(
        "From: a@x.example\nSubject: markup\nContent-Type: text/html; charset=utf-8\n\n"
        "<p>Bud<b>get</b> of the <i>year</i></p>\n"
    ),
    crlf("Subject: nothing in it\n\n"),
]
NEEDLES = (
    "budget",
    "udge",
    "BUDGET WAS",
    "well-done",
    "l-d",
    "ell-don",
    "agreed  on",
    "договор",
    "бюджет согласован",
    "елок",
    "ёлок",
    "ёл",
    "й",
    "foo_bar",
    "o_b",
    "two spaces",
    "  two",
    "strasse",
    "straße",
    "naive",
    "naïve",
    "final",
    "x2",
    "petrova@digital.example",
    "Петрова",
    "abc-123",
    "X-Tracker: ABC",
    "multipart",
    "no such word",
    "zzz",
    ".",
    "...",
    " ",
    "Monday,",
    "all.\r\n",
    "\nThe",
    "\\\\",
)


KEYS = ("TEXT", "BODY", "NOT TEXT", "OR SUBJECT report BODY", "HEADER X-Tracker", "UID 2:5 TEXT")


async def results(client: Client) -> dict[tuple[str, str], Sequence[bytes]]:
    """Of every key with every needle."""
    found = {}
    for key in KEYS:
        for needle in NEEDLES:
            data = needle.encode()
            found[key, needle] = await client.ok(
                b"UID SEARCH %b {%d+}\r\n%b" % (key.encode(), len(data), data)
            )
    return found


async def test_found_is_the_same_with_and_without_the_index(store_url: str, offices: Offices) -> None:
    """Indexed, not indexed, and with some messages newer than the index; on both engines."""
    without = await (await offices(imap={"search_index": False})).login(mailbox="INBOX")
    for letter in LETTERS:
        await without.append(letter)
    expected = await results(without)
    office = await offices(store_url, imap={"search_index_interval": 1.0})
    client = await office.login(mailbox="INBOX")
    for letter in LETTERS[:3]:
        await client.append(letter)
    await client.ok("SEARCH TEXT anything")
    await indexed(office)
    for letter in LETTERS[3:]:
        await client.append(letter)
    assert await results(client) == expected
    await indexed(office)
    assert await results(client) == expected
    rows = await office.store.read(lambda tx: tx.rows("SELECT DISTINCT kind FROM mail_words ORDER BY kind"))
    assert rows == [(0,), (1,), (2,)]


async def test_found_are_those_that_are_there(office: Office) -> None:
    """Expunged here and elsewhere, moved, copied: what the index says of uids that are gone means nothing."""
    client, other = await office.login(mailbox="INBOX"), await office.login(mailbox="INBOX")
    for letter in LETTERS:
        await client.append(letter)
    await client.ok("SEARCH TEXT anything")
    await indexed(office)
    assert await client.ok("UID SEARCH BODY budget") == [b"* SEARCH 1 5"]
    await other.ok("NOOP")
    await other.ok("UID STORE 1 +FLAGS.SILENT (\\Deleted)")
    await other.ok("EXPUNGE")
    assert (await client.ok("UID SEARCH BODY budget"))[0] == b"* SEARCH 5"
    await other.ok("CREATE Elsewhere")
    await other.ok("UID MOVE 5 Elsewhere")
    assert (await client.ok("UID SEARCH BODY budget"))[0] == b"* SEARCH"
    await other.ok("SELECT Elsewhere")
    assert await other.ok("UID SEARCH BODY budget") == [b"* SEARCH 1"]


async def test_a_mailbox_takes_its_words_with_it(office: Office) -> None:
    client = await office.login()
    await client.ok("CREATE Short")
    await client.append(LETTERS[0], "Short")
    await client.ok("SELECT Short")
    await client.ok("SEARCH TEXT anything")
    await indexed(office)
    await client.ok("DELETE Short")
    for table in ("mail_index", "mail_words", "mail_words_ids"):
        assert await office.store.read(lambda tx, table=table: tx.value(f"SELECT COUNT(*) FROM {table}")) == 0


async def test_what_has_too_many_words_is_read(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Partial: such a message is found all the same."""
    monkeypatch.setattr(search_mailbox, "MAX_WORDS", 20)
    client = await office.login(mailbox="INBOX")
    await client.append(crlf("Subject: long\n\n" + " ".join(f"word{number}" for number in range(50)) + "\n"))
    await client.append(crlf("Subject: short\n\nword7 alone\n"))
    await client.ok("SEARCH TEXT anything")
    await indexed(office)
    [segment] = await segments(office)
    assert segment.partial == {1} and segment.messages == 2
    assert await client.ok("SEARCH BODY word7") == [b"* SEARCH 1 2"]
    assert await client.ok("SEARCH TEXT word49") == [b"* SEARCH 1"]
    assert await client.ok("SEARCH FUZZY TEXT words49") == [b"* SEARCH 1"]


async def segments(office: Office) -> list[mail_words.Segment]:
    """Of the one mailbox that is indexed."""

    async def read(tx: Tx) -> list[mail_words.Segment]:
        [(owner, collection)] = await tx.rows("SELECT owner, collection FROM mail_index")
        return await mail_words.segments(tx, owner, collection)

    return await office.store.read(read)
