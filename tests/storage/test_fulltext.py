# SPDX-License-Identifier: Apache-2.0
"""storage/fulltext.py and the archive in the index, on both engines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.storage import Store, archive, archive_search, clock, fulltext
from armgs_server.storage.archive import ArchiveQuery, Entry
from armgs_server.storage.fulltext import Term

PEER = "petrova@digital.example"


def message(body: str, extra: str = "") -> bytes:
    return f"<message xmlns='jabber:client' type='chat'><body>{body}</body>{extra}</message>".encode()


async def say(store: Store, *bodies: str | bytes, owner: int = 1) -> list[int]:
    entries = [
        Entry(owner, PEER, f"m{n}", body if isinstance(body, bytes) else message(body))
        for n, body in enumerate(bodies)
    ]
    return await store.write(lambda tx: archive.append_all(tx, entries))


async def search(store: Store, text: str, **others: object) -> list[int]:
    assert await archive_search.catch_up(store, 1, 100)
    query = ArchiveQuery(terms=fulltext.parse_query(text), **others)  # type: ignore[arg-type]
    return [found.id for found in (await store.read(lambda tx: archive.page(tx, 1, query))).messages]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Отчёты отчёт отчётами отчетов", {"отчет"}),
        ("documents document's DOCUMENT", {"document", "s"}),
        ("Приказ №117-р от 12.03.2026", {"приказ", "no117", "р", "12", "03", "2026"}),
        ("И это не то, что the IS of", set()),
        ("ivanov@digital.example", {"ivanov", "digit", "exampl"}),
        ("snake_case ﬁle", {"snake", "case", "file"}),
        ("… — !", set()),
    ],
)
def test_stems(text: str, expected: set[str]) -> None:
    assert fulltext.stems(text) == expected


def test_a_query_has_each_word_once_and_may_end_in_the_middle_of_one() -> None:
    assert fulltext.parse_query("отчёт Отчёты согл*") == (Term("отчет"), Term("согл", is_prefix=True))
    assert fulltext.parse_query('"*" -') == ()


@given(st.text(max_size=300))
def test_a_text_is_found_by_every_word_of_it(text: str) -> None:
    stems = fulltext.stems(text)
    assert {term.stem for term in fulltext.parse_query(text)} == stems
    assert all(0 < len(stem) for stem in stems)


def test_a_long_text_is_found_by_its_beginning() -> None:
    assert (
        len(fulltext.stems(" ".join(f"w{n}" for n in range(fulltext.MAX_TERMS + 10)))) == fulltext.MAX_TERMS
    )


QUOTED = "<fallback xmlns='urn:xmpp:fallback:0' for='urn:x'><body start='{}' end='{}'/></fallback>"


@pytest.mark.parametrize(
    ("stanza", "expected"),
    [
        (message("Привет"), "Привет"),
        (b"<message xmlns='jabber:client'/>", ""),
        (b"<message xmlns='jabber:client'><body>broken</message>", ""),
        (message("This message is encrypted", "<encrypted xmlns='urn:xmpp:omemo:2'/>"), ""),
        (message("/me retracted", "<fallback xmlns='urn:xmpp:fallback:0' for='urn:x'/>"), ""),
        (
            message(
                "&gt; Когда?\nВ среду",
                QUOTED.format(0, 9),
            ),
            "         В среду",
        ),
        (message("> Когда?", QUOTED.format(0, "9" * 9)), " " * len("> Когда?")),
        (message("В среду", QUOTED.format("9" * 9, 0)), "В среду"),
        (message("В среду", QUOTED.format(0, "9" * 5000)), "В среду"),
        (
            message("В среду", "<fallback xmlns='urn:xmpp:fallback:0' for='urn:x'><subject/></fallback>"),
            "В среду",
        ),
    ],
)
def test_what_a_message_says(stanza: bytes, expected: str) -> None:
    assert archive_search.text_of(stanza) == expected


async def test_words_in_any_form_of_both_languages(store: Store) -> None:
    ids = await say(
        store, "Направляю проект приказа", "Приказы подписаны", "The documents were signed", "Ё-моё, документ"
    )
    await say(store, "Приказ другого человека", owner=2)
    assert await search(store, "ПРИКАЗ") == ids[:2]
    assert await search(store, "проект приказом") == ids[:1]
    assert await search(store, "document sign") == ids[2:3]
    assert await search(store, "мое документы") == ids[3:]
    assert await search(store, "подпис*") == ids[1:2]
    assert await search(store, "при*", limit=1, backwards=True) == ids[1:2]
    assert await search(store, "приказ", before=ids[1], peer=PEER) == ids[:1]
    assert await search(store, "приказ", peer="nobody@digital.example") == []
    assert await search(store, "приказ распоряжение") == []
    assert await search(store, "!!!") == []


async def test_what_comes_later_is_found_and_what_is_gone_is_not(store: Store) -> None:
    first = await say(store, "первое слово")
    assert await search(store, "слово") == first
    second = await say(store, "второе слово")
    assert await search(store, "слово") == first + second
    assert await store.write(lambda tx: archive.replace(tx, 1, first[0], message("")))
    assert await search(store, "слово") == second
    assert not await store.write(lambda tx: archive.replace(tx, 1, 17, message("")))
    old = await store.write(lambda tx: archive.append(tx, 1, PEER, "", message("старое слово"), 1_000_000))
    assert await search(store, "слово") == [old, *second]
    assert await store.write(lambda tx: archive.expire(tx, 1, 2_000_000, 10)) == 1
    assert await search(store, "слово") == second
    assert await store.write(lambda tx: archive.expire(tx, 1, clock.now() + clock.DAY, 10)) == 2
    assert await store.write(lambda tx: archive.expire(tx, 1, clock.now() + clock.DAY, 10)) == 0
    assert await store.read(lambda tx: tx.value("SELECT COUNT(*) FROM fulltext")) == 0


async def test_an_archive_is_kept_up_with_once_it_has_been_searched(store: Store) -> None:
    first = await say(store, *(f"слово {n}" for n in range(archive_search.SLICE + 5)))
    await say(store, "слово", owner=2)
    await store.write(lambda tx: archive.expire(tx, 2, 1_000_000, 10))
    assert await archive_search.extend(store) == 0
    assert not await archive_search.catch_up(store, 1, 1)
    assert await archive_search.extend(store) == 5
    second = await say(store, *(["слово"] * (archive_search.SLICE + 1)))
    assert await archive_search.extend(store) == archive_search.SLICE + 1
    assert await archive_search.extend(store) == 0
    assert await search(store, "слово", limit=1000) == first + second
    await store.write(lambda tx: fulltext.put(tx, 1, fulltext.CHAT, [(first[0], "слово")]))
    assert await search(store, f"слово {archive_search.SLICE + 4}") == first[-1:]


async def test_the_beginning_of_too_many_words(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fulltext, "MAX_ROWS", 2)
    await say(store, "один", "одна", "одно", "одной", "другое")
    assert await search(store, "друг*")
    for text, are_too_many in (("од*", True), ("друг* одн*", True), ("друг*", False), ("одно", False)):
        terms = fulltext.parse_query(text)
        found = await store.read(lambda tx, terms=terms: fulltext.are_too_many(tx, 1, fulltext.CHAT, terms))  # type: ignore[misc]
        assert found is are_too_many, text
