# SPDX-License-Identifier: Apache-2.0
"""Delegates as Apple's calendar-proxy extension has them: two groups below each principal.

    /dav/principals/people/ADDRESS/calendar-proxy-read/     may read the calendars
    /dav/principals/people/ADDRESS/calendar-proxy-write/    may write them, invite and answer too

Who is in them is kept in the data of the owner's outbox; what it permits is granted on every calendar, the
inbox and the outbox, as if it had been said by ACL, and on calendars that are made later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Method, Property, Shape
from armgs_server.dav.methods.proppatch import propstats
from armgs_server.dav.multistatus import multistatus
from armgs_server.dav.names import CALENDARSERVER, dav, element, href
from armgs_server.dav.paths import parse_href
from armgs_server.dav.resources import PrincipalResource, ProxyResource, Resource, principal_href
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, PropertyChange, parse_propertyupdate, text_of
from armgs_server.directory.access import NOTHING, READ_ONLY, READ_WRITE, Rights, put_grant
from armgs_server.errors import NotFound
from armgs_server.net.http import Response
from armgs_server.storage import accounts, collections, scheduling
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

MEMBERS = dav("group-member-set")
READ_FOR, WRITE_FOR = (f"{{{CALENDARSERVER}}}calendar-proxy-{mode}-for" for mode in ("read", "write"))
RIGHTS = {"read": READ_ONLY, "write": READ_WRITE | Rights.POST}
KINDS = ("calendar", "tasks", scheduling.INBOX, scheduling.OUTBOX)
MAX_PROXIES = 100


async def grant_made(tx: Tx, made: Collection) -> None:
    """Gives the delegates their rights on a calendar that has just been made."""
    outbox = await scheduling.outbox(tx, made.owner)
    for mode, rights in RIGHTS.items():
        for grantee in scheduling.proxies(outbox, mode):
            await put_grant(tx, made, grantee, rights)


async def _hrefs(view: View, numbers: Sequence[int]) -> str:
    found = [await view.engine.directory.by_id(number) for number in numbers]
    return "".join(href(principal_href(each)) for each in found if each is not None and not each.disabled)


async def _prepare_for(view: View, resources: Sequence[Resource]) -> None:
    known: dict[tuple[int, str], str] = view.cache.setdefault(READ_FOR, {})
    for resource in resources:
        if not isinstance(resource, PrincipalResource):
            continue
        principal = resource.principal
        groups = await view.engine.directory.groups_of(principal)
        shared = await view.engine.directory.access.shared_with(principal, scheduling.OUTBOX)
        for mode in RIGHTS:
            owners = [each.owner for each in shared if groups & set(scheduling.proxies(each, mode))]
            known[principal.id, mode] = await _hrefs(view, owners)


def _for(name: str, mode: str) -> Any:
    return lambda view, resource: element(name, view.cache[READ_FOR].get((resource.principal.id, mode), ""))


async def handle_proppatch(call: Call) -> Response:
    """Sets who is in the group; nothing else can be set there."""
    resource = call.resource
    assert isinstance(resource, ProxyResource)
    if resource.principal.id != call.person.id:
        raise DavError(
            403,
            condition=dav("need-privileges"),
            content=f"<D:resource>{href(resource.href)}<D:privilege><D:write-properties/></D:privilege>"
            "</D:resource>",
        )
    changes: list[PropertyChange] = parse_propertyupdate(await call.body())
    failures = {
        change.name: DavError(403, condition=dav("cannot-modify-protected-property"))
        for change in changes
        if change.name != MEMBERS
    }
    if not failures:
        members = [await _parse_members(call, change.element) for change in changes]
        await call.engine.store.write(lambda tx: _set(tx, resource, members[-1] if members else []))
    stats = propstats(changes, failures)
    return multistatus([f"<D:response>{href(resource.href)}{stats}</D:response>"])


async def _parse_members(call: Call, given: Element | None) -> list[int]:
    found: list[int] = []
    for child in given.findall(dav("href")) if given is not None else ():
        try:
            principal = await call.engine.locate(call.person, parse_href(text_of(child).strip()).segments)
        except NotFound:
            principal = None
        if not isinstance(principal, PrincipalResource) or len(found) >= MAX_PROXIES:
            raise DavError(403, "Not a principal of this server.", condition=dav("recognized-principal"))
        found.append(principal.principal.id)
    return list(dict.fromkeys(found))


async def _set(tx: Tx, resource: ProxyResource, members: list[int]) -> None:
    owner, mode = resource.principal.id, resource.mode
    await accounts.hold(tx, (owner,))
    outbox = await scheduling.outbox(tx, owner)
    if outbox is None:
        raise NotFound()
    before = {each: list(scheduling.proxies(outbox, each)) for each in RIGHTS}
    after = {**before, mode: members}
    for other in RIGHTS.keys() - {mode}:  # somebody is in one of them
        after[other] = [each for each in before[other] if each not in members]
    await collections.update(tx, outbox, data={**outbox.data, scheduling.PROXIES: after})
    wanted = {grantee: RIGHTS[each] for each in ("read", "write") for grantee in after[each]}
    for kind in KINDS:
        for collection in await collections.all_of(tx, owner, kind):
            for grantee in {*before["read"], *before["write"], *wanted}:
                await put_grant(tx, collection, grantee, wanted.get(grantee, NOTHING))


FEATURE = Feature(
    compliance=("calendar-proxy",),
    properties=(
        Property(READ_FOR, Shape.PRINCIPAL, _for(READ_FOR, "read"), prepare=_prepare_for),
        Property(WRITE_FOR, Shape.PRINCIPAL, _for(WRITE_FOR, "write"), prepare=_prepare_for),
    ),
    methods=(Method("PROPPATCH", Shape.PROXY, handle_proppatch),),
)
