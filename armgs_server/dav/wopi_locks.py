# SPDX-License-Identifier: Apache-2.0
"""WOPI's locks (MS-WOPI §3.3.5.1.14) on the rows of WebDAV's: an editor's lock is an exclusive one.

So who opens the document with LibreOffice over WebDAV sees whose editor has it, cannot write over it, and the
other way round; administrators may UNLOCK either. A lock is known by the editor's id for it alone: all who
edit together send the same one.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from armgs_server.dav.names import escape
from armgs_server.directory.model import Principal
from armgs_server.storage import clock, locks
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.locks import Lock
from armgs_server.storage.tx import Tx

MAX_ID = 1024  # ASCII characters (SupportsExtendedLockLength)
LIFETIME = 30 * clock.MINUTE  # "locks must be associated with a file for 30 minutes"
_PREFIX = "wopi:"


class Mismatch(Exception):
    """The file has another lock, or none where one must be; `current` is its id, "" for none or WebDAV's."""

    def __init__(self, current: str) -> None:
        super().__init__(current)
        self.current = current


def is_id(text: str) -> bool:
    """What an editor may call a lock."""
    return 0 < len(text) <= MAX_ID and text.isascii() and text.isprintable()


async def covering(tx: Tx, chain: tuple[Collection, ...], item: Item | None) -> list[Lock]:
    """The locks on a file, or on its folder."""
    return await locks.covering(tx, chain[-1].owner, [each.id for each in chain], item.uid if item else 0)


def current(present: list[Lock]) -> str:
    """The id of the editor's lock among them."""
    ids = [unquote(each.token[len(_PREFIX) :]) for each in present if each.token.startswith(_PREFIX)]
    return ids[0] if ids else ""


def find(present: list[Lock], lock_id: str) -> Lock | None:
    """The lock of this id; None where the file is not locked. Mismatch where another is on it."""
    if not present:
        return None
    found = [each for each in present if each.token == _token(lock_id)]
    if not found or len(present) > 1:
        raise Mismatch(current(present))
    return found[0]


async def take(
    tx: Tx, chain: tuple[Collection, ...], item: Item, person: Principal, lock_id: str, root: str
) -> None:
    """A new one, or a refresh of the one that is there. Mismatch."""
    there = find(await covering(tx, chain, item), lock_id)
    if there is not None:
        await locks.refresh(tx, there, clock.now() + LIFETIME)
        return
    made = Lock(
        item.owner,
        item.collection,
        item.uid,
        _token(lock_id),
        "exclusive",
        0,
        person.id,
        f"<D:owner>{escape(person.name)} ({escape(person.address)})</D:owner>",
        clock.now() + LIFETIME,
        root,
    )
    conflicts = await locks.take(tx, made, [each.id for each in chain])
    if conflicts:
        raise Mismatch(current(conflicts))


async def require(tx: Tx, chain: tuple[Collection, ...], item: Item, lock_id: str) -> Lock:
    """The lock of this id. Mismatch where there is none, or another."""
    there = find(await covering(tx, chain, item), lock_id)
    if there is None:
        raise Mismatch("")
    return there


def _token(lock_id: str) -> str:
    return _PREFIX + quote(lock_id, safe="")
