# SPDX-License-Identifier: Apache-2.0
"""FUZZY and RELEVANCY (RFC 6203): words in any form, in Russian and English, and those that differ by a
letter; the same whether the mailbox is indexed or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.imap.commands.search_text import is_similar
from tests.formats.mail_samples import crlf
from tests.imap.client import Client, Office
from tests.imap.search_index import indexed

LETTERS = (
    crlf("Subject: Minutes of the meeting\n\nWe agreed on the budget.\n"),
    crlf("Subject: other\nContent-Type: text/plain; charset=utf-8\n\nДоговоры подписаны, ёлки куплены.\n"),
    crlf("Subject: budgets\n\nNothing else.\n"),
    crlf("Subject: =?utf-8?B?0JTQvtCz0L7QstC+0YA=?=\n\nsee attachment\n"),
)


@pytest.fixture(params=["read", "indexed"])
async def client(office: Office, request: pytest.FixtureRequest) -> Client:
    client = await office.login(mailbox="INBOX")
    for letter in LETTERS:
        await client.append(letter)
    if request.param == "indexed":
        await client.ok("SEARCH TEXT anything")
        await indexed(office)
    return client


async def found(client: Client, program: str) -> str:
    text = program.encode()
    [answer] = await client.ok(b"UID SEARCH " + text)
    return answer.decode().removeprefix("* SEARCH").strip()


async def test_any_form_of_a_word(client: Client) -> None:
    assert await found(client, "FUZZY TEXT budgets") == "1 3"
    assert await found(client, "FUZZY TEXT budgeting") == "1 3"
    assert await found(client, 'FUZZY TEXT "meetings agree"') == "1"
    assert await found(client, 'FUZZY TEXT "договорами"') == "2 4"
    assert await found(client, 'FUZZY BODY "елка"') == "2"
    assert await found(client, "FUZZY SUBJECT meetings") == "1"
    assert await found(client, 'FUZZY TEXT "X2 budget"') == ""
    assert await found(client, 'FUZZY SUBJECT "договоров"') == "4"
    # Without FUZZY a text is found as it stands.
    assert await found(client, "TEXT budgeting") == ""
    assert await found(client, "TEXT budget") == "1 3"


async def test_a_letter_more_or_less(client: Client) -> None:
    """Only where nobody has written the word itself."""
    assert await found(client, "FUZZY TEXT metting") == "1"
    assert await found(client, "FUZZY TEXT atachment") == "4"
    assert await found(client, "FUZZY TEXT wholly") == ""


async def test_keys_within(client: Client) -> None:
    """RFC 6203 §5: what is no text is found as without FUZZY."""
    assert await found(client, "FUZZY (TEXT budgets SUBJECT minute)") == "1"
    assert await found(client, "FUZZY OR SUBJECT budgeting TEXT agreeing") == "1 3"
    assert await found(client, "FUZZY NOT TEXT budgets") == "2 4"
    assert await found(client, "FUZZY UID 2:3") == "2 3"
    assert await found(client, "FUZZY TEXT !!!") == ""


async def test_relevancy(client: Client) -> None:
    """RFC 6203 §4: 1 to 100, in the order of the results"""
    [answer] = await client.ok("UID SEARCH RETURN (ALL RELEVANCY) FUZZY TEXT budgets")
    assert answer.endswith(b" UID ALL 1,3 RELEVANCY (72 100)")
    [answer] = await client.ok("SEARCH RETURN (RELEVANCY COUNT) FUZZY TEXT nobody")
    assert answer.endswith(b") COUNT 0")


async def test_sorted_by_relevancy(client: Client) -> None:
    """RFC 6203 §6: the most relevant first"""
    assert await client.ok("UID SORT (RELEVANCY) UTF-8 FUZZY TEXT budgets") == [b"* SORT 3 1"]
    assert await client.ok("UID SORT (REVERSE RELEVANCY) UTF-8 FUZZY TEXT budgets") == [b"* SORT 1 3"]
    [answer] = await client.ok("UID SORT RETURN (ALL RELEVANCY) (RELEVANCY) UTF-8 FUZZY TEXT budgets")
    assert answer.endswith(b" UID ALL 3,1 RELEVANCY (100 72)")


@pytest.mark.parametrize(
    "command",
    [
        "SEARCH FUZZY",
        "SEARCH FUZZY FUZZY",
        "SEARCH RETURN (RELEVANCY) TEXT x",
        "SORT (RELEVANCY) UTF-8 TEXT x",
        "SORT RETURN (RELEVANCY) (SUBJECT) UTF-8 ALL",
    ],
)
async def test_what_is_bad(client: Client, command: str) -> None:
    assert (await client.no(command)).startswith(b"BAD")


_WORDS = st.text("абвгabc", min_size=0, max_size=9)


@given(_WORDS, _WORDS)
def test_similar_is_one_edit_away(first: str, second: str) -> None:
    edits = {first}
    for place in range(len(first) + 1):
        edits.add(first[:place] + first[place + 1 :])
        for letter in "абвгabc":
            edits.add(first[:place] + letter + first[place:])
            edits.add(first[:place] + letter + first[place + 1 :])
    is_one_away = second in edits and min(len(first), len(second)) >= 5
    assert is_similar(first, second) is is_one_away
    assert is_similar(first, second) is is_similar(second, first)
