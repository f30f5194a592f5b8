# SPDX-License-Identifier: Apache-2.0
"""The reports of RFC 3744 §9: which principals match, may be searched for, are named by an ACL.

A search looks through the departments whose people the asker may find and gives at most
`[dav] principal_results`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Report, Shape
from armgs_server.dav.listing import member_pages
from armgs_server.dav.methods.propfind import folder_tree
from armgs_server.dav.multistatus import document, multistatus, status_response
from armgs_server.dav.names import CALDAV, DECLARATIONS, dav, empty
from armgs_server.dav.paths import parse_href
from armgs_server.dav.principals import EMAILS, as_resource
from armgs_server.dav.resources import CollectionResource, Resource, principal_href
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, PropFind, name_of, parse_document, parse_propfind_element, text_of
from armgs_server.directory.access import Rights
from armgs_server.directory.model import Principal
from armgs_server.directory.people_search import visible_departments
from armgs_server.net.http import Response

ADDRESSES = f"{{{CALDAV}}}calendar-user-address-set"
AT_ONCE = 1000  # principals looked at before others have their turn

# What principal-property-search can look for (§9.5): the property, its description, its values.
SEARCHABLE: dict[str, tuple[str, Callable[[Principal], Sequence[str]]]] = {
    dav("displayname"): ("Name", lambda principal: [principal.name]),
    EMAILS: ("Mail address", lambda principal: [principal.address]),
    ADDRESSES: ("Calendar address", lambda principal: [f"mailto:{principal.address}"]),
}
Test = Callable[[Principal], bool]


def _check_depth(call: Call) -> None:
    if call.depth("0") != "0":
        raise DavError(400, "This report needs Depth: 0.")


def _asked(root: Element) -> PropFind:
    """DAV:prop of a report, which may be left out."""
    return parse_propfind_element(root) if root.find(dav("prop")) is not None else PropFind("prop")


async def handle_principal_property_search(call: Call, root: Element) -> Response:
    """§9.4: principals whose properties contain the texts; all of the tests, or any with test="anyof"."""
    _check_depth(call)
    tests = [_parse_search(search) for search in root.findall(dav("property-search"))]
    if not tests:
        raise DavError(400, "DAV:property-search expected.")
    combine = any if root.get("test") == "anyof" else all
    everywhere = root.find(dav("apply-to-principal-collection-set")) is not None
    below = "" if everywhere else call.resource.href
    limit = call.engine.config.dav.principal_results
    found: list[Principal] = []
    async for part in _candidates(call):
        found += [each for each in part if principal_href(each).startswith(below)
                  and combine(test(each) for test in tests)]  # fmt: skip
        if len(found) > limit:
            break
    texts = await call.view(_asked(root)).responses(list(map(as_resource, found[:limit])))
    if len(found) > limit:  # §9.4 DAV:number-of-matches-within-limits
        texts.append(status_response(call.resource.href, 507, "<D:number-of-matches-within-limits/>"))
    return multistatus(texts, headers=call.headers)


def _parse_search(search: Element) -> Test:
    prop, match = search.find(dav("prop")), search.find(dav("match"))
    if prop is None or match is None:
        raise DavError(400, "DAV:prop and DAV:match expected.")
    wanted, text = [name_of(child) for child in prop], text_of(match).casefold()
    # COMPAT: match-type is calendarserver's, sent by Apple's clients; RFC 3744 knows only "contains".
    kind = match.get("match-type", "contains")
    return lambda principal: bool(wanted) and all(_matches(principal, name, text, kind) for name in wanted)


def _matches(principal: Principal, name: str, text: str, kind: str) -> bool:
    if name not in SEARCHABLE:
        return False
    values = [value.casefold() for value in SEARCHABLE[name][1](principal)]
    if kind == "equals":
        return text in values
    if kind == "starts-with":
        return any(word.startswith(text) for value in values for word in (value, *value.split()))
    return any(text in value for value in values)


async def _candidates(call: Call) -> AsyncIterator[list[Principal]]:
    """Everybody and everything in use that has a URL, the asker's own department first."""
    directory, own = call.engine.directory, call.person.department
    visible = [each for each in await visible_departments(directory, call.person) if each != own]
    for department in (own, *visible):
        for every in (
            await directory.people(department),
            await directory.groups(department),
            await directory.rooms(department),
            await directory.equipment(department),
        ):
            for start in range(0, len(every), AT_ONCE):
                part = every[start : start + AT_ONCE]
                yield [each for each in part if not each.disabled and principal_href(each)]
                await asyncio.sleep(0)


async def handle_principal_search_property_set(call: Call, root: Element) -> Response:
    """§9.5."""
    _check_depth(call)
    entries = "".join(
        f"<D:principal-search-property><D:prop>{empty(name)}</D:prop>"
        f'<D:description xml:lang="en">{description}</D:description></D:principal-search-property>'
        for name, (description, _) in SEARCHABLE.items()
    )
    return document("D:principal-search-property-set", entries)


async def handle_principal_match(call: Call, root: Element) -> Response:
    """§9.3: what lies below the collection of the request and is, or names in a property, the asker."""
    _check_depth(call)
    urls = await _own_urls(call)
    named = root.find(dav("principal-property"))
    if root.find(dav("self")) is None and (named is None or len(named) != 1):
        raise DavError(400, "DAV:self or DAV:principal-property with one property expected.")
    below: list[Resource] = []
    if named is None:
        below += [as_resource(each) for url, each in urls.items() if url.startswith(call.resource.href)]
    else:
        below += [each async for each in _naming(call, name_of(named[0]), urls)]
    return multistatus(await call.view(_asked(root)).responses(below), headers=call.headers)


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
    _check_depth(call)
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
    return multistatus(await call.view(_asked(root)).responses(found), headers=call.headers)


_STORED = Shape.COLLECTION | Shape.MEMBER
FEATURE = Feature(
    reports=(
        Report(dav("acl-principal-prop-set"), _STORED, handle_acl_principal_prop_set),
        Report(dav("principal-match"), Shape.FOLDER, handle_principal_match),
        Report(dav("principal-property-search"), Shape.ANY, handle_principal_property_search),
        Report(dav("principal-search-property-set"), Shape.ANY, handle_principal_search_property_set),
    ),
)
