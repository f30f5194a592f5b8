# SPDX-License-Identifier: Apache-2.0
"""Invitations to calendars and address books: an owner, the person invited, and a third one who looks on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.dav.errors import DavError
from armgs_server.dav.sharing_requests import Order, parse_reply, parse_share
from armgs_server.dav.xml import parse_document
from tests.dav.calendars import DECLARED, ICS, event
from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV, PETROVA, ROOM, SIDOROV, Site, run_site
from tests.dav.test_calendar_proxy import CS, appoint, ask, principal

HOME = "/dav/calendars/{}/"
OWNED = f"/dav/calendars/{IVANOV}/default/"
RECEIVED = f"/dav/calendars/{PETROVA}/default_shared_by_{IVANOV}/"
APPLE = 'xmlns:A="http://apple.com/ns/ical/"'
XML = {"Content-Type": "application/xml; charset=utf-8"}
MINE = f"/dav/notifications/{PETROVA}/"


def set_(address: str, access: str = "read", summary: str = "Наш план") -> str:
    return (
        f"<CS:set><D:href>{address}</D:href><CS:common-name>x</CS:common-name>"
        f"<CS:summary>{summary}</CS:summary><CS:{access}/></CS:set>"
    )


def remove(address: str) -> str:
    return f"<CS:remove><D:href>{address}</D:href></CS:remove>"


async def share(client: Client, *orders: str, path: str = OWNED) -> Answer:
    return await client.request("POST", path, f"<CS:share {DECLARED} {CS}>{''.join(orders)}</CS:share>", XML)


async def notifications(client: Client, owner: str) -> list[Answer]:
    """What lies in somebody's notification collection."""
    place = f"/dav/notifications/{owner}/"
    listed = await client.request("PROPFIND", place, headers={"Depth": "1"})
    assert listed.status == 207
    return [await client.request("GET", href) for href in listed.hrefs if href != place]


async def reply(client: Client, person: str, uid: str, status: str, home: str = HOME) -> Answer:
    body = (
        f"<CS:invite-reply {DECLARED} {CS}><D:href>mailto:{person}</D:href><CS:invite-{status}/>"
        f"<CS:hosturl><D:href>{OWNED}</D:href></CS:hosturl><CS:in-reply-to>{uid}</CS:in-reply-to>"
        "<CS:summary>План отдела</CS:summary></CS:invite-reply>"
    )
    return await client.request("POST", home.format(person), body, XML)


async def users(client: Client, path: str = OWNED) -> list[tuple[str, str, str]]:
    """CS:invite: who, the status, the access."""
    answer = await ask(client, path, "CS:invite")
    found = []
    for user in answer.find("//CS:invite/CS:user"):
        names = [each.tag.rpartition("}")[2] for each in user.iter()]
        status = next(name for name in names if name.startswith("invite-"))
        access = next(name for name in names if name in ("read", "read-write"))
        found.append((user.findtext("{DAV:}href") or "", status, access))
    return found


async def types(client: Client, path: str) -> set[str]:
    answer = await ask(client, path, "D:resourcetype")
    return {each.tag.rpartition("}")[2] for each in answer.find("//D:resourcetype/*")}


async def homes(client: Client, owner: str) -> list[str]:
    return (await client.request("PROPFIND", HOME.format(owner), headers={"Depth": "1"})).hrefs


async def invited(site: Site, access: str = "read") -> str:
    """Petrova is asked; the uid of the invitation."""
    assert (await share(site.ivanov, set_(f"mailto:{PETROVA}", access))).status == 200
    (message,) = await notifications(site.petrova, PETROVA)
    return message.texts("//CS:uid")[0]


