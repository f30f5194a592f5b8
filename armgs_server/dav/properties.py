# SPDX-License-Identifier: Apache-2.0
"""Live properties of RFC 4918 §15 and the small ones every client asks for beside them.

Rendering two thousand files is the hot path: each function gives its element as text, dates are made
from a day that is kept and a time of day.
"""

import uuid
from collections.abc import Callable, Sequence
from functools import lru_cache
from time import gmtime, strftime
from typing import Any

from armgs_server.dav import sharing_state
from armgs_server.dav.features import Property, Shape
from armgs_server.dav.names import CALENDARSERVER, dav, escape
from armgs_server.dav.paths import parse_path
from armgs_server.dav.resources import (
    CollectionResource,
    FolderResource,
    HistoryResource,
    HomeResource,
    MemberResource,
    PrincipalResource,
    ProxyResource,
    Resource,
    VersionsResource,
)
from armgs_server.dav.view import View, key_of
from armgs_server.dav.xml import Element, text_of
from armgs_server.directory import control_lists
from armgs_server.directory.access import Rights
from armgs_server.directory.languages import is_russian
from armgs_server.directory.model import Principal
from armgs_server.storage import locks
from armgs_server.storage.clock import SECOND, now
from armgs_server.storage.locks import Lock
from armgs_server.storage.tx import Tx

DAY = 86400
_MINUTES = [f"{minute // 60:02}:{minute % 60:02}:" for minute in range(1440)]
_SECONDS = [f"{second:02}" for second in range(60)]
LOCKS = dav("lockdiscovery")
RESOURCE_IDS = uuid.UUID("0f5bb3c8-8a37-5d6d-9f6c-2f4f0d7f8a11")
MAX_DISPLAY_NAME = 1000
STANDARD_ROLES = ("default", "directory")
NAMES_RU = {
    ("calendar", "default"): "Календарь",
    ("tasks", "tasks"): "Задачи",
    ("addressbook", "contacts"): "Контакты",
    ("addressbook", "directory"): "Справочник",
}

_SUPPORTED_LOCK = "<D:supportedlock>" + "".join(
    f"<D:lockentry><D:lockscope><D:{scope}/></D:lockscope>"
    "<D:locktype><D:write/></D:locktype></D:lockentry>"
    for scope in ("exclusive", "shared")
) + "</D:supportedlock>"  # fmt: skip


@lru_cache(maxsize=1024)
def _day(number: int) -> tuple[str, str]:
    moment = gmtime(number * DAY)
    weekday = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.tm_wday]
    month = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()[moment.tm_mon - 1]
    imf = f"{weekday}, {moment.tm_mday:02} {month} {moment.tm_year:04}"
    return imf, strftime("%Y-%m-%d", moment)


