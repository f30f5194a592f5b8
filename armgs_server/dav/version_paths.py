# SPDX-License-Identifier: Apache-2.0
"""Where the earlier states of files are in the URL space: `.versions/` in every folder of files.

    FOLDER/.versions/FILE/2026-11-22 09-30-00Z (3).odt       FOLDER/.versions/SUBFOLDER/FILE/…

It is listed at the top of an owner's files and of a shared folder, and found by its name in any folder
(`.versions` in `a/b/` shows what `a/.versions/b/` shows). Who may read a folder may read what its files were.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from armgs_server.dav.features import Shape
from armgs_server.dav.paths import MAX_NAME, join, quote
from armgs_server.dav.resources import (
    CollectionResource,
    HistoryResource,
    MemberResource,
    Resource,
    UnmappedResource,
    VersionResource,
    VersionsResource,
    child_collection,
    member,
)
from armgs_server.directory.access import Rights
from armgs_server.directory.model import Principal
from armgs_server.errors import NotFound
from armgs_server.storage import clock, collections, items, versions
from armgs_server.storage.tx import Tx
from armgs_server.storage.versions import State

if TYPE_CHECKING:
    from armgs_server.dav.engine import Engine

NAME = ".versions"
TOP = 3  # /dav/files/ADDRESS: names below may be NAME
_NUMBER = re.compile(r"\((\d{1,9})\)(?:\.[^.]*)?\Z")


def is_inside(segments: tuple[str, ...]) -> bool:
    """Whether a path leads to earlier states."""
    return NAME in segments[TOP:] and segments[1] == versions.KIND


async def locate(engine: Engine, person: Principal, segments: tuple[str, ...]) -> Resource:
    """What is at a path with `.versions` in it. NotFound, also for who may not read there."""
    at = segments.index(NAME, TOP)
    base, below = segments[:at], segments[at + 1 :]
    if NAME in below:
        raise NotFound()
    real = await engine.locate(person, (*base, *below))
    if isinstance(real, CollectionResource):
        _check_readable(real)
        name = below[-1] if below else NAME
        return VersionsResource(Shape.VERSIONS, join(segments, slash=True), real, name)
    if isinstance(real, MemberResource):
        _check_readable(real.parent)
        return HistoryResource(Shape.HISTORY, join(segments, slash=True), real)
    above = await engine.locate(person, (*base, *below[:-1])) if isinstance(real, UnmappedResource) else real
    if not below or not isinstance(above, MemberResource):
        raise NotFound()
    _check_readable(above.parent)
    history = HistoryResource(Shape.HISTORY, join(segments[:-1], slash=True), above)
    return await _version(engine, history, segments[-1])


async def _version(engine: Engine, history: HistoryResource, name: str) -> VersionResource:
    number = _NUMBER.search(name)
    if number is None:
        raise NotFound()
    item = history.file.item
    key = (item.owner, item.collection, item.uid, int(number[1]))
    state = await engine.store.read(lambda tx: versions.get(tx, *key))
    if state is None or name_of(state, item.name or "") != name:
        raise NotFound()
    return version(history, state)


def _check_readable(folder: CollectionResource) -> None:
    if Rights.READ not in folder.rights:
        raise NotFound()


def name_of(state: State, file: str) -> str:
    """When these were the file's bytes, the number, and the file's ending, by which programs know it."""
    moment = datetime.fromtimestamp(state.modified // clock.SECOND, UTC)
    _, dot, ending = file[1:].rpartition(".")
    name = f"{moment:%Y-%m-%d %H-%M-%S}Z ({state.number})"
    return f"{name}.{ending}" if dot and len(ending.encode()) < MAX_NAME - len(name) else name


def version(history: HistoryResource, state: State) -> VersionResource:
    """The resource of one state."""
    file = history.file
    name = name_of(state, file.item.name or "")
    item = file.item._replace(
        name=name,
        blob=state.blob,
        size=state.size,
        content_type=state.content_type,
        modseq=state.modseq,
        created=state.created,
        modified=state.modified,
    )
    href = history.href + quote(name)
    return VersionResource(Shape.VERSION, href, file.parent, item, None, state.number, file)


def history_of(file: MemberResource) -> HistoryResource:
    """The version history of a file, beside it."""
    href = f"{file.parent.href}{NAME}/{quote(file.item.name or '')}/"
    return HistoryResource(Shape.HISTORY, href, file)


async def states_of(engine: Engine, history: HistoryResource) -> list[VersionResource]:
    """The earlier states of a file, the oldest first."""
    item = history.file.item
    found = await engine.store.read(lambda tx: versions.of(tx, item.owner, item.collection, item.uid))
    return [version(history, state) for state in found]


async def children(
    engine: Engine, person: Principal, resource: VersionsResource | HistoryResource
) -> list[Resource]:
    """The folders and files with earlier states in a folder, or the states of one file."""
    if isinstance(resource, HistoryResource):
        return list(await states_of(engine, resource))
    folder = resource.folder
    above = folder.collection

    async def work(tx: Tx) -> tuple[list[collections.Collection], list[items.Item]]:
        below = await collections.children(tx, above.owner, above.id, above.kind)
        wanted = await versions.folders(tx, above.owner)
        uids = await versions.uids(tx, above.owner, above.id)
        found = await items.by_uids(tx, above.owner, above.id, uids)
        return [each for each in below if each.id in wanted], found

    below, files = await engine.store.read(work)
    found: list[Resource] = []
    for each in below:
        rights = await engine.rights(person, each)
        if Rights.LOOKUP in rights and Rights.READ in rights:
            href = f"{resource.href}{quote(each.name)}/"
            inner = child_collection(folder, each, rights)
            found.append(VersionsResource(Shape.VERSIONS, href, inner, each.name))
    for item in files:
        href = f"{resource.href}{quote(item.name or '')}/"
        found.append(HistoryResource(Shape.HISTORY, href, member(folder, item)))
    return found


async def shown_in(engine: Engine, resource: Resource) -> list[Resource]:
    """`.versions/` where it is listed: at the top of files in which some file has earlier states."""
    if not isinstance(resource, CollectionResource) or resource.shape is not Shape.FILES:
        return []
    if resource.href.count("/") != TOP + 1 or Rights.READ not in resource.rights:
        return []
    owner = resource.collection.owner
    if not await engine.store.read(lambda tx: versions.has_any(tx, owner)):
        return []
    return [VersionsResource(Shape.VERSIONS, f"{resource.href}{NAME}/", resource, NAME)]
