# SPDX-License-Identifier: Apache-2.0
"""View: which properties one request asks for, and the `<response>` text of each resource.

Rendering must not wait: what a property needs from the store is fetched by its `prepare`, once for a
slice of resources, and found by `render` in `view.cache`. Live properties are functions of tables,
everything else is looked for among the dead ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from armgs_server.dav import names
from armgs_server.dav.engine import Engine
from armgs_server.dav.errors import status_line
from armgs_server.dav.features import Prepare, Property, Render, Shape
from armgs_server.dav.resources import CollectionResource, HomeResource, MemberResource, Resource
from armgs_server.dav.xml import Element, PropFind
from armgs_server.directory.model import Principal
from armgs_server.storage import properties
from armgs_server.storage.tx import Tx

# owner, collection, uid (0 = the collection itself): where dead properties and locks hang
Key: TypeAlias = tuple[int, int, int]
# A home is no collection of the store: its properties hang at collection 0.
HOME_UIDS = {"calendars": 1, "addressbooks": 2}

_FOUND = f"</D:prop><D:status>{status_line(200)}</D:status></D:propstat>"
_MISSING = f"</D:prop><D:status>{status_line(404)}</D:status></D:propstat>"


def key_of(resource: Resource) -> Key | None:
    """Where the store keeps things beside this resource; None for one that is not in it."""
    if isinstance(resource, MemberResource):
        return resource.item.owner, resource.item.collection, resource.item.uid
    if isinstance(resource, CollectionResource):
        return resource.collection.owner, resource.collection.id, 0
    if isinstance(resource, HomeResource):
        return resource.principal.id, 0, HOME_UIDS[resource.home]
    return None


@dataclass(frozen=True, slots=True)
class Plan:
    """How resources of one shape are answered. `live` with the ready text around it is the short way,
    for a resource without dead properties that has all live ones asked for; `is_open` forbids it."""

    columns: list[tuple[str, Render]]
    live: list[Render]
    prepares: tuple[Prepare, ...]
    is_open: bool
    is_pure: bool
    before: str
    after: str


class View:
    """One request's question. `cache` is for the features' `prepare`, by property name."""

    def __init__(self, engine: Engine, person: Principal, asked: PropFind, *, minimal: bool = False) -> None:
        self.engine = engine
        self.person = person
        self.asked = asked
        self.adapt: Callable[[bytes], bytes] | None = None  # of calendar data (RFC 7809 §3.1.3)
        self.minimal = minimal  # RFC 8144 §2: leave out what is not there
        self.cache: dict[str, Any] = {}
        self.dead: dict[Key, dict[str, str]] = {}
        self._plans: dict[Shape, Plan] = {}
        self._prepares: dict[Prepare, None] = {}
        self._needs_dead = asked.kind != "prop"
        for name in asked.names:
            prop = engine.tables.properties.get(name)
            self._needs_dead = self._needs_dead or prop is None or prop.stored
            if prop is not None and prop.parse is not None:
                self.cache[name] = prop.parse(self.element(name))

    def element(self, name: str) -> Element | None:
        """The element by which a property was asked for, with its parameters."""
        return self.asked.elements.get(name)

    def is_pure(self, shape: Shape) -> bool:
        """Whether what is asked of members of this shape depends on their items alone."""
        return self._plan(shape).is_pure

    async def responses(self, resources: Sequence[Resource]) -> list[str]:
        """The DAV:response of each resource."""
        await self.prepare(resources)
        shape, plan = None, None
        responses: list[str] = []
        for resource in resources:  # the hot path of a long listing
            if resource.shape is not shape:
                shape = resource.shape
                plan = None if self.dead or self._plans[shape].is_open else self._plans[shape]
            texts = [text for render in plan.live if (text := render(self, resource))] if plan else []
            if plan is None or len(texts) != len(plan.live):
                stats = self._propstats(resource)
            else:
                stats = f"{plan.before}{''.join(texts)}{plan.after}"
            responses.append(f"<D:response><D:href>{resource.href}</D:href>{stats}</D:response>")
        return responses

    async def prepare(self, resources: Sequence[Resource]) -> None:
        """Fetches what rendering these resources needs."""
        for shape in {resource.shape for resource in resources}:
            self._plan(shape)
        if self._needs_dead:
            self.dead = await self._load_dead(resources)
        for prepare in self._prepares:
            await prepare(self, resources)

    def _propstats(self, resource: Resource) -> str:
        """The DAV:propstat elements of one resource (RFC 4918 §14.22)."""
        if self.asked.kind == "prop":
            return self.serialise_propstats(self.values(resource))
        found = {name: text for name, text in self.values(resource) if text is not None}
        for name, text in self.dead_of(resource).items():
            found.setdefault(name, text)
        if self.asked.kind == "propname":
            found = {name: names.empty(name) for name in found}
        return self.serialise_propstats(list(found.items()))

    def values(self, resource: Resource) -> list[tuple[str, str | None]]:
        """Each property asked for by name, and its element, or None where there is none."""
        return [(name, render(self, resource)) for name, render in self._plans[resource.shape].columns]

    def serialise_propstats(self, values: Sequence[tuple[str, str | None]]) -> str:
        """DAV:propstat elements: 200 for what is there, 404 for the rest."""
        found = "".join([text for _, text in values if text is not None])
        missing = [] if self.minimal else [name for name, text in values if text is None]
        result = f"<D:propstat><D:prop>{found}{_FOUND}" if found or not missing else ""
        if missing:
            result += f"<D:propstat><D:prop>{''.join(map(names.empty, missing))}{_MISSING}"
        return result

    def dead_of(self, resource: Resource) -> dict[str, str]:
        """The dead properties of one resource."""
        key = key_of(resource)
        return self.dead.get(key, {}) if key else {}

    def _wanted(self) -> tuple[str, ...]:
        """The names asked for; for allprop and propname the live ones they stand for."""
        if self.asked.kind == "prop":
            return self.asked.names
        whole = self.asked.kind == "propname"
        table = self.engine.tables.properties
        listed = [name for name, prop in table.items() if prop.allprop or (whole and prop.listed)]
        return tuple(dict.fromkeys((*listed, *self.asked.names)))

    def _plan(self, shape: Shape) -> Plan:
        plan = self._plans.get(shape)
        if plan is None:
            # Clients ask the same question for ever: plans are kept between requests.
            key = (self.asked.kind, self.asked.names, self.minimal, shape)
            plan = self.engine.plans.get(key)
            if plan is None:
                plan = self._build_plan(shape)
                self.engine.plans.put(key, plan)
            self._plans[shape] = plan
            self._prepares.update(dict.fromkeys(plan.prepares))
        return plan

    def _build_plan(self, shape: Shape) -> Plan:
        columns: list[tuple[str, Render]] = []
        live: list[Render] = []
        prepares: dict[Prepare, None] = {}
        is_pure = True
        absent: list[str] = []  # there is such a property on no resource of this shape, unless a dead one
        for name in self._wanted():
            prop = self.engine.tables.properties.get(name)
            if prop is None or shape not in prop.on:
                columns.append((name, _dead(name)))
                absent.append(name)
                continue
            if prop.prepare is not None:
                prepares[prop.prepare] = None
            columns.append((name, _stored(prop) if prop.stored else prop.render))
            live.append(prop.render)
            is_pure = is_pure and prop.pure
        missing = "" if self.minimal or self.asked.kind != "prop" else "".join(map(names.empty, absent))
        after = f"{_FOUND}<D:propstat><D:prop>{missing}{_MISSING}" if missing else _FOUND
        is_open = self.asked.kind != "prop" or not live
        is_pure = is_pure and not is_open
        return Plan(columns, live, tuple(prepares), is_open, is_pure, "<D:propstat><D:prop>", after)

    async def _load_dead(self, resources: Sequence[Resource]) -> dict[Key, dict[str, str]]:
        """Dead properties of a slice: one query for all members of a collection, one for its children."""
        collections: dict[int, list[int]] = {}
        members: dict[tuple[int, int], list[int]] = {}
        for key in filter(None, map(key_of, resources)):
            if key[2]:
                members.setdefault(key[:2], []).append(key[2])
            else:
                collections.setdefault(key[0], []).append(key[1])

        async def work(tx: Tx) -> dict[Key, dict[str, str]]:
            found: dict[Key, dict[str, str]] = {}
            for (owner, collection), uids in members.items():
                pages = await properties.of_items(tx, owner, collection, min(uids), max(uids))
                found.update({(owner, collection, uid): values for uid, values in pages.items()})
            for owner, ids in collections.items():
                by_id = await properties.of_collections(tx, owner, ids)
                found.update({(owner, number, 0): values for number, values in by_id.items()})
            return found

        return await self.engine.store.read(work) if members or collections else {}


def _dead(name: str) -> Render:
    return lambda view, resource: view.dead_of(resource).get(name)


def _stored(prop: Property) -> Render:
    def render(view: View, resource: Resource) -> str | None:
        value = view.dead_of(resource).get(prop.name)
        return prop.render(view, resource) if value is None else value

    return render
