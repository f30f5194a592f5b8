# SPDX-License-Identifier: Apache-2.0
"""RFC 6121 §2: versions of the roster, and whose roster a client may change."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import pytest

from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import NAMESPACES, Client, error_of
from tests.xmpp.conftest import LogIn

A, B, C = "a@example.org", "b@example.org", "c@example.org"


async def change(client: Client, item: str, to: str = "") -> Element:
    return await client.iq(f"<query xmlns='jabber:iq:roster'>{item}</query>", "set", to)


async def version_of(client: Client) -> str:
    answer = await client.iq("<query xmlns='jabber:iq:roster' ver=''/>")
    return answer[0].get("ver", "")


async def catch_up(client: Client, version: str) -> list[tuple[str, str, str]]:
    """The pushes after a version: contact, subscription, version; the answer itself must be empty."""
    answer = await client.iq(f"<query xmlns='jabber:iq:roster' ver='{version}'/>")
    assert answer.get("type") == "result" and not len(answer)
    return pushed(await client.settle())


def pushed(stanzas: list[Element]) -> list[tuple[str, str, str]]:
    found = []
    for stanza in stanzas:
        item = stanza.find("roster:query/roster:item", NAMESPACES)
        if item is not None:
            version = stanza[0].get("ver", "")
            found.append((item.get("jid", ""), item.get("subscription", ""), version))
    return found


async def test_each_push_has_the_version_of_its_change(log_in: LogIn) -> None:
    """§2.6.3: in order, every version once, so that a client may stop anywhere and go on from there."""
    ivanov = await log_in(IVANOV)
    version = await version_of(ivanov)
    for item in (
        f"<item jid='{A}'/>",
        f"<item jid='{B}'/>",
        f"<item jid='{C}'/>",
        f"<item jid='{A}' name='Again'/>",
        f"<item jid='{B}' subscription='remove'/>",
    ):
        assert (await change(ivanov, item)).get("type") == "result"
    live = pushed(await ivanov.settle())
    assert [jid for jid, _, _ in live] == [A, B, C, A, B]
    assert len({each for _, _, each in live}) == 5
    later = await log_in(IVANOV, "later")
    missed = await catch_up(later, version)
    assert [(jid, how) for jid, how, _ in missed] == [(C, "none"), (A, "none"), (B, "remove")]
    assert [each for _, _, each in missed] == [each for _, _, each in live[2:]]
    assert await catch_up(later, missed[0][2]) == missed[1:]
    assert await catch_up(later, missed[-1][2]) == []


@pytest.mark.parametrize("whose", [PETROVA, "nobody@digital.example"])
async def test_the_roster_of_somebody_else(log_in: LogIn, whose: str) -> None:
    """§2.1.5: forbidden, whether there is such a person or not."""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    before = await version_of(petrova)
    assert error_of(await change(ivanov, f"<item jid='{A}'/>", whose)) == "forbidden"
    assert await version_of(petrova) == before


async def test_moves_of_the_structure_are_pushed_as_one_version(world: World, log_in: LogIn) -> None:
    """§2.6.3: who has heard a part of them only is told everything anew."""
    ivanov = await log_in(IVANOV)
    await version_of(ivanov)
    people = [f"new{number}@digital.example" for number in range(3)]
    for address in people:
        await world.directory.create_person(address, address)
    versions: dict[str, str] = {}
    while len(versions) < len(people):
        push = await ivanov.receive("c:iq", lambda each: each.find("roster:query", NAMESPACES) is not None)
        versions.update({jid: version for jid, _, version in pushed([push]) if jid in people})
    current = await version_of(ivanov)
    for version in set(versions.values()) - {current}:
        answer = await ivanov.iq(f"<query xmlns='jabber:iq:roster' ver='{version}'/>")
        jids = {item.get("jid") for item in answer.iterfind("roster:query/roster:item", NAMESPACES)}
        assert jids >= set(people)
    assert current in versions.values()