async def test_an_invitation_is_accepted_and_taken_back(both_sites: Site) -> None:
    owner, sharee, third = both_sites.ivanov, both_sites.petrova, both_sites.sidorov
    assert (await owner.request("PUT", OWNED + "a.ics", event("a", "20261123T090000Z"), ICS)).status == 201
    uid = await invited(both_sites)
    assert RECEIVED not in await homes(sharee, PETROVA)
    assert (await sharee.request("GET", OWNED + "a.ics")).status == 404
    assert await users(owner) == [(f"mailto:{PETROVA}", "invite-noresponse", "read")]
    assert "shared-owner" in await types(owner, OWNED)
    (message,) = await notifications(sharee, PETROVA)
    assert message.headers["content-type"].startswith("application/xml")
    assert message.texts("//CS:invite-notification/D:href") == [f"mailto:{PETROVA}"]
    assert message.texts("//CS:hosturl/D:href") == [OWNED.rstrip("/")]
    assert message.texts("//CS:organizer/D:href") == [principal(IVANOV)]
    assert message.texts("//CS:organizer/CS:common-name") == ["Иванов Иван"]
    assert message.texts("//CS:summary") == ["Наш план"]
    assert message.find("//CS:invite-notification/C:supported-calendar-component-set/C:comp/@name") == [
        "VEVENT"
    ]
    assert (await reply(third, SIDOROV, uid, "accepted")).condition == "invalid-share"
    assert (await third.request("PROPFIND", MINE)).status == 404

    accepted = await reply(sharee, PETROVA, uid, "accepted")
    assert (accepted.status, accepted.texts("/CS:shared-as/D:href")) == (200, [RECEIVED])
    assert RECEIVED in await homes(sharee, PETROVA)
    assert (await sharee.request("GET", RECEIVED + "a.ics")).status == 200
    assert (
        await sharee.request("PUT", RECEIVED + "b.ics", event("b", "20261123T090000Z"), ICS)
    ).status == 403
    assert (await third.request("GET", OWNED + "a.ics")).status == 404
    assert await types(sharee, RECEIVED) == {"collection", "calendar", "shared"}
    seen = await ask(sharee, RECEIVED, "CS:shared-url", "CS:invite", "CS:allowed-sharing-modes")
    assert seen.texts("//CS:shared-url/D:href") == [OWNED]
    assert seen.texts("//CS:invite/CS:organizer/D:href") == [principal(IVANOV)]
    assert not seen.find("//CS:can-be-shared")
    (answer,) = await notifications(owner, IVANOV)
    assert len(answer.find("//CS:invite-reply[@shared-type='calendar']/CS:invite-accepted")) == 1
    assert answer.texts("//CS:in-reply-to") == [uid]
    assert answer.texts("//CS:invite-reply/CS:summary") == ["План отдела"]

    assert (await share(owner, set_(principal(PETROVA), "read-write"))).status == 200
    (message,) = await notifications(sharee, PETROVA)
    assert len(message.find("//CS:invite-accepted")) == len(message.find("//CS:access/CS:read-write")) == 1
    assert (
        await sharee.request("PUT", RECEIVED + "b.ics", event("b", "20261123T090000Z"), ICS)
    ).status == 201
    assert (await share(owner, remove(f"mailto:{PETROVA}"))).status == 200
    assert (await sharee.request("GET", RECEIVED + "a.ics")).status == 404
    (message,) = await notifications(sharee, PETROVA)
    assert len(message.find("//CS:invite-deleted")) == 1
    assert await users(owner) == []
    assert "shared-owner" not in await types(owner, OWNED)
    assert (await reply(sharee, PETROVA, uid, "accepted")).condition == "invalid-share"


async def test_declining_and_leaving(both_sites: Site) -> None:
    owner, sharee = both_sites.ivanov, both_sites.petrova
    uid = await invited(both_sites, "read-write")
    assert (await reply(sharee, PETROVA, uid, "declined")).status == 204
    assert await users(owner) == [(f"mailto:{PETROVA}", "invite-declined", "read-write")]
    assert RECEIVED not in await homes(sharee, PETROVA)
    assert (await share(owner, set_(PETROVA, "read-write"))).status == 200
    assert await users(owner) == [(f"mailto:{PETROVA}", "invite-noresponse", "read-write")]
    assert (await reply(sharee, PETROVA, uid, "accepted")).status == 200

    # What is shared for writing is not removed by who may write, from either side.
    assert (await sharee.request("DELETE", OWNED)).status == 403
    assert (await sharee.request("DELETE", RECEIVED)).status == 204
    assert (await owner.request("PROPFIND", OWNED)).status == 207
    assert RECEIVED not in await homes(sharee, PETROVA)
    assert await users(owner) == [(f"mailto:{PETROVA}", "invite-declined", "read-write")]
    (answer,) = await notifications(owner, IVANOV)
    assert len(answer.find("//CS:invite-reply/CS:invite-declined")) == 1


