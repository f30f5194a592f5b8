# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §7: publishing and deleting items, with subscribers of two departments watching."""

from __future__ import annotations

import pytest

from armgs_server.storage import pubsub_members
from armgs_server.storage.pubsub_members import Subscription
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.xeps.xep_0060_notify import SLICE
from tests.world import IVANOV, PETROVA, SIDOROV, World
from tests.xmpp.client import NAMESPACES
from tests.xmpp.conftest import LogIn
from tests.xmpp.nodes import (
    SERVICE,
    configure,
    create,
    done,
    entry,
    event,
    fetch,
    ids,
    item,
    message_with_event,
    owner,
    publish,
    pubsub,
    refused,
    retract,
    silent,
    subscribe,
    summary,
)


async def test_publish_reaches_subscribers(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    done(await create(ivanov, "n"))
    for client in (petrova, sidorov):
        done(await subscribe(client, "n"))
    assert ids(await publish(ivanov, "n", item("1"))) == ["1"]
    for client in (petrova, sidorov):
        message = await message_with_event(client)
        assert message.get("type") == "headline"
        assert message.get("id")
        told = message.find("ev:event/ev:items/ev:item", NAMESPACES)
        assert told is not None
        assert (told.get("id"), told.get("publisher")) == ("1", IVANOV)
        assert told.find("{urn:x}x") is not None
    chosen = ids(await publish(ivanov, "n", item("")))
    assert len(chosen[0]) > 8
    assert summary(await event(sidorov)) == ["items", f"item {chosen[0]}+"]
    # The same id once more is the same item, changed (§7.1.2).
    done(await publish(ivanov, "n", item("1", "<y xmlns='urn:y'/>")))
    assert summary(await event(sidorov)) == ["items", "item 1+"]
    assert ids(await fetch(sidorov, "n")) == [chosen[0], "1"]
    assert refused(await publish(petrova, "n", item("2"))) == ("auth", "forbidden", "")
    assert refused(await publish(ivanov, "none", item("2"))) == ("cancel", "item-not-found", "")
    forged = "<item id='3' publisher='president@digital.example'><x xmlns='urn:x'/></item>"
    done(await publish(ivanov, "n", forged))
    stored = (await fetch(sidorov, "n", inner="<item id='3'/>")).find(".//ps:item", NAMESPACES)
    assert stored is not None
    assert stored.get("publisher") == IVANOV


@pytest.mark.parametrize(
    ("persist", "payloads", "items", "expected"),
    [
        ("1", "1", "", ("modify", "bad-request", "item-required")),
        ("1", "1", "<item id='1'/>", ("modify", "bad-request", "payload-required")),
        ("1", "0", "", ("modify", "bad-request", "item-required")),
        ("1", "0", "<item id='1'/>", ["items", "item 1"]),
        ("1", "0", item("1"), ["items", "item 1"]),
        ("0", "1", "", ("modify", "bad-request", "payload-required")),
        ("0", "1", item("1"), ["items", "item 1+"]),
        ("0", "0", "", ["items"]),
        ("0", "0", item("1"), ("modify", "bad-request", "item-forbidden")),
        ("1", "1", item("1") + item("2"), ("modify", "bad-request", "invalid-payload")),
        (
            "1",
            "1",
            item("1", "<x xmlns='u:x'/><y xmlns='u:x'/>"),
            ("modify", "bad-request", "invalid-payload"),
        ),
    ],
)
async def test_event_types(
    log_in: LogIn, persist: str, payloads: str, items: str, expected: list[str] | tuple[str, str, str]
) -> None:
    """§4.3, §7.1.3.7"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n", persist_items=persist, deliver_payloads=payloads))
    done(await subscribe(petrova, "n"))
    answer = await publish(ivanov, "n", items)
    if isinstance(expected, tuple):
        assert refused(answer) == expected
        await silent(petrova)
    else:
        done(answer)
        assert summary(await event(petrova)) == expected


async def test_payloads_that_do_not_fit(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    done(await create(ivanov, "n", max_payload_size="100", type="urn:x"))
    large = f"<x xmlns='urn:x'>{'a' * 200}</x>"
    assert refused(await publish(ivanov, "n", item("1", large))) == (
        "modify",
        "not-acceptable",
        "payload-too-big",
    )
    other = await publish(ivanov, "n", item("1", "<x xmlns='urn:other'/>"))
    assert refused(other) == ("modify", "bad-request", "invalid-payload")
    done(await publish(ivanov, "n", item("1")))
    done(await create(ivanov, "blog", type="urn:xmpp:microblog:0"))
    done(await publish(ivanov, "blog", item("1", entry("a"))))  # XEP-0472 §5: a profile, its payload is Atom


async def test_full_nodes(log_in: LogIn) -> None:
    """§7.1.2.5, §7.1.3.4"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    for node, full in (("a", "retract-oldest"), ("b", "discard-oldest"), ("c", "reject")):
        done(await create(ivanov, node, max_items="2", publish_node_full=full))
        for name in ("1", "2"):
            done(await publish(ivanov, node, item(name)))
        done(await configure(ivanov, node, send_last_published_item="never"))
        done(await subscribe(petrova, node))
    done(await publish(ivanov, "a", item("3")))
    assert summary(await event(petrova)) == ["items", "item 3+"]
    assert summary(await event(petrova)) == ["items", "retract 1"]
    done(await publish(ivanov, "b", item("3")))
    assert summary(await event(petrova)) == ["items", "item 3+"]
    assert refused(await publish(ivanov, "c", item("3"))) == ("cancel", "conflict", "node-full")
    done(await publish(ivanov, "c", item("2")))
    assert summary(await event(petrova)) == ["items", "item 2+"]
    await silent(petrova)
    assert [ids(await fetch(petrova, node)) for node in "abc"] == [["2", "3"], ["2", "3"], ["1", "2"]]
    done(await configure(ivanov, "a", max_items="1"))
    assert ids(await fetch(petrova, "a")) == ["3"]


async def test_publish_models(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    done(await create(ivanov, "n", publish_model="subscribers"))
    assert refused(await publish(petrova, "n", item("1")))[1] == "forbidden"
    done(await subscribe(petrova, "n"))
    done(await publish(petrova, "n", item("1")))
    done(await configure(ivanov, "n", publish_model="open"))
    done(await publish(sidorov, "n", item("2")))
    # Who is no publisher deletes only what is theirs (§4.1).
    assert refused(await retract(sidorov, "n", "1")) == ("auth", "forbidden", "")
    done(await retract(sidorov, "n", "2"))
    banned = owner(
        f"<affiliations node='n'><affiliation jid='{SIDOROV}' affiliation='outcast'/></affiliations>"
    )
    done(await ivanov.iq(banned, "set", "pubsub.digital.example"))
    assert refused(await publish(sidorov, "n", item("3")))[1] == "forbidden"


async def test_publish_options_are_preconditions(log_in: LogIn) -> None:
    """§7.1.5"""
    ivanov = await log_in(IVANOV)
    done(await create(ivanov, "n", access_model="whitelist"))
    unmet = ("cancel", "conflict", "precondition-not-met")
    done(
        await publish(ivanov, "n", item("1"), options={"access_model": "whitelist", "persist_items": "true"})
    )
    assert refused(await publish(ivanov, "n", item("1"), options={"access_model": "open"})) == unmet
    assert refused(await publish(ivanov, "n", item("1"), options={"colour": "red"})) == unmet
    assert (
        refused(await publish(ivanov, "none", item("1"), options={"access_model": "open"}))[1]
        == "item-not-found"
    )


async def test_retract(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n", notify_retract="0"))
    for name in ("1", "2", "3"):
        done(await publish(ivanov, "n", item(name)))
    done(await configure(ivanov, "n", send_last_published_item="never"))
    done(await subscribe(petrova, "n"))
    done(await retract(ivanov, "n", "1"))
    await silent(petrova)
    done(await retract(ivanov, "n", "2", notify="true"))  # §7.2.2.1
    assert summary(await event(petrova)) == ["items", "retract 2"]
    assert ids(await fetch(petrova, "n")) == ["3"]
    for answer, expected in (
        (await retract(petrova, "n", "3"), ("auth", "forbidden", "")),
        (await retract(ivanov, "n", "9"), ("cancel", "item-not-found", "")),
        (await retract(ivanov, "none", "3"), ("cancel", "item-not-found", "")),
        (await retract(ivanov, "", "3"), ("modify", "bad-request", "nodeid-required")),
        (await retract(ivanov, "n"), ("modify", "bad-request", "item-required")),
        (await retract(ivanov, "n", ""), ("modify", "bad-request", "item-required")),
    ):
        assert refused(answer) == expected
    done(await create(ivanov, "passing", persist_items="0"))
    assert refused(await retract(ivanov, "passing", "1"))[2] == "unsupported persistent-items"


async def test_nobody_hears_of_a_silent_node(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n", deliver_notifications="0"))
    done(await subscribe(petrova, "n"))
    done(await publish(ivanov, "n", item("1")))
    await silent(petrova)
    assert ids(await fetch(petrova, "n")) == ["1"]


async def test_a_publication_of_another_is_seen_with_its_text(log_in: LogIn) -> None:
    """§12.8: a text for who asked for it; normal messages where the node is so configured."""
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    done(await create(ivanov, "n", notification_type="normal"))
    done(await subscribe(petrova, "n", options={"include_body": "1"}))
    done(await subscribe(sidorov, "n"))
    done(await publish(ivanov, "n", item("1", entry("Приказ", "С понедельника"))))
    message = await message_with_event(petrova)
    assert message.get("type") is None
    assert message.findtext("c:body", None, NAMESPACES) == "Приказ\nС понедельника"
    assert (await message_with_event(sidorov)).find("c:body", NAMESPACES) is None


async def test_expired_items_are_gone(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    done(await create(ivanov, "n", item_expire="1"))
    done(await publish(ivanov, "n", item("1")))
    assert ids(await fetch(ivanov, "n")) == ["1"]
    left = ["1"]
    while left:  # bounded by the time-out of the client's answers, and of the test run
        left = ids(await ivanov.iq(pubsub("<items node='n'/>"), to="pubsub.digital.example"))
    assert left == []


async def test_very_many_subscribers(world: World, log_in: LogIn) -> None:
    """They are read in slices; whoever comes after the first slices hears of it too, once."""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n"))
    done(await subscribe(petrova, "n"))
    department = world.directory.domains["digital.example"]

    async def work(tx: Tx) -> None:
        for number in range(2 * SLICE + 1):
            jid = f"nobody{number:04}@digital.example"
            await pubsub_members.put(
                tx, Subscription(department, "n", jid, "s", jid, SERVICE, "subscribed", {}, 0)
            )

    await world.store.write(work)
    done(await publish(ivanov, "n", item("1")))
    assert summary(await event(petrova)) == ["items", "item 1+"]
    await silent(petrova)
