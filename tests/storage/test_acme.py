# SPDX-License-Identifier: Apache-2.0
"""storage/acme.py: what the client of an ACME CA keeps, and who is told."""

from __future__ import annotations

import dataclasses

from armgs_server.storage import Store, acme, clock
from armgs_server.storage.acme import Account, State

CA = "https://ca.example/dir"
ACCOUNT = Account(CA, "-----BEGIN PRIVATE KEY-----", "https://ca.example/account/1")


async def test_an_account_is_that_of_one_ca(store: Store) -> None:
    assert await store.read(lambda tx: acme.account(tx, CA)) is None
    await store.write(lambda tx: acme.keep_account(tx, ACCOUNT))
    assert await store.read(lambda tx: acme.account(tx, CA)) == ACCOUNT
    assert await store.read(lambda tx: acme.account(tx, "https://other.example/dir")) is None
    assert "PRIVATE" not in repr(ACCOUNT)


async def test_a_new_certificate_is_told(store: Store) -> None:
    told: list[bytes] = []
    end = store.bus.subscribe(acme.TOPIC, told.append)
    assert await store.read(acme.certificate) is None
    await store.write(lambda tx: acme.keep_certificate(tx, b"first"))
    await store.write(lambda tx: acme.keep_certificate(tx, b"second"))
    assert await store.read(acme.certificate) == b"second"
    assert len(told) == 2
    end()


async def test_the_state_is_kept_and_a_demand_ends_the_waiting(store: Store) -> None:
    assert await store.read(acme.state) == State()
    state = State(
        directory=CA, done=1, renew=2, refused={"a.example": "why"}, failures=3, retry=9, error="away"
    )
    await store.write(lambda tx: acme.keep_state(tx, state))
    assert await store.read(acme.state) == state
    await store.write(acme.demand)
    assert await store.read(acme.state) == dataclasses.replace(state, demanded=True, retry=0)


async def test_challenges_are_answered_until_their_order_is_over(store: Store) -> None:
    now = clock.now()
    await store.write(lambda tx: acme.keep_challenges(tx, {"a": "a.print", "b": "b.print"}, now + 10))
    assert await store.read(lambda tx: acme.challenge(tx, "a", now)) == b"a.print"
    assert await store.read(lambda tx: acme.challenge(tx, "a", now + 10)) is None
    await store.write(lambda tx: acme.keep_challenges(tx, {"c": "c.print"}, now + 10))
    assert await store.read(lambda tx: acme.challenge(tx, "b", now)) is None
    assert await store.read(lambda tx: acme.challenge(tx, "c", now)) == b"c.print"
