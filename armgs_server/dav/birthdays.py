# SPDX-License-Identifier: Apache-2.0
"""The calendar of birthdays in a person's home (directory.birthdays): read by every client, written by none.

DELETE hides it; extended MKCOL with its type (A:birthdays, in the namespace of this server) brings it back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from armgs_server.dav.caldav_properties import caldav
from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Kind, Put, Shape
from armgs_server.dav.names import dav
from armgs_server.dav.resources import CollectionResource
from armgs_server.directory import birthdays
from armgs_server.directory.access import EVERYTHING, Rights
from armgs_server.storage import Store, cards
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

T = TypeVar("T")
TYPE = "{urn:armgs:dav}birthdays"


@dataclass(frozen=True, slots=True)
class _Removal:
    """features.Removal: `change` is what happens before the card, the book or the calendar goes."""

    store: Store
    change: Callable[[Tx, Collection, Item | None], Awaitable[None]]

    async def write(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """As any other."""
        return await self.store.write(work)

    async def before_removal(self, tx: Tx, collection: Collection, item: Item | None) -> None:
        """See `change`."""
        await self.change(tx, collection, item)


async def card_removal(call: Call, parent: CollectionResource, item: Item | None) -> _Removal:
    """Of a card, or of a whole address book."""
    return _Removal(call.engine.store, _before_card)


async def _before_card(tx: Tx, collection: Collection, item: Item | None) -> None:
    if item is None:
        await birthdays.refill(tx, collection.owner, without=collection.id)
    elif (uid := await cards.dated_uid(tx, item)) is not None:
        await birthdays.follow(tx, item.owner, uid, without=(item.collection, item.uid))


async def _calendar_removal(call: Call, parent: CollectionResource, item: Item | None) -> _Removal:
    return _Removal(call.engine.store, _before_calendar)


async def _before_calendar(tx: Tx, collection: Collection, item: Item | None) -> None:
    await birthdays.hide(tx, collection.owner)


async def _refuse(put: Put) -> None:
    raise DavError(403, "The calendar of birthdays holds what the cards say.")


async def _made(tx: Tx, collection: Collection) -> None:
    """In the transaction of MKCOL."""
    present = await birthdays.find(tx, collection.owner)
    if present is not None and present.id != collection.id:
        raise DavError(403, "There is a calendar of birthdays.")
    await birthdays.show(tx, collection)


CALENDAR = Kind(
    name=birthdays.KIND,
    home="calendars",
    shape=Shape.CALENDAR,
    member=Shape.EVENT,
    types=(dav("collection"), caldav("calendar")),
    made_as=(dav("collection"), TYPE),
    content_type=birthdays.CONTENT_TYPE,
    size_limit=lambda config: config.dav.calendar_size,
    too_large=caldav("max-resource-size"),
    rights=EVERYTHING & ~(Rights.INSERT | Rights.DELETE_ITEMS | Rights.EXPUNGE),
    check=_refuse,
    made=_made,
    removal_effects=_calendar_removal,
)
FEATURE = Feature(kinds=(CALENDAR,))
