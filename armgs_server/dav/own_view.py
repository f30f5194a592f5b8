# SPDX-License-Identifier: Apache-2.0
"""A collection that somebody else shares, as it stands in a person's own home: name, colour, order and
description are the person's own there, whatever the access (calendarserver-sharing §5.5.3). In its owner's
home it is what the owner says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from armgs_server.dav.features import Shape
from armgs_server.dav.resources import CollectionResource, Place, Resource
from armgs_server.dav.xml import PropertyChange
from armgs_server.directory.model import Principal
from armgs_server.storage import Store, own_views
from armgs_server.storage.collections import Collection
from armgs_server.storage.own_views import Views

if TYPE_CHECKING:
    from armgs_server.dav.call import Call

_SHAPES = Shape.CALENDAR | Shape.ADDRESSBOOK


async def of_place(
    store: Store, person: Principal, place: Place, chain: tuple[Collection, ...]
) -> tuple[Collection, ...]:
    """What lies at a place, as the person sees it there."""
    if not _is_shared(place) or chain[-1].owner == person.id:
        return chain
    return (*chain[:-1], *await of_all(store, person, chain[-1:]))


async def of_all(store: Store, person: Principal, shared: Sequence[Collection]) -> list[Collection]:
    """Others' collections, as the person sees them in the own home."""
    views: Views = await store.read(partial(own_views.of, person=person.id)) if shared else {}
    return [
        replace(each, data={**each.data, **own}) if (own := views.get((each.owner, each.id))) else each
        for each in shared
    ]


def split(
    call: Call, resource: Resource, changes: Sequence[PropertyChange]
) -> tuple[list[PropertyChange], list[PropertyChange]]:
    """The changes that are the person's own, and those of the collection itself."""
    own: list[PropertyChange] = []
    place = call.place
    if (
        isinstance(resource, CollectionResource)
        and resource.shape in _SHAPES
        and place is not None
        and _is_shared(place)
        and resource.collection.owner != call.person.id
    ):
        properties = call.engine.tables.properties
        own = [each for each in changes if each.name in properties and properties[each.name].personal]
    return own, [each for each in changes if each not in own]


def _is_shared(place: Place) -> bool:
    return bool(place.alias or place.role)
