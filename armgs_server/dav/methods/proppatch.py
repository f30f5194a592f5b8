# SPDX-License-Identifier: Apache-2.0
"""PROPPATCH (RFC 4918 §9.2): sets and removes properties, all of them or none."""

from collections.abc import Mapping, Sequence
from typing import Any

from armgs_server.dav import own_view
from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError, status_line
from armgs_server.dav.features import Method, Shape, Tables
from armgs_server.dav.guard import Guard
from armgs_server.dav.methods.delete import check_still
from armgs_server.dav.multistatus import multistatus
from armgs_server.dav.names import dav, empty
from armgs_server.dav.resources import CollectionResource, Found, HomeResource, MemberResource, walk_to_write
from armgs_server.dav.view import key_of
from armgs_server.dav.xml import PropertyChange, parse_propertyupdate, standalone
from armgs_server.directory.access import Rights
from armgs_server.net.http import Response
from armgs_server.storage import accounts, collections, own_views, properties
from armgs_server.storage.tx import Tx

Failures = Mapping[str, DavError]


async def handle_proppatch(call: Call) -> Response:
    """207 with a propstat for each outcome."""
    if isinstance(call.resource, HomeResource):
        return await _change_home(call, call.resource)
    resource, place = call.resource, call.place
    assert isinstance(resource, MemberResource | CollectionResource) and place is not None
    changes = parse_propertyupdate(await call.body())
    own, shared = own_view.split(call, resource, changes)
    parent = call.require(resource, Rights.WRITE if shared else Rights.LOOKUP)
    before = {} if isinstance(resource, MemberResource) else dict(parent.collection.data)
    _, _, failures = apply_changes(call.engine.tables, resource.shape, dict(before), changes)
    data, dead, _ = apply_changes(call.engine.tables, resource.shape, dict(before), shared)
    failures = failures or await _confirm(call, changes)
    if failures:
        return _answer(resource.href, changes, failures)
    guard = await Guard.of(call)

    async def work(tx: Tx) -> None:
        found = await walk_to_write(tx, place)
        check_still(found, resource)
        await guard.check(tx, found)
        collection = found.chain[-1]
        if own:
            seen = dict((await own_views.of(tx, call.person.id)).get((collection.owner, collection.id), {}))
            mine, _, _ = apply_changes(call.engine.tables, resource.shape, seen, own)
            await own_views.put(tx, call.person.id, collection, mine)
        if not shared:
            return
        await guard.check_lock(tx, found)
        uid = found.item.uid if found.item else 0
        await properties.change(tx, collection.owner, collection.id, uid, dead)
        if not uid and data != before:
            # Made again from what is there now: somebody else may have set another property meanwhile.
            now, _, _ = apply_changes(call.engine.tables, resource.shape, dict(collection.data), shared)
            await collections.update(tx, collection, data=now)
        elif not uid and dead:  # no clock of the collection counts these; who watches it (WebDAV-Push) asks
            tx.changed(collection.owner, collection.id, collection.modseq)

    await call.engine.store.write(work)
    return _changed(call, changes)


async def _change_home(call: Call, home: HomeResource) -> Response:
    """Of a home all that can be set is kept as dead properties."""
    rights = await call.engine.directory.access.account_rights(call.person, home.principal.id)
    if home.principal.id != call.person.id and Rights.WRITE not in rights:
        missing = f"<D:href>{home.href}</D:href><D:privilege><D:write-properties/></D:privilege>"
        content = f"<D:resource>{missing}</D:resource>"
        raise DavError(403, condition=dav("need-privileges"), content=content)
    changes = parse_propertyupdate(await call.body())
    _, dead, failures = apply_changes(call.engine.tables, home.shape, {}, changes)
    failures = failures or await _confirm(call, changes)
    if failures:
        return _answer(home.href, changes, failures)
    guard = await Guard.of(call)
    key = key_of(home)
    assert key is not None

    async def work(tx: Tx) -> None:
        await accounts.hold(tx, (key[0],))
        await guard.check(tx, Found((), None, ()))
        await properties.change(tx, *key, dead)

    await call.engine.store.write(work)
    return _changed(call, changes)


def _changed(call: Call, changes: Sequence[PropertyChange]) -> Response:
    if call.preferences.get("return") == "minimal":  # RFC 8144 §2.2
        call.note_applied("return=minimal")
        return Response(204, call.headers)
    return _answer(call.resource.href, changes, {})


async def _confirm(call: Call, changes: Sequence[PropertyChange]) -> Failures:
    """What the store has against a change that is well-formed."""
    failures: dict[str, DavError] = {}
    for change in changes:
        prop = call.engine.tables.properties.get(change.name)
        if prop is not None and prop.confirm is not None and change.element is not None:
            try:
                await prop.confirm(call, change.element)
            except DavError as error:
                failures[change.name] = error
    return failures


def apply_changes(
    tables: Tables,
    shape: Shape,
    data: dict[str, Any],
    changes: Sequence[PropertyChange],
    *,
    making: bool = False,
) -> tuple[dict[str, Any], dict[str, str | None], Failures]:
    """The collection's data and the dead properties after the changes, and what was refused."""
    dead: dict[str, str | None] = {}
    failures: dict[str, DavError] = {}
    for change in changes:
        prop = tables.properties.get(change.name)
        try:
            settable = (
                prop is not None and shape in prop.on & Shape.COLLECTION and (making or not prop.initial)
            )
            if prop is not None and prop.change is not None and settable:
                prop.change(data, change.element)
            elif prop is None or (shape in prop.on and prop.stored):
                dead[change.name] = None if change.element is None else standalone(change.element)
            else:  # also what is live elsewhere only: a dead one of that name would deceive clients
                raise DavError(403, condition=dav("cannot-modify-protected-property"))
        except DavError as error:
            failures[change.name] = error
    return data, dead, failures


def propstats(changes: Sequence[PropertyChange], failures: Failures) -> str:
    """A DAV:propstat for each outcome: all 200, or the refusals and 424 for what fell with them (§9.2.1)."""
    groups: dict[tuple[int, str], list[str]] = {}
    for name in dict.fromkeys(change.name for change in changes):
        error = failures.get(name)
        status = error.status if error else (424 if failures else 200)
        groups.setdefault((status, error.error_element() if error else ""), []).append(name)
    return "".join(
        f"<D:propstat><D:prop>{''.join(map(empty, names))}</D:prop><D:status>{status_line(status)}</D:status>"
        f"{f'<D:error>{condition}</D:error>' if condition else ''}</D:propstat>"
        for (status, condition), names in groups.items()
    )


def _answer(href: str, changes: Sequence[PropertyChange], failures: Failures) -> Response:
    stats = propstats(changes, failures)
    return multistatus([f"<D:response><D:href>{href}</D:href>{stats}</D:response>"])


METHOD = Method("PROPPATCH", Shape.MEMBER | Shape.COLLECTION | Shape.HOME, handle_proppatch)
