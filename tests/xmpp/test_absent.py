# SPDX-License-Identifier: Apache-2.0
"""xmpp/absent.py: who is away is shown so to colleagues who log in or ask, unless the person is there."""

from __future__ import annotations

from armgs_server.rules.away import clear_absence, set_absence
from armgs_server.storage import clock
from armgs_server.storage.absences import Absence
from tests.world import IVANOV, PETROVA, SIDOROV, World
from tests.xmpp.client import text
from tests.xmpp.conftest import LogIn


async def go(world: World, address: str, words: str) -> int:
    person = await world.directory.by_address(address)
    assert person is not None
    now = clock.now()
    await set_absence(world.store, Absence(person.id, now, now + clock.DAY, words, ""), now)
    return person.id


async def test_colleagues_see_who_is_away(world: World, log_in: LogIn) -> None:
    owner = await go(world, PETROVA, "В отпуске\nи далеко")
    ivanov = await log_in(IVANOV)
    shown = await ivanov.presence_of(PETROVA, "unavailable")
    assert text(shown, "c:status").startswith("В отпуске (")
    ivanov.send(f"<presence type='probe' to='{PETROVA}'/>")
    assert text(await ivanov.presence_of(PETROVA, "unavailable"), "c:status").startswith("В отпуске (")
    await clear_absence(world.store, owner)
    phone = await log_in(IVANOV, "phone")
    petrova = await log_in(PETROVA)
    assert (await phone.presence_of(petrova.full)).get("type") is None


async def test_who_is_there_speaks_for_themselves(world: World, log_in: LogIn) -> None:
    petrova = await log_in(PETROVA)
    await go(world, PETROVA, "Away")
    ivanov = await log_in(IVANOV)
    await ivanov.presence_of(petrova.full)
    assert [stanza for stanza in await ivanov.settle() if stanza.get("from") == PETROVA] == []


async def test_others_learn_nothing(world: World, log_in: LogIn) -> None:
    """RFC 6121 §4.3.2: who has no subscription is answered by nothing."""
    await go(world, PETROVA, "Away")
    sidorov = await log_in(SIDOROV)
    sidorov.send(f"<presence type='probe' to='{PETROVA}'/>")
    assert [stanza for stanza in await sidorov.settle() if stanza.get("from") == PETROVA] == []
