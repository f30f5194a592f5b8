# SPDX-License-Identifier: Apache-2.0
"""How people are there, told to the other services: to whom chat shows their presence, and to no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from armgs_server.directory.model import Principal
from armgs_server.directory.statuses import Status
from armgs_server.errors import Invalid
from armgs_server.xmpp import roster
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.stanza import head
from armgs_server.xmpp.xeps.xep_0191_blocking import is_blocked, load

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

TEXT_LIMIT: Final = 200  # characters
# RFC 6121 §4.7.2.1, who wants to be spoken to most first.
_SHOWS: Final = ("chat", "", "away", "dnd", "xa")


async def status(server: Server, asker: Principal, person: Principal) -> Status | None:
    """That of the session which is there most; None for who is away, or does not show it to the asker."""
    if person.id != asker.id:
        if is_blocked(await load(server, person.id), parse(asker.address)):
            return None
        if not await roster.sees(server, person, asker.address):
            return None
    found = [_read(full, presence) for full, presence in await server.presences(person.address)]
    return min(found, key=lambda each: _SHOWS.index(each.show), default=None)


def _read(full: str, presence: bytes) -> Status:
    try:
        stanza = parse_stanza(head("presence", full, full) + presence)
        show, text = stanza.text("show").strip(), stanza.text("status").strip()
    except Invalid:
        return Status("", "")
    return Status(show if show in _SHOWS else "", text[:TEXT_LIMIT])
