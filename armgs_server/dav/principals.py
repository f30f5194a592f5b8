# SPDX-License-Identifier: Apache-2.0
"""Principals as resources: RFC 3744 §4 properties and §9 reports, RFC 5397.

Everybody who is logged in may see every principal that is in use. A search looks through the person's own
department and gives at most MAX_RESULTS.
"""

from collections.abc import Callable, Iterable, Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Property, Report, Shape
from armgs_server.dav.multistatus import document, multistatus, status_response
from armgs_server.dav.names import CALDAV, CALENDARSERVER, dav, empty, escape
from armgs_server.dav.resources import PrincipalResource, Resource, principal_href
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, PropFind, name_of, parse_propfind_element, text_of
from armgs_server.directory.model import Principal
from armgs_server.net.http import Response

MAX_RESULTS = 200
MEMBERS = dav("group-member-set")
MEMBERSHIP = dav("group-membership")
EMAILS = f"{{{CALENDARSERVER}}}email-address-set"
ADDRESSES = f"{{{CALDAV}}}calendar-user-address-set"


def as_resource(principal: Principal) -> PrincipalResource:
    """The resource of a principal that has an href."""
    return PrincipalResource(Shape.PRINCIPAL, principal_href(principal), principal)


def _hrefs(principals: Iterable[Principal]) -> str:
    urls = filter(None, map(principal_href, principals))
    return "".join(f"<D:href>{url}</D:href>" for url in urls)


def _principal_url(view: View, resource: PrincipalResource) -> str:
    return f"<D:principal-URL><D:href>{resource.href}</D:href></D:principal-URL>"


def _current_user_principal(view: View, resource: Resource) -> str:
    url = principal_href(view.person)
    return f"<D:current-user-principal><D:href>{url}</D:href></D:current-user-principal>"


def _alternate_uris(view: View, resource: PrincipalResource) -> str:
    mail = f"<D:href>mailto:{escape(resource.principal.address)}</D:href>"
    return f"<D:alternate-URI-set>{mail}</D:alternate-URI-set>"


def _email_addresses(view: View, resource: PrincipalResource) -> str:
    mail = f"<CS:email-address>{escape(resource.principal.address)}</CS:email-address>"
    return f"<CS:email-address-set>{mail}</CS:email-address-set>"


async def _prepare_members(view: View, resources: Sequence[Resource]) -> None:
    known: dict[int, str] = view.cache.setdefault(MEMBERS, {})
    for resource in resources:
        if isinstance(resource, PrincipalResource) and resource.principal.kind == "group":
            members = await view.engine.directory.direct_members(resource.principal)
            known[resource.principal.id] = _hrefs(each for each in members if not each.disabled)


def _members(view: View, resource: PrincipalResource) -> str:
    return f"<D:group-member-set>{view.cache[MEMBERS].get(resource.principal.id, '')}</D:group-member-set>"


async def _prepare_membership(view: View, resources: Sequence[Resource]) -> None:
    known: dict[int, str] = view.cache.setdefault(MEMBERSHIP, {})
    directory = view.engine.directory
    for resource in resources:
        if isinstance(resource, PrincipalResource):
            principal = resource.principal
            ids = sorted(await directory.groups_of(principal) - {principal.id})
            groups = [await directory.by_id(each) for each in ids]
            known[principal.id] = _hrefs(each for each in groups if each is not None)


def _membership(view: View, resource: PrincipalResource) -> str:
    return f"<D:group-membership>{view.cache[MEMBERSHIP][resource.principal.id]}</D:group-membership>"


# What principal-property-search can look for (§9.5): the property, its description, its values.
SEARCHABLE: dict[str, tuple[str, Callable[[Principal], Sequence[str]]]] = {
    dav("displayname"): ("Name", lambda principal: [principal.name]),
    EMAILS: ("Mail address", lambda principal: [principal.address]),
    ADDRESSES: ("Calendar address", lambda principal: [f"mailto:{principal.address}"]),
}


