# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §7.2.13-§7.2.15: what who enters is shown of the past, and the subject.

The last messages of a room are kept in memory while anybody is in it, as bytes ready to be sent but for the
recipient; for a room that comes from the store they are read back from its archive.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lxml import etree

from armgs_server.formats.xmltree import quote
from armgs_server.storage import archive, clock
from armgs_server.storage.archive import ArchiveQuery
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import protocol
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.numbers import whole
from armgs_server.xmpp.stanza import Stanza, StanzaError, head
from armgs_server.xmpp.xeps import xep_0359_stanza_ids, xep_0424_retraction
from armgs_server.xmpp.xeps.xep_0045_room import MUC, Past, Room, Seat
from armgs_server.xmpp.xeps.xep_0160_offline import DELAY, timestamp

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

_END = b"</message>"
_LARGEST = 9_999_999_999  # of `seconds` and the like


def send(server: Server, jid: JID, data: bytes) -> None:
    """To one session, here or in another process."""
    account = server.accounts.get(jid.bare)
    session = account.sessions.get(jid.resource) if account is not None else None
    if session is not None:
        session.send(data)
    else:
        server.publish(jid, data)


async def load(tx: Tx, owner: int, address: JID, limit: int) -> list[Past]:
    """The last messages of a room's archive, with their archive ids."""
    if limit == 0:
        return []
    page = await archive.page(tx, owner, ArchiveQuery(backwards=True, limit=limit))
    past = []
    for message in page.messages:
        stanza = protocol.parse_stanza(message.stanza)
        if stanza.has("retracted", xep_0424_retraction.NAMESPACE):
            continue  # XEP-0424 §6
        tail = xep_0359_stanza_ids.stamp(stanza.tail(), by=address.bare, stanza_id=message.id)
        past.append(Past(message.sent, parse(stanza.from_), tail, message.id))
    return past


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """§7.2.14: how much of the history a client wants; None where it did not say."""

    since: int | None = None  # microseconds
    stanzas: int | None = None
    characters: int | None = None


def parse_request(stanza: Stanza) -> HistoryRequest:
    """The `<history/>` of a presence; `bad-request` where it makes no sense."""
    wanted = next(stanza.tree().iterfind(f"{{{MUC}}}x/{{{MUC}}}history"), None)
    if wanted is None:
        return HistoryRequest()
    return HistoryRequest(_since(wanted), _number(wanted, "maxstanzas"), _number(wanted, "maxchars"))


def delayed(from_: str, sent: int) -> bytes:
    """§7.2.13: the mark of what was sent before (XEP-0203)."""
    return f"<delay xmlns='{DELAY}' from='{quote(from_)}' stamp='{timestamp(sent)}'/>".encode()


def send_history(server: Server, room: Room, seat: Seat, request: HistoryRequest) -> None:
    """§7.2.13 and §7.2.15: discussion history, then the subject, which is always sent."""
    for data in _chosen(room, seat, request):
        send(server, seat.jid, data)
    if room.subject:
        send(server, seat.jid, head("message", "", seat.jid.full) + room.subject)
    else:
        start = head("message", room.address.full, seat.jid.full)
        send(server, seat.jid, start + b" type='groupchat'><subject/></message>")


def _chosen(room: Room, seat: Seat, request: HistoryRequest) -> list[bytes]:
    """As much of the history as the client wants, and no more than the room has or gives."""
    history = [past for past in room.history if request.since is None or past.sent >= request.since]
    most = len(history)
    if room.config.history >= 0:
        most = min(most, room.config.history)
    if request.stanzas is not None:
        most = min(most, request.stanzas)
    stanzas = [
        head("message", past.from_.full, seat.jid.full)
        + past.tail[: -len(_END)]
        + delayed(room.address.bare, past.sent)
        + _END
        for past in history[len(history) - most :]
    ]
    return stanzas if request.characters is None else _last_characters(stanzas, request.characters)


def _since(wanted: etree._Element) -> int | None:
    """The later one of `seconds` and `since`, in microseconds."""
    seconds = _number(wanted, "seconds")
    earliest = None if seconds is None else clock.now() - seconds * clock.SECOND
    text = wanted.get("since")
    if text is None:
        return earliest
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise StanzaError("bad-request", "since is a XEP-0082 time") from error
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(earliest or 0, int(moment.timestamp() * clock.SECOND))


def _number(wanted: etree._Element, name: str) -> int | None:
    text = wanted.get(name)
    if text is None:
        return None
    number = whole(text, _LARGEST)
    if number is None:
        raise StanzaError("bad-request", f"{name} is a number")
    return number


def _last_characters(stanzas: list[bytes], characters: int) -> list[bytes]:
    """§7.2.14: "the limit refers to the total number of characters in the history"."""
    first = len(stanzas)
    while first > 0:
        characters -= len(stanzas[first - 1].decode())
        if characters < 0:
            break
        first -= 1
    return stanzas[first:]
