# SPDX-License-Identifier: Apache-2.0
"""What the URL space holds: folders, principals, homes, collections, members, and what is not there yet.

A path is resolved in two steps: `Place` names an owner (the directory knows it, outside of any
transaction) and the names below; `walk` follows these names inside a transaction, for a read and, again,
for the write that depends on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from armgs_server.dav.features import Kind, Shape
from armgs_server.dav.paths import quote
from armgs_server.directory.access import Rights
from armgs_server.directory.model import Principal
from armgs_server.storage import accounts, collections, items
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

# Folder of /dav/principals/ by the principal's kind.
PRINCIPAL_FOLDERS: Mapping[str, str] = {
    "person": "people",
    "group": "groups",
    "room": "resources",
    "equipment": "resources",
}


@dataclass(slots=True)
class Resource:
    """Anything with an href; a collection's ends with a slash."""

    shape: Shape
    href: str


@dataclass(slots=True)
class FolderResource(Resource):
    """A folder of the URL space that holds no data: /, /dav/, /dav/files/ …"""

    name: str


@dataclass(slots=True)
class PrincipalResource(Resource):
    """RFC 3744 §2."""

    principal: Principal


@dataclass(slots=True)
class ProxyResource(Resource):
    """A group of a principal's delegates; `mode` is read or write."""

    principal: Principal
    mode: str


@dataclass(slots=True)
class HomeResource(Resource):
    """Where an owner's calendars or address books are (RFC 4791 §6.2.1)."""

    principal: Principal
    home: str


@dataclass(slots=True)
class CollectionResource(Resource):
    """A collection of the store. `chain` leads from its top-level ancestor to itself."""

    chain: tuple[Collection, ...]
    kind: Kind
    rights: Rights

    @property
    def collection(self) -> Collection:
        return self.chain[-1]


@dataclass(slots=True)
class MemberResource(Resource):
    """An item of a collection; `data` holds its bytes where a report has read them."""

    parent: CollectionResource
    item: Item
    data: bytes | None = None


@dataclass(slots=True)
class VersionsResource(Resource):
    """`.versions/` of a folder, and the same of the folders in it: a view, nothing is kept there."""

    folder: CollectionResource
    name: str


@dataclass(slots=True)
class HistoryResource(Resource):
    """The earlier states of a file (RFC 3253 §5.1: a version history)."""

    file: MemberResource


@dataclass(slots=True)
class VersionResource(MemberResource):
    """One of them; `item` is the file as it was then, `file` as it is now."""

    number: int = 0
    file: MemberResource | None = None


@dataclass(slots=True)
class UnmappedResource(Resource):
    """Nothing yet. `parent` is where `name` would be made; None where even that is missing."""

    parent: CollectionResource | HomeResource | None
    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """An owner, the kinds that lie under this part of the URL space, and the names below.

    `base` is the href of what `names` starts from. The first name may be an alias for what somebody
    else owns: for the collection with that `role`, or for the one named `alias`. `number` is a folder
    inside somebody else's files from which `names` start.
    """

    owner: int
    kinds: tuple[Kind, ...]
    base: str
    names: tuple[str, ...]
    role: str = ""
    alias: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """How far the names lead: collections from the top, the item, and the names that are not there."""

    chain: tuple[Collection, ...]
    item: Item | None
    missing: tuple[str, ...]


async def walk_to_write(tx: Tx, place: Place, *others: Place) -> Found:
    """Follows the names of a place whose owner's tree no other writer changes until the commit."""
    await accounts.hold(tx, (place.owner, *(other.owner for other in others)))
    return await walk(tx, place)


async def walk(tx: Tx, place: Place) -> Found:
    """Follows the names of a place."""
    if place.number:
        shared = await collections.get(tx, place.owner, place.number)
        chain, names = (await collections.ancestors(tx, shared))[::-1], place.names
    else:
        top, names = await _top(tx, place)
        if top is None:
            return Found((), None, place.names)
        chain = [top]
    nested = any(kind.nested for kind in place.kinds)
    while names:
        below = chain[-1]
        child = await collections.find(tx, below.owner, below.kind, names[0], below.id) if nested else None
        if child is None:
            item = await items.by_name(tx, below.owner, below.id, names[0])
            missing = names if item is None else names[1:]
            return Found(tuple(chain), item, missing)
        chain.append(child)
        names = names[1:]
    return Found(tuple(chain), None, ())


async def _top(tx: Tx, place: Place) -> tuple[Collection | None, tuple[str, ...]]:
    if place.kinds and place.kinds[0].nested:  # files: the root has no name of its own
        return await collections.find(tx, place.owner, place.kinds[0].name, ""), place.names
    for kind in place.kinds:
        if place.role:
            found = await collections.by_role(tx, place.owner, kind.name, place.role)
        else:
            found = await collections.find(tx, place.owner, kind.name, place.alias or place.names[0])
        if found is not None:
            return found, place.names[1:]
    return None, place.names


def child_collection(parent: CollectionResource, child: Collection, rights: Rights) -> CollectionResource:
    """The resource of a collection inside another."""
    href = f"{parent.href}{quote(child.name)}/"
    return CollectionResource(parent.shape, href, (*parent.chain, child), parent.kind, rights)


def chain_href(parent: CollectionResource, above: Collection) -> str:
    """The href of a collection that `parent` lies in, or its own; '' for one above the shared part."""
    steps = len(parent.chain) - 1 - parent.chain.index(above)
    parts = parent.href.rstrip("/").split("/")
    # "", "dav", the area and the owner (or the shared folder) are not collections of the chain.
    return "/".join(parts[: len(parts) - steps]) + "/" if steps <= len(parts) - 4 else ""


def member(parent: CollectionResource, item: Item) -> MemberResource:
    """The resource of an item."""
    return MemberResource(parent.kind.member, parent.href + quote(item.name or ""), parent, item)


def principal_href(principal: Principal) -> str:
    """The principal's URL; '' for one that has none (a unit without address)."""
    folder = PRINCIPAL_FOLDERS.get(principal.kind)
    if folder is None or not principal.address:
        return ""
    return f"/dav/principals/{folder}/{quote(principal.address)}/"
