# SPDX-License-Identifier: Apache-2.0
"""Grants, tokens and clients of OAuth as rows."""

from __future__ import annotations

from dataclasses import replace

from armgs_server.storage import Store, clock, oauth
from armgs_server.storage.oauth import Client, Grant, Kind, Token
from armgs_server.storage.tx import Tx

NOW = 1_800_000_000 * clock.SECOND
GRANT = Grant(7, "first", oauth.hash_of("client"), "Program", "mail", NOW, NOW, NOW + clock.DAY)


def token(text: str, kind: Kind, *, grant_id: str = "first", created: int = NOW) -> Token:
    return Token(7, oauth.hash_of(text), grant_id, kind, "mail", "", created, NOW + clock.HOUR, 0)


async def test_a_token_is_found_by_its_text_alone(store: Store) -> None:
    text = oauth.new_text(7)

    async def work(tx: Tx) -> None:
        await oauth.add_grant(tx, GRANT, limit=5, now=NOW)
        await oauth.add_token(tx, token(text, "access"))

    await store.write(work)
    found = await store.read(lambda tx: oauth.token(tx, text))
    assert found == token(text, "access")
    for other in (oauth.new_text(7), text.replace("7.", "8.", 1), text[:-1], "", "7", "7.", ".x", "-7.x"):
        assert await store.read(lambda tx, other=other: oauth.token(tx, other)) is None  # type: ignore[misc]
    assert await store.read(lambda tx: oauth.grant(tx, 7, "first")) == GRANT
    assert await store.read(lambda tx: oauth.grant(tx, 8, "first")) is None


async def test_a_grant_goes_with_its_tokens(store: Store) -> None:
    async def work(tx: Tx) -> None:
        for id_ in ("first", "second"):
            await oauth.add_grant(tx, replace(GRANT, id=id_), limit=5, now=NOW)
            await oauth.add_token(tx, token(f"7.{id_}", "refresh", grant_id=id_))

    await store.write(work)
    assert await store.write(lambda tx: oauth.remove_grant(tx, 7, "first"))
    assert not await store.write(lambda tx: oauth.remove_grant(tx, 7, "first"))
    assert await store.read(lambda tx: oauth.token(tx, "7.first")) is None
    assert await store.read(lambda tx: oauth.token(tx, "7.second")) is not None


async def test_grants_over_the_limit_and_over_their_time_go(store: Store) -> None:
    async def work(tx: Tx) -> None:
        for number in range(4):
            made = replace(GRANT, id=str(number), last_used=NOW + number)
            await oauth.add_grant(tx, made, limit=3, now=NOW)
        await oauth.add_grant(tx, replace(GRANT, id="over", expires=NOW - 1), limit=3, now=NOW)
        await oauth.add_grant(tx, replace(GRANT, id="last", last_used=0), limit=3, now=NOW)

    await store.write(work)
    found = await store.read(lambda tx: oauth.grants(tx, 7, NOW))
    assert [each.id for each in found] == ["3", "2"]  # "last" has not been used yet
    assert await store.read(lambda tx: oauth.grant(tx, 7, "over")) is None
    await store.write(lambda tx: oauth.use_grant(tx, 7, "last", NOW + 9, NOW + 2 * clock.DAY))
    found = await store.read(lambda tx: oauth.grants(tx, 7, NOW))
    assert (found[0].id, found[0].expires) == ("last", NOW + 2 * clock.DAY)
    await store.write(lambda tx: oauth.use_grant(tx, 7, "last", NOW + 10))
    assert await store.read(lambda tx: oauth.grants(tx, 7, NOW + 3 * clock.DAY)) == []


async def test_what_is_over_or_too_much_is_tidied(store: Store) -> None:
    async def work(tx: Tx) -> None:
        for number in range(5):
            await oauth.add_token(tx, token(f"7.a{number}", "access", created=NOW + number))
        for number in range(oauth.SPENT_KEPT + 2):
            spent = token(f"7.r{number}", "refresh", created=NOW + number)
            await oauth.add_token(tx, spent)
            await oauth.spend(tx, spent, NOW + number + 1)
        await oauth.add_token(tx, token("7.good", "refresh"))
        await oauth.add_token(tx, replace(token("7.over", "code"), expires=NOW))
        await oauth.tidy(tx, 7, "first", now=NOW, access_tokens=2)

    await store.write(work)

    async def left(tx: Tx) -> set[str]:
        names = [*(f"a{number}" for number in range(5)), "good", "over"]
        names += [f"r{number}" for number in range(oauth.SPENT_KEPT + 2)]
        return {name for name in names if await oauth.token(tx, f"7.{name}") is not None}

    kept = {f"r{number}" for number in range(2, oauth.SPENT_KEPT + 2)}
    assert await store.read(left) == {"a3", "a4", "good", *kept}


async def test_clients_are_entered_changed_and_removed(store: Store) -> None:
    client = Client("portal", "Portal", b"\x01" * 32, ("https://a.example/", "https://b.example/"), NOW)
    await store.write(lambda tx: oauth.put_client(tx, client))
    await store.write(lambda tx: oauth.put_client(tx, replace(client, id="other", secret=b"")))
    assert await store.read(lambda tx: oauth.client(tx, "portal")) == client
    await store.write(lambda tx: oauth.put_client(tx, replace(client, name="New name")))
    found = await store.read(oauth.clients)
    assert [each.name for each in found] == ["Portal", "New name"]
    assert "01" not in repr(client)
    assert await store.write(lambda tx: oauth.remove_client(tx, "portal"))
    assert not await store.write(lambda tx: oauth.remove_client(tx, "portal"))
    assert await store.read(lambda tx: oauth.client(tx, "portal")) is None
