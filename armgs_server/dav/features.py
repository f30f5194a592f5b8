# SPDX-License-Identifier: Apache-2.0
"""How a specification adds itself to the engine: properties, reports, methods and kinds as data.

Each module that implements one (`acl`, `quota`, `sync`, `caldav`, `carddav` …) exports `FEATURE`;
`dav/__init__.py` lists them by hand. The `DAV:` and `Allow` headers, supported-report-set, allprop and
propname are computed from these tables and written nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from armgs_server.dav.names import empty
from armgs_server.directory.access import Rights
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.dav.call import Call
    from armgs_server.dav.resources import CollectionResource, Resource
    from armgs_server.dav.view import View
    from armgs_server.dav.xml import Element
    from armgs_server.net.http import Response
    from armgs_server.storage.blobs import BlobRef
    from armgs_server.storage.collections import Collection
    from armgs_server.storage.items import Item

T = TypeVar("T")


class Shape(Flag):
    """What a resource is, as far as methods and properties differ by it."""

    ROOT = auto()  # /, /dav/ and the folders of the URL space that hold no data
    GATEWAY = auto()  # /dav/directory/: searched, never listed
    PRINCIPAL = auto()  # /dav/principals/…/ADDRESS/
    PROXY = auto()  # the delegates of one: /dav/principals/…/ADDRESS/calendar-proxy-write/
    HOME = auto()  # /dav/calendars/ADDRESS/, /dav/addressbooks/ADDRESS/
    FILES = auto()  # a folder of files
    CALENDAR = auto()  # a calendar or a task list
    ADDRESSBOOK = auto()
    INBOX = auto()  # where scheduling messages come in (RFC 6638 §2.2)
    OUTBOX = auto()  # where they go out (§2.1)
    NOTIFICATIONS = auto()  # what the server tells a person's clients of (caldav-sharing §4)
    FILE = auto()
    VERSIONS = auto()  # .versions/ of a folder: what lies in it that has earlier states
    HISTORY = auto()  # .versions/…/FILE/: its earlier states (RFC 3253 §5)
    VERSION = auto()  # one of them
    EVENT = auto()  # a calendar object resource
    CARD = auto()  # an address object resource
    NOTIFICATION = auto()  # one message in NOTIFICATIONS
    ATTACHMENT = auto()  # a managed attachment of a calendar object (RFC 8607)
    UNMAPPED = auto()  # nothing is there yet

    COLLECTION = FILES | CALENDAR | ADDRESSBOOK | INBOX | OUTBOX | NOTIFICATIONS
    MEMBER = FILE | EVENT | CARD | NOTIFICATION
    FOLDER = ROOT | GATEWAY | PRINCIPAL | PROXY | HOME | COLLECTION | VERSIONS | HISTORY
    ANY = FOLDER | MEMBER | VERSION


Render: TypeAlias = "Callable[[View, Any], str | None]"  # the resource is one of the shapes in `on`
Parse: TypeAlias = "Callable[[Element | None], object]"
Prepare: TypeAlias = "Callable[[View, Sequence[Resource]], Awaitable[None]]"
Change: TypeAlias = "Callable[[dict[str, Any], Element | None], None]"
Confirm: TypeAlias = "Callable[[Call, Element], Awaitable[None]]"
MethodHandler: TypeAlias = "Callable[[Call], Awaitable[Response]]"
ReportHandler: TypeAlias = "Callable[[Call, Element], Awaitable[Response]]"


@dataclass(frozen=True, slots=True)
class Property:
    """A live property.

    `render` gives the whole element as text, or None where this resource has none; it must not wait.
    `prepare` runs once for all resources of a slice before them and puts what they need into
    `view.cache`. `change` makes it settable on collections: it edits the `data` of the collection for
    a set (the element) or a remove (None), or raises DavError; `confirm` asks the store before that whether
    a PROPPATCH may set it. With `stored` it is settable on all else
    that is in the store and kept with the dead properties; `render` then only gives the default.
    Otherwise it is protected. With `initial` it is settable only while the collection is made. Of
    a `personal` one whoever a collection is shared with has a value of the own (dav/own_view.py).
    `parse` makes of the element by which the property is asked for what `view.cache` holds under its name.
    """

    name: str
    on: Shape
    render: Render
    prepare: Prepare | None = None
    change: Change | None = None
    stored: bool = False
    confirm: Confirm | None = None
    initial: bool = False
    personal: bool = False
    parse: Parse | None = None
    allprop: bool = False
    listed: bool = True  # in propname; not for what only reports may ask for
    pure: bool = False  # on members it depends on the item's row alone, so its text may be kept


@dataclass(frozen=True, slots=True)
class Method:
    """An HTTP method and the shapes it may be used on (Allow is computed from it).

    `mapped` is the condition violated where something is there already, which is 405 otherwise.
    """

    name: str
    on: Shape
    handle: MethodHandler
    mapped: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A report by the name of its root element (RFC 3253 §3.6)."""

    name: str
    on: Shape
    handle: ReportHandler


@dataclass(frozen=True, slots=True)
class Put:
    """What a kind checks before a member is written: the body whole, nothing stored yet."""

    call: Call
    collection: CollectionResource
    name: str
    content_type: str
    data: bytes
    attachment: str = ""  # the MANAGED-ID of one that is stored with it (RFC 8607)


