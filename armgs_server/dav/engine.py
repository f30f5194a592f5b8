# SPDX-License-Identifier: Apache-2.0
"""The engine: the URL space over store and directory, and who may see what in it.

    /dav/principals/people|groups|resources/ADDRESS/
    /dav/calendars/ADDRESS/NAME/…      /dav/addressbooks/ADDRESS/NAME/…
    /dav/files/ADDRESS/…               /dav/files/shared/…  (the folder of the person's department)
    /dav/notifications/ADDRESS/        what the server tells the person's clients (notifications.py)
    /dav/files/…/.versions/…           earlier states of files (version_paths.py)

A home also shows what others share with its owner: the department's address book as `directory`, any
other collection as `NAME_shared_by_ADDRESS`; folders of files lie beside the own files under such a name.
Everything that the person may not look up is not found.
"""

from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any

from armgs_server.dav import attachment_access, bearer, directory_books, own_view, version_paths
from armgs_server.dav.features import Kind, Shape, Tables
from armgs_server.dav.listing_cache import ListingCache
from armgs_server.dav.paths import join, quote
from armgs_server.dav.push_key import PushKey
from armgs_server.dav.resources import (
    PRINCIPAL_FOLDERS,
    CollectionResource,
    FolderResource,
    Found,
    HistoryResource,
    HomeResource,
    MemberResource,
    Place,
    PrincipalResource,
    ProxyResource,
    Resource,
    UnmappedResource,
    VersionsResource,
    member,
    principal_href,
    walk,
)
from armgs_server.dav.wopi_discovery import Editor
from armgs_server.directory.access import EVERYTHING, Rights
from armgs_server.directory.cache import Cache
from armgs_server.directory.model import Principal
from armgs_server.errors import NotFound
from armgs_server.service import Core
from armgs_server.storage import collections
from armgs_server.storage.collections import Collection

HOMES = ("calendars", "addressbooks")
FILES = "files"
NOTIFICATIONS = "notifications"  # /dav/notifications/ADDRESS/
SHARED = "shared"  # /dav/files/shared/
SHARED_BY = "_shared_by_"
GATEWAY = "directory"  # /dav/directory/
PLANS = 500  # questions of clients whose plan of answering is kept
ATTACHMENTS = "attachments"  # of calendar objects: /dav/attachments/MANAGED-ID/NAME
FOLDERS: dict[tuple[str, ...], str] = {
    (): "",
    ("dav",): "dav",
    ("dav", "principals"): "principals",
    ("dav", GATEWAY): GATEWAY,
    **{("dav", "principals", name): name for name in PRINCIPAL_FOLDERS.values()},
    **{("dav", name): name for name in (*HOMES, FILES)},
}
Listed = list[Resource] | list[CollectionResource]
Fixed = FolderResource | PrincipalResource | ProxyResource | HomeResource | MemberResource
PROXIES = {"calendar-proxy-read": "read", "calendar-proxy-write": "write"}


