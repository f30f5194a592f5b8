# SPDX-License-Identifier: Apache-2.0
"""The calendar of birthdays: what the cards in a person's own address books say, as events of each year.

It is made by the first card with a day, and kept in step by the transaction that writes or removes a card.
Nobody writes into it. Whoever deletes it does not want it: it comes back only when it is made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from time import gmtime, strftime
from typing import Final, NamedTuple

from armgs_server.directory import lookup
from armgs_server.directory.languages import is_russian
from armgs_server.directory.model import Principal
from armgs_server.formats import anniversaries, icalendar
from armgs_server.formats.anniversaries import Day
from armgs_server.storage import calindex, cards, clock, collections, items
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.cards import Dated
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

KIND: Final = "birthdays"
NAME: Final = "birthdays"  # where it lies in the home
MAX_EVENTS: Final = 2000  # in one calendar; a transaction makes as many when a book comes or goes
CONTENT_TYPE: Final = "text/calendar; charset=utf-8"
DATA: Final = {"components": ["VEVENT"]}
_HIDDEN: Final = "birthdays_hidden"  # in the data of the default address book
_NAMES: Final = {True: "Дни рождения", False: "Birthdays"}


class _Wanted(NamedTuple):
    """One event that the calendar is to hold."""

    card_uid: str
    day: Day
    name: str


async def follow(tx: Tx, owner: int, card_uid: str, *, without: tuple[int, int] = (0, 0)) -> None:
    """Brings the events of one card in step; `without` is the collection and uid of a card about to go."""
    found = [
        each for each in await cards.dated(tx, owner, card_uid) if (each.collection, each.uid) != without
    ]
    calendar = await _calendar(tx, owner, is_wanted=bool(found))
    if calendar is None:
        return
    names = [f"{anniversaries.uid_of(card_uid, kind)}.ics" for kind in anniversaries.Kind]
    present = [await items.by_name(tx, owner, calendar.id, name) for name in names]
    there = {item.name or "": item for item in present if item is not None}
    await _bring(tx, calendar, there, _wanted(found))


async def refill(tx: Tx, owner: int, *, without: int = 0) -> None:
    """Brings all in step, after a book came or before `without`, the collection of one, goes."""
    found = [each for each in await cards.dated(tx, owner, limit=MAX_EVENTS) if each.collection != without]
    calendar = await _calendar(tx, owner, is_wanted=bool(found))
    if calendar is not None:
        there = {
            item.name or "": item for item in await items.scan(tx, owner, calendar.id, 0, 2 * MAX_EVENTS)
        }
        await _bring(tx, calendar, there, _wanted(found))


async def hide(tx: Tx, owner: int) -> None:
    """The person does not want the calendar; it is not made by a card again."""
    await _mark(tx, owner, is_hidden=True)


async def show(tx: Tx, calendar: Collection) -> None:
    """The person wants the calendar that was just made."""
    person = await lookup.existing(tx, calendar.owner)
    given = {"displayname": _NAMES[is_russian(person)], **calendar.data, **DATA}
    await collections.update(tx, calendar, data=given)
    await _mark(tx, calendar.owner, is_hidden=False)
    await refill(tx, calendar.owner)


async def find(tx: Tx, owner: int) -> Collection | None:
    """The person's calendar of birthdays."""
    found = await collections.children(tx, owner, 0, KIND)
    return min(found, key=lambda each: each.id) if found else None


async def _mark(tx: Tx, owner: int, *, is_hidden: bool) -> None:
    book = await collections.by_role(tx, owner, "addressbook", "default")
    if book is not None and bool(book.data.get(_HIDDEN)) != is_hidden:
        await collections.update(tx, book, data={**book.data, _HIDDEN: is_hidden})


async def _calendar(tx: Tx, owner: int, *, is_wanted: bool) -> Collection | None:
    """The calendar; made where it is wanted. None for who has none: a unit, a department."""
    found = await find(tx, owner)
    if found is not None or not is_wanted:
        return found
    person = await lookup.by_id(tx, owner)
    book = await collections.by_role(tx, owner, "addressbook", "default")
    if person is None or person.kind != "person" or book is None or book.data.get(_HIDDEN):
        return None
    for kind in ("calendar", "tasks", "subscribed"):
        if await collections.find(tx, owner, kind, NAME) is not None:
            return None  # the person has one of this name, who may make ours under another
    return await _make(tx, person)


async def _make(tx: Tx, person: Principal) -> Collection:
    data = {**DATA, "displayname": _NAMES[is_russian(person)]}
    return await collections.create(tx, person.id, KIND, NAME, data=data)


def _wanted(found: Sequence[Dated]) -> dict[str, _Wanted]:
    """By name; a card that lies in several books counts once."""
    wanted: dict[str, _Wanted] = {}
    for each in found:
        for day in anniversaries.from_text(each.days):
            name = f"{anniversaries.uid_of(each.card_uid, day.kind)}.ics"
            if len(wanted) < MAX_EVENTS:
                wanted.setdefault(name, _Wanted(each.card_uid, day, each.fn))
    return wanted


async def _bring(tx: Tx, calendar: Collection, there: dict[str, Item], wanted: dict[str, _Wanted]) -> None:
    gone = [item.uid for name, item in there.items() if name not in wanted]
    if gone:
        await items.remove(tx, calendar, gone)
    if not wanted:
        return
    russian = is_russian(await lookup.existing(tx, calendar.owner))
    room = MAX_EVENTS - calendar.items + len(gone)
    for name, each in wanted.items():
        if name in there:
            await _replace(tx, there[name], each, russian)
        elif room > 0:
            room -= 1
            await _add(tx, calendar, name, each, russian)


async def _add(tx: Tx, calendar: Collection, name: str, wanted: _Wanted, russian: bool) -> None:
    now = clock.now()
    data = _event(wanted, now, russian)
    item = await items.add(
        tx, calendar, _ref(data), name=name, content_type=CONTENT_TYPE, created=now, modified=now
    )
    await calindex.put(tx, item, calindex.entry(icalendar.check(data)))


async def _replace(tx: Tx, item: Item, wanted: _Wanted, russian: bool) -> None:
    if _ref(_event(wanted, item.modified, russian)).hash == item.blob:
        return
    data = _event(wanted, clock.now(), russian)
    item = await items.replace(tx, item, _ref(data), CONTENT_TYPE)
    await calindex.put(tx, item, calindex.entry(icalendar.check(data)))


def _event(wanted: _Wanted, moment: int, russian: bool) -> bytes:
    uid = anniversaries.uid_of(wanted.card_uid, wanted.day.kind)
    stamp = strftime("%Y%m%dT%H%M%SZ", gmtime(moment // clock.SECOND))
    return anniversaries.event(uid, wanted.day, wanted.name, stamp, is_russian=russian)


def _ref(data: bytes) -> BlobRef:
    return BlobRef(hashlib.sha256(data).digest(), len(data), data)
