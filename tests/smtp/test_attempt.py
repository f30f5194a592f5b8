# SPDX-License-Identifier: Apache-2.0
"""smtp/attempt.py: the result of one attempt, for servers elsewhere and for mailboxes here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from armgs_server.service import Core
from armgs_server.smtp import attempt
from armgs_server.smtp.attempt import Attempts, Result
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.routing import Routing
from armgs_server.storage import accounts, queue
from armgs_server.storage.queue import Destination, Entry
from armgs_server.trust.model import Departure, Seal
from tests.smtp.conftest import MakeCore
from tests.smtp.sink import Sink, running_sink
from tests.world import PETROVA


async def entries(core: Core, *destinations: Destination, sender: str = "a@b.example") -> list[Entry]:
    ref = core.store.blobs.small(b"Subject: x\r\n\r\n")
    await core.store.write(
        lambda tx: queue.enqueue(tx, ref, destinations, owner=0, sender=sender, now=1, lifetime=1)
    )
    return await core.store.write(lambda tx: queue.claim(tx, 1, 1, 10))


async def results(core: Core, *destinations: Destination, sender: str = "a@b.example") -> list[Result]:
    rows = await entries(core, *destinations, sender=sender)
    found = await deliver(core, rows)
    return [found[entry.id] for entry in rows]


async def deliver(core: Core, rows: Sequence[Entry], seal: Seal | None = None) -> Mapping[int, Result]:
    attempts = Attempts(core, seal)
    try:
        return await attempts.deliver(rows, 1)
    finally:
        await attempts.close()


def test_what_is_final() -> None:
    assert Result("2.1.5", "Delivered").is_final
    assert Result("5.1.1", "No").is_final
    assert not Result("4.2.2", "Full").is_final
    late = Result("4.2.2", "Full").given_up()
    assert late.is_final and not late.is_delivered and late.status == "4.2.2"


async def test_the_next_server_is_tried_when_one_is_dead(
    make_core: MakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from armgs_server.smtp.routing import Host

    async with running_sink(Sink()) as dead:
        pass
    async with running_sink(Sink()) as alive:

        async def hosts(self: Routing, domain: str, sender: str) -> list[Host]:
            return [Host("dead", "127.0.0.1", dead.port), Host("alive", "127.0.0.1", alive.port)]

        monkeypatch.setattr(Routing, "hosts", hosts)
        [result] = await results(await make_core(), Destination("x@other.example", "other.example"))
    assert (result.status, result.remote_mta) == ("2.6.0", "alive")


async def test_mailboxes_here(make_core: MakeCore) -> None:
    core = await make_core()
    petrova = await core.directory.by_address(PETROVA)
    assert petrova is not None
    [by_owner] = await results(
        core, Destination("all@digital.example", "digital.example", {"mailbox": petrova.id})
    )
    [by_address] = await results(core, Destination(PETROVA, "digital.example"))
    assert by_owner.owners == by_address.owners == (petrova.id,)
    assert by_owner.index is not None
    [nobody] = await results(core, Destination("nobody@digital.example", "digital.example"))
    assert (nobody.status, nobody.is_final) == ("5.1.1", True)
    [gone] = await results(core, Destination(PETROVA, "digital.example", {"mailbox": 999_999}))
    assert gone.status == "5.1.1"


async def test_a_message_that_is_gone_is_given_up(make_core: MakeCore) -> None:
    core = await make_core()
    rows = await entries(core, Destination("x@other.example", "other.example"))
    await core.store.write(lambda tx: tx.execute("DELETE FROM blob WHERE hash = ?", rows[0].blob))
    found = await deliver(core, rows)
    assert found[rows[0].id].status == "5.3.0"


async def test_a_mailbox_that_fills_up_at_the_last_moment_waits_on(make_core: MakeCore) -> None:
    core = await make_core()
    [row] = await entries(core, Destination(PETROVA, "digital.example"))
    result = (await deliver(core, [row]))[row.id]
    await core.store.write(lambda tx: accounts.set_quota(tx, result.owners[0], 1))
    await core.store.write(lambda tx: attempt.keep(tx, Delivery(core), row, result, 5))
    again = await core.store.write(lambda tx: queue.claim(tx, 5, 1, 10))
    assert [each.data.get("mailbox") for each in again if each.id != row.id] == [result.owners[0]]


async def test_what_leaves_is_sealed_without_our_return_path(make_core: MakeCore) -> None:
    seen: list[Departure] = []

    async def seal(departure: Departure) -> bytes:
        seen.append(departure)
        return b"DKIM-Signature: x\r\n"

    async with running_sink(Sink()) as sink:
        core = await make_core(relay_routes=(f"other.example=127.0.0.1:{sink.port}",))
        data = {"skip": len(b"Subject: x\r\n")}
        rows = await entries(core, Destination("x@other.example", "other.example", data))
        found = await deliver(core, rows, seal)
    assert found[rows[0].id].is_delivered
    assert seen == [Departure(b"\r\n", "a@b.example", 0)]
    assert sink.messages[0].content == b"DKIM-Signature: x\r\n\r\n"
