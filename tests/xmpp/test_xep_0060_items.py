# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §6.5: items read whole, by id, by number and by page; access models."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

from tests.world import IVANOV, PETROVA, SIDOROV, World
from tests.xmpp.client import NAMESPACES, Client
from tests.xmpp.conftest import LogIn
from tests.xmpp.nodes import (
    SERVICE,
    configure,
    create,
    done,
    fetch,
    ids,
    item,
    owner,
    publish,
    pubsub,
    refused,
    subscribe,
)

NAMES = ["1", "2", "3", "4", "5"]


async def fill(client: Client) -> None:
    done(await create(client, "n"))
    for name in NAMES:
        done(await publish(client, "n", item(name)))


async def page(client: Client, inner: str) -> tuple[list[str], dict[str, str | None]]:
    """Ids, and what the set says."""
    rsm = f"<set xmlns='http://jabber.org/protocol/rsm'>{inner}</set>"
    answer = done(await client.iq(pubsub(f"<items node='n'/>{rsm}"), to=SERVICE))
    return ids(answer), covered(answer)


def covered(answer: Element) -> dict[str, str | None]:
    found = answer.find("ps:pubsub/rsm:set", NAMESPACES)
    assert found is not None
    first = found.find("rsm:first", NAMESPACES)
    told = {each: found.findtext(f"rsm:{each}", None, NAMESPACES) for each in ("first", "last", "count")}
    return told | {"index": None if first is None else first.get("index")}


async def test_all_some_and_the_newest(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await fill(ivanov)
    assert ids(await fetch(petrova, "n")) == NAMES
    assert ids(await fetch(petrova, "n", max_items="2")) == ["4", "5"]
    assert ids(await fetch(petrova, "n", max_items="100")) == NAMES
    assert ids(await fetch(petrova, "n", inner="<item id='4'/><item id='2'/><item id='9'/>")) == ["2", "4"]
    assert ids(await fetch(petrova, "n", inner="<item id='9'/>")) == []
    assert refused(await fetch(petrova, "n", max_items="few"))[1] == "bad-request"
    assert refused(await fetch(petrova, "none")) == ("cancel", "item-not-found", "")
    assert refused(await petrova.iq(pubsub("<items/>"), to=SERVICE))[2] == "nodeid-required"


async def test_pages(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await fill(ivanov)
    assert await page(petrova, "<max>2</max>") == (
        ["1", "2"],
        {"first": "1", "last": "2", "count": "5", "index": "0"},
    )
    assert await page(petrova, "<max>2</max><after>2</after>") == (
        ["3", "4"],
        {"first": "3", "last": "4", "count": "5", "index": "2"},
    )
    assert await page(petrova, "<max>2</max><before/>") == (
        ["4", "5"],
        {"first": "4", "last": "5", "count": "5", "index": "3"},
    )
    assert (await page(petrova, "<max>2</max><before>4</before>"))[0] == ["2", "3"]
    assert (await page(petrova, "<max>0</max>")) == (
        [],
        {"first": None, "last": None, "count": "5", "index": None},
    )
    assert (await page(petrova, "<max>2</max><after>5</after>"))[0] == []
    missing = "<set xmlns='http://jabber.org/protocol/rsm'><after>9</after></set>"
    assert refused(await petrova.iq(pubsub(f"<items node='n'/>{missing}"), to=SERVICE))[1] == "item-not-found"


async def test_an_answer_has_a_largest_size(tmp_path: Path) -> None:
    async with (
        World(tmp_path, settings={"xmpp": {"node_page": 65536}}) as world,
        Client(world, IVANOV) as ivanov,
    ):
        await ivanov.log_in()
        done(await create(ivanov, "n"))
        for name in NAMES:
            done(await publish(ivanov, "n", item(name, f"<x xmlns='urn:x'>{'a' * 30000}</x>")))
        whole = await fetch(ivanov, "n")
        assert ids(whole) == ["1", "2"]
        assert covered(whole)["count"] == "5"
        newest = await fetch(ivanov, "n", max_items="5")
        assert ids(newest) == ["4", "5"]
        assert covered(newest)["index"] == "3"


async def test_access_models(log_in: LogIn) -> None:
    """§6.5.9; petrova is a colleague of ivanov, sidorov is not."""
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await fill(ivanov)
    for model, expected in (
        ("open", None),
        ("presence", ("auth", "not-authorized", "presence-subscription-required")),
        ("roster", ("auth", "not-authorized", "not-in-roster-group")),
        ("authorize", ("auth", "not-authorized", "not-subscribed")),
        ("whitelist", ("cancel", "not-allowed", "closed-node")),
    ):
        done(await configure(ivanov, "n", access_model=model))
        answer = await fetch(sidorov, "n")
        assert ids(answer) == NAMES if expected is None else refused(answer) == expected
        assert ids(await fetch(ivanov, "n")) == NAMES
    done(await configure(ivanov, "n", access_model="presence"))
    assert ids(await fetch(petrova, "n")) == NAMES
    done(await configure(ivanov, "n", access_model="roster"))
    assert refused(await fetch(petrova, "n"))[2] == "not-in-roster-group"
    group = f"<query xmlns='jabber:iq:roster'><item jid='{PETROVA}'><group>friends</group></item></query>"
    done(await ivanov.iq(group, "set"))
    done(await configure(ivanov, "n", roster_groups_allowed="friends"))
    assert ids(await fetch(petrova, "n")) == NAMES
    for affiliation, is_allowed in (
        ("member", True),
        ("publisher", True),
        ("publish-only", False),
        ("outcast", False),
    ):
        inner = f"<affiliation jid='{SIDOROV}' affiliation='{affiliation}'/>"
        done(await ivanov.iq(owner(f"<affiliations node='n'>{inner}</affiliations>"), "set", SERVICE))
        answer = await fetch(sidorov, "n")
        assert ids(answer) == NAMES if is_allowed else refused(answer) == ("auth", "forbidden", "")


async def test_subscriptions_are_told_apart(log_in: LogIn) -> None:
    """§6.5.9.1, §6.5.9.2"""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await fill(ivanov)
    subids = []
    for _ in range(2):
        made = done(await subscribe(petrova, "n")).find("ps:pubsub/ps:subscription", NAMESPACES)
        assert made is not None
        subids.append(made.get("subid", ""))
    assert len(set(subids)) == 2
    assert refused(await fetch(petrova, "n")) == ("modify", "bad-request", "subid-required")
    assert refused(await fetch(petrova, "n", subid="x")) == ("modify", "not-acceptable", "invalid-subid")
    assert ids(await fetch(petrova, "n", subid=subids[0])) == NAMES


async def test_a_node_that_keeps_nothing(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    done(await create(ivanov, "n", persist_items="0"))
    done(await publish(ivanov, "n", item("1")))
    assert refused(await fetch(ivanov, "n")) == (
        "cancel",
        "feature-not-implemented",
        "unsupported persistent-items",
    )
