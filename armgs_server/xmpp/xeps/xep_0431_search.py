# SPDX-License-Identifier: Apache-2.0
"""XEP-0431: Full Text Search in MAM: a field of the archive's form, for people and for rooms.

All words must be in a message, in any form (`storage.fulltext`); `word*` is the beginning of one. The index
follows the archive at a distance, so it is brought up to date before it is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from armgs_server.storage import archive_search, fulltext
from armgs_server.storage.fulltext import Term
from armgs_server.xmpp.stanza import StanzaError

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

NAMESPACE: Final = "urn:xmpp:fulltext:0"
FIELD: Final = f"{{{NAMESPACE}}}fulltext"
_SLICES: Final = 100  # of messages, while somebody waits
_ALL: Final = 1_000_000


async def prepare(server: Server, owner: int, terms: tuple[Term, ...]) -> None:
    """Indexes what has come since; StanzaError where the answer would be more than one can wait for."""
    if await server.store.read(lambda tx: fulltext.are_too_many(tx, owner, fulltext.CHAT, terms)):
        raise StanzaError("not-acceptable", "too many words begin so")
    if not await archive_search.catch_up(server.store, owner, _SLICES):
        server.spawn(_go_on(server, owner))  # for when it is asked again
        raise StanzaError("resource-constraint", "the archive is being indexed, ask again in a moment")


async def _go_on(server: Server, owner: int) -> None:
    await archive_search.catch_up(server.store, owner, _ALL)