async def test_what_is_granted_by_acl_is_a_share_that_was_accepted(site: Site) -> None:
    owner, sharee = site.ivanov, site.petrova
    acl = (
        f"<D:acl {DECLARED}><D:ace><D:principal><D:href>{principal(PETROVA)}</D:href></D:principal>"
        "<D:grant><D:privilege><D:read/></D:privilege></D:grant></D:ace></D:acl>"
    )
    assert (await owner.request("ACL", OWNED, acl)).status == 200
    assert await users(owner) == [(f"mailto:{PETROVA}", "invite-accepted", "read")]
    assert "shared-owner" in await types(owner, OWNED)
    assert (await share(owner, set_(PETROVA, "read-write"))).status == 200
    assert await users(owner) == [(f"mailto:{PETROVA}", "invite-accepted", "read-write")]
    (message,) = await notifications(sharee, PETROVA)
    uid = message.texts("//CS:uid")[0]
    assert (await owner.request("ACL", OWNED, f"<D:acl {DECLARED}/>")).status == 200
    assert await users(owner) == []
    refused = await reply(sharee, PETROVA, uid, "accepted")  # an old offer is none any more
    assert (refused.status, refused.condition) == (403, "invalid-share")


async def test_an_address_book(site: Site) -> None:
    path = f"/dav/addressbooks/{IVANOV}/contacts/"
    assert (await share(site.ivanov, set_(PETROVA), path=path)).status == 200
    (message,) = await notifications(site.petrova, PETROVA)
    assert len(message.find("//CS:invite-notification[@shared-type='addressbook']")) == 1
    assert not message.find("//C:supported-calendar-component-set")
    uid = message.texts("//CS:uid")[0]
    accepted = await reply(site.petrova, PETROVA, uid, "accepted", "/dav/addressbooks/{}/")
    received = f"/dav/addressbooks/{PETROVA}/contacts_shared_by_{IVANOV}/"
    assert accepted.texts("/CS:shared-as/D:href") == [received]
    assert await types(site.petrova, received) == {"collection", "addressbook", "shared"}


async def test_who_cannot_be_invited(site: Site) -> None:
    """One who cannot be keeps all others from being invited, too; nobody is told more than that."""
    for unknown in ("mailto:nobody@digital.example", "nobody@elsewhere.example", IVANOV, ROOM, "x"):
        refused = await share(site.ivanov, set_(unknown), set_(PETROVA))
        assert refused.status == 207
        assert refused.texts("//D:status") == ["HTTP/1.1 403 Forbidden", "HTTP/1.1 424 Failed Dependency"]
    assert await notifications(site.petrova, PETROVA) == []
    assert await users(site.ivanov) == []


async def test_only_the_owner_invites(site: Site) -> None:
    assert (await share(site.sidorov, set_(SIDOROV))).status == 404
    uid = await invited(site, "read-write")
    assert (await share(site.petrova, set_(SIDOROV))).status == 404
    assert (await reply(site.petrova, PETROVA, uid, "accepted")).status == 200
    refused = await share(site.petrova, set_(SIDOROV), path=RECEIVED)
    assert (refused.status, refused.condition) == (403, "need-privileges")
    elsewhere = await reply(site.sidorov, PETROVA, uid, "declined")  # in the home of somebody else
    assert (elsewhere.status, elsewhere.condition) == (403, "valid-request")
    assert await users(site.petrova, RECEIVED) == [(f"mailto:{PETROVA}", "invite-accepted", "read-write")]


async def test_sharees_do_not_learn_of_one_another(site: Site) -> None:
    uid = await invited(site)
    assert (await share(site.ivanov, set_(SIDOROV))).status == 200
    assert (await reply(site.petrova, PETROVA, uid, "accepted")).status == 200
    assert len(await users(site.ivanov)) == 2
    assert [who for who, _, _ in await users(site.petrova, RECEIVED)] == [f"mailto:{PETROVA}"]


