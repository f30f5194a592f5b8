# SPDX-License-Identifier: Apache-2.0
"""What of a roster follows from the directory: units, heads, and people who come and go."""

from __future__ import annotations

from armgs_server.directory import Change
from tests.world import IVANOV, PASSWORD, PETROVA, World
from tests.xmpp.client import NAMESPACES, Client
from tests.xmpp.conftest import LogIn

BOSS = "boss@digital.example"


async def seen_by(client: Client) -> dict[str, str]:
    """Subscription by contact."""
    answer = await client.iq("<query xmlns='jabber:iq:roster'/>")
    items = answer.iterfind("roster:query/roster:item", NAMESPACES)
    return {item.get("jid", ""): item.get("subscription", "") for item in items}


async def tree(world: World) -> None:
    """ivanov in one unit, petrova in another, and who leads the department."""
    directory = world.directory
    ivanov, petrova = await directory.by_address(IVANOV), await directory.by_address(PETROVA)
    assert ivanov is not None
    assert petrova is not None
    first = await directory.create_unit(ivanov.department, "First")
    second = await directory.create_unit(ivanov.department, "Second")
    await directory.update(ivanov.id, Change(unit=first.id))
    await directory.update(petrova.id, Change(unit=second.id))
    await directory.create_person(BOSS, "Boss", password=PASSWORD, head=True)


async def test_everybody_sees_the_heads_and_only_their_unit(world: World, log_in: LogIn) -> None:
    await tree(world)
    ivanov, petrova, boss = await log_in(IVANOV), await log_in(PETROVA), await log_in(BOSS)
    assert await seen_by(ivanov) == {BOSS: "to"}
    assert await seen_by(petrova) == {BOSS: "to"}
    assert await seen_by(boss) == {}
    boss.send("<presence><show>dnd</show></presence>")
    for client in (ivanov, petrova):
        shown = await client.receive(
            "c:presence",
            lambda each: each.get("from") == boss.full and each.find("c:show", NAMESPACES) is not None,
        )
        assert shown.findtext("c:show", "", NAMESPACES) == "dnd"
    assert not [stanza for stanza in await ivanov.settle() if stanza.get("from") == petrova.full]
    assert not [stanza for stanza in await boss.settle() if stanza.get("from") == ivanov.full]


async def test_a_new_colleague_changes_the_version(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    answer = await ivanov.iq("<query xmlns='jabber:iq:roster' ver=''/>")
    query = answer.find("roster:query", NAMESPACES)
    assert query is not None
    version = query.get("ver")
    await world.directory.create_person("new@digital.example", "New", password=PASSWORD)
    answer = await ivanov.iq(f"<query xmlns='jabber:iq:roster' ver='{version}'/>")
    jids = {item.get("jid") for item in answer.iterfind("roster:query/roster:item", NAMESPACES)}
    assert jids == {PETROVA, "new@digital.example"}
    new = await log_in("new@digital.example")
    await ivanov.presence_of(new.full)


async def test_who_is_disabled_is_in_no_roster(world: World, log_in: LogIn) -> None:
    petrova = await world.directory.by_address(PETROVA)
    assert petrova is not None
    await world.directory.disable(petrova.id)
    assert await seen_by(await log_in(IVANOV)) == {}
