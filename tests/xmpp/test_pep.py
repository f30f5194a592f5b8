# SPDX-License-Identifier: Apache-2.0
"""XEP-0163: publishing, reading and hearing of it, with a second device and a contact watching."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from tests.world import IVANOV, PETROVA, SIDOROV
from tests.xmpp.client import Client, error_of
from tests.xmpp.conftest import LogIn

PUBSUB = "http://jabber.org/protocol/pubsub"
EVENT = "{http://jabber.org/protocol/pubsub#event}"
AVATAR = "urn:xmpp:avatar:metadata"
BOOKMARKS = "urn:xmpp:bookmarks:1"


def pubsub(inner: str, suffix: str = "") -> str:
    return f"<pubsub xmlns='{PUBSUB}{suffix}'>{inner}</pubsub>"


def publish(node: str, item_id: str, payload: str, options: dict[str, str] | None = None) -> str:
    inner = f"<publish node='{node}'><item id='{item_id}'>{payload}</item></publish>"
    if options:
        fields = f"<field var='FORM_TYPE'><value>{PUBSUB}#publish-options</value></field>"
        fields += "".join(
            f"<field var='pubsub#{name}'><value>{value}</value></field>" for name, value in options.items()
        )
        form = f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"
        inner += f"<publish-options>{form}</publish-options>"
    return pubsub(inner)


def avatar(item_id: str) -> str:
    return publish(AVATAR, item_id, f"<metadata xmlns='{AVATAR}'><info id='{item_id}'/></metadata>")


def items(node: str) -> str:
    return pubsub(f"<items node='{node}'/>")


def ids_of(answer: Element) -> list[str | None]:
    return [item.get("id") for item in answer.iter(f"{{{PUBSUB}}}item")]


async def wants(client: Client, *nodes: str, ver: str = "unproven") -> None:
    """Presence with capabilities, and the answer to the server's question what they are."""
    caps = f"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:test' ver='{ver}'/>"
    client.send(f"<presence>{caps}</presence>")
    question = await client.receive("c:iq", lambda iq: (iq.get("id") or "").startswith("caps-"))
    features = "".join(f"<feature var='{node}+notify'/>" for node in nodes)
    query = f"<query xmlns='http://jabber.org/protocol/disco#info' node='urn:test#{ver}'>{features}</query>"
    client.send(f"<iq type='result' id='{question.get('id')}' to='{question.get('from')}'>{query}</iq>")


async def heard(client: Client, sender: str) -> list[str | None]:
    """The ids in the next event from that account."""
    message = await client.receive(
        "c:message", lambda each: each.get("from") == sender and each.find(f"{EVENT}event") is not None
    )
    return [item.get("id") for item in message.iter(f"{EVENT}item")]


async def test_avatar_reaches_devices_and_contacts(log_in: LogIn) -> None:
    ivanov, phone = await log_in(IVANOV, "desk"), await log_in(IVANOV, "phone")
    petrova, sidorov = await log_in(PETROVA), await log_in(SIDOROV)
    for client in (phone, petrova, sidorov):
        await wants(client, AVATAR)
    assert (await ivanov.iq(avatar("a1"), "set")).get("type") == "result"
    assert await heard(phone, IVANOV) == ["a1"]
    assert await heard(petrova, IVANOV) == ["a1"]
    assert not [stanza for stanza in await sidorov.settle() if stanza.get("from") == IVANOV]
    assert ids_of(await petrova.iq(items(AVATAR), to=IVANOV)) == ["a1"]
    assert error_of(await sidorov.iq(items(AVATAR), to=IVANOV)) == "not-authorized"
    assert error_of(await petrova.iq(avatar("forged"), "set", to=IVANOV)) == "forbidden"
    later = await log_in(PETROVA, "later")
    await wants(later, AVATAR)
    assert await heard(later, IVANOV) == ["a1"]


