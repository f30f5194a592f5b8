# SPDX-License-Identifier: Apache-2.0
"""The calendar of birthdays: it says what the cards say, and nobody writes into it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from armgs_server.cli.import_objects import run_contacts
from armgs_server.cli.undelete import bring_back
from armgs_server.cli.workplace import Workplace
from armgs_server.formats.anniversaries import Kind, uid_of
from armgs_server.storage import keeping
from tests.dav.calendars import BOOK, CALENDAR, DECLARED, HOME, card, event, in_range, put, select
from tests.dav.client import Client
from tests.dav.conftest import IVANOV, PETROVA, Site, run_site
from tests.dav.test_scheduling import objects

DAYS = HOME + "birthdays/"
HERS = f"/dav/calendars/{PETROVA}/birthdays/"
MADE = (
    f'<D:mkcol {DECLARED} xmlns:X="urn:armgs:dav"><D:set><D:prop><D:resourcetype><D:collection/>'
    "<X:birthdays/></D:resourcetype></D:prop></D:set></D:mkcol>"
)
HOME_NAMES = f"<D:propfind {DECLARED}><D:prop><D:displayname/></D:prop></D:propfind>"


@pytest.fixture
async def site(store_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with run_site(store_url, tmp_path) as site:
        yield site


async def summaries(client: Client, path: str = DAYS) -> list[str]:
    """What the calendar shows; [] where there is none."""
    if (await client.request("PROPFIND", path, HOME_NAMES, {"Depth": "0"})).status == 404:
        return []
    lines = [line for text in await objects(client, path) for line in text.splitlines()]
    return sorted(line[8:] for line in lines if line.startswith("SUMMARY:"))


async def sync(client: Client, token: str = "") -> tuple[str, int]:
    """The next token, and how many members have changed."""
    body = (
        f'<D:sync-collection xmlns:D="DAV:"><D:sync-token>{token}</D:sync-token>'
        "<D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>"
    )
    answer = await client.request("REPORT", DAYS, body)
    assert answer.status == 207
    return answer.texts("//D:sync-token")[-1], len(answer.hrefs)


async def test_a_card_with_a_day_is_an_event_of_each_year(site: Site) -> None:
    phone, laptop = site.ivanov, site.ivanov
    await put(phone, BOOK + "plain.vcf", card("plain", "Без даты"))
    assert await summaries(laptop) == []
    await put(phone, BOOK + "anna.vcf", card("anna", "Анна", "BDAY:1980-02-29", "ANNIVERSARY:20100612"))
    await put(phone, BOOK + "boris.vcf", card("boris", "Борис", "BDAY;X-APPLE-OMIT-YEAR=1604:1604-03-05"))
    home = await laptop.request("PROPFIND", HOME, HOME_NAMES, {"Depth": "1"})
    assert home.prop(DAYS, "D:displayname") == "Дни рождения"
    assert await summaries(laptop) == [
        "Годовщина: Анна (2010)",
        "День рождения: Анна (1980)",
        "День рождения: Борис",
    ]
    # A year that has no 29th of February, and one far away.
    assert len(await select(laptop, in_range("VEVENT", "20270228", "20270301"), DAYS)) == 1
    assert len(await select(laptop, in_range("VEVENT", "20680229", "20680301"), DAYS)) == 1
    assert len(await select(laptop, in_range("VEVENT", "20270101", "20280101"), DAYS)) == 3
    body = (
        f'<C:free-busy-query {DECLARED}><C:time-range start="20270101T000000Z" end="20280101T000000Z"/>'
        "</C:free-busy-query>"
    )
    assert b"FREEBUSY" not in (await laptop.request("REPORT", DAYS, body)).body.replace(b"VFREEBUSY", b"")


async def test_it_follows_the_cards(site: Site) -> None:
    ivanov = site.ivanov
    await put(ivanov, BOOK + "anna.vcf", card("anna", "Анна", "BDAY:1980-04-15"))
    await put(ivanov, BOOK + "boris.vcf", card("boris", "Борис", "BDAY:--0305"))
    token, _ = await sync(ivanov)
    await put(ivanov, BOOK + "anna.vcf", card("anna", "Анна", "BDAY:1980-04-15", "NOTE:x"), 204)
    assert await sync(ivanov, token) == (token, 0)
    await put(ivanov, BOOK + "anna.vcf", card("anna", "Анна Петрова", "BDAY:1981-04-15"), 204)
    token, changed = await sync(ivanov, token)
    assert changed == 1
    assert await summaries(ivanov) == ["День рождения: Анна Петрова (1981)", "День рождения: Борис"]
    await put(ivanov, BOOK + "boris.vcf", card("boris", "Борис"), 204)
    assert (await sync(ivanov, token))[1] == 1
    assert (await ivanov.request("DELETE", BOOK + "anna.vcf")).status == 204
    assert await summaries(ivanov) == []


async def test_books_come_and_go(site: Site) -> None:
    ivanov = site.ivanov
    other = BOOK.replace("contacts", "family")
    body = (
        f"<D:mkcol {DECLARED}><D:set><D:prop><D:resourcetype><D:collection/><CR:addressbook/>"
        "</D:resourcetype></D:prop></D:set></D:mkcol>"
    )
    assert (await ivanov.request("MKCOL", other, body)).status == 201
    await put(ivanov, BOOK + "anna.vcf", card("anna", "Анна", "BDAY:--0415"))
    await put(ivanov, other + "boris.vcf", card("boris", "Борис", "BDAY:--0305"))
    both = ["День рождения: Анна", "День рождения: Борис"]
    copied = {"Destination": other + "anna.vcf"}
    assert (await ivanov.request("COPY", BOOK + "anna.vcf", headers=copied)).status == 201
    assert await summaries(ivanov) == both
    assert (await ivanov.request("DELETE", BOOK + "anna.vcf")).status == 204
    assert await summaries(ivanov) == both  # the other copy is still there
    moved = {"Destination": BOOK + "boris.vcf"}
    assert (await ivanov.request("MOVE", other + "boris.vcf", headers=moved)).status == 201
    assert await summaries(ivanov) == both
    assert (await ivanov.request("DELETE", other)).status == 204
    assert await summaries(ivanov) == ["День рождения: Борис"]


async def test_nobody_writes_into_it_or_sees_anothers(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    await put(ivanov, BOOK + "anna.vcf", card("anna", "Анна", "BDAY:--0415"))
    name = f"{uid_of('anna', Kind.BIRTHDAY)}.ics"
    await put(ivanov, DAYS + "new.ics", event("new", "20270101T100000Z"), 403)
    await put(ivanov, DAYS + name, event("new", "20270101T100000Z"), 403)
    assert (await ivanov.request("DELETE", DAYS + name)).status == 403
    moved = {"Destination": CALENDAR + "moved.ics"}
    assert (await ivanov.request("MOVE", DAYS + name, headers=moved)).status == 403
    assert (await ivanov.request("COPY", DAYS + name, headers=moved)).status == 201
    assert await summaries(ivanov) == ["День рождения: Анна"]
    for method in ("GET", "DELETE", "PROPFIND"):
        assert (await petrova.request(method, DAYS + name)).status == 404
    assert (await petrova.request("PROPFIND", DAYS, HOME_NAMES, {"Depth": "1"})).status == 404
    await put(petrova, f"/dav/addressbooks/{PETROVA}/contacts/b.vcf", card("b", "Борис", "BDAY:--0305"))
    assert await summaries(petrova, HERS) == ["День рождения: Борис"]


async def test_who_deletes_it_is_rid_of_it(site: Site) -> None:
    ivanov = site.ivanov
    await put(ivanov, BOOK + "anna.vcf", card("anna", "Анна", "BDAY:--0415"))
    assert (await ivanov.request("DELETE", DAYS)).status == 204
    await put(ivanov, BOOK + "boris.vcf", card("boris", "Борис", "BDAY:--0305"))
    assert await summaries(ivanov) == []
    assert (await ivanov.request("MKCOL", DAYS, MADE)).status == 201
    assert await summaries(ivanov) == ["День рождения: Анна", "День рождения: Борис"]
    assert (await ivanov.request("MKCOL", HOME + "second/", MADE)).status == 403
    await put(ivanov, BOOK + "boris.vcf", card("boris", "Борис"), 204)
    assert await summaries(ivanov) == ["День рождения: Анна"]


async def test_cards_that_an_administrator_brings(site: Site, tmp_path: Path) -> None:
    ivanov = site.ivanov
    workplace = Workplace(site.core.config, site.store, site.core.directory)
    (tmp_path / "cards.vcf").write_bytes(
        card("anna", "Анна", "BDAY:--0415") + card("boris", "Борис", "BDAY:--0305")
    )
    await run_contacts(workplace, IVANOV, [tmp_path / "cards.vcf"], "")
    both = ["День рождения: Анна", "День рождения: Борис"]
    assert await summaries(ivanov) == both
    assert (await ivanov.request("DELETE", BOOK + "anna.vcf")).status == 204
    assert await summaries(ivanov) == both[1:]
    [found] = await site.store.read(lambda tx: keeping.removed(tx, site.people[IVANOV].id))
    assert await bring_back(workplace, found)
    assert await summaries(ivanov) == both
