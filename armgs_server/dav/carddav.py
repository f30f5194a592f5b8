# SPDX-License-Identifier: Apache-2.0
"""CardDAV (RFC 6352): address books, addressbook-query and -multiget, what is checked at PUT.

Cards are stored as they came, vCard 3.0 and 4.0 alike, and given in the other version to who asks for it.
The department's book is one more collection of the person's home, read-only by the rights it has.
"""

import asyncio
import functools
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from armgs_server.config import Config
from armgs_server.dav import directory_books, uid_conflicts
from armgs_server.dav.birthdays import card_removal
from armgs_server.dav.call import Call
from armgs_server.dav.carddav_filters import CardFilter, parse_filter
from armgs_server.dav.carddav_properties import PROPERTIES, carddav
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Kind, Put, Report, Shape
from armgs_server.dav.member_data import answer, as_resources, multiget, parse_asked, read_data
from armgs_server.dav.multistatus import status_response
from armgs_server.dav.names import dav
from armgs_server.dav.resources import CollectionResource, MemberResource
from armgs_server.dav.xml import Element, number_of
from armgs_server.directory import addressbook, birthdays
from armgs_server.directory.access import Rights
from armgs_server.directory.candidates import Has, candidates, either
from armgs_server.directory.index import Index
from armgs_server.directory.index_block import normal
from armgs_server.errors import Invalid
from armgs_server.formats.vcard import VERSIONS, Card, check
from armgs_server.formats.vcard_convert import convert
from armgs_server.net.http import Response
from armgs_server.storage import cards, members
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

UID_CONFLICT = carddav("no-uid-conflict")
TYPES = ("text/vcard", "text/x-vcard", "text/directory", "text/plain")
_ACCEPTED = re.compile(r'text/vcard\s*;\s*(?:charset="?[\w-]+"?\s*;\s*)?version="?([\d.]+)"?', re.IGNORECASE)
# Cards parsed between two pauses: about two milliseconds.
SCAN_SLICE = 50
BLOCKS_SLICE = 100  # blocks of the directory's index looked at between two pauses
Member = tuple[Item, bytes | None]


@dataclass(frozen=True, slots=True)
class Checked:
    """What is left to do in the transaction, and the href of the collection for its refusal."""

    card: Card
    href: str


async def check_card(put: Put) -> Checked:
    """The preconditions of §6.3.2.1 that the body alone decides."""
    if put.content_type.partition(";")[0].strip().lower() not in TYPES:
        raise DavError(403, condition=carddav("supported-address-data"))
    try:
        card = check(put.data)
    except Invalid as error:
        raise DavError(403, str(error), condition=carddav("valid-address-data")) from error
    await uid_conflicts.check_before(put, card.uid, cards.name_of_holder, UID_CONFLICT)
    return Checked(card, put.collection.href)


async def index_card(tx: Tx, collection: Collection, item: Item, checked: Any) -> None:
    """The index row, in the transaction of the PUT."""
    assert isinstance(checked, Checked)
    await uid_conflicts.index(
        tx,
        item,
        checked.card.uid,
        checked.href,
        put=_put_card(tx, item, checked.card),
        holder_name=cards.name_of_holder,
        condition=UID_CONFLICT,
    )


async def _put_card(tx: Tx, item: Item, card: Card) -> None:
    if await cards.put(tx, item, card):
        await birthdays.follow(tx, item.owner, card.uid)


def represent(accept: str) -> Callable[[bytes], tuple[bytes, str]] | None:
    """§5.1.1: the version named by the first vCard of an Accept header, where it names one."""
    match = _ACCEPTED.search(accept) if "version" in accept else None
    if match is None or match[1] not in VERSIONS:
        return None
    return functools.partial(_in_version, version=match[1])


def _in_version(data: bytes, *, version: str) -> tuple[bytes, str]:
    try:
        return convert(data, version), f"text/vcard; charset=utf-8; version={version}"
    except Invalid as error:
        raise DavError(406, str(error), condition=carddav("supported-address-data-conversion")) from error


async def handle_addressbook_query(call: Call, root: Element) -> Response:
    """§8.6: the cards that a filter selects, at most CR:limit of them."""
    parent = call.require(call.resource, Rights.READ)
    asked = parse_filter(root)
    limit = parse_limit(root)
    view = call.view(parse_asked(root))
    is_whole = isinstance(call.resource, CollectionResource)
    uids = await select_cards(call, parent, asked, limit if is_whole else None)
    if isinstance(call.resource, MemberResource):
        uids = [uid for uid in uids if uid == call.resource.item.uid]
    tail = ""
    if limit is not None and len(uids) > limit:
        uids = uids[:limit]
        # §8.6.2: the request's own URL says that there is more.
        tail = status_response(call.resource.href, 507, "<D:number-of-matches-within-limits/>")
    return await answer(call, view, parent, uids, tail=lambda: tail)


