# SPDX-License-Identifier: Apache-2.0
"""The unit's address book: what programs keep of a department whose own book is too large for a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from armgs_server.directory import Change, Directory, Principal
from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV, PETROVA, Site, run_site

HOME = f"/dav/addressbooks/{IVANOV}/"
BOOK = f"{HOME}unit/"
WHOLE = f"{HOME}directory/"
NAMES = '<D:propfind xmlns:D="DAV:"><D:prop><D:displayname/></D:prop></D:propfind>'


@pytest.fixture
async def large(store_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    """A department whose book nobody keeps."""
    async with run_site(store_url, tmp_path, synced_book=0) as site:
        yield site


async def unit_of(site: Site, name: str, parent: int = 0) -> Principal:
    department = site.people[IVANOV].department
    return await site.core.directory.create_unit(department, name, parent=parent)


async def place(directory: Directory, person: Principal, unit: Principal, *, head: bool = False) -> None:
    await directory.update(person.id, Change(unit=unit.id, head=head))


async def sync(client: Client, token: str = "") -> Answer:
    body = (
        f'<D:sync-collection xmlns:D="DAV:"><D:sync-token>{token}</D:sync-token>'
        "<D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>"
    )
    return await client.request("REPORT", BOOK, body)


async def cards(client: Client) -> list[str]:
    """Who stands in the book."""
    listed = await client.request("PROPFIND", BOOK, NAMES, {"Depth": "1"})
    return sorted([await full_name(client, href) for href in listed.hrefs if href != BOOK])


async def full_name(client: Client, href: str) -> str:
    body = (await client.request("GET", href)).body.decode()
    return next(line[3:] for line in body.splitlines() if line.startswith("FN:"))


async def test_it_is_there_instead_of_the_large_one(large: Site) -> None:
    unit = await unit_of(large, "Канцелярия")
    await place(large.core.directory, large.people[IVANOV], unit)
    home = await large.ivanov.request("PROPFIND", HOME, NAMES, {"Depth": "1"})
    assert WHOLE not in home.hrefs and home.prop(BOOK, "D:displayname") == "Канцелярия"
    other = await large.petrova.request("PROPFIND", f"/dav/addressbooks/{PETROVA}/", NAMES, {"Depth": "1"})
    assert not [href for href in other.hrefs if href.endswith(("/directory/", "/unit/"))]
    # Who searched and found somebody can still read the card, and the whole book where its URL is known.
    assert (await large.ivanov.request("PROPFIND", WHOLE, NAMES, {"Depth": "1"})).status == 207
    await large.core.directory.update(unit.id, Change(name="Секретариат"))
    seen = await large.ivanov.request("PROPFIND", BOOK, NAMES, {"Depth": "0"})
    assert seen.prop(BOOK, "D:displayname") == "Секретариат"


async def test_a_small_book_is_kept_whole(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path) as site:
        await place(site.core.directory, site.people[IVANOV], await unit_of(site, "Канцелярия"))
        home = await site.ivanov.request("PROPFIND", HOME, NAMES, {"Depth": "1"})
        assert WHOLE in home.hrefs and BOOK not in home.hrefs


async def test_a_move_is_synchronised(large: Site) -> None:
    directory, petrova = large.core.directory, large.people[PETROVA]
    office, legal = await unit_of(large, "Канцелярия"), await unit_of(large, "Правовой отдел")
    await place(directory, large.people[IVANOV], office)
    await place(directory, petrova, office)
    assert await cards(large.ivanov) == ["Иванов Иван", "Петрова Анна"]
    first = await sync(large.ivanov)
    await place(directory, petrova, legal)
    change = await sync(large.ivanov, first.texts("//D:sync-token")[-1])
    assert len(change.hrefs) == 1 and "404" in change.texts("//D:response/D:status")[0]
    assert await cards(large.ivanov) == ["Иванов Иван"]
    assert await cards_of_petrova(large) == ["Петрова Анна"]


async def cards_of_petrova(site: Site) -> list[str]:
    book = f"/dav/addressbooks/{PETROVA}/unit/"
    listed = await site.petrova.request("PROPFIND", book, NAMES, {"Depth": "1"})
    return [await full_name(site.petrova, href) for href in listed.hrefs if href != book]


async def test_who_leads_stands_in_the_books_below(large: Site) -> None:
    directory, petrova = large.core.directory, large.people[PETROVA]
    top = await unit_of(large, "Управление")
    office = await unit_of(large, "Канцелярия", parent=top.id)
    await place(directory, large.people[IVANOV], office)
    await place(directory, petrova, top)
    assert await cards(large.ivanov) == ["Иванов Иван"]
    await place(directory, petrova, top, head=True)
    assert await cards(large.ivanov) == ["Иванов Иван", "Петрова Анна"]
    await directory.update(office.id, Change(unit=0))
    assert await cards(large.ivanov) == ["Иванов Иван"]
    await directory.update(office.id, Change(unit=top.id))
    below = await unit_of(large, "Архив", parent=office.id)
    await place(directory, large.people[IVANOV], below)
    assert await cards(large.ivanov) == ["Иванов Иван", "Петрова Анна"]
    await directory.disable(petrova.id)
    assert await cards(large.ivanov) == ["Иванов Иван"]


async def test_nobody_else_reads_or_writes_it(large: Site) -> None:
    unit = await unit_of(large, "Канцелярия")
    await place(large.core.directory, large.people[IVANOV], unit)
    assert (await large.petrova.request("PROPFIND", BOOK, NAMES, {"Depth": "1"})).status == 404
    [card] = [href for href in (await sync(large.ivanov)).hrefs if href != BOOK]
    assert (await large.petrova.request("GET", card)).status == 404
    assert (await large.ivanov.request("DELETE", card)).status == 403
    assert (await large.ivanov.request("DELETE", BOOK)).status == 403


async def test_a_unit_that_has_gone_leaves_nothing(large: Site) -> None:
    directory = large.core.directory
    await directory.update(large.people[PETROVA].id, Change(head=True))
    unit = await unit_of(large, "Канцелярия")
    await place(directory, large.people[IVANOV], unit)
    assert await cards(large.ivanov) == ["Иванов Иван", "Петрова Анна"]
    await directory.update(large.people[IVANOV].id, Change(unit=0))
    await directory.delete(unit.id)
    await directory.update(large.people[PETROVA].id, Change(post="Министр"))
    rows = await large.store.read(lambda tx: tx.rows("SELECT unit FROM unit_card"))
    assert rows == []
