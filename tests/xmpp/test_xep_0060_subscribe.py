# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §5.6, §5.7, §6.1-§6.4: subscriptions and their options, with the owner watching."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

import pytest

from tests.world import IVANOV, PETROVA, SIDOROV
from tests.xmpp.client import NAMESPACES, Client
from tests.xmpp.conftest import LogIn
from tests.xmpp.nodes import (
    PUBSUB,
    SERVICE,
    configure,
    create,
    done,
    event,
    form,
    item,
    message_with_event,
    owner,
    publish,
    pubsub,
    refused,
    silent,
    subscribe,
    summary,
    values,
)


def subscription(answer: Element) -> Element:
    found = done(answer).find("ps:pubsub/ps:subscription", NAMESPACES)
    assert found is not None
    return found


async def unsubscribe(client: Client, node: str, jid: str = "", subid: str = "") -> Element:
    attribute = f" subid='{subid}'" if subid else ""
    inner = f"<unsubscribe node='{node}' jid='{jid or client.jid}'{attribute}/>"
    return await client.iq(pubsub(inner), "set", SERVICE)


def options(node: str, jid: str, subid: str = "", inner: str = "") -> str:
    attribute = f" subid='{subid}'" if subid else ""
    who = f" jid='{jid}'" if jid else ""
    return pubsub(f"<options node='{node}'{who}{attribute}>{inner}</options>")


async def test_subscribe_and_unsubscribe(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA, "desk")
    done(await create(ivanov, "n", notify_sub="1"))
    done(await publish(ivanov, "n", item("1")))
    made = subscription(await subscribe(petrova, "n"))
    assert (made.get("node"), made.get("jid"), made.get("subscription")) == ("n", PETROVA, "subscribed")
    last = await message_with_event(petrova)  # §6.1.7
    assert last.find("ev:event/ev:items/ev:item[@id='1']", NAMESPACES) is not None
    assert last.find("delay:delay", NAMESPACES) is not None
    told = await event(ivanov)  # §12.14
    assert (told.get("jid"), told.get("subscription")) == (PETROVA, "subscribed")
    gone = subscription(await unsubscribe(petrova, "n"))
    assert gone.get("subscription") == "none"
    assert (await event(ivanov)).get("subscription") == "none"
    done(await publish(ivanov, "n", item("2")))
    await silent(petrova)


