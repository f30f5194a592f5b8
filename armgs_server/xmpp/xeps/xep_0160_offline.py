# SPDX-License-Identifier: Apache-2.0
"""XEP-0160: messages for whoever is away, kept and delivered with the time they came (XEP-0203)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from armgs_server.storage import archive, offline
from armgs_server.storage.archive import ArchiveQuery
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import element
from armgs_server.xmpp.xeps import xep_0359_stanza_ids

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

FEATURES = ("msgoffline",)
DELAY = "urn:xmpp:delay"
_END = b"</message>"


def timestamp(microseconds: int) -> str:
    """XEP-0082 DateTime with milliseconds."""
    moment = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    return f"{moment.isoformat()[:19]}.{microseconds // 1000 % 1000:03d}Z"


def delay(from_: str, microseconds: int) -> bytes:
    """XEP-0203: when the server first had the stanza."""
    return element("delay", {"xmlns": DELAY, "from": from_, "stamp": timestamp(microseconds)})


async def deliver(server: Server, session: Session) -> None:
    """XEP-0160 §3: what waited goes to the first resource of non-negative priority.

    Page by page, as the client takes it: what it does not wait for stays in the store.
    """
    owner = session.account.owner
    waiting = await server.store.read(lambda tx: offline.count(tx, owner))
    while waiting > 0 and not session.is_ended:
        for message in await server.store.write(lambda tx: offline.take(tx, owner)):
            stamp = delay(session.jid.domain, message.sent)
            session.send(message.stanza.removesuffix(_END) + stamp + _END)
        if session.stream is None:
            return
        await session.stream.drain()
        waiting = await server.store.read(lambda tx: offline.count(tx, owner))


async def keep(server: Server, session: Session, stanzas: list[bytes]) -> None:
    """XEP-0198 §5: what an ended session never acknowledged waits for the next one."""
    owner, limit = session.account.owner, server.config.xmpp.offline_messages
    waiting = [stanza for stanza in stanzas if is_kept(stanza)]
    if waiting:

        async def work(tx: Tx) -> None:
            for stanza in waiting:
                await offline.append(tx, owner, stanza, limit=limit)

        await server.store.write(work)


async def recover(server: Server, owner: int, address: str, since: int) -> None:
    """What the archive has since then for a person whose last session was lost, as far as it is kept."""
    limit = server.config.xmpp.offline_messages

    async def work(tx: Tx) -> None:
        waiting = {message.stanza for message in await offline.waiting(tx, owner)}
        page = await archive.page(tx, owner, ArchiveQuery(start=since, limit=limit))
        for message in page.messages:
            is_own = parse_stanza(message.stanza).from_.partition("/")[0] == address
            stanza = xep_0359_stanza_ids.stamp(message.stanza, by=address, stanza_id=message.id)
            if is_kept(message.stanza) and not is_own and stanza not in waiting:
                await offline.append(tx, owner, stanza, limit=limit, sent=message.sent)

    await server.store.write(work)


def is_kept(stanza: bytes) -> bool:
    """Messages with a body that are not from a room, an error, a headline or a carbon copy."""
    head = stanza[: stanza.index(b">")]
    return (
        stanza.startswith(b"<message")
        and stanza.endswith(_END)
        and b"<body" in stanza
        and not any(f"type='{kind}'".encode() in head for kind in ("groupchat", "error", "headline"))
        and b"urn:xmpp:carbons:2" not in stanza
        and b"urn:xmpp:mam:2" not in stanza
    )
