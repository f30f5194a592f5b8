# SPDX-License-Identifier: Apache-2.0
"""`Chats`: a person's conversations and rooms as mailboxes, for mail programs.

They are ordinary mailboxes that nobody else fills: each follows one conversation of the person's own archive,
or the archive of a room. Items and their index rows are made when somebody looks (storage.chat_arrivals); the
bytes stay in the archive and are made when they are read (storage.derived). Nothing of this is on the way of
a message that is being sent.

`chat_folder.last` is the archive id up to which a folder has taken up its messages; in the row of the root,
up to which the correspondents are known. What is imported into the past later is not taken up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from armgs_server.storage import blobs, collections, derived, items, trees
from armgs_server.storage.collections import CHATS, Collection
from armgs_server.storage.items import Item
from armgs_server.storage.mailboxes import MARK
from armgs_server.storage.tx import Tx

NAME = "Chats"
KIND = "mail"
RECENT = 200  # messages looked at for new correspondents, before it is noted where to go on
_MEMBERS = ("owner", "admin", "member")


@dataclass(frozen=True, slots=True)
class Chat:
    """One conversation of a person, or one room: `source` owns the archive; `peer` is empty for a room."""

    source: int
    peer: str
    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class News:
    """What the folders do not show yet."""

    chats: Sequence[Chat]
    lost: Sequence[int]  # folders of rooms to which the person belongs no more
    newest: int  # in the person's own archive
    is_due: bool  # much has come since it was written down up to where the correspondents are known

    @property
    def is_none(self) -> bool:
        """Whether there is nothing to be written."""
        return not self.chats and not self.lost and not self.is_due


def is_inside(collection: Collection) -> bool:
    """Whether a mailbox is one of those that show chats."""
    return collection.role == CHATS


async def news(tx: Tx, owner: int, address: str, room_addresses: Sequence[str]) -> News:
    """What a look at the archive, and at the rooms that somebody belongs to, brings to light."""
    rows = await tx.rows("SELECT source, peer, collection, last FROM chat_folder WHERE owner = ?", owner)
    known = {(source, peer): number for source, peer, number, _ in rows}
    last = max((last for source, _, _, last in rows if source == 0), default=0)
    newest = await tx.value("SELECT MAX(id) FROM archive WHERE owner = ?", owner) or 0
    recent = await _recent(tx, owner, last) if last else None
    peers = await _peers(tx, owner) if recent is None and newest > last else recent or []
    rooms = {room.source: room for room in await _rooms(tx, address, room_addresses)}
    people = [Chat(owner, peer, peer) for peer in peers if (owner, peer) not in known]
    others = [room for source, room in rooms.items() if (source, "") not in known]
    lost = [number for (source, peer), number in known.items() if source and not peer and source not in rooms]
    is_due = recent is None and newest > last
    return News([*await _without_rooms(tx, people), *others], lost, newest, is_due)


async def _recent(tx: Tx, owner: int, last: int) -> list[str] | None:
    """Who the newest messages are of or for; None where they are too many to look at each time."""
    rows = await tx.rows("SELECT peer FROM archive WHERE owner = ? AND id > ? LIMIT ?", owner, last, RECENT)
    return None if len(rows) == RECENT else sorted({row[0] for row in rows})


async def _peers(tx: Tx, owner: int) -> list[str]:
    """Who an archive has messages of or for, by steps in its index."""
    found: list[str] = []
    peer: str | None = ""
    while peer is not None:
        peer = await tx.value("SELECT MIN(peer) FROM archive WHERE owner = ? AND peer > ?", owner, peer)
        if peer is not None:
            found.append(peer)
    return found


async def _rooms(tx: Tx, address: str, addresses: Sequence[str]) -> list[Chat]:
    """The rooms somebody is affiliated with, and those of the given addresses that are there."""
    rows = await tx.rows(
        "SELECT c.owner, c.address FROM affiliation a JOIN chatroom c ON c.owner = a.owner"
        " WHERE a.jid = ? AND a.affiliation IN (?, ?, ?)",
        address,
        *_MEMBERS,
    )
    if addresses:
        places = ", ".join("?" * len(addresses))
        rows += await tx.rows(f"SELECT owner, address FROM chatroom WHERE address IN ({places})", *addresses)
    return [Chat(owner, "", room) for owner, room in rows]


async def _without_rooms(tx: Tx, chats: Sequence[Chat]) -> list[Chat]:
    """Private messages in a room are filed under the room's address: they are nobody's conversation."""
    found = []
    for chat in chats:
        if "@" in chat.peer and not await tx.value(
            "SELECT COUNT(*) FROM chatroom WHERE address = ?", chat.peer
        ):
            found.append(chat)
    return found


async def show(tx: Tx, owner: int, found: News) -> None:
    """Makes and removes folders. The names of new chats are those in `found`."""
    for number in found.lost:
        await trees.delete(tx, await collections.get(tx, owner, number))
    root = await _root(tx, owner)
    for chat in found.chats:
        if await tx.row(
            "SELECT 1 FROM chat_folder WHERE owner = ? AND source = ? AND peer = ?",
            owner,
            chat.source,
            chat.peer,
        ):
            continue  # another session was faster
        name = chat.name or chat.address
        if await collections.find(tx, owner, KIND, name, root.id) is not None:
            name = f"{name} ({chat.address})"
        made = await collections.create(tx, owner, KIND, name, parent=root.id, role=CHATS, subscribed=1)
        await _enter(tx, made, chat.source, chat.peer, 0)
    await tx.execute(
        "UPDATE chat_folder SET last = ? WHERE owner = ? AND source = 0 AND last < ?",
        found.newest,
        owner,
        found.newest,
    )


async def _root(tx: Tx, owner: int) -> Collection:
    """A name without a mailbox; or the mailbox of that name, where the person has one."""
    number = await tx.value("SELECT collection FROM chat_folder WHERE owner = ? AND source = 0", owner)
    if number is not None:
        return await collections.get(tx, owner, number)
    root = await collections.find(tx, owner, KIND, NAME)
    if root is None:
        root = await collections.create(tx, owner, KIND, NAME, role=CHATS, data={MARK: 1}, subscribed=1)
    await _enter(tx, root, 0, "", 0)
    return root


async def _enter(tx: Tx, folder: Collection, source: int, peer: str, last: int) -> None:
    await tx.execute(
        "INSERT INTO chat_folder (owner, collection, source, peer, last) VALUES (?, ?, ?, ?, ?)",
        folder.owner,
        folder.id,
        source,
        peer,
        last,
    )


async def forget(tx: Tx, source: int, archive: Sequence[int]) -> None:
    """To be called before messages leave an archive: their mail leaves the folders."""
    for part in items.parts(archive):
        digests = await derived.of(tx, source, part)
        if not digests:
            continue
        folders = await tx.rows("SELECT owner, collection FROM chat_folder WHERE source = ?", source)
        for owner, number in folders:
            rows = await tx.rows(
                f"SELECT {items.COLUMNS} FROM item WHERE owner = ? AND collection = ?"
                f" AND blob IN ({', '.join('?' * len(digests))})",
                owner,
                number,
                *digests,
            )
            if rows:  # what a hold wants kept is kept of the archive: here it only goes
                gone = [Item(*row) for row in rows]
                await items.leave(tx, await collections.get(tx, owner, number), gone)
                await blobs.release(tx, [item.blob for item in gone])
        await derived.let_go(tx, digests)
