# SPDX-License-Identifier: Apache-2.0
"""WebDAV-Push against a push service whose devices decrypt with another library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from armgs_server.directory.access import NOTHING, READ_ONLY, READ_WRITE
from armgs_server.storage import clock, collections, web_push
from tests.dav.calendars import BOOK, CALENDAR, DECLARED, HOME, card, event, put
from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV, PETROVA, SIDOROV, Site, run_site
from tests.dav.push_service import NS, Device, Posted, PushService, check_vapid, running_push_service

XML = {"Content-Type": 'application/xml; charset="utf-8"'}
ALARM = event("one", "20261201T100000Z", "SUMMARY:Secret")
SETTINGS = {
    "push_networks": ("127.0.0.0/8",),
    "push_plain": True,
    "push_delay": 0.02,
    "push_retry": 0.02,
    "push_registrations": 3,
}


@asynccontextmanager
async def run(store_url: str, path: Path) -> AsyncIterator[tuple[Site, PushService]]:
    async with running_push_service() as service, run_site(store_url, path, **SETTINGS) as site:
        await site.service.start()
        try:
            yield site, service
        finally:
            await site.service.stop()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[tuple[Site, PushService]]:
    async with run("sqlite", tmp_path) as running:
        yield running


@pytest.fixture
async def both(store_url: str, tmp_path: Path) -> AsyncIterator[tuple[Site, PushService]]:
    """Once on each engine, for what depends on the transaction."""
    async with run(store_url, tmp_path) as running:
        yield running


async def ask(client: Client, path: str, headers: dict[str, str] | None = None) -> Answer:
    body = (
        f'<D:propfind {DECLARED} xmlns:P="{NS}"><D:prop><P:transports/><P:topic/><P:supported-triggers/>'
        "<D:sync-token/></D:prop></D:propfind>"
    )
    answer = await client.request("PROPFIND", path, body, {"Depth": "0"})
    assert answer.status == 207
    return answer


def value(answer: Answer, local: str) -> str | None:
    """The text of a property of the draft that was found."""
    name = f"local-name()='{local}' and namespace-uri()='{NS}'"
    found = answer.texts(f"//D:propstat[contains(D:status, ' 200 ')]/D:prop/*[{name}]")
    return found[0] if found else None


async def register(client: Client, path: str, device: Device, **given: str) -> str:
    """The registration URL."""
    answer = await client.request("POST", path, device.register(**given), XML)
    assert answer.status == 204, answer.body
    assert answer.headers["location"].startswith(f"http://127.0.0.1:{client.port}/dav/push/")
    return answer.headers["location"]


async def set_property(client: Client, path: str, xml: str, headers: dict[str, str] | None = None) -> None:
    body = f"<D:propertyupdate {DECLARED}><D:set><D:prop>{xml}</D:prop></D:set></D:propertyupdate>"
    answer = await client.request("PROPPATCH", path, body, headers)
    assert answer.status == 207 and b" 200 " in answer.body


def said(device: Device, posted: Posted) -> tuple[str, str | None, bool]:
    """Topic, sync token of a content update, and whether there is a property update."""
    root = device.decrypt(posted)
    assert root.tag == f"{{{NS}}}push-message"
    content = root.find(f"{{{NS}}}content-update")
    token = None if content is None else content.findtext("{DAV:}sync-token", "")
    return root.findtext(f"{{{NS}}}topic", ""), token, root.find(f"{{{NS}}}property-update") is not None


async def number(site: Site, path: str) -> int:
    kind = "addressbook" if "addressbooks" in path else "calendar"
    owner = site.people[IVANOV].id
    found = await site.store.read(
        lambda tx: collections.find(tx, owner, kind, path.rstrip("/").rpartition("/")[2])
    )
    assert found is not None
    return found.id


async def registered(site: Site, path: str = CALENDAR) -> list[web_push.Registration]:
    at = await number(site, path)
    return await site.store.read(lambda tx: web_push.of_collection(tx, site.people[IVANOV].id, at))


async def share(site: Site, rights: object) -> None:
    """Petrova's rights on Ivanov's calendar."""
    access, petrova = site.core.directory.access, site.people[PETROVA].id
    at = await number(site, CALENDAR)
    found = await site.store.read(lambda tx: collections.get(tx, site.people[IVANOV].id, at))
    await site.store.write(lambda tx: access.grant(tx, found, petrova, rights))  # type: ignore[arg-type]


async def test_what_is_offered_and_where(place: tuple[Site, PushService]) -> None:
    site, _ = place
    ivanov = site.ivanov
    for path in (CALENDAR, BOOK, HOME + "inbox/"):
        assert "webdav-push" in (await ivanov.request("OPTIONS", path)).headers["dav"].split(", ")
        answer = await ask(ivanov, path)
        assert len(value(answer, "transports") or "") == 87 and value(answer, "topic")
        assert answer.texts("//*[local-name()='supported-triggers']//D:depth") == ["1", "0"]
        kinds = [each.get("type") for each in answer.find("//*[local-name()='vapid-public-key']")]
        assert kinds == ["p256ecdsa"]
    assert value(await ask(ivanov, CALENDAR), "topic") != value(await ask(ivanov, BOOK), "topic")
    for path in (HOME, f"/dav/files/{IVANOV}/"):
        assert "webdav-push" not in (await ivanov.request("OPTIONS", path)).headers["dav"]
        assert value(await ask(ivanov, path), "topic") is None
    object.__setattr__(site.core.config.dav, "push", False)  # as a reload does
    assert "webdav-push" not in (await ivanov.request("OPTIONS", CALENDAR)).headers["dav"]
    assert value(await ask(ivanov, CALENDAR), "transports") is None
    refused = await ivanov.request("POST", CALENDAR, Device("x", 1).register(), XML)
    assert (refused.status, refused.condition) == (403, "push-not-available")


async def test_a_device_is_told_of_a_change(place: tuple[Site, PushService]) -> None:
    site, service = place
    ivanov, phone = site.ivanov, service.device("phone")
    offered = await ask(ivanov, CALENDAR)
    await register(ivanov, CALENDAR, phone)
    await put(ivanov, CALENDAR + "one.ics", ALARM)
    (posted,) = await service.wait(phone)
    now = await ask(ivanov, CALENDAR)
    assert said(phone, posted) == (value(offered, "topic"), now.prop(CALENDAR, "D:sync-token"), False)
    assert b"Secret" not in posted.body and b"push-message" not in posted.body
    assert posted.headers["content-encoding"] == "aes128gcm"
    assert posted.headers["content-type"] == 'application/xml; charset="UTF-8"'
    assert (posted.headers["ttl"], posted.headers["urgency"]) == ("86400", "normal")
    assert len(posted.headers["topic"]) == 32
    key, claims = check_vapid(posted.headers["authorization"])
    assert key == value(offered, "transports")
    assert claims["aud"] == f"http://127.0.0.1:{service.port}"
    assert 0 < int(str(claims["exp"])) - clock.now() // clock.SECOND <= 24 * 3600

    # A device of the address book hears nothing of the calendar, and the other way round.
    tablet = service.device("tablet")
    await register(ivanov, BOOK, tablet)
    await put(ivanov, BOOK + "a.vcf", card("a", "Anna"))
    await service.wait(tablet)
    assert len(service.of(phone)) == 1


async def test_properties_are_another_message(place: tuple[Site, PushService]) -> None:
    site, service = place
    ivanov, phone, quiet = site.ivanov, service.device("phone"), service.device("content-only")
    await register(ivanov, CALENDAR, phone)
    await register(ivanov, CALENDAR, quiet, trigger="<content-update><D:depth>1</D:depth></content-update>")
    await set_property(ivanov, CALENDAR, "<D:displayname>Отпуска</D:displayname>")
    (live,) = await service.wait(phone)
    assert said(phone, live)[1:] == (None, True) and live.headers["urgency"] == "low"
    await set_property(ivanov, CALENDAR, '<x:mine xmlns:x="urn:x">dead</x:mine>')
    dead = (await service.wait(phone, 2))[1]
    assert said(phone, dead)[1:] == (None, True)
    await put(ivanov, CALENDAR + "one.ics", ALARM)
    await service.wait(phone, 3)
    (only,) = await service.wait(quiet)
    assert said(quiet, only)[2] is False
    # A message replaces none of another meaning that still waits (RFC 8030 §5.4).
    topics = [each.headers["topic"] for each in service.of(phone)]
    assert topics[0] == topics[1] != topics[2]


async def test_many_changes_are_few_messages(place: tuple[Site, PushService]) -> None:
    site, service = place
    object.__setattr__(site.core.config.dav, "push_delay", 0.5)
    ivanov, phone = site.ivanov, service.device("phone")
    await register(ivanov, CALENDAR, phone)
    for at in range(20):
        await put(ivanov, f"{CALENDAR}{at}.ics", event(str(at), "20261201T100000Z"))
    token = (await ask(ivanov, CALENDAR)).prop(CALENDAR, "D:sync-token")
    await service.wait(phone)
    while said(phone, service.of(phone)[-1])[1] != token:
        await service.wait(phone, len(service.of(phone)) + 1)
    assert len(service.of(phone)) < 20


async def test_who_wishes_for_silence(both: tuple[Site, PushService]) -> None:
    site, service = both
    ivanov, phone, tablet = site.ivanov, service.device("phone"), service.device("tablet")
    own = await register(ivanov, CALENDAR, phone)
    await register(ivanov, CALENDAR, tablet)
    silent = {"Push-Dont-Notify": f'"https://elsewhere.example/x", "{own}"'}
    assert (await ivanov.request("PUT", CALENDAR + "one.ics", ALARM, silent)).status == 201
    await service.wait(tablet)
    assert service.of(phone) == []
    all_silent = {"Push-Dont-Notify": "*"}
    assert (await ivanov.request("DELETE", CALENDAR + "one.ics", headers=all_silent)).status == 204
    await set_property(ivanov, CALENDAR, "<D:displayname>Still</D:displayname>", all_silent)
    assert {each.told for each in await registered(site)} == {await modseq(site)}  # nothing is owed
    await put(ivanov, CALENDAR + "two.ics", event("two", "20261201T100000Z"))
    (heard,) = await service.wait(phone)
    assert said(phone, heard)[2] is False and len(await service.wait(tablet, 2)) == 2
    # Somebody else's registration is not silenced by name.
    await share(site, READ_WRITE)
    petrova = site.petrova
    path = f"/dav/calendars/{IVANOV}/default/"
    answer = await petrova.request("DELETE", path + "two.ics", headers={"Push-Dont-Notify": f'"{own}"'})
    assert answer.status == 204
    await service.wait(phone, 2)


async def modseq(site: Site) -> int:
    at = await number(site, CALENDAR)
    return (await site.store.read(lambda tx: collections.get(tx, site.people[IVANOV].id, at))).modseq


async def test_renewal_expiry_and_removal(both: tuple[Site, PushService]) -> None:
    site, service = both
    ivanov, phone = site.ivanov, service.device("phone")
    seconds = clock.now() / clock.SECOND
    answer = await ivanov.request(
        "POST", CALENDAR, phone.register(expires=formatdate(seconds + 3600, usegmt=True)), XML
    )
    granted = parsedate_to_datetime(answer.headers["expires"]).timestamp()
    assert abs(granted - seconds - 3600) < 2
    first = answer.headers["location"]
    again = await ivanov.request("POST", CALENDAR, phone.register(expires="whenever"), XML)
    assert again.headers["location"] == first
    longest = parsedate_to_datetime(again.headers["expires"]).timestamp()
    assert abs(longest - seconds - 30 * 86400) < 60
    assert len(await registered(site)) == 1
    past = await ivanov.request(
        "POST", CALENDAR, phone.register(expires="Wed, 20 Dec 2023 10:03:31 GMT"), XML
    )
    assert (past.status, past.condition) == (403, "invalid-subscription")

    target = urlsplit(first).path
    assert (await site.petrova.request("DELETE", target)).status == 404
    assert (await site.client().request("DELETE", target)).status == 401
    assert (await ivanov.request("GET", target)).status == 405
    assert (await ivanov.request("DELETE", target)).status == 204
    assert (await ivanov.request("DELETE", target)).status == 404
    assert (await ivanov.request("DELETE", "/dav/push/none")).status == 404
    assert await registered(site) == []

    # More devices than allowed: the one that ends first goes.
    for at in range(5):
        expires = formatdate(seconds + 3600 * (at + 1), usegmt=True)
        await register(ivanov, CALENDAR, service.device(f"device{at}"), expires=expires)
    assert sorted(each.endpoint[-7:] for each in await registered(site)) == ["device2", "device3", "device4"]

    # What has expired is told nothing, and goes.
    async def age(tx):  # type: ignore[no-untyped-def]
        await tx.execute("UPDATE web_push SET expires = 1 WHERE endpoint LIKE '%device2'")

    await site.store.write(age)
    await put(ivanov, CALENDAR + "one.ics", ALARM)
    await service.wait(service.device("device3"))
    assert len(await registered(site)) == 2 and service.of(service.device("device2")) == []


async def test_rights(place: tuple[Site, PushService]) -> None:
    site, service = place
    petrova, phone, own = site.petrova, service.device("petrova"), service.device("ivanov")
    assert (await petrova.request("POST", CALENDAR, phone.register(), XML)).status == 404
    await share(site, READ_ONLY)
    await register(petrova, CALENDAR, phone)
    await register(site.ivanov, CALENDAR, own)
    await put(site.ivanov, CALENDAR + "one.ics", ALARM)
    await service.wait(phone)
    assert (await site.client(SIDOROV).request("POST", CALENDAR, phone.register(), XML)).status == 404
    await share(site, NOTHING)
    await put(site.ivanov, CALENDAR + "two.ics", event("two", "20261201T100000Z"))
    await service.wait(own, 2)
    assert len(service.of(phone)) == 1
    assert [each.endpoint for each in await registered(site)] == [own.endpoint]


async def test_a_calendar_that_goes(both: tuple[Site, PushService]) -> None:
    site, service = both
    ivanov, phone = site.ivanov, service.device("phone")
    path = HOME + "holidays/"
    assert (await ivanov.request("MKCALENDAR", path)).status == 201
    await register(ivanov, path, phone)
    topic = value(await ask(ivanov, path), "topic")
    assert (await ivanov.request("DELETE", path)).status == 204
    (posted,) = await service.wait(phone)
    assert said(phone, posted) == (topic, "", False)
    assert await site.store.read(lambda tx: web_push.watched(tx, (0, 0))) == []


async def test_what_is_refused(place: tuple[Site, PushService]) -> None:
    site, _ = place
    ivanov, phone = site.ivanov, Device("phone", 9)
    good = phone.register()
    for body in (
        good.replace("aes128gcm", "aesgcm"),
        good.replace("web-push-subscription", "other-subscription"),
        good.replace("http://", "ftp://"),
        good.replace("http://", "http://user:secret@"),
        good.replace("<auth-secret>", "<auth-secret>AAAA"),
        good.replace('type="p256dh"', 'type="other"'),
        good.replace('type="p256dh">', 'type="p256dh">!'),
        phone.register(endpoint="http://127.0.0.1/" + "x" * 2000),
    ):
        answer = await ivanov.request("POST", CALENDAR, body, XML)
        assert (answer.status, answer.condition) == (403, "invalid-subscription"), body
    for trigger in ("<other/>", "<content-updates/>"):
        answer = await ivanov.request("POST", CALENDAR, phone.register(trigger=trigger), XML)
        assert (answer.status, answer.condition) == (403, "no-supported-trigger")
    inbox = HOME + "inbox/"
    assert (await ivanov.request("POST", inbox, good, {"Content-Type": "text/plain"})).status == 415
    assert (await ivanov.request("POST", inbox, "<other/>", XML)).status == 400
    assert (await ivanov.request("POST", inbox, good, XML)).status == 204
    object.__setattr__(site.core.config.dav, "push_plain", False)
    answer = await ivanov.request("POST", CALENDAR, good, XML)
    assert (answer.status, answer.condition) == (403, "invalid-subscription")
    assert await registered(site) == []
