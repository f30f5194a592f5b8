# SPDX-License-Identifier: Apache-2.0
"""Who finds a document locked is told by whom, and when it is free, however the lock ends."""

from __future__ import annotations

from armgs_server.storage import clock, locks
from tests.dav.conftest import IVANOV, PETROVA, Site
from tests.dav.methods.test_lock import SHARED, take

DOCUMENT = f"{SHARED}/plan.odt"
RUSSIAN_HELD = "Файл «plan.odt» занят: {}. Когда освободится, сообщим."


async def told(site: Site) -> dict[str, list[str]]:
    """What was said to each since the last time."""
    rows = await site.store.read(lambda tx: tx.rows("SELECT recipient, text FROM notice ORDER BY id"))
    await site.store.write(lambda tx: tx.execute("DELETE FROM notice"))
    found: dict[str, list[str]] = {}
    for recipient, text in rows:
        found.setdefault(recipient, []).append(text)
    return found


async def waiting(site: Site) -> int:
    return int(await site.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM lock_wait")))


async def test_both_are_told_once_a_turn(both_sites: Site) -> None:
    site, name = both_sites, both_sites.people
    await site.ivanov.request("PUT", DOCUMENT, b"1")
    token = await take(site.petrova, DOCUMENT)
    for _ in range(3):
        await take(site.ivanov, DOCUMENT, status=423)
    assert await told(site) == {
        IVANOV: [RUSSIAN_HELD.format(name[PETROVA].name)],
        PETROVA: [f"Файл «plan.odt» ждёт {name[IVANOV].name}."],
    }
    await take(site.petrova, DOCUMENT, status=423)  # her own lock: nobody is told
    assert await told(site) == {}
    unlock = {"Lock-Token": f"<{token}>"}
    assert (await site.petrova.request("UNLOCK", DOCUMENT, headers=unlock)).status == 204
    assert await told(site) == {IVANOV: ["Файл «plan.odt» свободен."]}
    assert await waiting(site) == 0
    mine = await take(site.ivanov, DOCUMENT)
    await site.ivanov.request("UNLOCK", DOCUMENT, headers={"Lock-Token": f"<{mine}>"})
    assert await told(site) == {}


async def test_a_lock_that_runs_out_tells_too(both_sites: Site) -> None:
    site = both_sites
    await site.ivanov.request("PUT", DOCUMENT, b"1")
    for ended_by_another_lock in (False, True):
        await take(site.petrova, DOCUMENT)
        await take(site.ivanov, DOCUMENT, status=423)
        await told(site)
        await site.store.write(lambda tx: tx.execute("UPDATE lock SET expires = 1"))
        if ended_by_another_lock:
            await site.petrova.request("PUT", f"{SHARED}/other", b"1")
            await take(site.petrova, f"{SHARED}/other")
        else:
            assert await site.store.write(lambda tx: locks.remove_expired(tx, clock.now())) == 1
        assert await told(site) == {IVANOV: ["Файл «plan.odt» свободен."]}


async def test_whoever_gets_it_after_all_waits_no_more(both_sites: Site) -> None:
    site = both_sites
    await site.ivanov.request("PUT", DOCUMENT, b"1")
    await take(site.petrova, DOCUMENT)
    await take(site.ivanov, DOCUMENT, status=423)
    await site.store.write(lambda tx: tx.execute("UPDATE lock SET expires = 1"))
    await take(site.ivanov, DOCUMENT)
    assert await waiting(site) == 0


async def test_with_the_document_goes_who_waits_for_it(both_sites: Site) -> None:
    site = both_sites
    await site.ivanov.request("PUT", DOCUMENT, b"1")
    token = await take(site.petrova, DOCUMENT)
    await take(site.ivanov, DOCUMENT, status=423)
    await told(site)
    gone = await site.petrova.request("DELETE", DOCUMENT, headers={"If": f"(<{token}>)"})
    assert gone.status == 204
    assert await waiting(site) == 0
    assert all("свободен" not in text for texts in (await told(site)).values() for text in texts)


async def test_it_can_be_switched_off(site: Site) -> None:
    object.__setattr__(site.core.config.dav, "lock_notices", False)
    await site.ivanov.request("PUT", DOCUMENT, b"1")
    await take(site.petrova, DOCUMENT)
    await take(site.ivanov, DOCUMENT, status=423)
    assert await told(site) == {} and await waiting(site) == 0
