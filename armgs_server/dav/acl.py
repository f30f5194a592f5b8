# SPDX-License-Identifier: Apache-2.0
"""RFC 3744, read: who owns a resource, what may be done with it, who was granted what.

The rights themselves are `directory.access`; this file only says them in DAV's words.
"""

from collections.abc import Sequence

from armgs_server.dav.features import Feature, Property, Shape
from armgs_server.dav.names import dav, escape
from armgs_server.dav.resources import (
    CollectionResource,
    HomeResource,
    MemberResource,
    PrincipalResource,
    Resource,
    principal_href,
)
from armgs_server.dav.view import View
from armgs_server.directory.access import EVERYBODY, EVERYTHING, Rights
from armgs_server.directory.model import Principal

OWNERS = dav("owner")
ACL = dav("acl")

# What each right permits (RFC 3744 §3). Aggregates come with all of their parts.
PRIVILEGES: tuple[tuple[Rights, tuple[str, ...]], ...] = (
    (Rights.READ, ("read", "read-current-user-privilege-set")),
    (Rights.WRITE, ("write-properties", "write-content", "unlock")),
    (Rights.INSERT, ("bind",)),
    (Rights.DELETE_ITEMS, ("unbind",)),
    (Rights.ADMIN, ("read-acl", "write-acl")),
)
_WRITE = Rights.WRITE | Rights.INSERT | Rights.DELETE_ITEMS

_SUPPORTED = (
    "<D:supported-privilege-set><D:supported-privilege><D:privilege><D:all/></D:privilege>"
    '<D:description xml:lang="en">Everything</D:description>{read}{write}{acl}'
    "</D:supported-privilege></D:supported-privilege-set>"
)


def privileges(rights: Rights) -> list[str]:
    """The local names of the privileges that rights give."""
    names = ["all"] if rights == EVERYTHING else []
    for right, given in PRIVILEGES:
        if right in rights:
            names.extend(given)
    if _WRITE in rights:
        names.append("write")
    return names


def _supported(name: str, description: str, inside: str = "") -> str:
    return (
        f"<D:supported-privilege><D:privilege><D:{name}/></D:privilege>"
        f'<D:description xml:lang="en">{description}</D:description>{inside}</D:supported-privilege>'
    )


SUPPORTED_PRIVILEGES = _SUPPORTED.format(
    read=_supported(
        "read", "Read", _supported("read-current-user-privilege-set", "Read one's own privileges")
    ),
    write=_supported(
        "write",
        "Write",
        _supported("write-properties", "Change properties")
        + _supported("write-content", "Change content")
        + _supported("bind", "Add members")
        + _supported("unbind", "Remove members"),
    ),
    acl=_supported("unlock", "Remove locks of others")
    + _supported("read-acl", "Read who may do what")
    + _supported("write-acl", "Change who may do what"),
)


def rights_of(view: View, resource: Resource) -> Rights:
    """The person's rights on any resource."""
    if isinstance(resource, MemberResource):
        return resource.parent.rights
    if isinstance(resource, CollectionResource):
        return resource.rights
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
    granted = "".join(
        f"<D:privilege><D:{name}/></D:privilege>" for name in privileges(rights_of(view, resource))
    )
    return f"<D:current-user-privilege-set>{granted}</D:current-user-privilege-set>"


async def _prepare_acl(view: View, resources: Sequence[Resource]) -> None:
    """The ACEs of the collections whose ACL the person may read."""
    await _prepare_owner(view, resources)
    entries: dict[tuple[int, int], str] = view.cache.setdefault(ACL, {})
    for parent in filter(None, map(_collection_of, resources)):
        key = (parent.collection.owner, parent.collection.id)
        if Rights.ADMIN in parent.rights and key not in entries:
            entries[key] = await _aces(view, parent)


async def _aces(view: View, parent: CollectionResource) -> str:
    aces = [_ace("<D:property><D:owner/></D:property>", EVERYTHING, protected=True)]
    for grantee, rights in (await view.engine.directory.access.grants(parent.collection)).items():
        if grantee == EVERYBODY:
            aces.append(_ace("<D:authenticated/>", rights))
            continue
        principal = await view.engine.directory.by_id(grantee)
        url = principal_href(principal) if principal else ""
        if url:
            aces.append(_ace(f"<D:href>{escape(url)}</D:href>", rights))
    return "".join(aces)


def _ace(principal: str, rights: Rights, *, protected: bool = False) -> str:
    granted = "".join(f"<D:privilege><D:{name}/></D:privilege>" for name in privileges(rights))
    if not granted:
        return ""
    mark = "<D:protected/>" if protected else ""
    return f"<D:ace><D:principal>{principal}</D:principal><D:grant>{granted}</D:grant>{mark}</D:ace>"


def _acl(view: View, resource: Resource) -> str | None:
    parent = _collection_of(resource)
    if parent is None:
        return None
    entries = view.cache[ACL].get((parent.collection.owner, parent.collection.id))
    return None if entries is None else f"<D:acl>{entries}</D:acl>"


_STORED = Shape.COLLECTION | Shape.MEMBER
FEATURE = Feature(
    compliance=("access-control",),
    properties=(
        Property(OWNERS, _STORED | Shape.HOME | Shape.PRINCIPAL, _owner, prepare=_prepare_owner),
        Property(dav("supported-privilege-set"), Shape.ANY, lambda view, resource: SUPPORTED_PRIVILEGES),
        Property(dav("current-user-privilege-set"), Shape.ANY, _current_user_privilege_set),
        Property(ACL, _STORED, _acl, prepare=_prepare_acl),
        # §5.6: what an ACL here can say: grants only, no deny.
        Property(
            dav("acl-restrictions"),
            _STORED,
            lambda view, resource: "<D:acl-restrictions><D:grant-only/><D:no-invert/></D:acl-restrictions>",
        ),
        Property(dav("inherited-acl-set"), _STORED, lambda view, resource: "<D:inherited-acl-set/>"),
    ),
)
