# SPDX-License-Identifier: Apache-2.0
"""RFC 3744 §5: who owns a resource, what may be done with it, who was granted what and where it comes from.

The rights themselves are `directory.access`; this file only says them in DAV's words.
"""

from collections.abc import Sequence

from armgs_server.dav import privileges as table
from armgs_server.dav.features import Feature, Property, Shape
from armgs_server.dav.methods.acl import METHOD, RESTRICTIONS
from armgs_server.dav.names import dav, escape
from armgs_server.dav.privileges import privileges, supported_privilege_set
from armgs_server.dav.resources import (
    CollectionResource,
    HomeResource,
    MemberResource,
    PrincipalResource,
    Resource,
    chain_href,
    principal_href,
)
from armgs_server.dav.scheduling_rights import everybodys
from armgs_server.dav.view import View
from armgs_server.directory.access import EVERYBODY, EVERYTHING, NOTHING, Rights
from armgs_server.directory.model import Principal

OWNERS = dav("owner")
ACL = dav("acl")


def rights_of(view: View, resource: Resource) -> Rights:
    """The person's rights on any resource."""
    if isinstance(resource, MemberResource):
        return resource.parent.rights
    if isinstance(resource, CollectionResource):
        is_inbox = resource.shape is Shape.INBOX
        return resource.rights | (everybodys(resource.collection) if is_inbox else NOTHING)
    if isinstance(resource, HomeResource | PrincipalResource) and resource.principal.id == view.person.id:
        return Rights.LOOKUP | Rights.READ | Rights.WRITE | Rights.INSERT | Rights.DELETE_ITEMS
    return Rights.LOOKUP | Rights.READ


def _collection_of(resource: Resource) -> CollectionResource | None:
    if isinstance(resource, MemberResource):
        return resource.parent
    return resource if isinstance(resource, CollectionResource) else None


async def _prepare_owner(view: View, resources: Sequence[Resource]) -> None:
    known: dict[int, Principal | None] = view.cache.setdefault(OWNERS, {})
    for resource in resources:
        parent = _collection_of(resource)
        if parent is not None and parent.collection.owner not in known:
            known[parent.collection.owner] = await view.engine.directory.by_id(parent.collection.owner)


def _owner(view: View, resource: Resource) -> str | None:
    parent = _collection_of(resource)
    if parent is not None:
        principal = view.cache[OWNERS].get(parent.collection.owner)
    elif isinstance(resource, HomeResource | PrincipalResource):
        principal = resource.principal
    else:
        return None
    # What a department owns has an owner without a principal resource: an empty element (§5.1).
    url = principal_href(principal) if principal else ""
    return f"<D:owner><D:href>{url}</D:href></D:owner>" if url else "<D:owner/>"


def _current_user_privilege_set(view: View, resource: Resource) -> str:
    granted = table.serialise(privileges(rights_of(view, resource), resource.shape))
    return f"<D:current-user-privilege-set>{granted}</D:current-user-privilege-set>"


def _supported_privilege_set(view: View, resource: Resource) -> str:
    return supported_privilege_set(resource.shape)


async def _prepare_acl(view: View, resources: Sequence[Resource]) -> None:
    """The ACEs of the collections whose ACL the person may read (DAV:read-acl)."""
    await _prepare_owner(view, resources)
    entries: dict[tuple[int, int, bool], str] = view.cache.setdefault(ACL, {})
    for resource in resources:
        parent = _collection_of(resource)
        if parent is None or Rights.ADMIN not in parent.rights:
            continue
        key = _acl_key(resource, parent)
        if key not in entries:
            entries[key] = await _aces(view, parent, is_member=key[2])


def _acl_key(resource: Resource, parent: CollectionResource) -> tuple[int, int, bool]:
    return parent.collection.owner, parent.collection.id, isinstance(resource, MemberResource)


async def _aces(view: View, parent: CollectionResource, *, is_member: bool) -> str:
    """The owner's, which is protected, the collection's own, then what comes from above (§5.5.4)."""
    shape = parent.kind.member if is_member else parent.shape
    aces = [_ace("<D:property><D:owner/></D:property>", EVERYTHING, "<D:protected/>", shape)]
    for above in reversed(parent.chain):
        is_own = above.id == parent.collection.id and not is_member
        href = chain_href(parent, above)
        if not href:
            continue  # above what is shared with the asker
        mark = "" if is_own else f"<D:inherited><D:href>{href}</D:href></D:inherited>"
        grants = dict(await view.engine.directory.access.grants(above))
        if shape is Shape.INBOX:
            grants[EVERYBODY] = grants.get(EVERYBODY, NOTHING) | everybodys(above)
        for grantee, rights in grants.items():
            aces.append(_ace(await _grantee(view, grantee), rights, mark, shape))
    return "".join(aces)


async def _grantee(view: View, grantee: int) -> str:
    if grantee == EVERYBODY:
        return "<D:authenticated/>"
    principal = await view.engine.directory.by_id(grantee)
    url = principal_href(principal) if principal else ""
    return f"<D:href>{escape(url)}</D:href>" if url else ""


def _ace(principal: str, rights: Rights, mark: str, shape: Shape) -> str:
    granted = table.serialise(privileges(rights, shape))
    if not granted or not principal:
        return ""
    return f"<D:ace><D:principal>{principal}</D:principal><D:grant>{granted}</D:grant>{mark}</D:ace>"


def _acl(view: View, resource: Resource) -> str | None:
    parent = _collection_of(resource)
    if parent is None:
        return None
    entries = view.cache[ACL].get(_acl_key(resource, parent))
    return None if entries is None else f"<D:acl>{entries}</D:acl>"


def _inherited_acl_set(view: View, resource: Resource) -> str | None:
    """§5.7: what else decides, as far as the asker may read it."""
    parent = _collection_of(resource)
    if parent is None or Rights.ADMIN not in parent.rights:
        return None
    above = parent.chain if isinstance(resource, MemberResource) else parent.chain[:-1]
    urls = filter(None, (chain_href(parent, each) for each in above))
    hrefs = "".join(f"<D:href>{url}</D:href>" for url in urls)
    return f"<D:inherited-acl-set>{hrefs}</D:inherited-acl-set>"


_STORED = Shape.COLLECTION | Shape.MEMBER
FEATURE = Feature(
    compliance=("access-control",),
    methods=(METHOD,),
    properties=(
        Property(OWNERS, _STORED | Shape.HOME | Shape.PRINCIPAL, _owner, prepare=_prepare_owner),
        # §5.2: there is no such thing here; the element is empty.
        Property(dav("group"), _STORED, lambda view, resource: "<D:group/>"),
        Property(dav("supported-privilege-set"), Shape.ANY, _supported_privilege_set),
        Property(dav("current-user-privilege-set"), Shape.ANY, _current_user_privilege_set),
        Property(ACL, _STORED, _acl, prepare=_prepare_acl),
        Property(dav("acl-restrictions"), _STORED, lambda view, resource: RESTRICTIONS),
        Property(dav("inherited-acl-set"), _STORED, _inherited_acl_set),
    ),
)
