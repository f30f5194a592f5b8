# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §8.6-§8.9: approval of subscriptions, and the owners' lists, with those concerned watching."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

from tests.world import IVANOV, PETROVA, SIDOROV, World
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
    owner,
    publish,
    pubsub,
    refused,
    silent,
    subscribe,
    summary,
    values,
)

GET_PENDING = f"{PUBSUB}#get-pending"


async def request_of(client: Client) -> Element:
    """The form that asks an owner."""
    return await client.receive(
        "c:message",
        lambda each: each.get("from") == SERVICE and each.find("data:x", NAMESPACES) is not None,
    )


def answer(asked: Element, allow: str, type_: str = "submit") -> str:
    told = {name: found[0] for name, found in values(asked).items() if name != "FORM_TYPE"}
    chosen = form("subscribe_authorization", told | {"allow": allow}, type_)
    return f"<message to='{SERVICE}' id='{asked.get('id')}'>{chosen}</message>"


async def change(client: Client, kind: str, *entries: tuple[str, str], node: str = "n") -> Element:
    attribute = kind.removesuffix("s")
    inner = "".join(f"<{attribute} jid='{jid}' {attribute}='{value}'/>" for jid, value in entries)
    return await client.iq(owner(f"<{kind} node='{node}'>{inner}</{kind}>"), "set", SERVICE)


async def listed(client: Client, kind: str) -> dict[str | None, str | None]:
    found = done(await client.iq(owner(f"<{kind} node='n'/>"), to=SERVICE))
    attribute = kind.removesuffix("s")
    return {each.get("jid"): each.get(attribute) for each in found.iter(f"{{{PUBSUB}#owner}}{attribute}")}


async def test_an_owner_approves_and_denies(log_in: LogIn) -> None:
    """§6.1.4, §8.6"""
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    done(await create(ivanov, "n", access_model="authorize"))
    for client, allow, state in ((petrova, "true", "subscribed"), (sidorov, "0", "none")):
        pending = done(await subscribe(client, "n")).find("ps:pubsub/ps:subscription", NAMESPACES)
        assert pending is not None
        assert pending.get("subscription") == "pending"
        assert refused(await subscribe(client, "n")) == ("auth", "not-authorized", "pending-subscription")
        asked = await request_of(ivanov)
        assert values(asked)["subscriber_jid"] == [client.jid]
        assert values(asked)["node"] == ["n"]
        assert values(asked)["allow"] == ["0"]
        client.send(answer(asked, "1"))  # nobody approves themselves
        assert refused(await client.receive("c:message"))[1] == "forbidden"
        ivanov.send(answer(asked, "1", "cancel"))
        assert await listed(ivanov, "subscriptions") == ({PETROVA: "subscribed"} if client is sidorov else {})
        ivanov.send(answer(asked, allow))
        told = await event(client)
        assert (told.get("node"), told.get("subscription")) == ("n", state)
    done(await publish(ivanov, "n", item("1")))
    assert summary(await event(petrova)) == ["items", "item 1+"]
    await silent(sidorov)


