# SPDX-License-Identifier: Apache-2.0
"""Subscribed calendars: MKCOL of CS:subscribed with a CS:source, as Apple's clients make them.

The server fetches the source itself (subscribed_refresh) and shows it as a calendar nobody writes into, so
that clients which know no subscriptions have it as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from armgs_server.dav.caldav_properties import caldav
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Kind, Property, Put, Shape
from armgs_server.dav.names import CALENDARSERVER, dav, element, escape, href, text_element
from armgs_server.dav.resources import CollectionResource, Resource
from armgs_server.dav.timezone_header import adapt_zones
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, text_of
from armgs_server.directory.access import EVERYTHING, Rights
from armgs_server.errors import Invalid
from armgs_server.net.fetch import check_url
from armgs_server.storage import subscribed
from armgs_server.storage.collections import Collection
from armgs_server.storage.subscribed import Subscription
from armgs_server.storage.tx import Tx

SOURCE = f"{{{CALENDARSERVER}}}source"
ERROR = f"{{{CALENDARSERVER}}}subscription-error"
TYPE = f"{{{CALENDARSERVER}}}subscribed"
KEY = "source"  # in the data of the collection
MAX_URL = 2000


async def _refuse(put: Put) -> None:
    raise DavError(403, "A subscribed calendar holds what its source does.")


async def _made(tx: Tx, collection: Collection) -> None:
    """In the transaction of MKCOL."""
    if not collection.data.get(KEY):
        raise DavError(403, "A subscribed calendar needs a source.", condition=SOURCE)
    await subscribed.add(tx, collection.owner, collection.id)


def _source(view: View, resource: CollectionResource) -> str | None:
    value = resource.collection.data.get(KEY)
    return None if value is None else element(SOURCE, href(escape(str(value))))


def _change_source(data: dict[str, Any], given: Element | None) -> None:
    if given is None:
        raise DavError(403, "A subscribed calendar needs a source.")
    url = text_of(given).strip()
    try:
        if len(url) > MAX_URL:
            raise Invalid("the URL is too long")
        scheme, separator, rest = url.partition("://")
        if scheme.lower() in ("webcal", "webcals"):  # COMPAT: what links to calendars say
            scheme = "https"
        data[KEY] = check_url(scheme + separator + rest)
    except Invalid as error:
        raise DavError(403, error.text) from error


async def _prepare_error(view: View, resources: Sequence[Resource]) -> None:
    known: dict[tuple[int, int], Subscription | None] = view.cache.setdefault(ERROR, {})
    for resource in resources:
        if isinstance(resource, CollectionResource) and resource.kind.name == subscribed.KIND:
            key = resource.collection.owner, resource.collection.id
            known[key] = await view.engine.store.read(
                partial(subscribed.get, owner=key[0], collection=key[1])
            )


def _error(view: View, resource: CollectionResource) -> str | None:
    found = view.cache[ERROR].get((resource.collection.owner, resource.collection.id))
    return text_element(ERROR, found.error) if found is not None and found.error else None


CALENDAR = Kind(
    name=subscribed.KIND,
    home="calendars",
    shape=Shape.CALENDAR,
    member=Shape.EVENT,
    types=(dav("collection"), caldav("calendar"), TYPE),
    made_as=(dav("collection"), TYPE),
    content_type="text/calendar; charset=utf-8",
    size_limit=lambda config: config.dav.calendar_size,
    too_large=caldav("max-resource-size"),
    rights=EVERYTHING & ~(Rights.INSERT | Rights.DELETE_ITEMS | Rights.EXPUNGE),
    check=_refuse,
    adapt=adapt_zones,
    made=_made,
)
FEATURE = Feature(
    properties=(
        Property(SOURCE, Shape.CALENDAR, _source, change=_change_source, initial=True),
        Property(ERROR, Shape.CALENDAR, _error, prepare=_prepare_error),
    ),
    kinds=(CALENDAR,),
)
