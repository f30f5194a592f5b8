# SPDX-License-Identifier: Apache-2.0
"""Rosters, subscriptions, presence and blocking: RFC 6121 §2 to §4, XEP-0191, with a second device."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from tests.world import IVANOV, PETROVA, SIDOROV, World
from tests.xmpp.client import NAMESPACES, Client, chat, error_of, find, text
from tests.xmpp.conftest import LogIn

ROSTER = "<query xmlns='jabber:iq:roster'/>"


async def roster_of(client: Client, version: str | None = None) -> Element:
    ver = "" if version is None else f" ver='{version}'"
    return await client.iq(f"<query xmlns='jabber:iq:roster'{ver}/>")


async def push(client: Client) -> Element:
    """The next roster push."""
    stanza = await client.receive("c:iq", lambda iq: iq.find("roster:query", NAMESPACES) is not None)
    assert stanza.get("type") == "set"
    return find(stanza, "roster:query/roster:item")


async def test_colleagues_of_one_unit_see_each_other(log_in: LogIn) -> None:
    petrova = await log_in(PETROVA)
    ivanov = await log_in(IVANOV)
    await ivanov.presence_of(petrova.full)
    await petrova.presence_of(ivanov.full)
    item = find(await roster_of(ivanov), "roster:query/roster:item")
    assert (item.get("jid"), item.get("subscription")) == (PETROVA, "both")
    assert item.get("name") == "Петрова Анна"
    assert text(item, "roster:group") == "Digital"
    await petrova.disconnect()
    await ivanov.presence_of(petrova.full, "unavailable")


async def test_a_colleague_can_be_renamed_but_not_removed(log_in: LogIn) -> None:
    desk, phone = await log_in(IVANOV, "desk"), await log_in(IVANOV, "phone")
    for device in (desk, phone):
        await roster_of(device)
    item = f"<item jid='{PETROVA}' name='Аня'><group>Друзья</group></item>"
    await desk.iq(f"<query xmlns='jabber:iq:roster'>{item}</query>", "set")
    for device in (desk, phone):
        pushed = await push(device)
        assert (pushed.get("name"), pushed.get("subscription")) == ("Аня", "both")
        assert text(pushed, "roster:group") == "Друзья"
    gone = f"<query xmlns='jabber:iq:roster'><item jid='{PETROVA}' subscription='remove'/></query>"
    await desk.iq(gone, "set")
    assert (await push(phone)).get("name") == "Петрова Анна"
    assert error_of(await desk.iq(gone, "set")) == "not-allowed"


async def test_subscription_between_departments(log_in: LogIn) -> None:
    ivanov, phone, sidorov = await log_in(IVANOV), await log_in(IVANOV, "phone"), await log_in(SIDOROV)
    for client in (ivanov, phone, sidorov):
        await roster_of(client)
    ivanov.send(f"<presence to='{SIDOROV}' type='subscribe'/>")
    for device in (ivanov, phone):
        item = await push(device)
        assert (item.get("subscription"), item.get("ask")) == ("none", "subscribe")
    await sidorov.presence_of(IVANOV, "subscribe")
    sidorov.send(f"<presence to='{IVANOV}' type='subscribed'/>")
    assert (await push(sidorov)).get("subscription") == "from"
    for device in (ivanov, phone):
        await device.presence_of(SIDOROV, "subscribed")
        assert (await push(device)).get("subscription") == "to"
        await device.presence_of(sidorov.full)
    sidorov.send(f"<presence to='{IVANOV}' type='unsubscribed'/>")
    await ivanov.presence_of(sidorov.full, "unavailable")
    await ivanov.presence_of(SIDOROV, "unsubscribed")
    assert (await push(ivanov)).get("subscription") == "none"
    assert (await push(sidorov)).get("subscription") == "none"


async def test_request_waits_for_an_absent_contact(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    ivanov.send(f"<presence to='{SIDOROV}' type='subscribe'><status>Пустите</status></presence>")
    await ivanov.settle()
    for _ in range(2):  # until it is answered, it comes at each log-in
        sidorov = await log_in(SIDOROV)
        request = await sidorov.presence_of(IVANOV, "subscribe")
        assert text(request, "c:status") == "Пустите"
        assert not find(await roster_of(sidorov), "roster:query").findall("roster:item", NAMESPACES)
        await sidorov.disconnect()
        sidorov = await log_in(SIDOROV)
    sidorov.send(f"<presence to='{IVANOV}' type='subscribed'/>")
    await ivanov.presence_of(SIDOROV, "subscribed")


async def test_preapproval_answers_by_itself(log_in: LogIn) -> None:
    ivanov, sidorov = await log_in(IVANOV), await log_in(SIDOROV)
    sidorov.send(f"<presence to='{IVANOV}' type='subscribed'/>")
    await sidorov.settle()
    ivanov.send(f"<presence to='{SIDOROV}' type='subscribe'/>")
    await ivanov.presence_of(SIDOROV, "subscribed")
    await ivanov.presence_of(sidorov.full)
    assert not [stanza for stanza in await sidorov.settle() if stanza.get("type") == "subscribe"]


async def test_removing_a_contact_ends_both_subscriptions(log_in: LogIn) -> None:
    ivanov, sidorov = await log_in(IVANOV), await log_in(SIDOROV)
    for client in (ivanov, sidorov):
        await roster_of(client)
    for one, other in ((ivanov, SIDOROV), (sidorov, IVANOV)):
        one.send(f"<presence to='{other}' type='subscribe'/>")
    await sidorov.presence_of(IVANOV, "subscribe")
    await ivanov.presence_of(SIDOROV, "subscribe")
    ivanov.send(f"<presence to='{SIDOROV}' type='subscribed'/>")
    sidorov.send(f"<presence to='{IVANOV}' type='subscribed'/>")
    await ivanov.presence_of(sidorov.full)
    await sidorov.presence_of(ivanov.full)
    await ivanov.settle()
    await sidorov.settle()
    remove = f"<query xmlns='jabber:iq:roster'><item jid='{SIDOROV}' subscription='remove'/></query>"
    assert (await ivanov.iq(remove, "set")).get("type") == "result"
    assert (await push(ivanov)).get("subscription") == "remove"
    assert (await push(sidorov)).get("subscription") == "none"
    await sidorov.presence_of(IVANOV, "unsubscribed")
    await sidorov.presence_of(ivanov.full, "unavailable")
    await ivanov.presence_of(sidorov.full, "unavailable")


@pytest.mark.parametrize(
    ("is_seen", "sees", "told"),
    [
        (False, False, {"unsubscribe"}),  # asked, and not yet answered
        (False, True, {"unsubscribe"}),
        (True, False, {"unsubscribed"}),
        (True, True, {"unsubscribe", "unsubscribed"}),
    ],
)
async def test_a_removed_contact_is_told_what_has_ended(
    log_in: LogIn, is_seen: bool, sees: bool, told: set[str]
) -> None:
    """RFC 6121 §2.5.2: a stanza for each subscription that there was, and none else."""
    ivanov, sidorov = await log_in(IVANOV), await log_in(SIDOROV)
    if sees or not is_seen:
        ivanov.send(f"<presence to='{SIDOROV}' type='subscribe'/>")
        await sidorov.presence_of(IVANOV, "subscribe")
    if sees:
        sidorov.send(f"<presence to='{IVANOV}' type='subscribed'/>")
        await ivanov.presence_of(SIDOROV, "subscribed")
    if is_seen:
        sidorov.send(f"<presence to='{IVANOV}' type='subscribe'/>")
        await ivanov.presence_of(SIDOROV, "subscribe")
        ivanov.send(f"<presence to='{SIDOROV}' type='subscribed'/>")
        await sidorov.presence_of(IVANOV, "subscribed")
    await ivanov.settle()
    await sidorov.settle()
    remove = f"<query xmlns='jabber:iq:roster'><item jid='{SIDOROV}' subscription='remove'/></query>"
    assert (await ivanov.iq(remove, "set")).get("type") == "result"
    heard = [each.get("type") for each in await sidorov.settle() if each.get("from") == IVANOV]
    assert sorted(str(each) for each in heard) == sorted(told)


async def test_roster_versions(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    version = find(await roster_of(ivanov, ""), "roster:query").get("ver")
    assert version
    answer = await roster_of(ivanov, version)
    assert answer.find("roster:query", NAMESPACES) is None
    phone = await log_in(IVANOV, "phone")
    for name in ("one", "two"):
        item = f"<item jid='{name}@finance.example' name='{name}'/>"
        await phone.iq(f"<query xmlns='jabber:iq:roster'>{item}</query>", "set")
    await ivanov.settle()
    answer = await roster_of(ivanov, version)
    assert answer.find("roster:query", NAMESPACES) is None
    assert [(await push(ivanov)).get("name") for _ in range(2)] == ["one", "two"]
    other = await roster_of(ivanov, "999.of-another-server")
    assert len(find(other, "roster:query")) == 3


async def test_bad_roster_sets(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    for item, condition in (
        ("", "bad-request"),
        ("<item jid='a@b'/><item jid='c@d'/>", "bad-request"),
        ("<item jid='@@'/>", "jid-malformed"),
        ("<item jid='a@b'><group/></item>", "not-acceptable"),
        ("<item jid='a@b'><group>x</group><group>x</group></item>", "bad-request"),
        (f"<item jid='a@b' name='{'x' * 2000}'/>", "not-acceptable"),
        ("<item jid='a@b' subscription='remove'/>", "item-not-found"),
    ):
        answer = await ivanov.iq(f"<query xmlns='jabber:iq:roster'>{item}</query>", "set")
        assert error_of(answer) == condition, item


async def test_directed_presence_is_taken_back_at_the_end(log_in: LogIn) -> None:
    ivanov, sidorov = await log_in(IVANOV), await log_in(SIDOROV)
    ivanov.send(f"<presence to='{sidorov.full}'><status>here</status></presence>")
    assert text(await sidorov.presence_of(ivanov.full), "c:status") == "here"
    await ivanov.disconnect()
    await sidorov.presence_of(ivanov.full, "unavailable")


async def test_strangers_see_nothing(log_in: LogIn) -> None:
    sidorov, ivanov = await log_in(SIDOROV), await log_in(IVANOV)
    ivanov.send(f"<presence to='{SIDOROV}' type='probe'/>")
    assert not [stanza for stanza in await ivanov.settle() if stanza.get("from") == sidorov.full]
    info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
    assert error_of(await ivanov.iq(info, to=SIDOROV)) == "service-unavailable"
    assert (await ivanov.iq(info, to=PETROVA)).get("type") == "result"


async def test_blocking(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV, "desk"), await log_in(PETROVA)
    phone = await log_in(IVANOV, "phone")
    for device in (ivanov, phone):
        assert not list(find(await device.iq("<blocklist xmlns='urn:xmpp:blocking'/>"), "blocking:blocklist"))
    await petrova.settle()
    block = f"<block xmlns='urn:xmpp:blocking'><item jid='{PETROVA}'/></block>"
    assert (await ivanov.iq(block, "set")).get("type") == "result"
    pushed = await phone.receive("c:iq", lambda iq: iq.find("blocking:block", NAMESPACES) is not None)
    assert find(pushed, "blocking:block/blocking:item").get("jid") == PETROVA
    await petrova.presence_of(ivanov.full, "unavailable")
    petrova.send(chat(IVANOV, "hello?", id_="x"))
    assert error_of(await petrova.message()) == "service-unavailable"
    assert (
        error_of(await petrova.iq("<ping xmlns='urn:xmpp:ping'/>", to=ivanov.full)) == "service-unavailable"
    )
    ivanov.send(chat(PETROVA, "to whom I blocked", id_="y"))
    refused = await ivanov.message()
    assert error_of(refused) == "not-acceptable"
    assert find(refused, "c:error").get("type") == "cancel"
    petrova.send("<presence><show>away</show></presence>")
    await petrova.settle()
    seen = [stanza for stanza in await ivanov.settle() if stanza.get("from") == petrova.full]
    assert not [stanza for stanza in seen if stanza.find("c:show", NAMESPACES) is not None]
    unblock = "<unblock xmlns='urn:xmpp:blocking'/>"
    assert (await phone.iq(unblock, "set")).get("type") == "result"
    await petrova.presence_of(ivanov.full)
    petrova.send(chat(IVANOV, "again"))
    await ivanov.message("again")


async def test_private_data_is_kept(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    room = "<conference jid='a@conference.digital.example' name='Ком'/>"
    bookmarks = f"<storage xmlns='storage:bookmarks'>{room}</storage>"
    answer = await ivanov.iq(f"<query xmlns='jabber:iq:private'>{bookmarks}</query>", "set")
    assert answer.get("type") == "result"
    phone = await log_in(IVANOV, "phone")
    answer = await phone.iq("<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>")
    conference = answer.find(".//{storage:bookmarks}conference")
    assert conference is not None
    assert conference.get("name") == "Ком"


async def test_own_card_replaces_the_directory_s(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    card = "<vCard xmlns='vcard-temp'><FN>Ваня</FN></vCard>"
    assert (await ivanov.iq(card, "set")).get("type") == "result"
    assert text(await petrova.iq("<vCard xmlns='vcard-temp'/>", to=IVANOV), "vcard:vCard/vcard:FN") == "Ваня"


async def test_whom_one_blocks_is_not_seen_nor_sees_at_a_log_in(log_in: LogIn) -> None:
    """XEP-0191 §3.3: neither by the presence that a log-in brings, nor by a probe."""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    blocked = f"<block xmlns='urn:xmpp:blocking'><item jid='{PETROVA}'/></block>"
    assert (await ivanov.iq(blocked, "set")).get("type") == "result"
    again = await log_in(IVANOV, "again")
    assert not [each for each in await again.settle() if (each.get("from") or "").startswith(PETROVA)]
    await petrova.settle()
    petrova.send(f"<presence type='probe' to='{IVANOV}'/>")
    assert not [each for each in await petrova.settle() if (each.get("from") or "").startswith(IVANOV)]
    again.send(f"<presence type='probe' to='{PETROVA}'/>")
    assert error_of(await again.presence_of(PETROVA, "error")) == "not-acceptable"


async def test_directed_presence_is_bounded(tmp_path: Path) -> None:
    """RFC 6121 §4.6: everybody who got some hears when the session ends, so there are only so many."""
    settings = {"xmpp": {"rooms_entered": 2}}
    async with World(tmp_path, settings=settings) as world, Client(world, IVANOV) as ivanov:
        await (await ivanov.log_in()).go_online()
        for number in range(3):
            ivanov.send(f"<presence to='{SIDOROV}/{number}'/>")
        assert error_of(await ivanov.presence_of(f"{SIDOROV}/2", "error")) == "resource-constraint"
        ivanov.send(f"<presence type='unavailable' to='{SIDOROV}/1'/>")
        ivanov.send(f"<presence to='{SIDOROV}/3'/><presence to='{SIDOROV}/0'/>")
        assert not [each for each in await ivanov.settle() if each.get("type") == "error"]
