# SPDX-License-Identifier: Apache-2.0
"""What is deleted over DAV is kept for an administrator, and comes back as it was."""

from __future__ import annotations

from armgs_server.cli.undelete import bring_back
from armgs_server.cli.workplace import Workplace
from armgs_server.storage import holds, keeping
from armgs_server.storage.keeping import Kept
from tests.dav.calendars import BOOK, CALENDAR, HOME, ICS, VCF, calendar, component
from tests.dav.conftest import FILES, IVANOV, Site, without_trash

EVENT = calendar(component("VEVENT", "1", "DTSTART:20261122T100000Z", "SUMMARY:meeting"))
CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:2\r\nFN:Anna\r\nN:;Anna;;;\r\nEND:VCARD\r\n"


async def kept(site: Site) -> list[Kept]:
    owner = site.people[IVANOV].id
    return await site.store.read(lambda tx: keeping.removed(tx, owner))


async def test_events_and_cards_come_back(both_sites: Site) -> None:
    site = both_sites
    ivanov, phone = site.ivanov, site.ivanov
    workplace = Workplace(site.core.config, site.store, site.core.directory)
    for path, data, headers in ((f"{CALENDAR}1.ics", EVENT, ICS), (f"{BOOK}2.vcf", CARD, VCF)):
        assert (await ivanov.request("PUT", path, data, headers)).status == 201
        etag = (await phone.request("GET", path)).headers["etag"]
        assert (await ivanov.request("DELETE", path)).status == 204
        assert (await phone.request("GET", path)).status == 404
        [found] = await kept(site)
        assert await bring_back(workplace, found)
        back = await phone.request("GET", path)
        assert (back.status, back.body, back.headers["etag"]) == (200, data, etag)
        assert await kept(site) == []
    assert not await bring_back(workplace, found)  # it is there again


async def test_a_calendar_that_is_deleted_comes_back(site: Site) -> None:
    ivanov = site.ivanov
    assert (await ivanov.request("MKCALENDAR", f"{HOME}work/")).status == 201
    assert (await ivanov.request("PUT", f"{HOME}work/1.ics", EVENT, ICS)).status == 201
    assert (await ivanov.request("DELETE", f"{HOME}work/")).status == 204
    [found] = await kept(site)
    assert await bring_back(Workplace(site.core.config, site.store, site.core.directory), found)
    assert (await ivanov.request("GET", f"{HOME}work/1.ics")).body == EVENT


async def test_under_a_hold_files_stay_in_the_store_unseen(site: Site) -> None:
    without_trash(site)
    ivanov, owner = site.ivanov, site.people[IVANOV].id
    await site.store.write(lambda tx: holds.put_hold(tx, owner, "case 1"))
    await ivanov.request("PUT", f"{FILES}/a", b"first")
    await ivanov.request("PUT", f"{FILES}/a", b"second")
    await ivanov.request("PUT", f"{FILES}/b", b"another")
    assert (await ivanov.request("MOVE", f"{FILES}/b", headers={"Destination": f"{FILES}/a"})).status == 204
    assert (await ivanov.request("DELETE", f"{FILES}/a")).status == 204
    listed = await ivanov.request("PROPFIND", f"{FILES}/", headers={"Depth": "1"})
    assert listed.hrefs == [f"{FILES}/"]
    bodies = [await site.store.blobs.read(each.blob) for each in await kept(site)]
    assert bodies == [b"first", b"second", b"another"]
