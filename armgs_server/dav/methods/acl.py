# SPDX-License-Identifier: Apache-2.0
"""ACL (RFC 3744 §8.1): sets who may do what on a collection; members have the rights of theirs.

An ACL here grants and never denies, and names no principal by exclusion (DAV:acl-restrictions). The
owner's ACE is protected. Grants to whom no URL stands for (a unit, a department) are the directory's:
they are not shown in DAV:acl and an ACL request leaves them as they are.
"""

from collections.abc import Mapping

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Method, Shape
from armgs_server.dav.guard import Guard
from armgs_server.dav.methods.delete import check_still
from armgs_server.dav.names import dav, escape
from armgs_server.dav.paths import parse_href
from armgs_server.dav.privileges import rights_from, supported, unsaid
from armgs_server.dav.resources import (
    CollectionResource,
    PrincipalResource,
    principal_href,
    walk_to_write,
)
from armgs_server.dav.scheduling_rights import put_everybodys
from armgs_server.dav.xml import Element, hrefs_of, name_of, parse_document
from armgs_server.directory.access import EVERYBODY, NOTHING, Rights, put_grant
from armgs_server.errors import NotFound
from armgs_server.net.http import Response
from armgs_server.storage.tx import Tx

# §5.6
RESTRICTIONS = "<D:acl-restrictions><D:grant-only/><D:no-invert/></D:acl-restrictions>"
OWNER = -1  # the principal DAV:property/DAV:owner, who has everything anyway
MARKS = (dav("protected"), dav("inherited"))


async def handle_acl(call: Call) -> Response:
    """200; every violated precondition of §8.1.1 is named."""
    resource, place = call.resource, call.place
    assert isinstance(resource, CollectionResource) and place is not None
    call.require(resource, Rights.ADMIN)
    root = parse_document(await call.body())
    if root.tag != dav("acl"):
        raise DavError(400, "DAV:acl expected.")
    wanted = await _parse_acl(call, root)
    shown = {
        grantee
        for grantee in await call.engine.directory.access.grants(resource.collection)
        if await _has_url(call, grantee)
    }
    guard = await Guard.of(call)

    async def work(tx: Tx) -> None:
        found = await walk_to_write(tx, place)
        check_still(found, resource)
        await guard.check(tx, found)
        await guard.check_lock(tx, found)
        collection, grantees = found.chain[-1], shown | set(wanted)
        if resource.shape is Shape.INBOX:
            await put_everybodys(tx, collection, wanted.get(EVERYBODY, NOTHING))
            grantees -= {EVERYBODY}
        for grantee in sorted(grantees):
            await put_grant(tx, collection, grantee, wanted.get(grantee, NOTHING))

    await call.engine.store.write(work)
    return Response(200, [("Cache-Control", "no-cache")])


async def _has_url(call: Call, grantee: int) -> bool:
    if grantee == EVERYBODY:
        return True
    principal = await call.engine.directory.by_id(grantee)
    return principal is not None and bool(principal_href(principal))


async def _parse_acl(call: Call, root: Element) -> Mapping[int, Rights]:
    """The rights of each grantee; several ACEs for one add up."""
    aces = [each for each in root if each.tag == dav("ace")]
    if len(aces) > call.engine.config.dav.acl_entries:
        raise _refusal("limited-number-of-aces")
    wanted: dict[int, Rights] = {}
    for ace in aces:
        if any(ace.find(mark) is not None for mark in MARKS):
            # COMPAT: clients send back what they have read. What is protected or inherited stays as it is;
            # §8.1.1 refuses only what contradicts it, and a grant never does.
            _check_grants(ace, call.resource.shape)
            continue
        names = _check_grants(ace, call.resource.shape)
        grantee = await _parse_principal(call, ace)
        if grantee != OWNER:
            wanted[grantee] = wanted.get(grantee, Rights(0)) | rights_from(names, call.resource.shape)
    return wanted


def _check_grants(ace: Element, shape: Shape) -> list[str]:
    """The privileges of an ACE, all of them grantable."""
    if ace.find(dav("invert")) is not None:
        raise _refusal("no-invert")
    if ace.find(dav("deny")) is not None:
        raise _refusal("grant-only")
    grant = ace.find(dav("grant"))
    if grant is None:
        raise DavError(400, "DAV:grant expected.")
    names = [name_of(child) for privilege in grant.findall(dav("privilege")) for child in privilege]
    if not names:
        raise DavError(400, "DAV:privilege expected.")
    if any(name not in supported(shape) for name in names):
        raise _refusal("not-supported-privilege")
    if unsaid(names, shape):
        raise _refusal("no-abstract")
    return names


async def _parse_principal(call: Call, ace: Element) -> int:
    """The grantee of DAV:principal (§5.5.1)."""
    principal = ace.find(dav("principal"))
    if principal is None or len(principal) != 1:
        raise DavError(400, "DAV:principal with one element expected.")
    kind = name_of(principal[0])
    if kind == dav("href"):
        return await _locate(call, hrefs_of(principal)[0])
    if kind in (dav("authenticated"), dav("all")):
        return EVERYBODY  # nobody else gets as far as an ACL
    if kind == dav("property") and [name_of(child) for child in principal[0]] == [dav("owner")]:
        return OWNER
    if kind in (dav("property"), dav("self"), dav("unauthenticated")):
        # §8.1.1 DAV:allowed-principal: no other property names a principal here, a collection is none itself,
        # and who does not log in has no rights whatever is granted.
        raise _refusal("allowed-principal")
    raise DavError(400, "DAV:principal is not understood.")


async def _locate(call: Call, href: str) -> int:
    """The principal at a URL of this server."""
    try:
        resource = await call.engine.locate(call.person, parse_href(href).segments)
    except (DavError, NotFound) as error:
        raise _refusal("recognized-principal", f"<D:href>{escape(href)}</D:href>") from error
    if not isinstance(resource, PrincipalResource):
        raise _refusal("recognized-principal", f"<D:href>{escape(href)}</D:href>")
    assert isinstance(call.resource, CollectionResource)
    is_owner = resource.principal.id == call.resource.collection.owner
    return OWNER if is_owner else resource.principal.id


def _refusal(local: str, content: str = "") -> DavError:
    return DavError(403, condition=dav(local), content=content)


METHOD = Method("ACL", Shape.COLLECTION, handle_acl)
