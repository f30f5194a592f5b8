# SPDX-License-Identifier: Apache-2.0
"""Bulk requests: many objects in one POST, each with an answer of its own."""

from __future__ import annotations

from pathlib import Path

from tests.dav.calendars import CALENDAR, calendar, component, event
from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV, PETROVA, Site, run_site

BOOK = f"/dav/addressbooks/{IVANOV}/contacts/"
ICS = {"Content-Type": "text/calendar; charset=utf-8"}
VCF = {"Content-Type": "text/vcard"}
XML = {"Content-Type": "application/xml"}
MULTIPUT = (
    '<MM:multiput xmlns:MM="http://me.com/_namespace/" xmlns="DAV:"'
    ' xmlns:C="urn:ietf:params:xml:ns:caldav">{}</MM:multiput>'
)


def card(uid: str) -> str:
    return f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{uid}\r\nN:;{uid};;;\r\nEND:VCARD\r\n"


def order(data: bytes | None, href: str = "", etag: str = "") -> str:
    """One MM:resource."""
    where = f"<href>{href}</href>" if href else ""
    match = f"<MM:if-match><getetag>{etag}</getetag></MM:if-match>" if etag else ""
    if data is None:
        return f"<MM:resource>{where}{match}<MM:delete/></MM:resource>"
    text = f"<C:calendar-data><![CDATA[{data.decode()}]]></C:calendar-data>"
    return f"<MM:resource>{where}{match}<set><prop>{text}</prop></set></MM:resource>"


def meeting(uid: str, *lines: str) -> bytes:
    return event(uid, "20261201T100000Z", "SUMMARY:Планёрка", *lines)


async def post(client: Client, body: str, **headers: str) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.request("POST", CALENDAR, MULTIPUT.format(body), {**XML, **fields})


def statuses(answer: Answer) -> list[str]:
    assert answer.status == 207, answer.body.decode()
    return [text.split()[1] for text in answer.texts("//D:response//D:status")]


async def test_the_property(site: Site) -> None:
    ask = '<propfind xmlns="DAV:"><prop><bulk-requests xmlns="http://me.com/_namespace/"/></prop></propfind>'
    answer = await site.ivanov.request("PROPFIND", CALENDAR, ask, {"Depth": "0"})
    assert answer.texts("//*[local-name()='crud']/*[local-name()='max-resources']") == ["100"]
    home = await site.ivanov.request("PROPFIND", f"/dav/calendars/{IVANOV}/", ask, {"Depth": "0"})
    assert not home.texts("//*[local-name()='crud']")


async def test_a_file_of_cards(both_sites: Site) -> None:
    ivanov, phone = both_sites.ivanov, both_sites.ivanov
    answer = await ivanov.request("POST", BOOK, card("a") + card("b"), VCF)
    assert statuses(answer) == ["200", "200"]
    assert answer.texts("//CS:uid") == ["a", "b"]
    for href, etag, uid in zip(answer.hrefs, answer.texts("//D:getetag"), "ab", strict=True):
        seen = await phone.request("GET", href)
        assert (seen.headers["etag"], seen.body) == (etag, card(uid).encode())
    again = await ivanov.request("POST", BOOK, card("b") + card("c"), VCF)
    assert statuses(again) == ["403", "200"]
    assert again.texts("//CR:no-uid-conflict/D:href") == [answer.hrefs[1]]


async def test_a_file_of_events(site: Site) -> None:
    both = calendar(
        component("VEVENT", "a", "DTSTART:20261201T100000Z"),
        component("VEVENT", "b", "DTSTART:20261202T100000Z"),
    )
    answer = await site.ivanov.request("POST", CALENDAR, both, ICS)
    assert statuses(answer) == ["200", "200"]
    assert sorted(answer.texts("//CS:uid")) == ["a", "b"]
    broken = await site.ivanov.request("POST", CALENDAR, b"no calendar", ICS)
    assert (broken.status, broken.condition) == (403, "valid-calendar-data")
    assert (await site.ivanov.request("POST", CALENDAR, b"x", {"Content-Type": "text/plain"})).status == 415


