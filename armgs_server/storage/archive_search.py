# SPDX-License-Identifier: Apache-2.0
"""The chat archive in the full-text index: slices of messages that were not looked at yet.

An archive is indexed from the first search in it, and then kept up with: indexing costs half as much as the
routing of a message, and most archives are never searched.

What is said in a message is in its `<body/>`; what repeats another message (XEP-0428) is left out, and an
encrypted message says nothing (its body only tells that it is encrypted).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from armgs_server.errors import Invalid, TooLarge
from armgs_server.formats import xmltree
from armgs_server.storage import fulltext
from armgs_server.storage.fulltext import CHAT
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.storage import Store

SLICE = 100  # messages in one transaction: a few milliseconds
_OWNERS = 500  # in one read
_BODY = "{jabber:client}body"
_FALLBACK = "{urn:xmpp:fallback:0}fallback"
_FALLBACK_BODY = "{urn:xmpp:fallback:0}body"
_POSITION = re.compile(r"[0-9]{1,9}")
_ENCRYPTED = (
    b"eu.siacs.conversations.axolotl",  # XEP-0384 0.3
    b"urn:xmpp:omemo:2",
    b"urn:xmpp:openpgp:0",  # XEP-0373
    b"jabber:x:encrypted",  # XEP-0027
)


def text_of(stanza: bytes) -> str:
    """What a message is found by."""
    if b"<body" not in stanza or any(name in stanza for name in _ENCRYPTED):
        return ""
    try:
        root = xmltree.parse(stanza)
    except (Invalid, TooLarge):  # one message that cannot be read must not keep all others from being found
        return ""
    body = root.findtext(_BODY) or ""
    for fallback in root.iterfind(_FALLBACK):
        part = fallback.find(_FALLBACK_BODY)
        if part is None and len(fallback):
            continue  # only of the subject
        start, end = (part.get(name) if part is not None else None for name in ("start", "end"))
        if start is None or end is None:
            return ""  # XEP-0428 §3: all of the body
        if _POSITION.fullmatch(start) and _POSITION.fullmatch(end):
            first, last = int(start), min(int(end), len(body))
            body = body[:first] + " " * (last - first) + body[last:] if first < last else body
    return body


async def index(tx: Tx, owner: int, limit: int = SLICE) -> int:
    """Looks at the oldest messages that were not looked at yet; how many."""
    last = await fulltext.begin(tx, owner, CHAT)
    rows = await tx.rows(
        "SELECT id, stanza FROM archive WHERE owner = ? AND id > ? ORDER BY id LIMIT ?", owner, last, limit
    )
    if rows:
        await fulltext.put(tx, owner, CHAT, [(id_, text_of(bytes(stanza))) for id_, stanza in rows])
        await fulltext.advance(tx, owner, CHAT, rows[-1][0])
    return len(rows)


async def is_complete(tx: Tx, owner: int) -> bool:
    """Whether all messages were looked at."""
    last = await fulltext.end(tx, owner, CHAT)
    row = await tx.row("SELECT id FROM archive WHERE owner = ? AND id > ? LIMIT 1", owner, last)
    return row is None


async def catch_up(store: Store, owner: int, slices: int) -> bool:
    """Looks at what is left, at most so many slices of it; whether nothing is left."""
    for _ in range(slices):
        if await store.read(lambda tx: is_complete(tx, owner)):
            return True
        await store.write(lambda tx: index(tx, owner))
    return await store.read(lambda tx: is_complete(tx, owner))


async def extend(store: Store) -> int:
    """Looks at what has come since into all archives that have been searched; how many messages."""
    count, after = 0, -1
    while owners := await store.read(lambda tx, after=after: _searched(tx, after)):  # type: ignore[misc]
        for owner, is_behind in owners:
            while is_behind:
                done = await store.write(lambda tx, owner=owner: index(tx, owner))  # type: ignore[misc]
                count += done
                is_behind = done == SLICE
        after = owners[-1][0]
    return count


async def _searched(tx: Tx, after: int) -> list[tuple[int, bool]]:
    """The next owners of searched archives, by their numbers, and whether there is anything new for each."""
    rows = await tx.rows(
        "SELECT owner, last, (SELECT MAX(id) FROM archive WHERE archive.owner = fulltext_end.owner)"
        " FROM fulltext_end WHERE scope = ? AND last > 0 AND owner > ? ORDER BY owner LIMIT ?",
        CHAT,
        after,
        _OWNERS,
    )
    return [(owner, (newest or 0) > last) for owner, last, newest in rows]
