# SPDX-License-Identifier: Apache-2.0
"""WOPI's operations on one file (MS-WOPI §3.3.5.1, §3.3.5.3), in the words of the store.

Each is one transaction that looks at rights, locks and the file together. What an editor writes is an
ordinary new state of the file: with earlier states, quota and holds, as a PUT.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from armgs_server.dav import version_paths, wopi_locks
from armgs_server.dav.engine import Engine
from armgs_server.dav.errors import DavError
from armgs_server.dav.paths import join, parse_path
from armgs_server.dav.paths import quote as quote_name
from armgs_server.dav.wopi_tokens import Claim
from armgs_server.directory.access import Rights
from armgs_server.directory.model import Principal
from armgs_server.errors import NotFound
from armgs_server.storage import accounts, clock, collections, free_names, items, locks, trash, versions
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

T = TypeVar("T")
NAME_LENGTH = 250


class StaleSave(Exception):
    """The file is another one than the editor has loaded."""


class InvalidName(Exception):
    """No file can have this name."""


@dataclass(frozen=True, slots=True)
class Document:
    """The file of a claim, who works on it and what that person may do."""

    engine: Engine
    claim: Claim
    person: Principal
    chain: tuple[Collection, ...]
    item: Item
    rights: Rights

    @property
    def may_write(self) -> bool:
        return self.claim.may_write and Rights.WRITE in self.rights

    @property
    def may_add(self) -> bool:
        return Rights.INSERT in self.rights

    @property
    def may_rename(self) -> bool:
        return self.may_write and Rights.INSERT in self.rights and Rights.DELETE_ITEMS in self.rights


async def find(engine: Engine, claim: Claim) -> Document:
    """NotFound where the person may not read the file, or it is no more."""
    person = await engine.directory.by_id(claim.person)
    if person is None or person.disabled:
        raise NotFound()
    chain, item = await engine.store.read(lambda tx: _walk(tx, claim))
    rights = await engine.rights(person, chain[-1])
    if Rights.LOOKUP not in rights or Rights.READ not in rights:
        raise NotFound()
    return Document(engine, claim, person, chain, item, rights)


async def _walk(tx: Tx, claim: Claim) -> tuple[tuple[Collection, ...], Item]:
    folder = await collections.get(tx, claim.owner, claim.collection)
    item = await items.get(tx, claim.owner, claim.collection, claim.uid)
    if item is None or folder.kind != versions.KIND:
        raise NotFound()
    return tuple(reversed(await collections.ancestors(tx, folder))), item


async def href(document: Document, name: str) -> str:
    """Where a file of this name beside the document is in WebDAV."""
    owner = await document.engine.directory.by_id(document.claim.owner)
    top = "shared" if owner is None or owner.kind == "department" else owner.address
    folders = [each.name for each in document.chain[1:]]
    return join(("dav", "files", top, *folders), slash=True) + quote_name(name)


def info(document: Document, base_url: str, url: str) -> dict[str, Any]:
    """§3.3.5.1.1 CheckFileInfo."""
    item, person = document.item, document.person
    return {
        "BaseFileName": item.name or "",
        "OwnerId": str(item.owner),
        "UserId": str(person.id),
        "UserFriendlyName": person.name or person.address,
        "Size": item.size,
        "Version": version_of(item),
        "SHA256": base64.b64encode(item.blob).decode(),
        "LastModifiedTime": modified_of(item),
        "UserCanWrite": document.may_write,
        "ReadOnly": not document.may_write,
        "UserCanNotWriteRelative": not document.may_add,
        "UserCanRename": document.may_rename,
        "SupportsLocks": True,
        "SupportsGetLock": True,
        "SupportsExtendedLockLength": True,
        "SupportsUpdate": True,
        "SupportsRename": True,
        "FileNameMaxLength": NAME_LENGTH,
        "IsAnonymousUser": False,
        "PostMessageOrigin": base_url,
        "DownloadUrl": url,
    }


def version_of(item: Item) -> str:
    """Another one for other bytes, and for the same ones written again."""
    return f"{item.blob.hex()[:16]}-{item.modseq}"


def modified_of(item: Item) -> str:
    """ISO 8601, as exact as it is kept: Collabora sends it back to say what it has loaded."""
    moment = datetime.fromtimestamp(item.modified // clock.SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{item.modified % clock.SECOND:06}Z"


async def on_file(document: Document, work: Callable[[Tx, Item], Awaitable[T]]) -> T:
    """Runs a work on the file as it is inside the transaction, with its owner's tree held."""

    async def held(tx: Tx) -> T:
        await accounts.hold(tx, (document.claim.owner,))
        chain, item = await _walk(tx, document.claim)
        if [each.id for each in chain] != [each.id for each in document.chain]:
            raise NotFound()
        return await work(tx, item)

    return await document.engine.store.write(held)


