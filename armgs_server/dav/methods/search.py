# SPDX-License-Identifier: Apache-2.0
"""SEARCH (RFC 5323) with the grammar DAV:basicsearch: resources below a collection by their properties."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Method, Property, Shape
from armgs_server.dav.listing import member_pages
from armgs_server.dav.methods.propfind import child_folders, folder_tree
from armgs_server.dav.multistatus import SLICE, multistatus, status_response, stream
from armgs_server.dav.names import DECLARATIONS, dav
from armgs_server.dav.paths import parse_href
from armgs_server.dav.resources import CollectionResource, MemberResource, Resource
from armgs_server.dav.search_filter import Facts, Search, parse_search, sort_key
from armgs_server.dav.view import View
from armgs_server.dav.xml import PropFind, parse_document, text_of
from armgs_server.directory.access import Rights
from armgs_server.errors import NotFound
from armgs_server.net.http import Response

GRAMMARS = ("DASL", "<DAV:basicsearch>")
TRUNCATED = "<D:number-of-matches-within-limits/>"


async def handle_search(call: Call) -> Response:
    """207 with what matches, in the order asked for; 507 for the request's URL where that is not all."""
    root = parse_document(await call.body())
    search = parse_search(root)
    top = await _scope(call, search)
    most = call.engine.config.dav.search_results
    found: list[tuple[Facts, Resource]] = []
    view = View(call.engine, call.person, PropFind("prop", search.names))
    is_cut = False
    async for part in _candidates(call, top, search):
        matches = [pair for pair in await _facts(view, part) if search.where(pair[0])]
        is_cut = is_cut or len(found) + len(matches) > most
        found += matches[: most - len(found)]
        if is_cut:
            break
        await asyncio.sleep(0)  # others' turn
    key = sort_key(search.order)
    found.sort(key=lambda pair: key(pair[0]))
    chosen = [resource for _, resource in found[: search.limit]]
    tail = status_response(call.resource.href, 507, TRUNCATED) if is_cut else ""
    answer = call.view(search.asked)
    if len(chosen) <= SLICE:
        return multistatus(await answer.responses(chosen), tail, headers=call.headers)
    return stream(answer, _slices(chosen), tail=lambda: tail, headers=call.headers)


async def _slices(chosen: Sequence[Resource]) -> AsyncIterator[Sequence[Resource]]:
    for start in range(0, len(chosen), SLICE):
        yield chosen[start : start + SLICE]


async def _scope(call: Call, search: Search) -> Resource:
    """The resource in DAV:from; it must lie below the one that was asked (§5.4.1)."""
    try:
        top = await call.engine.locate(call.person, parse_href(search.scope).segments)
    except (DavError, NotFound) as error:
        raise DavError(409, condition=dav("search-scope-valid")) from error
    if top.shape is Shape.UNMAPPED or not top.href.startswith(call.resource.href):
        raise DavError(409, condition=dav("search-scope-valid"))
    if isinstance(top, CollectionResource | MemberResource):
        call.require(top, Rights.READ)
    return top


async def _candidates(call: Call, top: Resource, search: Search) -> AsyncIterator[Sequence[Resource]]:
    """Everything in the scope, folder by folder."""
    if search.depth == "0" or isinstance(top, MemberResource):
        yield [top]
        return
    tree = [top] if search.depth == "1" else await folder_tree(call, top)
    for folder in tree:
        yield [folder, *(await child_folders(call, folder) if search.depth == "1" else [])]
        if isinstance(folder, CollectionResource) and Rights.READ in folder.rights:
            async for page in member_pages(call.engine, folder):
                yield page


async def _facts(view: View, part: Sequence[Resource]) -> list[tuple[Facts, Resource]]:
    await view.prepare(part)
    found = []
    for resource in part:
        texts = {name: None if text is None else _text(text) for name, text in view.values(resource)}
        found.append((Facts(texts, resource.shape in Shape.FOLDER), resource))
    return found


def _text(element: str) -> str:
    """What stands in a property's element."""
    inner = element.partition(">")[2].rpartition("<")[0]
    if "<" not in inner and "&" not in inner:
        return inner
    return text_of(parse_document(f"<r {DECLARATIONS}>{element}</r>".encode()))


_GRAMMAR_SET = (
    "<D:supported-query-grammar-set><D:supported-query-grammar><D:grammar><D:basicsearch/></D:grammar>"
    "</D:supported-query-grammar></D:supported-query-grammar-set>"
)
FEATURE = Feature(
    methods=(Method("SEARCH", Shape.FOLDER, handle_search),),
    properties=(
        Property(dav("supported-query-grammar-set"), Shape.FOLDER, lambda view, resource: _GRAMMAR_SET),
    ),
)
