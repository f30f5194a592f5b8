# SPDX-License-Identifier: Apache-2.0
"""A search-only address book of everybody (draft-daboo-carddav-directory-gateway): /dav/directory/.

It answers addressbook-query over the books of all departments that the asker may read, by index, with at
most `[dav] directory_results` cards, and has no members to list or to synchronise: a phone searches in it
and keeps nothing.
"""

from collections.abc import Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.carddav import parse_limit, select_cards
from armgs_server.dav.carddav_filters import parse_filter
from armgs_server.dav.carddav_properties import carddav
from armgs_server.dav.features import Feature, Property, Report, Shape
from armgs_server.dav.member_data import as_resources, parse_asked
from armgs_server.dav.multistatus import multistatus, status_response
from armgs_server.dav.paths import join
from armgs_server.dav.resources import CollectionResource, HomeResource, PrincipalResource
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element
from armgs_server.directory.access import Rights
from armgs_server.net.http import Response
from armgs_server.storage import members
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

PATH = "/dav/directory/"
TRUNCATED = "<D:number-of-matches-within-limits/>"


async def handle_query(call: Call, root: Element) -> Response:
    """RFC 6352 §8.6 over all books; 507 for the gateway's URL where there is more than is told."""
    asked, view = parse_filter(root), call.view(parse_asked(root))
    limit = min(parse_limit(root) or 1 << 31, call.engine.config.dav.directory_results)
    texts: list[str] = []
    is_cut = not asked.props  # a filter that takes everybody finds nobody: the book is never listed whole
    for book in [] if is_cut else await _books(call):
        uids = await select_cards(call, book, asked, limit - len(texts))
        is_cut = is_cut or len(texts) + len(uids) > limit
        rows = await _read(call, book, uids[: limit - len(texts)])
        texts += await view.responses(as_resources(book, rows))
        if is_cut:
            break
    if is_cut:
        texts.append(status_response(call.resource.href, 507, TRUNCATED))
    return multistatus(texts, headers=call.headers)


async def _read(call: Call, book: CollectionResource, uids: Sequence[int]) -> list[tuple[Item, bytes | None]]:
    collection = book.collection

    async def work(tx: Tx) -> list[tuple[Item, bytes | None]]:
        return await members.by_uids(tx, collection.owner, collection.id, uids)

    return await call.engine.store.read_aside(work, as_of=collection)


async def _books(call: Call) -> list[CollectionResource]:
    """The departments' books in the asker's home, its own first."""
    href = join(("dav", "addressbooks", call.person.address), slash=True)
    home = HomeResource(Shape.HOME, href, call.person, "addressbooks")
    books = await call.engine.department_books(call.person, home)
    found = [each for each in books if Rights.READ in each.rights]
    return sorted(found, key=lambda each: each.collection.owner != call.person.department)


def _gateway(view: View, resource: PrincipalResource) -> str:
    return f"<CR:directory-gateway><D:href>{PATH}</D:href></CR:directory-gateway>"


FEATURE = Feature(
    properties=(Property(carddav("directory-gateway"), Shape.PRINCIPAL, _gateway),),
    reports=(Report(carddav("addressbook-query"), Shape.GATEWAY, handle_query),),
)