class Engine:
    """What every method works with: the services of the core and the tables of the features."""

    def __init__(self, core: Core, tables: Tables) -> None:
        self.config = core.config
        self.store = core.store
        self.directory = core.directory
        self.tables = tables
        self.plans: Cache[Hashable, Any] = Cache(PLANS)  # kept by dav/view.py
        self.editor = Editor(core.config)
        self.listings = ListingCache(core.config.dav.listing_cache)
        self.push_key = PushKey(core.store)

    async def rights(self, person: Principal, collection: Collection) -> Rights:
        """What the person may do on a collection."""
        if collection.owner == person.id:
            return EVERYTHING
        return await self.directory.access.rights(person, collection)

    async def place(self, person: Principal, segments: tuple[str, ...]) -> Place | Fixed:
        """What a path means: a fixed resource, or an owner and names to look for. NotFound."""
        if segments in FOLDERS:
            shape = Shape.GATEWAY if segments == ("dav", GATEWAY) else Shape.ROOT
            return FolderResource(shape, join(segments, slash=True), FOLDERS[segments])
        if len(segments) < 3 or segments[0] != "dav":
            raise NotFound()
        area, names = segments[1], segments[2:]
        if area == "principals" and len(names) == 2:
            return await self._principal(names[0], names[1])
        if area == "principals" and len(names) == 3 and names[2] in PROXIES:
            above = await self._principal(names[0], names[1])
            return ProxyResource(Shape.PROXY, f"{above.href}{names[2]}/", above.principal, PROXIES[names[2]])
        if area == ATTACHMENTS and len(names) == 2:
            return await attachment_access.resource(self, person, *names)
        if area == FILES:
            return await self._files_place(person, names)
        if area == NOTIFICATIONS:
            holder, base = await self._owner(names[0]), join(segments[:2], slash=True)
            return Place(holder.id, self.kinds_of(area), base, names, role="default")
        if area not in HOMES:
            raise NotFound()
        owner = await self._owner(names[0])
        if len(names) == 1:
            return HomeResource(Shape.HOME, join(segments, slash=True), owner, area)
        return await self._home_place(owner, area, join(segments[:3], slash=True), names[1:])

    async def locate(self, person: Principal, segments: tuple[str, ...]) -> Resource:
        """The resource at a path, or an UnmappedResource. NotFound where the person may not look it up."""
        return (await self.locate_place(person, segments))[1]

    async def locate_place(
        self, person: Principal, segments: tuple[str, ...]
    ) -> tuple[Place | None, Resource]:
        """The resource at a path, and its place if it has one in the store."""
        bearer.check(segments)
        if version_paths.is_inside(segments):
            return None, await version_paths.locate(self, person, segments)
        place = await self.place(person, segments)
        if isinstance(place, Resource):
            return None, place
        found = await self.store.read(lambda tx: walk(tx, place))
        return place, await self.resource(person, place, found)

    async def resource(self, person: Principal, place: Place, found: Found) -> Resource:
        """What was found at a place, with the person's rights on it."""
        href = place.base + "".join(quote(name) + "/" for name in place.names)
        if not found.chain:
            return await self._missing_collection(person, place, href)
        rights = await self.rights(person, found.chain[-1])
        below = len(found.missing) + (found.item is not None)
        # RFC 4791 §6.1.1: who may know when somebody is busy asks the calendar, and sees nothing else of it.
        if Rights.LOOKUP not in rights and (below or Rights.FREE_BUSY not in rights):
            raise NotFound()
        kind = self.tables.kinds[found.chain[-1].kind]
        upper = place.names[: len(place.names) - below]
        parent_href = place.base + "".join(quote(name) + "/" for name in upper)
        chain = await own_view.of_place(self.store, person, place, found.chain)
        parent = CollectionResource(kind.shape, parent_href, chain, kind, rights & kind.rights)
        if not below:
            return parent
        if not found.missing and found.item is not None:
            return member(parent, found.item)
        # RFC 4918 §5.1: only the last name may be missing, and only directly inside a collection.
        makeable = parent if len(found.missing) == 1 and found.item is None else None
        return UnmappedResource(Shape.UNMAPPED, href[:-1], makeable, place.names[-1])

    async def children(self, person: Principal, resource: Resource) -> list[Resource]:
        """The members of a folder that holds no items; those of a collection are read in slices."""
        if isinstance(resource, FolderResource):
            return await self._folder_children(person, resource)
        if isinstance(resource, HomeResource):
            return await self.home_collections(person, resource)
        if isinstance(resource, PrincipalResource):
            return [
                ProxyResource(Shape.PROXY, f"{resource.href}{name}/", resource.principal, mode)
                for name, mode in PROXIES.items()
            ]
        if isinstance(resource, VersionsResource | HistoryResource):
            return await version_paths.children(self, person, resource)
        return []

    async def home_collections(self, person: Principal, home: HomeResource) -> list[Resource]:
        """The owner's collections that the person may see; in the own home also what others share."""
        kinds = self.kinds_of(home.home)
        found: list[Resource] = []
        for kind in kinds:
            owned = await self.store.read(
                partial(collections.children, owner=home.principal.id, parent=0, kind=kind.name)
            )
            for collection in owned:
                await self._append(person, found, home, collection, collection.name)
        if home.principal.id != person.id:
            return found
        for kind in kinds:
            if kind.provisioned:
                continue  # somebody else's inbox and outbox are in that person's home
            shared = await self.directory.access.shared_with(person, kind.name)
            shown = directory_books.synced(person, shared, self.config.dav.synced_book)
            for collection in await own_view.of_all(self.store, person, list(shown)):
                await self._append(person, found, home, collection, await self._alias(person, collection))
        return found

    async def department_books(self, person: Principal, home: HomeResource) -> list[CollectionResource]:
        """The departments' books that the person may look into, whatever their size."""
        found: list[CollectionResource] = []
        for collection in await self.directory.access.shared_with(person, "addressbook"):
            if collection.role == directory_books.DEPARTMENT_BOOK:
                await self._append(person, found, home, collection, await self._alias(person, collection))
        return found

    async def _append(
        self, person: Principal, found: Listed, home: HomeResource, collection: Collection, name: str
    ) -> None:
        rights = await self.rights(person, collection)
        if Rights.LOOKUP in rights and name:
            kind = self.tables.kinds[collection.kind]
            href = f"{home.href}{quote(name)}/"
            found.append(CollectionResource(kind.shape, href, (collection,), kind, rights & kind.rights))

    async def _alias(self, person: Principal, collection: Collection) -> str:
        """The name of somebody else's collection in the person's home; '' where its owner has no name."""
        name = directory_books.name_of(person, collection)
        if name:
            return name
        owner = await self.directory.by_id(collection.owner)
        return f"{collection.name}{SHARED_BY}{owner.address}" if owner and owner.address else ""

    def kinds_of(self, home: str) -> tuple[Kind, ...]:
        """The kinds of collection that lie in an area of the URL space."""
        return tuple(kind for kind in self.tables.kinds.values() if kind.home == home)

    async def _principal(self, folder: str, address: str) -> PrincipalResource:
        principal = await self.directory.by_address(address)
        if principal is None or PRINCIPAL_FOLDERS.get(principal.kind) != folder or principal.disabled:
            raise NotFound()
        return PrincipalResource(Shape.PRINCIPAL, principal_href(principal), principal)

    async def _owner(self, address: str) -> Principal:
        owner = await self.directory.by_address(address)
        if owner is None:
            raise NotFound()
        return owner

    async def _files_place(self, person: Principal, names: tuple[str, ...]) -> Place:
        if SHARED_BY in names[0]:
            shared = (await self._shared_folders(person)).get(names[0])
            if shared is None:
                raise NotFound()
            base = join(("dav", FILES, names[0]), slash=True)
            return Place(shared.owner, self.kinds_of(FILES), base, names[1:], number=shared.id)
        owner = person.department if names[0] == SHARED else (await self._owner(names[0])).id
        return Place(owner, self.kinds_of(FILES), join(("dav", FILES, names[0]), slash=True), names[1:])

    async def _shared_folders(self, person: Principal) -> dict[str, Collection]:
        """Folders inside others' files that the person may see, by their names beside the own files."""
        found: dict[str, Collection] = {}
        for folder in await self.directory.access.shared_with(person, FILES):
            name = await self._alias(person, folder) if folder.parent else ""
            if name in found:  # two of one name by one owner
                name = name.replace(SHARED_BY, f" ({folder.id}){SHARED_BY}", 1)
            if name:
                found[name] = folder
        return found

    async def _home_place(self, owner: Principal, area: str, base: str, names: tuple[str, ...]) -> Place:
        kinds = self.kinds_of(area)
        own = Place(owner.id, kinds, base, names)
        name, shared, address = names[0].rpartition(SHARED_BY)
        holder, role = directory_books.holder(owner, area, names[0])
        if not shared and not holder:
            return own
        if (await self.store.read(lambda tx: walk(tx, own))).chain:
            return own
        if not shared:
            return Place(holder, kinds, base, names, role=role)
        sharer = await self.directory.by_address(address)
        if sharer is None:
            return own
        return Place(sharer.id, kinds, base, names, alias=name)

    async def _missing_collection(self, person: Principal, place: Place, href: str) -> Resource:
        owner = await self.directory.by_id(place.owner)
        # Who does not own the home learns nothing about what is not in it.
        if owner is None or owner.id != person.id or not place.names:
            raise NotFound()
        home = HomeResource(Shape.HOME, place.base, owner, place.kinds[0].home)
        makeable = home if len(place.names) == 1 else None
        return UnmappedResource(Shape.UNMAPPED, href[:-1], makeable, place.names[-1])

    async def _folder_children(self, person: Principal, folder: FolderResource) -> list[Resource]:
        below: Sequence[tuple[str, ...]]
        path = tuple(part for part in folder.href.split("/") if part)
        if folder.name in HOMES or folder.name == "people":
            below = [(*path, person.address)]
        elif folder.name == FILES:
            shared = [(*path, name) for name in await self._shared_folders(person)]
            below = [(*path, person.address), (*path, SHARED), *shared]
        else:
            below = [each for each in FOLDERS if len(each) == len(path) + 1 and each[:-1] == path]
        found = []
        for segments in filter(bearer.covers, below):
            try:
                found.append(await self.locate(person, segments))
            except NotFound:
                continue  # a department without a shared folder
        return found