async def test_made_changed_and_removed_at_once(both_sites: Site) -> None:
    ivanov, phone = both_sites.ivanov, both_sites.ivanov
    made = await post(ivanov, order(meeting("a")) + order(meeting("b")))
    first, second = made.hrefs
    etags = made.texts("//D:getetag")
    wrong = await post(
        ivanov, order(meeting("a", "LOCATION:1"), first, '"other"') + order(None, second, '"x"')
    )
    assert statuses(wrong) == ["412", "412"]
    answer = await post(
        ivanov,
        order(meeting("a", "LOCATION:2"), first, etags[0])
        + order(None, second, etags[1])
        + order(meeting("c"))
        + order(None, f"{CALENDAR}nothing.ics")
        + order(meeting("d"), f"/dav/calendars/{PETROVA}/default/d.ics"),
    )
    assert statuses(answer) == ["200", "200", "200", "404", "403"]
    assert b"LOCATION:2" in (await phone.request("GET", first)).body
    assert (await phone.request("GET", second)).status == 404
    assert (await phone.request("GET", answer.hrefs[2])).status == 200


async def test_invitations_are_sent(site: Site) -> None:
    invited = meeting(
        "m", f"ORGANIZER:mailto:{IVANOV}", f"ATTENDEE:mailto:{IVANOV}", f"ATTENDEE:mailto:{PETROVA}"
    )
    answer = await post(site.ivanov, order(invited), X_MobileMe_DAV_Options="return-changed-data")
    assert statuses(answer) == ["200"]
    assert "SCHEDULE-STATUS=1.2" in answer.texts("//C:calendar-data")[0].replace("\n ", "")
    seen = await site.petrova.request("PROPFIND", f"/dav/calendars/{PETROVA}/inbox/", headers={"Depth": "1"})
    assert len(seen.hrefs) == 2


async def test_the_tag_of_the_collection(site: Site) -> None:
    answer = await post(site.ivanov, order(meeting("a")))
    tag = answer.headers["ctag"]
    stale = await post(site.ivanov, order(meeting("b")), If=f"<http://me.com/_namespace/ctag/{tag}0>")
    assert stale.status == 412
    fresh = await post(site.ivanov, order(meeting("b")), If=f"<http://me.com/_namespace/ctag/{tag}>")
    assert statuses(fresh) == ["200"]


async def test_malformed_and_forbidden_requests(site: Site) -> None:
    ivanov = site.ivanov
    for body in ("<x/>", MULTIPUT.format("<MM:resource/>"), MULTIPUT.format(order(None))):
        assert (await ivanov.request("POST", CALENDAR, body, XML)).status == 400
    assert (await post(ivanov, order(meeting("a")) * 101)).condition == "max-resources"
    assert (await post(site.petrova, order(meeting("a")))).status == 404


async def test_a_large_object(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path, calendar_size=2000) as site:
        answer = await post(
            site.ivanov, order(meeting("a", f"DESCRIPTION:{'x' * 3000}")) + order(meeting("b"))
        )
        assert statuses(answer) == ["403", "200"]
        assert answer.find("//C:max-resource-size")


async def test_no_attachment_is_named_that_its_sender_may_not_read(site: Site) -> None:
    ivanov, petrova, theirs = site.ivanov, site.petrova, f"/dav/calendars/{PETROVA}/default/"
    assert (await ivanov.request("PUT", CALENDAR + "1.ics", meeting("1"), ICS)).status == 201
    added = await ivanov.request("POST", CALENDAR + "1.ics?action=attachment-add", b"secret", {})
    whole = (await ivanov.request("GET", CALENDAR + "1.ics")).body.replace(b"\r\n ", b"").decode()
    (line,) = [line for line in whole.split("\r\n") if line.startswith("ATTACH")]
    assert (await petrova.request("PUT", theirs + "1.ics", meeting("1"), ICS)).status == 201
    orders = order(meeting("1", line), theirs + "1.ics") + order(meeting("2", line), theirs + "2.ics")
    answer = await petrova.request("POST", theirs, MULTIPUT.format(orders), XML)
    assert statuses(answer) == ["403", "403"]
    assert len(answer.find("//C:valid-managed-id-parameter")) == 2
    url = added.headers["location"].partition("/dav/")[2]
    assert (await petrova.request("GET", f"/dav/{url}")).status == 404
    assert (await ivanov.request("GET", f"/dav/{url}")).body == b"secret"
