# SPDX-License-Identifier: Apache-2.0
"""People, groups and rooms found by what somebody types: RFC 3744 §9.4, calendarserver-principal-search.

A search looks through the departments whose people the asker may find, its own first, and gives at most
`[dav] principal_results`. The directory's index says who may fit (directory.candidates); those are compared
exactly, in the form of `index_block.normal`: letters of either case are the same, so are ё and е. Apple's
clients type the attendee of an invitation here; their additions to principal-property-search (`type`,
`match-type`, `caseless`, CS:limit) are those of Calendar Server.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Property, Report, Shape
from armgs_server.dav.multistatus import document, multistatus, status_response
from armgs_server.dav.names import CALDAV, CALENDARSERVER, dav, empty, text_element
from armgs_server.dav.principals import EMAILS, as_resource
from armgs_server.dav.resources import PrincipalResource, principal_href
from armgs_server.dav.scheduling import TYPES
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, PropFind, name_of, parse_propfind_element, text_of
from armgs_server.directory.candidates import Has, Need, both, candidates, either
from armgs_server.directory.index_block import normal, spaced
from armgs_server.directory.model import Principal
from armgs_server.directory.people_search import visible_departments
from armgs_server.net.http import Response

ADDRESSES = f"{{{CALDAV}}}calendar-user-address-set"
USER_TYPE = f"{{{CALDAV}}}calendar-user-type"
FIRST_NAME = f"{{{CALENDARSERVER}}}first-name"
LAST_NAME = f"{{{CALENDARSERVER}}}last-name"
RECORD_TYPE = f"{{{CALENDARSERVER}}}record-type"
PRINCIPAL_SEARCH = f"{{{CALENDARSERVER}}}calendarserver-principal-search"
SEARCH_TOKEN = f"{{{CALENDARSERVER}}}search-token"
LIMIT = f"{{{CALENDARSERVER}}}limit"
NRESULTS = f"{{{CALENDARSERVER}}}nresults"
AT_ONCE = 100  # principals read, or blocks of the index looked at, before others have their turn
MAX_TOKENS = 20

# Calendar Server's word for each kind.
RECORD_TYPES: Mapping[str, str] = {
    "person": "users",
    "group": "groups",
    "room": "locations",
    "equipment": "resources",
}
EVERY_KIND = frozenset(TYPES)
# The kinds that a CS:calendarserver-principal-search in a context looks among.
CONTEXTS: Mapping[str, frozenset[str]] = {
    "": EVERY_KIND,
    "attendee": EVERY_KIND,
    "user": frozenset(("person",)),
    "group": frozenset(("group",)),
    "location": frozenset(("room",)),
    "resource": frozenset(("equipment",)),
}
Test = Callable[[Principal], bool]
_MAILTO = "mailto:"


def _first_name(principal: Principal) -> str:
    return str(principal.data.get("given", ""))


def _last_name(principal: Principal) -> str:
    return str(principal.data.get("family", ""))


# What principal-property-search can look for (§9.5): the property, its description, its values.
SEARCHABLE: Mapping[str, tuple[str, Callable[[Principal], Sequence[str]]]] = {
    dav("displayname"): ("Display Name", lambda principal: [principal.name]),
    EMAILS: ("Email Addresses", lambda principal: [principal.address]),
    FIRST_NAME: ("First Name", lambda principal: [_first_name(principal)]),
    LAST_NAME: ("Last Name", lambda principal: [_last_name(principal)]),
    ADDRESSES: ("Calendar User Address Set", lambda principal: [f"mailto:{principal.address}"]),
    USER_TYPE: ("Calendar User Type", lambda principal: [TYPES[principal.kind]]),
}


def check_depth(call: Call) -> None:
    """The reports of RFC 3744 §9 are defined for Depth: 0."""
    if call.depth("0") != "0":
        raise DavError(400, "This report needs Depth: 0.")


def asked_of(root: Element) -> PropFind:
    """DAV:prop of a report, which may be left out."""
    return parse_propfind_element(root) if root.find(dav("prop")) is not None else PropFind("prop")


async def handle_principal_property_search(call: Call, root: Element) -> Response:
    """§9.4: principals whose properties contain the texts; all of the tests, or any with test="anyof"."""
    check_depth(call)
    tests = [_parse_search(search) for search in root.findall(dav("property-search"))]
    if not tests:
        raise DavError(400, "DAV:property-search expected.")
    is_any = _attribute(root, "test", ("allof", "anyof")) == "anyof"
    combine, needed = (any, either) if is_any else (all, both)
    kinds = _kinds_of_type(root)
    below = "" if root.find(dav("apply-to-principal-collection-set")) is not None else call.resource.href

    def is_match(principal: Principal) -> bool:
        return principal_href(principal).startswith(below) and combine(test(principal) for test, _ in tests)

    return await _answer(call, root, kinds, needed([need for _, need in tests]), is_match)


async def handle_principal_search(call: Call, root: Element) -> Response:
    """CS:calendarserver-principal-search: each token begins a word of the name or the address."""
    check_depth(call)
    kinds = CONTEXTS[_attribute(root, "context", tuple(CONTEXTS))]
    tokens = [normal(text_of(each)) for each in root.findall(SEARCH_TOKEN)]
    if not tokens or not all(tokens) or len(tokens) > MAX_TOKENS:
        raise DavError(400, f"1 to {MAX_TOKENS} CS:search-token with text expected.")

    def is_match(principal: Principal) -> bool:
        words = [*normal(principal.name).split(), normal(principal.address)]
        return all(any(word.startswith(token) for word in words) for token in tokens)

    return await _answer(call, root, kinds, both([Has(token) for token in tokens]), is_match)


async def _answer(
    call: Call, root: Element, kinds: frozenset[str], need: Need | None, is_match: Test
) -> Response:
    """What matches, up to the limits of the server and of the client."""
    wanted = _parse_limit(root)
    limit = call.engine.config.dav.principal_results
    limit = min(limit, wanted or limit)
    found: list[Principal] = []
    async for part in _candidates(call, kinds, need):
        found += [each for each in part if is_match(each)]
        if len(found) > limit:
            break
    shown = found[:limit]
    texts = await call.view(asked_of(root)).responses(list(map(as_resource, shown)))
    if len(found) > len(shown):  # §9.4 DAV:number-of-matches-within-limits
        texts.append(status_response(call.resource.href, 507, "<D:number-of-matches-within-limits/>"))
    return multistatus(texts, headers=call.headers)


def _attribute(element: Element, name: str, values: Sequence[str]) -> str:
    """An attribute of an enumeration; its first value where it is left out."""
    value = element.get(name, values[0])
    if value not in values:
        raise DavError(400, f"The attribute {name} has an unknown value.")
    return value


def _kinds_of_type(root: Element) -> frozenset[str]:
    wanted = root.get("type")
    kinds = frozenset(kind for kind, name in TYPES.items() if wanted in (None, name))
    if not kinds:
        raise DavError(400, "The attribute type has an unknown value.")
    return kinds


def _parse_limit(root: Element) -> int | None:
    limit = root.find(LIMIT)
    if limit is None:
        return None
    given = limit.find(NRESULTS)
    text = "" if given is None else text_of(given).strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise DavError(400, "CS:limit needs a CS:nresults with a number.")
    return int(text)


def _parse_search(search: Element) -> tuple[Test, Need | None]:
    """Compares a principal; and what the index has of each who fits."""
    prop, match = search.find(dav("prop")), search.find(dav("match"))
    if prop is None or match is None:
        raise DavError(400, "DAV:prop and DAV:match expected.")
    wanted = [name_of(child) for child in prop]
    kind = _attribute(match, "match-type", ("contains", "starts-with", "equals"))
    # RFC 3744 §9.4: the comparison is caseless.
    fold = normal if _attribute(match, "caseless", ("yes", "no")) == "yes" else spaced
    text = fold(text_of(match))

    def matches(principal: Principal, name: str) -> bool:
        if name not in SEARCHABLE:
            return False
        values = [fold(value) for value in SEARCHABLE[name][1](principal)]
        if kind == "equals":
            return text in values
        if kind == "starts-with":
            return any(word.startswith(text) for value in values for word in (value, *value.split()))
        return any(text in value for value in values)

    need = both([_need(name, normal(text)) for name in wanted])
    return lambda principal: bool(wanted) and all(matches(principal, name) for name in wanted), need


def _need(name: str, text: str) -> Need | None:
    """What the index has of everybody in whose property the text occurs; None where it has no such texts."""
    if name == ADDRESSES:
        text = text.rpartition(":")[2] if text not in _MAILTO else ""
    return Has(text) if text and name in SEARCHABLE and name != USER_TYPE else None


async def _candidates(call: Call, kinds: frozenset[str], need: Need | None) -> AsyncIterator[list[Principal]]:
    """Everybody and everything in use that has a URL and may fit, the asker's own department first."""
    directory, own = call.engine.directory, frozenset((call.person.department,))
    index = directory.index
    await index.refresh()
    visible = frozenset(await visible_departments(directory, call.person)) - own
    for departments in (own, visible) if visible else (own,):
        waiting: list[int] = []
        for count, part in enumerate(candidates(index, need, -1), 1):
            waiting += [line.id for _, line in part if line.kind in kinds and line.department in departments]
            if len(waiting) >= AT_ONCE or count % AT_ONCE == 0:
                yield await _read(call, waiting)
                waiting = []
                await asyncio.sleep(0)
        yield await _read(call, waiting)