async def test_delegates_are_no_sharees(site: Site) -> None:
    assert (await appoint(site.ivanov, IVANOV, "write", PETROVA)).status == 207
    assert await users(site.ivanov) == []
    assert (await share(site.ivanov, remove(PETROVA))).status == 200
    assert (await site.petrova.request("PROPFIND", OWNED)).status == 207


async def test_notifications_are_read_and_removed_by_their_owner_alone(site: Site) -> None:
    await invited(site)
    client = site.petrova
    url = await ask(client, principal(PETROVA), "CS:notification-URL")
    assert url.texts("//CS:notification-URL/D:href") == [MINE]
    assert await types(client, MINE) == {"collection", "notification"}
    body = f"<D:propfind {DECLARED} {CS}><D:prop><CS:notificationtype/></D:prop></D:propfind>"
    listed = await client.request("PROPFIND", MINE, body, {"Depth": "1"})
    assert len(listed.find("//CS:notificationtype/CS:invite-notification[@shared-type='calendar']")) == 1
    (href,) = [each for each in listed.hrefs if each != MINE]
    sync = (
        f"<D:sync-collection {DECLARED}><D:sync-token/><D:sync-level>1</D:sync-level>"
        "<D:prop><D:getetag/></D:prop></D:sync-collection>"
    )
    assert (await client.request("REPORT", MINE, sync)).hrefs == [href]
    assert (await client.request("PUT", MINE + "x.xml", b"<x/>", XML)).status == 403
    assert (await client.request("DELETE", MINE)).status == 403
    assert (await site.ivanov.request("GET", href)).status == 404
    assert (await client.request("DELETE", href)).status == 204
    assert await notifications(client, PETROVA) == []
    assert (await share(site.ivanov, set_(PETROVA))).status == 200  # nothing new to say
    assert await notifications(client, PETROVA) == []
    options = await client.request("OPTIONS", HOME.format(PETROVA))
    assert "calendarserver-sharing" in options.headers["dav"]
    assert "POST" in options.headers["allow"]


async def test_limits(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path, sharees=1, notifications=1) as site:
        assert (await share(site.ivanov, set_(PETROVA), set_(SIDOROV))).condition == "valid-request"
        await invited(site)
        assert (await share(site.ivanov, set_(SIDOROV))).condition == "valid-request"
        assert (await share(site.ivanov, set_(PETROVA), path=f"/dav/calendars/{IVANOV}/tasks/")).status == 200
        (kept,) = await notifications(site.petrova, PETROVA)
        assert kept.texts("//CS:hosturl/D:href") == [f"/dav/calendars/{IVANOV}/tasks"]


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<CS:set><D:href>a@b.example</D:href></CS:set>",
        "<CS:set><D:href>a@b.example</D:href><CS:read/><CS:read-write/></CS:set>",
        "<CS:set><CS:read/></CS:set>",
        "<CS:remove/>",
        "<CS:other/>",
    ],
)
def test_share_bodies_that_are_refused(inside: str) -> None:
    with pytest.raises(DavError) as refused:
        parse_share(parse_document(f"<CS:share {DECLARED} {CS}>{inside}</CS:share>".encode()), 10)
    assert (refused.value.status, refused.value.condition.rpartition("}")[2]) == (403, "valid-request")


def test_the_last_order_about_somebody_counts() -> None:
    body = f"<CS:share {DECLARED} {CS}>{remove('a')}{remove('b')}{set_('a')}</CS:share>"
    assert parse_share(parse_document(body.encode()), 10) == [Order("b", ""), Order("a", "read", "Наш план")]


ELEMENTS = st.sampled_from(
    ["CS:set", "CS:remove", "CS:read", "CS:read-write", "CS:summary", "CS:invite-accepted", "CS:in-reply-to",
     "CS:invite-declined", "CS:hosturl", "D:href"]
)  # fmt: skip
TREES = st.recursive(
    ELEMENTS.map(lambda name: f"<{name}>x</{name}>"),
    lambda inner: st.tuples(ELEMENTS, st.lists(inner, max_size=4)).map(
        lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>"
    ),
    max_leaves=12,
)