async def test_requests_that_wait_are_asked_for(log_in: LogIn) -> None:
    """§8.7"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n", access_model="authorize"))
    done(await create(ivanov, "open"))
    done(await subscribe(petrova, "n"))
    await request_of(ivanov)
    command = f"<command xmlns='http://jabber.org/protocol/commands' node='{GET_PENDING}' action='execute'/>"
    first = done(await ivanov.iq(command, "set", SERVICE)).find("cmd:command", NAMESPACES)
    assert first is not None
    assert first.get("status") == "executing"
    options = [each.text for each in first.iterfind(".//data:option/data:value", NAMESPACES)]
    assert options == ["n"]
    for node, client, expected in (("n", petrova, "forbidden"), ("none", ivanov, "item-not-found")):
        filled = command.replace("/>", f">{form('subscribe_authorization', {'node': node})}</command>")
        assert refused(await client.iq(filled, "set", SERVICE))[1] == expected
    filled = command.replace("/>", f">{form('subscribe_authorization', {'node': 'n'})}</command>")
    second = done(await ivanov.iq(filled, "set", SERVICE)).find("cmd:command", NAMESPACES)
    assert second is not None
    assert second.get("status") == "completed"
    assert values(await request_of(ivanov))["subscriber_jid"] == [PETROVA]
    other = command.replace(GET_PENDING, "urn:other")
    assert refused(await ivanov.iq(other, "set", SERVICE))[1] == "item-not-found"
    items = (
        "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>"
    )
    offered = done(await ivanov.iq(items, to=SERVICE)).find("items:query/items:item", NAMESPACES)
    assert offered is not None
    assert offered.get("node") == GET_PENDING


async def test_the_list_of_subscriptions(log_in: LogIn) -> None:
    """§8.8"""
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    done(await create(ivanov, "n", access_model="authorize"))
    done(await subscribe(sidorov, "n"))
    assert await listed(ivanov, "subscriptions") == {}
    done(await change(ivanov, "subscriptions", (PETROVA, "subscribed"), (SIDOROV, "subscribed")))
    for client in (petrova, sidorov):
        assert (await event(client)).get("subscription") == "subscribed"
    assert await listed(ivanov, "subscriptions") == {PETROVA: "subscribed", SIDOROV: "subscribed"}
    failed = await change(ivanov, "subscriptions", (PETROVA, "none"), (SIDOROV, "wrong"))
    assert refused(failed) == ("modify", "not-acceptable", "")
    kept = failed.findall("own:pubsub/own:subscriptions/own:subscription", NAMESPACES)
    assert [(each.get("jid"), each.get("subscription")) for each in kept] == [(SIDOROV, "subscribed")]
    assert (await event(petrova)).get("subscription") == "none"
    assert await listed(ivanov, "subscriptions") == {SIDOROV: "subscribed"}


async def test_the_list_of_affiliations(log_in: LogIn) -> None:
    """§8.9"""
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    done(await create(ivanov, "n"))
    done(await subscribe(sidorov, "n"))
    done(await change(ivanov, "affiliations", (PETROVA, "publisher"), (SIDOROV, "outcast")))
    notice = await petrova.receive("c:message", lambda each: each.find("ps:pubsub", NAMESPACES) is not None)
    told = notice.find("ps:pubsub/ps:affiliations/ps:affiliation", NAMESPACES)
    assert told is not None
    assert told.get("affiliation") == "publisher"
    assert (await event(sidorov)).get("subscription") == "none"
    assert await listed(ivanov, "affiliations") == {IVANOV: "owner", PETROVA: "publisher", SIDOROV: "outcast"}
    done(await publish(petrova, "n", item("1")))
    await silent(sidorov)
    # The last owner stays (§8.9.2.4); what could be changed is.
    failed = await change(ivanov, "affiliations", (IVANOV, "none"), (SIDOROV, "none"))
    assert refused(failed) == ("modify", "not-acceptable", "")
    kept = failed.findall("own:pubsub/own:affiliations/own:affiliation", NAMESPACES)
    assert [(each.get("jid"), each.get("affiliation")) for each in kept] == [(IVANOV, "owner")]
    assert await listed(ivanov, "affiliations") == {IVANOV: "owner", PETROVA: "publisher"}
    twice = await change(ivanov, "affiliations", (PETROVA, "none"), (PETROVA, "owner"))
    assert refused(twice)[1] == "bad-request"
    assert refused(await change(ivanov, "affiliations", (PETROVA, "king")))[1] == "not-acceptable"
    assert refused(await change(petrova, "affiliations", (PETROVA, "owner"))) == ("auth", "forbidden", "")
    done(await change(ivanov, "affiliations", (PETROVA, "owner")))
    done(await change(petrova, "affiliations", (IVANOV, "none")))
    assert await listed(petrova, "affiliations") == {PETROVA: "owner"}
    assert refused(await configure(ivanov, "n", title="mine"))[1] == "forbidden"


async def test_who_is_trusted_waits_no_more(log_in: LogIn) -> None:
    """§8.7.4"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n", access_model="authorize"))
    done(await subscribe(petrova, "n"))
    done(await change(ivanov, "affiliations", (PETROVA, "member")))
    assert (await event(petrova)).get("subscription") == "subscribed"
    trusted = done(await subscribe(petrova, "n")).find("ps:pubsub/ps:subscription", NAMESPACES)
    assert trusted is not None
    assert trusted.get("subscription") == "subscribed"


async def test_limits(tmp_path: Path) -> None:
    settings = {"xmpp": {"nodes_owned": 2, "node_subscriptions": 2, "node_creators": "everybody"}}
    async with World(tmp_path, settings=settings) as world, Client(world, SIDOROV) as sidorov:
        await sidorov.log_in()
        for node in ("n", "m"):
            done(await create(sidorov, node))
            done(await subscribe(sidorov, node))
        assert refused(await create(sidorov, "o"))[1] == "resource-constraint"
        assert refused(await subscribe(sidorov, "n")) == (
            "wait",
            "policy-violation",
            "too-many-subscriptions",
        )
        many = [(f"{number}@finance.example", "member") for number in range(501)]
        assert refused(await change(sidorov, "affiliations", *many))[1] == "policy-violation"


async def test_the_nodes_of_a_department_have_a_largest_size(tmp_path: Path) -> None:
    async with (
        World(tmp_path, settings={"xmpp": {"nodes_size": 1 << 20}}) as world,
        Client(world, IVANOV) as ivanov,
    ):
        await ivanov.log_in()
        done(await create(ivanov, "n"))
        large = f"<x xmlns='urn:x'>{'a' * 180_000}</x>"
        for number in range(5):
            done(await publish(ivanov, "n", item(str(number), large)))
        assert refused(await publish(ivanov, "n", item("5", large))) == ("wait", "resource-constraint", "")
        done(await publish(ivanov, "n", item("6")))


async def test_only_heads_create_where_it_is_so_configured(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"xmpp": {"node_creators": "heads"}}) as world:
        async with Client(world, IVANOV) as ivanov:
            await ivanov.log_in()
            assert refused(await create(ivanov, "n")) == ("auth", "forbidden", "")


async def test_who_gets_an_address_later_has_no_rights(world: World, log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n"))
    done(await change(ivanov, "affiliations", (PETROVA, "owner")))
    done(await subscribe(petrova, "n"))
    person = await world.directory.by_address(PETROVA)
    assert person is not None
    await world.directory.delete(person.id)
    assert await listed(ivanov, "affiliations") == {IVANOV: "owner"}
    assert await listed(ivanov, "subscriptions") == {}
    assert refused(await ivanov.iq(pubsub("<subscriptions node='none'/>"), to=SERVICE))[1] == "item-not-found"