async def test_one_item_replaces_the_last(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    for item_id in ("a1", "a2"):
        await ivanov.iq(avatar(item_id), "set")
    assert ids_of(await ivanov.iq(items(AVATAR))) == ["a2"]


async def test_bookmarks_are_private_and_many(log_in: LogIn) -> None:
    ivanov, phone, petrova = await log_in(IVANOV), await log_in(IVANOV, "phone"), await log_in(PETROVA)
    await wants(phone, BOOKMARKS)
    await wants(petrova, BOOKMARKS)
    options = {"max_items": "max", "access_model": "whitelist", "persist_items": "true"}
    for room in ("a@conference.digital.example", "b@conference.digital.example"):
        payload = f"<conference xmlns='{BOOKMARKS}' autojoin='true'/>"
        answer = await ivanov.iq(publish(BOOKMARKS, room, payload, options), "set")
        assert answer.get("type") == "result"
        assert await heard(phone, IVANOV) == [room]
    assert len(ids_of(await phone.iq(items(BOOKMARKS)))) == 2
    assert error_of(await petrova.iq(items(BOOKMARKS), to=IVANOV)) == "not-allowed"
    assert not [stanza for stanza in await petrova.settle() if stanza.get("from") == IVANOV]
    retract = pubsub(f"<retract node='{BOOKMARKS}'><item id='a@conference.digital.example'/></retract>")
    assert (await ivanov.iq(retract, "set")).get("type") == "result"
    gone = await phone.receive("c:message", lambda each: each.find(f".//{EVENT}retract") is not None)
    assert gone.get("from") == IVANOV
    assert ids_of(await phone.iq(items(BOOKMARKS))) == ["b@conference.digital.example"]


async def test_bookmarks_are_private_without_a_word(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    payload = f"<conference xmlns='{BOOKMARKS}'/>"
    await ivanov.iq(publish(BOOKMARKS, "a@conference.digital.example", payload), "set")
    assert error_of(await petrova.iq(items(BOOKMARKS), to=IVANOV)) == "not-allowed"


async def test_options_that_do_not_hold_are_refused(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    payload = "<x xmlns='urn:x'/>"
    assert (await ivanov.iq(publish("n", "1", payload), "set")).get("type") == "result"
    refused = await ivanov.iq(publish("n", "2", payload, {"access_model": "open"}), "set")
    assert error_of(refused) == "conflict"
    configure = (
        "<configure node='n'><x xmlns='jabber:x:data' type='submit'>"
        f"<field var='FORM_TYPE'><value>{PUBSUB}#node_config</value></field>"
        "<field var='pubsub#access_model'><value>open</value></field></x></configure>"
    )
    assert (await ivanov.iq(pubsub(configure, "#owner"), "set")).get("type") == "result"
    form = await ivanov.iq(pubsub("<configure node='n'/>", "#owner"))
    field = form.find(".//{jabber:x:data}field[@var='pubsub#access_model']/{jabber:x:data}value")
    assert field is not None
    assert field.text == "open"
    sidorov = await log_in(SIDOROV)
    assert ids_of(await sidorov.iq(items("n"), to=IVANOV)) == ["1"]
    assert (await ivanov.iq(pubsub("<delete node='n'/>", "#owner"), "set")).get("type") == "result"
    assert error_of(await ivanov.iq(items("n"))) == "item-not-found"


async def test_refused_requests(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    for inner, condition in (
        ("<publish node='n'/>", "bad-request"),
        ("<publish node='n'><item/></publish>", "bad-request"),
        ("<publish><item><x xmlns='urn:x'/></item></publish>", "bad-request"),
        ("<retract node='n'><item id='1'/></retract>", "item-not-found"),
        ("<subscribe node='n'/>", "bad-request"),
        ("<invent node='n'/>", "feature-not-implemented"),
    ):
        assert error_of(await ivanov.iq(pubsub(inner), "set")) == condition, inner


async def test_a_lie_about_capabilities_is_believed_of_the_liar_only(log_in: LogIn) -> None:
    liar, honest = await log_in(PETROVA, "liar"), await log_in(PETROVA, "honest")
    await wants(liar, AVATAR, ver="QgayPKawpkPSDYmwT/WM94uAlu0=")
    await liar.settle()
    await wants(honest, ver="QgayPKawpkPSDYmwT/WM94uAlu0=")  # asked itself, for nothing proved the hash
    await honest.settle()
    ivanov = await log_in(IVANOV)
    assert (await ivanov.iq(avatar("a1"), "set")).get("type") == "result"
    assert await heard(liar, IVANOV) == ["a1"]
    assert not [each for each in await honest.settle() if each.find(f"{EVENT}event") is not None]


async def test_whom_the_publisher_blocks_hears_nothing(log_in: LogIn) -> None:
    ivanov, petrova, phone = await log_in(IVANOV), await log_in(PETROVA), await log_in(IVANOV, "phone")
    for client in (petrova, phone):
        await wants(client, AVATAR)
    assert (await ivanov.iq(avatar("a1"), "set")).get("type") == "result"
    assert await heard(petrova, IVANOV) == ["a1"]
    blocked = f"<block xmlns='urn:xmpp:blocking'><item jid='{PETROVA}'/></block>"
    assert (await ivanov.iq(blocked, "set")).get("type") == "result"
    assert (await ivanov.iq(avatar("a2"), "set")).get("type") == "result"
    assert await heard(phone, IVANOV) == ["a1"]
    assert await heard(phone, IVANOV) == ["a2"]
    again = await log_in(PETROVA, "again")
    await wants(again, AVATAR, ver="another")
    for client in (petrova, again):
        seen = await client.settle()
        assert not [each for each in seen if each.find(f"{EVENT}event") is not None]