class Removal(Protocol):
    """What a removal brings about elsewhere, in its own transaction."""

    async def write(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Runs the work that calls one of the others; perhaps more than once."""
        ...

    async def before_removal(self, tx: Tx, collection: Collection, item: Item | None) -> None:
        """Before a member, or the collection with all of its members, goes."""
        ...


class Effects(Removal, Protocol):
    """What a write brings about elsewhere, in its own transaction (RFC 6638)."""

    headers: list[tuple[str, str]]  # of the answer, known after the write

    async def before_put(self, tx: Tx, item: Item | None) -> tuple[BlobRef, Any]:
        """What is to be stored and indexed instead; `item` is what the PUT replaces."""
        ...


# An Accept header to what makes another representation of the bytes and its type; None: as they are.
Represent: TypeAlias = "Callable[[str], Callable[[bytes], tuple[bytes, str]] | None]"
# The header fields of a request to what makes the bytes it asks for; None: they go out as they are stored.
Adapt: TypeAlias = "Callable[[Callable[[str], str | None]], Callable[[bytes], bytes] | None]"
Check: TypeAlias = "Callable[[Put], Awaitable[Any]]"
PutEffects: TypeAlias = "Callable[[Put, Any], Awaitable[Effects | None]]"
RemovalEffects: TypeAlias = "Callable[[Call, CollectionResource, Item | None], Awaitable[Removal | None]]"
Index: TypeAlias = "Callable[[Tx, Collection, Item, Any], Awaitable[None]]"


@dataclass(frozen=True, slots=True)
class Kind:
    """What the engine needs to know of a kind of collection.

    `check` gets every body that is to become a member (PUT, COPY and MOVE from another collection)
    and raises DavError or Invalid; what it returns goes to `index` inside the same transaction that
    adds or replaces the item; `index` may raise DavError as well, then nothing is written. Without
    `check` bodies are streamed to the store and never read.
    """

    name: str  # of the storage: calendar, tasks, addressbook, files
    home: str  # second segment of its paths: calendars, addressbooks, files
    shape: Shape
    member: Shape
    types: tuple[str, ...]  # the names inside DAV:resourcetype
    content_type: str  # of a member whose PUT named none
    size_limit: Callable[[Any], int]  # of one member, from Config
    nested: bool = False  # whether collections lie inside collections
    too_large: str = ""  # the condition violated above the limit, where a specification names one
    uid_conflict: str = ""  # the condition that keeps an object from overwriting one with another UID
    check: Check | None = None
    index: Index | None = None
    represent: Represent | None = None
    adapt: Adapt | None = None
    made: Callable[[Tx, Collection], Awaitable[None]] | None = None  # in the transaction of MKCOL
    put_effects: PutEffects | None = None
    removal_effects: RemovalEffects | None = None
    made_as: tuple[
        str, ...
    ] = ()  # the names by which clients ask for one, where these are others than `types`
    rights: Rights = ~Rights(0)  # nobody has others on one
    provisioned: bool = False  # every home has its one; clients make none

    @property
    def resource_type(self) -> str:
        """The content of DAV:resourcetype."""
        return "".join(map(empty, self.types))


@dataclass(frozen=True, slots=True)
class Feature:
    """Everything one module adds. `compliance` are its tokens in the DAV: header."""

    compliance: tuple[str, ...] = ()
    properties: tuple[Property, ...] = ()
    methods: tuple[Method, ...] = ()
    reports: tuple[Report, ...] = ()
    kinds: tuple[Kind, ...] = ()


@dataclass(frozen=True, slots=True)
class Tables:
    """All features put together; a name given twice is a programming error."""

    compliance: tuple[str, ...]
    properties: Mapping[str, Property]
    methods: Mapping[str, Method]
    reports: Mapping[str, Report]
    kinds: Mapping[str, Kind]
    allow: Mapping[Shape, str] = field(default_factory=dict)


def build_tables(features: Iterable[Feature]) -> Tables:
    """The tables of the engine from its features, in their order."""
    features = list(features)
    tables = Tables(
        compliance=tuple(dict.fromkeys(token for feature in features for token in feature.compliance)),
        properties=_unique((prop.name, prop) for feature in features for prop in feature.properties),
        methods=_merge(method for feature in features for method in feature.methods),
        reports=_merge_reports(report for feature in features for report in feature.reports),
        kinds=_unique((kind.name, kind) for feature in features for kind in feature.kinds),
    )
    allow = {
        shape: ", ".join(method.name for method in tables.methods.values() if shape in method.on)
        for shape in Shape
    }
    return Tables(tables.compliance, tables.properties, tables.methods, tables.reports, tables.kinds, allow)


def _merge(methods: Iterable[Method]) -> dict[str, Method]:
    """One entry for a name; a method may mean different things on different shapes (POST)."""
    table: dict[str, Method] = {}
    for method in methods:
        other = table.get(method.name)
        table[method.name] = method if other is None else _either(other, method)
    return table


def _either(first: Method, second: Method) -> Method:
    assert not first.on & second.on, first.name

    async def handle(call: Call) -> Response:
        return await (first if call.resource.shape in first.on else second).handle(call)

    return Method(first.name, first.on | second.on, handle)


def _merge_reports(reports: Iterable[Report]) -> dict[str, Report]:
    """The same for reports."""
    table: dict[str, Report] = {}
    for report in reports:
        other = table.get(report.name)
        table[report.name] = report if other is None else _either_report(other, report)
    return table


def _either_report(first: Report, second: Report) -> Report:
    assert not first.on & second.on, first.name

    async def handle(call: Call, root: Element) -> Response:
        return await (first if call.resource.shape in first.on else second).handle(call, root)

    return Report(first.name, first.on | second.on, handle)


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in pairs:
        assert name not in table, name
        table[name] = value
    return table
