# SPDX-License-Identifier: Apache-2.0
"""Publish-subscribe as slixmpp does it: XEP-0060, 0163, 0084, 0054, 0153, 0292, 0402, 0048 plug-ins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
import slixmpp

from tests.world import HOST, IVANOV, PASSWORD, PETROVA, World

TIMEOUT = 20.0
SERVICE = "pubsub.digital.example"
ROOM = "tea@conference.digital.example"
PICTURE = b"\x89PNG picture"
PLUGINS = (
    "xep_0030",
    "xep_0048",
    "xep_0049",
    "xep_0054",
    "xep_0059",
    "xep_0060",
    "xep_0084",
    "xep_0115",
    "xep_0153",
    "xep_0163",
    "xep_0199",
    "xep_0222",
    "xep_0223",
    "xep_0292",
    "xep_0402",
)

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]


@asynccontextmanager
async def online(world: World, jid: str, *interests: str) -> AsyncIterator[Any]:
    """A slixmpp client over STARTTLS that asks for the events of some nodes."""
    client = slixmpp.ClientXMPP(jid, PASSWORD)
    for plugin in PLUGINS:
        client.register_plugin(plugin)
    for node in interests:
        client.plugin["xep_0030"].add_feature(f"{node}+notify")
    await client.plugin["xep_0115"].update_caps()
    context = world.client_context()
    client.get_ssl_context = lambda: context
    client.connect(HOST, world.ports["xmpp"])
    await client.wait_until("session_start", TIMEOUT)
    client.send_presence()
    await client.plugin["xep_0199"].ping(jid=slixmpp.JID("digital.example"), timeout=TIMEOUT)
    try:
        yield client
    finally:
        await client.disconnect()


def next_event(client: Any, name: str) -> asyncio.Future[Any]:
    """The next event of that name; asked for before what causes it."""
    arrived: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def on_event(stanza: Any) -> None:
        if not arrived.done():
            arrived.set_result(stanza)

    client.add_event_handler(name, on_event)
    return arrived


def payload(text: str) -> Element:
    return fromstring(f"<note xmlns='urn:note'>{text}</note>")


async def test_a_service_with_slixmpp(tmp_path: Path) -> None:
    async with World(tmp_path) as world, online(world, IVANOV) as ivanov, online(world, PETROVA) as petrova:
        mine, theirs = ivanov.plugin["xep_0060"], petrova.plugin["xep_0060"]
        form = (await mine.get_node_config(SERVICE))["pubsub_owner"]["default"]["form"]
        assert "pubsub#access_model" in form.get_fields()
        form.set_type("submit")
        form.get_fields()["pubsub#title"]["value"] = "Notes"
        await mine.create_node(SERVICE, "notes", config=form)
        nodes = (await theirs.get_nodes(SERVICE))["disco_items"]["items"]
        assert ("pubsub.digital.example", "notes", "Notes") in nodes
        made = await theirs.subscribe(SERVICE, "notes", bare=True)
        assert made["pubsub"]["subscription"]["subscription"] == "subscribed"
        options = await theirs.get_subscription_options(SERVICE, "notes", petrova.boundjid.bare)
        assert "pubsub#deliver" in options["pubsub"]["options"]["options"].get_fields()

        arrived = next_event(petrova, "pubsub_publish")
        await mine.publish(SERVICE, "notes", id="1", payload=payload("one"))
        async with asyncio.timeout(TIMEOUT):
            told = await arrived
        assert told["pubsub_event"]["items"]["item"]["payload"].text == "one"
        await mine.publish(SERVICE, "notes", id="2", payload=payload("two"))
        found = (await theirs.get_items(SERVICE, "notes", max_items=1))["pubsub"]["items"]
        assert [each["id"] for each in found] == ["2"]
        whole = (await theirs.get_items(SERVICE, "notes"))["pubsub"]["items"]
        assert [each["id"] for each in whole] == ["1", "2"]

        gone = next_event(petrova, "pubsub_retract")
        await mine.retract(SERVICE, "notes", "1", notify=True)
        async with asyncio.timeout(TIMEOUT):
            assert (await gone)["pubsub_event"]["items"]["retract"]["id"] == "1"
        await mine.modify_affiliations(SERVICE, "notes", [(slixmpp.JID(PETROVA), "publisher")])
        standings = (await mine.get_node_affiliations(SERVICE, "notes"))["pubsub_owner"]["affiliations"]
        assert {(str(each["jid"]), each["affiliation"]) for each in standings} == {
            (IVANOV, "owner"),
            (PETROVA, "publisher"),
        }
        listed = (await mine.get_node_subscriptions(SERVICE, "notes"))["pubsub_owner"]["subscriptions"]
        assert [str(each["jid"]) for each in listed] == [PETROVA]
        purged, deleted = next_event(petrova, "pubsub_purge"), next_event(petrova, "pubsub_delete")
        await mine.purge(SERVICE, "notes")
        await mine.delete_node(SERVICE, "notes")
        async with asyncio.timeout(TIMEOUT):
            await purged
            await deleted
        with pytest.raises(slixmpp.exceptions.IqError) as refused:
            await theirs.get_items(SERVICE, "notes")
        assert refused.value.condition == "item-not-found"


async def test_an_account_with_slixmpp(tmp_path: Path) -> None:
    avatar = "urn:xmpp:avatar:metadata"
    async with World(tmp_path) as world, online(world, PETROVA, avatar, "urn:xmpp:vcard4") as petrova:
        async with online(world, IVANOV) as ivanov:
            told = next_event(petrova, "avatar_metadata_publish")
            avatars = ivanov.plugin["xep_0084"]
            digest = avatars.generate_id(PICTURE)
            await avatars.publish_avatar(PICTURE)
            info = {"id": digest, "type": "image/png", "bytes": str(len(PICTURE))}
            await avatars.publish_avatar_metadata([info])
            async with asyncio.timeout(TIMEOUT):
                metadata = (await told)["pubsub_event"]["items"]["item"]["avatar_metadata"]
            assert [each["id"] for each in metadata["items"]] == [digest]
            data = await petrova.plugin["xep_0084"].retrieve_avatar(slixmpp.JID(IVANOV), digest)
            assert data["pubsub"]["items"]["item"]["avatar_data"]["value"] == PICTURE
            card = await petrova.plugin["xep_0054"].get_vcard(slixmpp.JID(IVANOV))
            assert card["vcard_temp"]["PHOTO"]["BINVAL"] == PICTURE

            # The node that XEP-0292 §4.1 names; left alone the plug-in takes the namespace for it.
            node = "urn:xmpp:vcard4"
            await ivanov.plugin["xep_0292"].publish_vcard(full_name="Иван", phone="303", node=node)
            seen = await petrova.plugin["xep_0060"].get_item(slixmpp.JID(IVANOV), node, "current")
            assert seen["pubsub"]["items"]["item"]["vcard"]["full_name"] == "Иван"
            card = await petrova.plugin["xep_0054"].get_vcard(slixmpp.JID(IVANOV))
            assert card["vcard_temp"]["FN"] == "Иван"


async def test_bookmarks_with_slixmpp(tmp_path: Path) -> None:
    async with World(tmp_path) as world, online(world, IVANOV) as ivanov:
        bookmark = slixmpp.plugins.xep_0402.stanza.Conference()
        bookmark["name"], bookmark["autojoin"], bookmark["nick"] = "Чай", True, "Иван"
        await ivanov.plugin["xep_0223"].store(bookmark, "urn:xmpp:bookmarks:1", id=ROOM)
        old = await ivanov.plugin["xep_0048"].get_bookmarks(method="xep_0049")
        kept = old["private"]["bookmarks"]["conferences"]
        assert [(str(each["jid"]), each["name"], each["nick"]) for each in kept] == [(ROOM, "Чай", "Иван")]
        storage = slixmpp.plugins.xep_0048.stanza.Bookmarks()
        storage.add_conference(slixmpp.JID("cake@conference.digital.example"), nick="Ваня", name="Торт")
        await ivanov.plugin["xep_0048"].set_bookmarks(storage, method="xep_0049")
        native = await ivanov.plugin["xep_0060"].get_items(None, "urn:xmpp:bookmarks:1")
        assert [each["id"] for each in native["pubsub"]["items"]] == ["cake@conference.digital.example"]