async def handle_principal_property_search(call: Call, root: Element) -> Response:
    """§9.4: principals whose properties contain the texts; all of the tests, or any with test="anyof"."""
    if call.depth("0") != "0":
        raise DavError(400, "principal-property-search needs Depth: 0.")
    tests = [_parse_search(search) for search in root.findall(dav("property-search"))]
    if not tests:
        raise DavError(400, "DAV:property-search expected.")
    combine = any if root.get("test") == "anyof" else all
    found = [
        as_resource(principal)
        for principal in await _candidates(call)
        if combine(test(principal) for test in tests)
    ]
    asked = PropFind("prop")
    if root.find(dav("prop")) is not None:
        asked = parse_propfind_element(root)
    view = call.view(asked)
    texts = await view.responses(found[:MAX_RESULTS])
    if len(found) > MAX_RESULTS:  # RFC 3744 §9.4 DAV:number-of-matches-within-limits
        texts.append(status_response(call.resource.href, 507, "<D:number-of-matches-within-limits/>"))
    return multistatus(texts, headers=call.headers)


def _parse_search(search: Element) -> Callable[[Principal], bool]:
    prop, match = search.find(dav("prop")), search.find(dav("match"))
    if prop is None or match is None:
        raise DavError(400, "DAV:prop and DAV:match expected.")
    wanted, text = [name_of(child) for child in prop], text_of(match).casefold()
    # COMPAT: match-type is calendarserver's, sent by Apple's clients; RFC 3744 knows only "contains".
    kind = match.get("match-type", "contains")
    return lambda principal: any(_matches(principal, name, text, kind) for name in wanted)


def _matches(principal: Principal, name: str, text: str, kind: str) -> bool:
    if name not in SEARCHABLE:
        return False
    values = [value.casefold() for value in SEARCHABLE[name][1](principal)]
    if kind == "equals":
        return text in values
    if kind == "starts-with":
        return any(word.startswith(text) for value in values for word in (value, *value.split()))
    return any(text in value for value in values)


async def _candidates(call: Call) -> list[Principal]:
    directory, department = call.engine.directory, call.person.department
    every = [
        *await directory.people(department),
        *await directory.groups(department),
        *await directory.rooms(department),
        *await directory.equipment(department),
    ]
    return [each for each in every if not each.disabled and principal_href(each)]


async def handle_principal_search_property_set(call: Call, root: Element) -> Response:
    """§9.5."""
    entries = "".join(
        f"<D:principal-search-property><D:prop>{empty(name)}</D:prop>"
        f'<D:description xml:lang="en">{description}</D:description></D:principal-search-property>'
        for name, (description, _) in SEARCHABLE.items()
    )
    return document("D:principal-search-property-set", entries)


async def handle_principal_match(call: Call, root: Element) -> Response:
    """§9.3 with DAV:self: the person, and the groups it belongs to, below the collection of the request."""
    if call.depth("0") != "0":
        raise DavError(400, "principal-match needs Depth: 0.")
    if root.find(dav("self")) is None:
        raise DavError(403, "Only DAV:self is supported.")
    directory = call.engine.directory
    every = [await directory.by_id(each) for each in sorted(await directory.groups_of(call.person))]
    below = [
        as_resource(each)
        for each in every
        if each is not None and principal_href(each).startswith(call.resource.href)
    ]
    asked = parse_propfind_element(root) if root.find(dav("prop")) is not None else PropFind("prop")
    return multistatus(await call.view(asked).responses(below), headers=call.headers)


_ANY = Shape.ANY
FEATURE = Feature(
    properties=(
        Property(dav("principal-URL"), Shape.PRINCIPAL, _principal_url),
        Property(dav("alternate-URI-set"), Shape.PRINCIPAL, _alternate_uris),
        Property(MEMBERS, Shape.PRINCIPAL, _members, prepare=_prepare_members),
        Property(MEMBERSHIP, Shape.PRINCIPAL, _membership, prepare=_prepare_membership),
        Property(EMAILS, Shape.PRINCIPAL, _email_addresses),
        Property(dav("current-user-principal"), _ANY, _current_user_principal),
        Property(
            dav("principal-collection-set"),
            _ANY,
            lambda view, resource: (
                "<D:principal-collection-set><D:href>/dav/principals/</D:href></D:principal-collection-set>"
            ),
        ),
    ),
    reports=(
        Report(
            dav("principal-property-search"), Shape.ROOT | Shape.PRINCIPAL, handle_principal_property_search
        ),
        Report(
            dav("principal-search-property-set"),
            Shape.ROOT | Shape.PRINCIPAL,
            handle_principal_search_property_set,
        ),
        Report(dav("principal-match"), Shape.ROOT | Shape.PRINCIPAL, handle_principal_match),
    ),
)