async def test_a_subscription_of_one_resource(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    desk, phone = await log_in(PETROVA, "desk"), await log_in(PETROVA, "phone")
    done(await create(ivanov, "n"))
    done(await subscribe(desk, "n", jid=f"{PETROVA}/phone"))
    done(await publish(ivanov, "n", item("1")))
    assert summary(await event(phone)) == ["items", "item 1+"]
    await silent(desk)


async def test_refused_subscriptions(log_in: LogIn) -> None:
    """§6.1.3; petrova is a colleague of ivanov, sidorov is not."""
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    done(await create(ivanov, "n"))
    for jid in (IVANOV, "", "@"):
        answer = await sidorov.iq(pubsub(f"<subscribe node='n' jid='{jid}'/>"), "set", SERVICE)
        assert refused(answer) == ("modify", "bad-request", "invalid-jid")
    assert refused(await subscribe(sidorov, "none")) == ("cancel", "item-not-found", "")
    for model, expected in (
        ("presence", ("auth", "not-authorized", "presence-subscription-required")),
        ("roster", ("auth", "not-authorized", "not-in-roster-group")),
        ("whitelist", ("cancel", "not-allowed", "closed-node")),
    ):
        done(await configure(ivanov, "n", access_model=model))
        assert refused(await subscribe(sidorov, "n")) == expected
    done(await configure(ivanov, "n", access_model="presence"))
    assert subscription(await subscribe(petrova, "n")).get("subscription") == "subscribed"
    done(await configure(ivanov, "n", access_model="open", subscribe="0"))
    assert refused(await subscribe(sidorov, "n")) == (
        "cancel",
        "feature-not-implemented",
        "unsupported subscribe",
    )
    inner = f"<affiliation jid='{SIDOROV}' affiliation='outcast'/>"
    done(await ivanov.iq(owner(f"<affiliations node='n'>{inner}</affiliations>"), "set", SERVICE))
    assert refused(await subscribe(sidorov, "n")) == ("auth", "forbidden", "")


async def test_refused_unsubscriptions(log_in: LogIn) -> None:
    """§6.2.3"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n"))
    assert refused(await unsubscribe(petrova, "n")) == ("cancel", "unexpected-request", "not-subscribed")
    subids = [subscription(await subscribe(petrova, "n")).get("subid", "") for _ in range(2)]
    assert refused(await unsubscribe(petrova, "n")) == ("modify", "bad-request", "subid-required")
    assert refused(await unsubscribe(petrova, "n", subid="x")) == (
        "modify",
        "not-acceptable",
        "invalid-subid",
    )
    assert refused(await unsubscribe(ivanov, "n", PETROVA)) == ("auth", "forbidden", "")
    assert refused(await unsubscribe(petrova, "none")) == ("cancel", "item-not-found", "")
    assert subscription(await unsubscribe(petrova, "n", subid=subids[0])).get("subid") == subids[0]
    done(await unsubscribe(petrova, "n"))


async def test_one_event_for_many_subscriptions(log_in: LogIn) -> None:
    """§6.1.6, §7.1.2.4"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n"))
    subids = {subscription(await subscribe(petrova, "n")).get("subid", "") for _ in range(2)}
    done(await publish(ivanov, "n", item("1")))
    message = await message_with_event(petrova)
    headers = message.findall("shim:headers/shim:header[@name='SubID']", NAMESPACES)
    assert {header.text for header in headers} == subids
    await silent(petrova)


async def test_own_subscriptions_and_affiliations(log_in: LogIn) -> None:
    """§5.6, §5.7"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    for node in ("a", "b"):
        done(await create(ivanov, node))
        done(await subscribe(petrova, node))
    own = done(await petrova.iq(pubsub("<subscriptions/>"), to=SERVICE))
    listed = own.findall("ps:pubsub/ps:subscriptions/ps:subscription", NAMESPACES)
    assert [(each.get("node"), each.get("jid")) for each in listed] == [("a", PETROVA), ("b", PETROVA)]
    one = done(await petrova.iq(pubsub("<subscriptions node='b'/>"), to=SERVICE))
    assert [each.get("node") for each in one.iter(f"{{{PUBSUB}}}subscription")] == ["b"]
    none = done(await ivanov.iq(pubsub("<subscriptions/>"), to=SERVICE))
    assert list(none.iter(f"{{{PUBSUB}}}subscription")) == []
    mine = done(await ivanov.iq(pubsub("<affiliations/>"), to=SERVICE))
    found = [(each.get("node"), each.get("affiliation")) for each in mine.iter(f"{{{PUBSUB}}}affiliation")]
    assert found == [("a", "owner"), ("b", "owner")]
    theirs = done(await petrova.iq(pubsub("<affiliations node='a'/>"), to=SERVICE))
    assert list(theirs.iter(f"{{{PUBSUB}}}affiliation")) == []


async def test_options(log_in: LogIn) -> None:
    """§6.3"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n"))
    assert refused(await petrova.iq(options("n", PETROVA), to=SERVICE)) == (
        "modify",
        "unexpected-request",
        "not-subscribed",
    )
    subids = [subscription(await subscribe(petrova, "n")).get("subid", "") for _ in range(2)]
    for request, expected in (
        (options("n", PETROVA), ("modify", "bad-request", "subid-required")),
        (options("n", PETROVA, "x"), ("modify", "not-acceptable", "invalid-subid")),
        (options("n", ""), ("modify", "bad-request", "jid-required")),
        (options("n", IVANOV), ("auth", "forbidden", "")),
        (options("none", PETROVA), ("cancel", "item-not-found", "")),
    ):
        assert refused(await petrova.iq(request, to=SERVICE)) == expected
    done(await unsubscribe(petrova, "n", subid=subids[1]))
    shown = values(done(await petrova.iq(options("n", PETROVA), to=SERVICE)))
    assert (shown["deliver"], shown["include_body"], shown["show-values"]) == (["1"], ["0"], [])
    # The values of the example in §6.3.5
    chosen = form("subscribe_options", {"deliver": "0", "digest": "0", "show-values": ("chat", "online")})
    done(await petrova.iq(options("n", PETROVA, inner=chosen), "set", SERVICE))
    assert values(done(await petrova.iq(options("n", PETROVA), to=SERVICE)))["deliver"] == ["0"]
    done(await publish(ivanov, "n", item("1")))
    await silent(petrova)
    cancelled = "<x xmlns='jabber:x:data' type='cancel'/>"
    done(await petrova.iq(options("n", PETROVA, inner=cancelled), "set", SERVICE))
    default = values(done(await petrova.iq(pubsub("<default node='n'/>"), to=SERVICE)))
    assert default["deliver"] == ["1"]
    assert values(done(await petrova.iq(pubsub("<default/>"), to=SERVICE)))["deliver"] == ["1"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deliver", "perhaps"),
        ("digest", "1"),
        ("show-values", "asleep"),
        ("expire", "presence"),
        ("expire", "2003-12-13T23:58:37Z"),
        ("expire", "2103-12-13T23:58:37"),
    ],
)
async def test_options_that_cannot_be(log_in: LogIn, name: str, value: str) -> None:
    ivanov = await log_in(IVANOV)
    done(await create(ivanov, "n"))
    answer = await subscribe(ivanov, "n", options={name: value})
    assert refused(answer) == ("modify", "bad-request", "invalid-options")