def http_date(moment: int) -> str:
    """IMF-fixdate (RFC 9110 §5.6.7) of microseconds since 1970."""
    day, second = divmod(moment // SECOND, DAY)
    minute, second = divmod(second, 60)
    return f"{_day(day)[0]} {_MINUTES[minute]}{_SECONDS[second]} GMT"


def iso_date(moment: int) -> str:
    """RFC 3339 date-time of microseconds since 1970."""
    day, second = divmod(moment // SECOND, DAY)
    minute, second = divmod(second, 60)
    return f"{_day(day)[1]}T{_MINUTES[minute]}{_SECONDS[second]}Z"


@lru_cache(maxsize=1024)
def _content_type(kind: str) -> str:
    return f"<D:getcontenttype>{escape(kind)}</D:getcontenttype>"


def display_name(resource: Resource) -> str:
    """What a person calls it."""
    if isinstance(resource, MemberResource):
        return resource.item.name or ""
    if isinstance(resource, CollectionResource):
        given = resource.collection.data.get("displayname")
        # The root of files has no name of its own: the owner's address, or "shared".
        return str(given or resource.collection.name or parse_path(resource.href).segments[-1])
    if isinstance(resource, PrincipalResource | HomeResource | ProxyResource):
        return resource.principal.name
    if isinstance(resource, HistoryResource):
        return resource.file.item.name or ""
    assert isinstance(resource, FolderResource | VersionsResource)
    return resource.name


def _creationdate(view: View, resource: Any) -> str:
    if isinstance(resource, MemberResource):
        return f"<D:creationdate>{iso_date(resource.item.created)}</D:creationdate>"
    moment = resource.collection.uid_validity * SECOND  # the second it was made in
    return f"<D:creationdate>{iso_date(moment)}</D:creationdate>"


def _displayname(view: View, resource: Resource) -> str:
    return f"<D:displayname>{escape(standard_name(view.person, resource))}</D:displayname>"


def standard_name(person: Principal, resource: Resource) -> str:
    """The name in the reader's language of a standard collection that nobody has given another."""
    if isinstance(resource, CollectionResource) and resource.collection.role == control_lists.ROLE:
        control = "Контроль" if is_russian(person) else "Assigned tasks"
        return f"{control}: {resource.collection.data.get(control_lists.TITLE, '')}"
    if isinstance(resource, CollectionResource) and "displayname" not in resource.collection.data:
        collection = resource.collection
        if collection.role in STANDARD_ROLES and is_russian(person):
            return NAMES_RU.get((collection.kind, collection.name)) or display_name(resource)
    return display_name(resource)


def _change_displayname(data: dict[str, Any], element: Element | None) -> None:
    if element is None:
        data.pop("displayname", None)
    else:
        data["displayname"] = text_of(element)[:MAX_DISPLAY_NAME]


def _getcontentlength(view: View, resource: MemberResource) -> str:
    return f"<D:getcontentlength>{resource.item.size}</D:getcontentlength>"


def _getcontenttype(view: View, resource: MemberResource) -> str:
    return _content_type(resource.item.content_type or resource.parent.kind.content_type)


def _getetag(view: View, resource: MemberResource) -> str:
    return f"<D:getetag>{resource.item.etag}</D:getetag>"


def _getlastmodified(view: View, resource: MemberResource) -> str:
    return f"<D:getlastmodified>{http_date(resource.item.modified)}</D:getlastmodified>"


def _resourcetype(view: View, resource: Resource) -> str:
    if isinstance(resource, MemberResource):
        return "<D:resourcetype/>"
    if isinstance(resource, CollectionResource):
        sharing = sharing_state.known_state(view, resource)
        mark = f"<CS:{sharing.mark}/>" if sharing is not None and sharing.mark else ""
        return f"<D:resourcetype>{resource.kind.resource_type}{mark}</D:resourcetype>"
    if isinstance(resource, PrincipalResource):
        return "<D:resourcetype><D:collection/><D:principal/></D:resourcetype>"
    if isinstance(resource, ProxyResource):
        kind = f"<CS:calendar-proxy-{resource.mode}/>"
        return f"<D:resourcetype><D:collection/><D:principal/>{kind}</D:resourcetype>"
    if resource.shape is Shape.HISTORY:  # RFC 3253 §5.1
        return "<D:resourcetype><D:collection/><D:version-history/></D:resourcetype>"
    if resource.shape is Shape.GATEWAY:
        return "<D:resourcetype><D:collection/><CR:addressbook/><CR:directory/></D:resourcetype>"
    return "<D:resourcetype><D:collection/></D:resourcetype>"


def _supportedlock(view: View, resource: Resource) -> str:
    # Clients trust it: where LOCK would be refused it must be empty, or files open read-only for nothing.
    parent = resource.parent if isinstance(resource, MemberResource) else resource
    assert isinstance(parent, CollectionResource)
    return _SUPPORTED_LOCK if Rights.WRITE in parent.rights else "<D:supportedlock/>"


async def prepare_locks(view: View, resources: Sequence[Resource]) -> None:
    """The live locks on these resources and above them, by owner."""
    wanted: dict[int, set[int]] = {}
    for resource in resources:
        parent = resource.parent if isinstance(resource, MemberResource) else resource
        if isinstance(parent, CollectionResource):
            wanted.setdefault(parent.collection.owner, set()).update(each.id for each in parent.chain)

    async def work(tx: Tx) -> dict[int, list[Lock]]:
        return {owner: await locks.in_collections(tx, owner, sorted(ids)) for owner, ids in wanted.items()}

    view.cache[LOCKS] = await view.engine.store.read(work)


def _lockdiscovery(view: View, resource: Any) -> str:
    parent: CollectionResource = resource.parent if isinstance(resource, MemberResource) else resource
    present: list[Lock] = view.cache[LOCKS].get(parent.collection.owner, [])
    if not present:
        return "<D:lockdiscovery/>"
    chain = [each.id for each in parent.chain]
    uid = resource.item.uid if isinstance(resource, MemberResource) else 0
    may_unlock = Rights.ADMIN in parent.rights

    def is_shown(lock: Lock) -> bool:
        return may_unlock or lock.principal == view.person.id

    return lockdiscovery([lock for lock in present if lock.covers(chain, uid)], is_shown)


def lockdiscovery(present: Sequence[Lock], is_shown: Callable[[Lock], bool]) -> str:
    """RFC 4918 §15.8. The token is shown to who took the lock or may remove it; it is of no use to others."""
    entries = "".join(_activelock(lock, has_token=is_shown(lock)) for lock in present)
    return f"<D:lockdiscovery>{entries}</D:lockdiscovery>"


def _activelock(lock: Lock, *, has_token: bool) -> str:
    token = f"<D:locktoken><D:href>{lock.token}</D:href></D:locktoken>" if has_token else ""
    seconds = max(1, -(-(lock.expires - now()) // SECOND))
    return (
        "<D:activelock><D:locktype><D:write/></D:locktype>"
        f"<D:lockscope><D:{lock.scope}/></D:lockscope>"
        f"<D:depth>{'infinity' if lock.deep else '0'}</D:depth>{lock.holder}"
        f"<D:timeout>Second-{seconds}</D:timeout>{token}"
        f"<D:lockroot><D:href>{lock.root}</D:href></D:lockroot></D:activelock>"
    )


def _getctag(view: View, resource: CollectionResource) -> str:
    return f"<CS:getctag>{resource.collection.id}-{resource.collection.modseq}</CS:getctag>"


def _resource_id(view: View, resource: Resource) -> str:
    # RFC 5842 §3.1: unique for all time; ids and uids are never reused.
    number = uuid.uuid5(RESOURCE_IDS, ".".join(map(str, key_of(resource) or ())))
    return f"<D:resource-id><D:href>urn:uuid:{number}</D:href></D:resource-id>"


_STORED = Shape.COLLECTION | Shape.MEMBER
_CONTENT = Shape.MEMBER | Shape.VERSION
PROPERTIES = (
    Property(dav("creationdate"), _STORED | Shape.VERSION, _creationdate, allprop=True, pure=True),
    Property(
        dav("displayname"),
        Shape.ANY,
        _displayname,
        change=_change_displayname,
        stored=True,
        personal=True,
        allprop=True,
        pure=True,
    ),
    Property(dav("getcontentlength"), _CONTENT, _getcontentlength, allprop=True, pure=True),
    Property(dav("getcontenttype"), _CONTENT, _getcontenttype, allprop=True, pure=True),
    Property(dav("getetag"), _CONTENT, _getetag, allprop=True, pure=True),
    Property(dav("getlastmodified"), _CONTENT, _getlastmodified, allprop=True, pure=True),
    Property(
        sharing_state.TYPE,
        Shape.ANY,
        _resourcetype,
        prepare=sharing_state.prepare,
        allprop=True,
        pure=True,
    ),
    Property(dav("supportedlock"), _STORED, _supportedlock, allprop=True),
    Property(LOCKS, _STORED, _lockdiscovery, prepare=prepare_locks, allprop=True),
    Property(f"{{{CALENDARSERVER}}}getctag", Shape.COLLECTION, _getctag),
    Property(dav("resource-id"), _STORED, _resource_id),
)
