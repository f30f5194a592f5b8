# SPDX-License-Identifier: Apache-2.0
"""The reports of RFC 3744 §9 that ask where principals stand: §9.3 in properties, §9.2 in an ACL."""

from collections.abc import AsyncIterator, Iterable, Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Report, Shape
from armgs_server.dav.listing import member_pages
from armgs_server.dav.methods.propfind import folder_tree
from armgs_server.dav.multistatus import multistatus
from armgs_server.dav.names import DECLARATIONS, dav
from armgs_server.dav.paths import parse_href
from armgs_server.dav.principal_search import asked_of, check_depth
from armgs_server.dav.principals import as_resource
from armgs_server.dav.resources import CollectionResource, Resource, principal_href
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, PropFind, name_of, parse_document, text_of
from armgs_server.directory.access import Rights
from armgs_server.directory.model import Principal
from armgs_server.net.http import Response


async def handle_principal_match(call: Call, root: Element) -> Response:
    """§9.3: what lies below the collection of the request and is, or names in a property, the asker."""
    check_depth(call)
    urls = await _own_urls(call)
    named = root.find(dav("principal-property"))
    if root.find(dav("self")) is None and (named is None or len(named) != 1):
        raise DavError(400, "DAV:self or DAV:principal-property with one property expected.")
    below: list[Resource] = []
    if named is None:
        below += [as_resource(each) for url, each in urls.items() if url.startswith(call.resource.href)]
    else:
        below += [each async for each in _naming(call, name_of(named[0]), urls)]
    return multistatus(await call.view(asked_of(root)).responses(below), headers=call.headers)


async def _own_urls(call: Call) -> dict[str, Principal]:
    """The asker and the groups it belongs to, by URL."""
    directory = call.engine.directory
    every = [await directory.by_id(each) for each in sorted(await directory.groups_of(call.person))]
    return {principal_href(each): each for each in every if each is not None and principal_href(each)}


async def _naming(call: Call, name: str, urls: Iterable[str]) -> AsyncIterator[Resource]:
    """Everything below the request's collection that has one of the URLs in a property."""
    view = View(call.engine, call.person, PropFind("prop", (name,)))
    wanted = set(urls)
    async for part in _everything_below(call):
        await view.prepare(part)
        for resource in part:
            text = view.values(resource)[0][1]
            if text is not None and wanted.intersection(hrefs_inside(text)):
                yield resource


async def _everything_below(call: Call) -> AsyncIterator[Sequence[Resource]]:
    if isinstance(call.resource, CollectionResource):
        call.require(call.resource, Rights.READ)
    tree = await folder_tree(call, call.resource)
    yield tree[1:]
    for folder in tree:
        if isinstance(folder, CollectionResource):
            async for page in member_pages(call.engine, folder):
                yield page


def hrefs_inside(text: str) -> list[str]:
    """The DAV:href texts of a property that this server has made."""
    return [
        text_of(each) for each in parse_document(f"<r {DECLARATIONS}>{text}</r>".encode()).iter(dav("href"))
    ]


async def handle_acl_principal_prop_set(call: Call, root: Element) -> Response:
    """§9.2: properties of every principal that the resource's ACL names by URL or as its owner."""
    check_depth(call)
    call.require(call.resource, Rights.ADMIN)
    names = (dav("owner"), dav("acl"))
    view = View(call.engine, call.person, PropFind("prop", names))
    await view.prepare([call.resource])
    texts = "".join(text for _, text in view.values(call.resource) if text is not None)
    entries = parse_document(f"<r {DECLARATIONS}>{texts}</r>".encode())
    owner = [text_of(each) for each in entries.findall(f"{dav('owner')}/{dav('href')}")]
    path = f"{dav('acl')}/{dav('ace')}/{dav('principal')}/{dav('href')}"
    urls = dict.fromkeys(owner + [text_of(each) for each in entries.findall(path)])
    found = [await call.engine.locate(call.person, parse_href(url).segments) for url in urls]
    return multistatus(await call.view(asked_of(root)).responses(found), headers=call.headers)


_STORED = Shape.COLLECTION | Shape.MEMBER
FEATURE = Feature(
    reports=(
        Report(dav("acl-principal-prop-set"), _STORED, handle_acl_principal_prop_set),
        Report(dav("principal-match"), Shape.FOLDER, handle_principal_match),
    ),
)