async def test_subscribe_with_options(log_in: LogIn) -> None:
    """§6.3.7"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n"))
    answer = done(await subscribe(petrova, "n", options={"show-values": ("dnd",)}))
    assert values(answer)["show-values"] == ["dnd"]
    done(await publish(ivanov, "n", item("1")))
    await silent(petrova)
    await petrova.go_online("<presence><show>dnd</show></presence>")
    done(await publish(ivanov, "n", item("2")))
    assert summary(await event(petrova)) == ["items", "item 2+"]
    named = (
        f"<subscribe node='n' jid='{PETROVA}'/><options node='n'>{form('subscribe_options', {})}</options>"
    )
    assert refused(await petrova.iq(pubsub(named), "set", SERVICE))[1] == "bad-request"
    first = f"<options>{form('subscribe_options', {})}</options><subscribe node='n' jid='{PETROVA}'/>"
    assert refused(await petrova.iq(pubsub(first), "set", SERVICE))[1] == "bad-request"


async def test_a_lease_ends(log_in: LogIn) -> None:
    """§12.19"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n"))
    end = (datetime.now(UTC) + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    done(await subscribe(petrova, "n", options={"expire": end}))
    listed = [petrova]
    while listed:
        own = done(await petrova.iq(pubsub("<subscriptions/>"), to=SERVICE))
        listed = list(own.iter(f"{{{PUBSUB}}}subscription"))  # type: ignore[arg-type]
    done(await publish(ivanov, "n", item("1")))
    assert not [each for each in await petrova.settle() if each.find("ev:event", NAMESPACES) is not None]


async def test_only_who_is_there_is_told(log_in: LogIn) -> None:
    """§12.6"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA, online=False)
    done(await create(ivanov, "n", presence_based_delivery="1"))
    done(await subscribe(petrova, "n", jid=IVANOV.replace("ivanov", "petrova")))
    done(await publish(ivanov, "n", item("1")))
    await petrova.go_online()
    await silent(petrova)
    done(await publish(ivanov, "n", item("2")))
    assert summary(await event(petrova)) == ["items", "item 2+"]