async def put(document: Document, ref: BlobRef, lock_id: str, loaded: str) -> Item:
    """§3.3.5.3.2 PutFile. `loaded`: the time of the state the editor has, "" where it does not say."""
    rules = versions.rules(document.engine.config.dav)

    async def work(tx: Tx, item: Item) -> Item:
        there = wopi_locks.find(await wopi_locks.covering(tx, document.chain, item), lock_id)
        if there is None and item.size:
            raise wopi_locks.Mismatch("")  # only an empty file may be written without a lock
        if loaded and loaded != modified_of(item):
            raise StaleSave()
        return await items.replace(tx, item, ref, item.content_type, rules)

    return await on_file(document, work)


async def rename(document: Document, stem: str, lock_id: str) -> str:
    """§3.3.5.1.18 RenameFile: the name without its ending, which stays; another number where it is taken."""
    ending = _ending(document.item.name or "")
    _check_name(stem + ending)
    place = await href(document, "")

    async def work(tx: Tx, item: Item) -> str:
        wopi_locks.find(await wopi_locks.covering(tx, document.chain, item), lock_id)
        await _check_folder(tx, document)
        if item.name == stem + ending:
            return stem + ending
        name = await free_names.find(tx, document.chain[-1], stem + ending)
        await items.rename(tx, item, name)
        await locks.change_root(tx, item.owner, item.collection, item.uid, place + quote_name(name))
        return name

    return await on_file(document, work)


async def put_relative(
    document: Document, ref: BlobRef, name: str, *, is_suggested: bool, may_overwrite: bool
) -> Item:
    """§3.3.5.1.15 PutRelativeFile: a new file beside this one. Mismatch where the name is taken or locked."""
    if is_suggested and name.startswith("."):  # only another ending
        stem = document.item.name or ""
        name = stem.removesuffix(_ending(stem)) + name
    _check_name(name)
    settings = document.engine.config.dav

    async def work(tx: Tx, item: Item) -> Item:
        folder = document.chain[-1]
        wanted = await free_names.find(tx, folder, name) if is_suggested else name
        there = await items.by_name(tx, folder.owner, folder.id, wanted)
        if there is None:
            await _check_folder(tx, document)
            if await collections.find(tx, folder.owner, folder.kind, wanted, folder.id) is not None:
                raise wopi_locks.Mismatch("")
            return await items.add(tx, folder, ref, name=wanted, content_type=item.content_type)
        present = await wopi_locks.covering(tx, document.chain, there)
        if present or not may_overwrite:
            raise wopi_locks.Mismatch(wopi_locks.current(present))
        return await items.replace(tx, there, ref, there.content_type, versions.rules(settings))

    return await on_file(document, work)


async def _check_folder(tx: Tx, document: Document) -> None:
    """RFC 4918 §7.4: names in a folder that somebody has locked stay."""
    present = await wopi_locks.covering(tx, document.chain, None)
    if present:
        raise wopi_locks.Mismatch(wopi_locks.current(present))


def _ending(name: str) -> str:
    _, dot, ending = name[1:].rpartition(".")
    return dot + ending


def _check_name(name: str) -> None:
    try:
        is_name = parse_path(f"/{quote_name(name)}").segments == (name,)
    except DavError as error:
        raise InvalidName(error.text) from error
    if not is_name or len(name) > NAME_LENGTH or name in (trash.NAME, version_paths.NAME):
        raise InvalidName("no file can have this name")
