# SPDX-License-Identifier: Apache-2.0
"""Chat rooms as they are kept, on both engines."""

from __future__ import annotations

from armgs_server.storage import Store, rooms
from armgs_server.storage.rooms import AffiliationRecord, RoomRecord

TEA = "tea@conference.digital.example"
OWNER = AffiliationRecord("ivanov@digital.example", "owner", "", "")


async def test_a_room_comes_back_as_it_was_kept(store: Store) -> None:
    await store.write(lambda tx: rooms.create(tx, 7, TEA, {"name": "Чай"}, [OWNER]))
    assert await store.read(lambda tx: rooms.load(tx, TEA)) == (
        RoomRecord(7, TEA, b"", {"name": "Чай"}),
        [OWNER],
    )
    member = AffiliationRecord("petrova@digital.example", "member", "anna", "she asked")
    await store.write(lambda tx: rooms.set_subject(tx, 7, b"<subject/>"))
    await store.write(lambda tx: rooms.set_data(tx, 7, {}))
    await store.write(lambda tx: rooms.set_affiliation(tx, 7, member))
    loaded = await store.read(lambda tx: rooms.load(tx, TEA))
    assert loaded is not None
    assert loaded[0] == RoomRecord(7, TEA, b"<subject/>", {})
    assert sorted(each.jid for each in loaded[1]) == [OWNER.jid, member.jid]
    assert await store.read(lambda tx: rooms.count_of(tx, OWNER.jid, "owner")) == 1
    await store.write(lambda tx: rooms.set_affiliation(tx, 7, AffiliationRecord(member.jid, "none", "", "")))
    loaded = await store.read(lambda tx: rooms.load(tx, TEA))
    assert loaded is not None and loaded[1] == [OWNER]
    await store.write(lambda tx: rooms.forget_person(tx, OWNER.jid))
    assert await store.read(lambda tx: rooms.count_of(tx, OWNER.jid, "owner")) == 0
    await store.write(lambda tx: rooms.delete(tx, 7))
    assert await store.read(lambda tx: rooms.load(tx, TEA)) is None


async def test_rooms_are_listed_by_domain_page_by_page(store: Store) -> None:
    for number, name in enumerate(("b@c.example", "a@c.example", "a@cc.example", "c@c.example"), start=1):
        await store.write(lambda tx, number=number, name=name: rooms.create(tx, number, name, {}, []))  # type: ignore[misc]
    page = await store.read(lambda tx: rooms.of_domain(tx, "c.example", "", 2))
    assert [record.address for record in page] == ["a@c.example", "b@c.example"]
    rest = await store.read(lambda tx: rooms.of_domain(tx, "c.example", "b@c.example", 2))
    assert [record.address for record in rest] == ["c@c.example"]
    assert await store.read(lambda tx: rooms.of_domain(tx, "_.example", "", 2)) == []


async def test_seats_are_left_and_taken_once(store: Store) -> None:
    await store.write(lambda tx: rooms.create(tx, 7, TEA, {}, [OWNER]))
    assert not await store.read(lambda tx: rooms.has_seats(tx, 7))
    assert await store.write(lambda tx: rooms.take_seats(tx, 7)) is None
    for state in ("[1]", "[2]"):
        await store.write(lambda tx, state=state: rooms.leave_seats(tx, 7, state))  # type: ignore[misc]
    assert await store.read(lambda tx: rooms.has_seats(tx, 7))
    assert await store.write(lambda tx: rooms.take_seats(tx, 7)) == "[2]"
    assert not await store.read(lambda tx: rooms.has_seats(tx, 7))
    await store.write(lambda tx: rooms.leave_seats(tx, 7, "[3]"))
    await store.write(lambda tx: rooms.delete(tx, 7))
    assert not await store.read(lambda tx: rooms.has_seats(tx, 7))