@given(st.sampled_from(["CS:share", "CS:invite-reply"]), st.lists(TREES, max_size=5))
def test_any_body_is_understood_or_refused(name: str, inside: list[str]) -> None:
    root = parse_document(f"<{name} {DECLARED} {CS}>{''.join(inside)}</{name}>".encode())
    try:
        if name == "CS:share":
            orders = parse_share(root, 5)
            assert orders and all(order.access in ("", "read", "read-write") for order in orders)
        else:
            assert parse_reply(root).uid is not None
    except DavError as refused:
        assert refused.status in (400, 403)


async def test_whoever_it_is_shared_with_has_a_name_and_a_colour_of_the_own(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    await share(ivanov, set_(f"mailto:{PETROVA}"))
    (offer,) = await notifications(petrova, PETROVA)
    assert (await reply(petrova, PETROVA, offer.texts("//CS:uid")[0], "accepted")).status == 200
    assert await named(petrova, RECEIVED) == ("Календарь", "")
    await patch(ivanov, OWNED, given_(name="Отдел", colour="#FF0000FF"))
    assert await named(petrova, RECEIVED) == ("Отдел", "#FF0000FF")
    # She may read only; how it looks in her own programs is hers.
    answer = await patch(petrova, RECEIVED, given_(name="Начальник", colour="#00FF00FF"))
    assert answer.texts("//D:status") == ["HTTP/1.1 200 OK"]
    assert await named(petrova, RECEIVED) == ("Начальник", "#00FF00FF")
    assert await named(ivanov, OWNED) == ("Отдел", "#FF0000FF")
    home = await petrova.request("PROPFIND", HOME.format(PETROVA), headers={"Depth": "1"})
    assert "Начальник" in home.texts("//D:displayname") and "Отдел" not in home.texts("//D:displayname")
    # What is the calendar's she does not change; what she takes back is as the owner has it.
    mixed = given_(colour="#0000FFFF", more="<C:calendar-timezone>x</C:calendar-timezone>")
    assert (await patch(petrova, RECEIVED, mixed)).status == 403
    await patch(petrova, RECEIVED, "<D:remove><D:prop><D:displayname/></D:prop></D:remove>")
    assert await named(petrova, RECEIVED) == ("Отдел", "#00FF00FF")
    # Who may write as well changes the calendar's for everybody, and the own for nobody else.
    await share(ivanov, set_(f"mailto:{PETROVA}", "read-write"))
    dead = "<X:note xmlns:X='urn:x'>1</X:note>"
    answer = await patch(petrova, RECEIVED, given_(name="Мой", colour="#0000FFFF", more=dead))
    assert answer.texts("//D:status") == ["HTTP/1.1 200 OK"]
    assert await named(petrova, RECEIVED) == ("Мой", "#0000FFFF")
    assert await named(ivanov, OWNED) == ("Отдел", "#FF0000FF")


def given_(name: str = "", colour: str = "", more: str = "") -> str:
    """The inside of a PROPPATCH."""
    text = f"<D:displayname>{name}</D:displayname>" if name else ""
    text += f"<A:calendar-color>{colour}</A:calendar-color>" if colour else ""
    return f"<D:set><D:prop>{text}{more}</D:prop></D:set>"


async def patch(client: Client, path: str, inside: str) -> Answer:
    body = f"<D:propertyupdate {DECLARED} {APPLE}>{inside}</D:propertyupdate>"
    return await client.request("PROPPATCH", path, body, XML)


async def named(client: Client, path: str) -> tuple[str, str]:
    """Name and colour of a calendar."""
    asked = "<D:prop><D:displayname/><A:calendar-color/></D:prop>"
    body = f"<D:propfind {DECLARED} {APPLE}>{asked}</D:propfind>"
    answer = await client.request("PROPFIND", path, body, {"Depth": "0"})
    assert answer.status == 207
    return "".join(answer.texts("//D:displayname")), "".join(answer.texts("//A:calendar-color"))
