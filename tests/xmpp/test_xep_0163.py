# SPDX-License-Identifier: Apache-2.0
"""XEP-0163: accounts as whole pubsub services: access models, explicit subscriptions, private storage
(XEP-0223), public storage (XEP-0222), displayed markers (XEP-0490); contacts and strangers watching."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.world import IVANOV, PETROVA, SIDOROV, World
from tests.xmpp.client import NAMESPACES, Client
from tests.xmpp.conftest import LogIn
from tests.xmpp.nodes import (
    PUBSUB,
    configure,
    create,
    done,
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
    values,
)
from tests.xmpp.test_pep import wants
from tests.xmpp.test_xep_0060_members import answer
from tests.xmpp.workers import SETTINGS, Workers

INFO = "<query xmlns='http://jabber.org/protocol/disco#info'{}/>"
ITEMS = "<query xmlns='http://jabber.org/protocol/disco#items'{}/>"
DISPLAYED = "urn:xmpp:mds:displayed:0"
PRIVATE = {"persist_items": "true", "access_model": "whitelist"}


async def grant(client: Client, jid: str, affiliation: str) -> None:
    inner = f"<affiliation jid='{jid}' affiliation='{affiliation}'/>"
    done(await client.iq(owner(f"<affiliations node='n'>{inner}</affiliations>"), "set"))


async def test_the_features(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    info = done(await petrova.iq(INFO.format(""), to=IVANOV))
    features = {each.get("var") for each in info.iterfind("disco:query/disco:feature", NAMESPACES)}
    for feature in ("publish", "auto-create", "filtered-notifications", "last-published", "pubsub-on-a-jid"):
        assert f"{PUBSUB}#{feature}" in features
    identities = {each.get("type") for each in info.iterfind("disco:query/disco:identity", NAMESPACES)}
    assert identities == {"registered", "pep"}
    assert refused(await sidorov.iq(INFO.format(""), to=IVANOV))[1] == "service-unavailable"
    done(await publish(ivanov, "n", item("1"), to=IVANOV))
    node = done(await petrova.iq(INFO.format(" node='n'"), to=IVANOV))
    assert values(node)["owner"] == [IVANOV]
    for node_part in (" node='n'", " node='none'"):  # XEP-0030 §8: as if there were no such account
        assert refused(await sidorov.iq(INFO.format(node_part), to=IVANOV))[1] == "service-unavailable"


async def test_who_may_not_see_an_account_learns_not_whether_it_is_there(log_in: LogIn) -> None:
    """XEP-0030 §8: no items, no information, for somebody's account as for nobody's."""
    ivanov, sidorov = await log_in(IVANOV), await log_in(SIDOROV)
    done(await publish(ivanov, "n", item("1"), to=IVANOV))
    for whose in (IVANOV, "nobody@digital.example"):
        for node_part in ("", " node='n'", " node='none'"):
            assert refused(await sidorov.iq(INFO.format(node_part), to=whose))[1] == "service-unavailable"
            assert not len(done(await sidorov.iq(ITEMS.format(node_part), to=whose))[0])


async def test_contacts_are_shown_what_they_may_see(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    for node, model in (
        ("a", "open"),
        ("b", "whitelist"),
        ("c", "presence"),
        ("d", "roster"),
        ("e", "authorize"),
    ):
        done(await publish(ivanov, node, item("1"), to=IVANOV, options={"access_model": model}))
    shown = done(await petrova.iq(ITEMS.format(""), to=IVANOV))
    assert [each.get("node") for each in shown.iterfind("items:query/items:item", NAMESPACES)] == [
        "a",
        "c",
        "e",
    ]
    own = done(await ivanov.iq(ITEMS.format("")))
    assert len(own.findall("items:query/items:item", NAMESPACES)) == 5
    inside = done(await petrova.iq(ITEMS.format(" node='a'"), to=IVANOV))
    assert [each.get("name") for each in inside.iterfind("items:query/items:item", NAMESPACES)] == ["1"]
    assert refused(await petrova.iq(ITEMS.format(" node='b'"), to=IVANOV))[1] == "not-allowed"


@pytest.mark.parametrize(
    ("model", "is_told"),
    [("open", True), ("presence", True), ("roster", False), ("whitelist", False), ("authorize", False)],
)
async def test_who_hears_by_access_model(log_in: LogIn, model: str, is_told: bool) -> None:
    ivanov, phone = await log_in(IVANOV), await log_in(IVANOV, "phone")
    petrova, sidorov = await log_in(PETROVA), await log_in(SIDOROV)
    for client in (phone, petrova, sidorov):
        await wants(client, "n")
    done(await create(ivanov, "n", to=IVANOV, access_model=model))
    done(await publish(ivanov, "n", item("1"), to=IVANOV))
    assert summary(await event(phone, IVANOV)) == ["items", "item 1+"]
    if is_told:
        assert summary(await event(petrova, IVANOV)) == ["items", "item 1+"]
    else:
        await silent(petrova)
    await silent(sidorov)
    if model == "roster":
        group = f"<query xmlns='jabber:iq:roster'><item jid='{PETROVA}'><group>friends</group></item></query>"
        done(await ivanov.iq(group, "set"))
        done(await configure(ivanov, "n", to=IVANOV, roster_groups_allowed="friends"))
    else:
        await grant(ivanov, PETROVA, "member")
    done(await publish(ivanov, "n", item("2"), to=IVANOV))
    assert summary(await event(petrova, IVANOV)) == ["items", "item 2+"]
    later = await log_in(PETROVA, "later")
    await wants(later, "n")
    last = await message_with_event(later, IVANOV)  # §4.3.4
    assert last.find("delay:delay", NAMESPACES) is not None
    await grant(ivanov, PETROVA, "outcast")
    done(await publish(ivanov, "n", item("3"), to=IVANOV))
    await silent(petrova)


async def test_an_explicit_subscription(log_in: LogIn) -> None:
    """§4.1: who does not see the presence may subscribe to an open node."""
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await wants(petrova, "n")
    done(await create(ivanov, "n", to=IVANOV, access_model="open"))
    for _ in range(2):  # once more is no second subscription here
        made = done(await subscribe(sidorov, "n", to=IVANOV)).find("ps:pubsub/ps:subscription", NAMESPACES)
        assert made is not None
    done(await subscribe(petrova, "n", to=IVANOV))
    done(await publish(ivanov, "n", item("1"), to=IVANOV))
    for client in (petrova, sidorov):  # petrova, who asked for it twice over, is told once
        assert summary(await event(client, IVANOV)) == ["items", "item 1+"]
        await silent(client)
    done(await retract(ivanov, "n", "1", to=IVANOV))
    assert summary(await event(sidorov, IVANOV)) == ["items", "retract 1"]
    done(await ivanov.iq(owner("<delete node='n'/>"), "set"))
    assert summary(await event(sidorov, IVANOV)) == ["delete"]


async def test_a_person_approves_subscriptions(log_in: LogIn) -> None:
    ivanov, sidorov = await log_in(IVANOV), await log_in(SIDOROV)
    done(await create(ivanov, "n", to=IVANOV, access_model="authorize"))
    done(await subscribe(sidorov, "n", to=IVANOV))
    asked = await ivanov.receive("c:message", lambda each: each.find("data:x", NAMESPACES) is not None)
    assert asked.get("from") == IVANOV
    ivanov.send(answer(asked, "1").replace("pubsub.digital.example", IVANOV))
    assert (await event(sidorov, IVANOV)).get("subscription") == "subscribed"
    done(await publish(ivanov, "n", item("1"), to=IVANOV))
    assert summary(await event(sidorov, IVANOV)) == ["items", "item 1+"]
    done(await subscribe(sidorov, "n", to=IVANOV))
    command = f"<command xmlns='http://jabber.org/protocol/commands' node='{PUBSUB}#get-pending'/>"
    done(await ivanov.iq(command, "set", IVANOV))


async def test_others_do_not_rule_an_account(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await publish(ivanov, "n", item("1"), to=IVANOV))
    assert refused(await create(petrova, "m", to=IVANOV)) == ("auth", "forbidden", "")
    assert refused(await publish(petrova, "m", item("1"), to=IVANOV))[1] == "item-not-found"
    assert refused(await publish(petrova, "n", item("2"), to=IVANOV))[1] == "forbidden"
    assert refused(await configure(petrova, "n", to=IVANOV, access_model="open"))[1] == "forbidden"
    await grant(ivanov, PETROVA, "publisher")
    done(await publish(petrova, "n", item("2"), to=IVANOV))
    stored = (await fetch(ivanov, "n", to=IVANOV)).find(".//ps:item", NAMESPACES)
    assert stored is not None
    assert stored.get("publisher") == PETROVA
    inner = (
        f"<affiliation jid='{IVANOV}' affiliation='none'/><affiliation jid='{PETROVA}' affiliation='owner'/>"
    )
    failed = await ivanov.iq(owner(f"<affiliations node='n'>{inner}</affiliations>"), "set")
    assert refused(failed)[1] == "not-acceptable"
    nobody = await petrova.iq(pubsub("<items node='n'/>"), to="nobody@digital.example")
    assert refused(nobody)[1] == "service-unavailable"


async def test_the_last_item_only_where_it_is_wanted(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    for node, options in (("never", {"send_last_published_item": "never"}), ("always", {})):
        done(await publish(ivanov, node, item("1"), to=IVANOV, options=options))
    phone = await log_in(IVANOV, "phone")
    await wants(phone, "never", "always")
    assert (await event(phone, IVANOV)).get("node") == "always"
    await silent(phone)


async def test_private_storage(log_in: LogIn) -> None:
    """XEP-0223 §3; publish-options keep private what is private."""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await wants(petrova, "storage:x", DISPLAYED)
    done(await publish(ivanov, "storage:x", item("current"), to=IVANOV, options=PRIVATE))
    done(await publish(ivanov, "storage:x", item("current"), to=IVANOV, options=PRIVATE))
    assert refused(await fetch(petrova, "storage:x", to=IVANOV)) == ("cancel", "not-allowed", "closed-node")
    done(await configure(ivanov, "storage:x", to=IVANOV, access_model="open"))
    unmet = await publish(ivanov, "storage:x", item("current"), to=IVANOV, options=PRIVATE)
    assert refused(unmet) == ("cancel", "conflict", "precondition-not-met")
    unknown = await publish(ivanov, "new", item("1"), to=IVANOV, options={"colour": "red"})
    assert refused(unknown)[2] == "precondition-not-met"
    assert refused(await fetch(ivanov, "new", to=IVANOV))[1] == "item-not-found"


async def test_what_was_displayed_is_seen_by_all_devices(log_in: LogIn) -> None:
    """XEP-0490"""
    ivanov, phone, petrova = await log_in(IVANOV), await log_in(IVANOV, "phone"), await log_in(PETROVA)
    await wants(phone, DISPLAYED)
    await wants(petrova, DISPLAYED)
    options = PRIVATE | {"max_items": "max", "send_last_published_item": "never"}
    for number, jid in enumerate((PETROVA, SIDOROV, PETROVA)):
        stanza_id = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{IVANOV}' id='{number}'/>"
        displayed = f"<displayed xmlns='{DISPLAYED}'>{stanza_id}</displayed>"
        done(await publish(ivanov, DISPLAYED, item(jid, displayed), to=IVANOV, options=options))
        assert summary(await event(phone, IVANOV)) == ["items", f"item {jid}+"]
    assert ids(await fetch(phone, DISPLAYED, to=IVANOV)) == [SIDOROV, PETROVA]
    await silent(petrova)


async def test_an_account_has_a_bounded_number_of_nodes(tmp_path: Path) -> None:
    async with (
        World(tmp_path, settings={"xmpp": {"nodes_owned": 2}}) as world,
        Client(world, IVANOV) as ivanov,
    ):
        await ivanov.log_in()
        for node in ("a", "b"):
            done(await publish(ivanov, node, item("1"), to=IVANOV))
        assert refused(await publish(ivanov, "c", item("1"), to=IVANOV))[1] == "resource-constraint"
        assert refused(await create(ivanov, "c", to=IVANOV))[1] == "resource-constraint"


async def test_events_reach_people_on_other_workers(tmp_path: Path, store_url: str) -> None:
    async with (
        World(tmp_path, process=True, store_url=store_url, settings=SETTINGS) as world,
        Workers(world) as workers,
    ):
        first, second = workers.pids
        ivanov = await workers.log_in(first, IVANOV)
        petrova = await workers.log_in(second, PETROVA)
        sidorov = await workers.log_in(second, SIDOROV)
        await wants(petrova, "n")
        await petrova.settle()
        done(await create(ivanov, "n", to=IVANOV, access_model="open"))
        done(await subscribe(sidorov, "n", to=IVANOV))
        done(await publish(ivanov, "n", item("1"), to=IVANOV))
        for client in (petrova, sidorov):
            assert summary(await event(client, IVANOV)) == ["items", "item 1+"]
        done(await create(ivanov, "s"))
        done(await subscribe(petrova, "s"))
        done(await publish(ivanov, "s", item("2")))
        assert summary(await event(petrova)) == ["items", "item 2+"]
        assert ids(await fetch(petrova, "s")) == ["2"]


async def test_who_blocks_hears_nothing(log_in: LogIn) -> None:
    """XEP-0191 §3.3"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await wants(petrova, "n")
    await petrova.settle()
    done(await petrova.iq(f"<block xmlns='urn:xmpp:blocking'><item jid='{IVANOV}'/></block>", "set"))
    done(await publish(ivanov, "n", item("1"), to=IVANOV))
    assert not [each for each in await petrova.settle() if each.find("ev:event", NAMESPACES) is not None]