async def _read(call: Call, ids: list[int]) -> list[Principal]:
    found = [listed.principal for listed in await call.engine.directory.index.read(ids)]
    return [each for each in found if not each.disabled and principal_href(each)]


async def handle_principal_search_property_set(call: Call, root: Element) -> Response:
    """§9.5."""
    check_depth(call)
    entries = "".join(
        f"<D:principal-search-property><D:prop>{empty(name)}</D:prop>"
        f'<D:description xml:lang="en">{description}</D:description></D:principal-search-property>'
        for name, (description, _) in SEARCHABLE.items()
    )
    return document("D:principal-search-property-set", entries)


def _render_first_name(view: View, resource: PrincipalResource) -> str | None:
    name = _first_name(resource.principal)
    return text_element(FIRST_NAME, name) if name else None


def _render_last_name(view: View, resource: PrincipalResource) -> str | None:
    name = _last_name(resource.principal)
    return text_element(LAST_NAME, name) if name else None


def _render_record_type(view: View, resource: PrincipalResource) -> str:
    return text_element(RECORD_TYPE, RECORD_TYPES[resource.principal.kind])


FEATURE = Feature(
    compliance=("calendarserver-principal-search", "calendarserver-principal-property-search"),
    properties=(
        Property(FIRST_NAME, Shape.PRINCIPAL, _render_first_name),
        Property(LAST_NAME, Shape.PRINCIPAL, _render_last_name),
        Property(RECORD_TYPE, Shape.PRINCIPAL, _render_record_type),
    ),
    reports=(
        Report(dav("principal-property-search"), Shape.ANY, handle_principal_property_search),
        Report(dav("principal-search-property-set"), Shape.ANY, handle_principal_search_property_set),
        Report(PRINCIPAL_SEARCH, Shape.ANY, handle_principal_search),
    ),
)