async def select_cards(
    call: Call, parent: CollectionResource, asked: CardFilter, limit: int | None = None
) -> list[int]:
    """The uids of the cards that match, one more than the limit where there are more; only those that an
    index does not rule out are read."""
    selected: list[int] = []
    if not asked.props:
        key = parent.collection.owner, parent.collection.id
        return await call.engine.store.read_aside(
            lambda tx: members.all_uids(tx, *key), as_of=parent.collection
        )
    async for rows in _candidates(call, parent.collection, asked.indexed_texts()):
        resources = as_resources(parent, rows)
        await read_data(call.engine, resources)
        selected += [each.item.uid for each in resources if _is_match(asked, each.data or b"")]
        if limit is not None and len(selected) > limit:
            break
        await asyncio.sleep(0)  # others' turn
    return sorted(selected)


async def _candidates(call: Call, book: Collection, texts: list[str]) -> AsyncIterator[list[Member]]:
    """Cards that may match, some at a time; with texts those that hold one of them."""
    key = book.owner, book.id
    if texts and book.role == directory_books.DEPARTMENT_BOOK:
        async for names in _named_in_directory(call, book, texts):
            yield await call.engine.store.read(lambda tx, names=names: members.by_names(tx, *key, names))  # type: ignore[misc]
        return

    async def find(tx: Tx) -> list[int]:
        if not texts:
            return await members.all_uids(tx, *key)
        found: set[int] = set()
        for text in texts:
            found.update(await cards.containing(tx, *key, text))
        return sorted(found)

    uids = await call.engine.store.read_aside(find, as_of=book)
    for start in range(0, len(uids), SCAN_SLICE):
        part = uids[start : start + SCAN_SLICE]
        yield await call.engine.store.read(lambda tx, part=part: members.by_uids(tx, *key, part))  # type: ignore[misc]


async def _named_in_directory(call: Call, book: Collection, texts: list[str]) -> AsyncIterator[list[str]]:
    """Names of cards of a department's book, as the directory's index finds their subjects."""
    index = call.engine.directory.index
    await index.refresh()
    waiting: list[int] = []
    need = either([Has(normal(text)) for text in texts])
    for count, part in enumerate(candidates(index, need, -1), 1):
        waiting += [
            line.id
            for _, line in part
            if line.department == book.owner and line.kind in directory_books.WITH_CARD
        ]
        if len(waiting) >= SCAN_SLICE or count % BLOCKS_SLICE == 0:
            for start in range(0, len(waiting), SCAN_SLICE):
                yield await _names(index, waiting[start : start + SCAN_SLICE])
            waiting = []
            await asyncio.sleep(0)
    yield await _names(index, waiting)


async def _names(index: Index, ids: list[int]) -> list[str]:
    return [addressbook.card_name(listed.principal) for listed in await index.read(ids)]


def _is_match(asked: CardFilter, data: bytes) -> bool:
    try:
        return asked.matches(check(data))
    except Invalid:
        return False


def parse_limit(root: Element) -> int | None:
    """CR:limit (§10.6), None where there is none."""
    limit = root.find(carddav("limit"))
    results = limit.find(carddav("nresults")) if limit is not None else None
    if results is None:
        return None
    number = number_of(results)
    if not number:
        raise DavError(400, "CR:nresults must be a positive number.")
    return number


def _card_size(config: Config) -> int:
    return config.dav.card_size


ADDRESSBOOK = Kind(
    name="addressbook",
    home="addressbooks",
    shape=Shape.ADDRESSBOOK,
    member=Shape.CARD,
    types=(dav("collection"), carddav("addressbook")),
    content_type="text/vcard; charset=utf-8",
    size_limit=_card_size,
    too_large=carddav("max-resource-size"),
    uid_conflict=UID_CONFLICT,
    check=check_card,
    index=index_card,
    represent=represent,
    removal_effects=card_removal,
)
FEATURE = Feature(
    compliance=("addressbook",),
    properties=PROPERTIES,
    reports=(
        Report(carddav("addressbook-query"), Shape.ADDRESSBOOK | Shape.CARD, handle_addressbook_query),
        Report(carddav("addressbook-multiget"), Shape.ADDRESSBOOK | Shape.CARD, multiget),
    ),
    kinds=(ADDRESSBOOK,),
)
