# SPDX-License-Identifier: Apache-2.0
"""XEP-0227 §4.5, §4.11: messages that wait, and the archive; what is there already is known by its time,
its other side, and its id or, where it has none, its text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lxml import etree

from armgs_server.cli import portable
from armgs_server.cli.portable import PortablePart
from armgs_server.cli.report import Report, reason
from armgs_server.cli.workplace import Workplace
from armgs_server.directory import Principal
from armgs_server.errors import Invalid
from armgs_server.storage import archive, clock, offline
from armgs_server.storage.archive import ArchiveQuery
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.xeps.xep_0060_fields import parse_time

_CLIENT, _DELAY = "{jabber:client}", "{urn:xmpp:delay}delay"
_MESSAGE = f"{_CLIENT}message"
_MESSAGES = frozenset({_MESSAGE, f"{{{portable.PIE}}}message"})
_MILLISECOND = 1000  # exact enough in files, so two of one moment are moved apart
_PAGE = 1000

Key = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class _Message:
    sent: int
    peer: str
    stanza_id: str
    data: bytes

    @property
    def key(self) -> Key:
        return self.sent // _MILLISECOND, self.peer, self.stanza_id or hashlib.sha256(self.data).hexdigest()


class Messages:
    """Those of one person that were read and wait to be stored."""

    def __init__(self, workplace: Workplace, person: Principal, report: Report) -> None:
        self._workplace = workplace
        self._person = person
        self._report = report
        self._archived: list[_Message] = []
        self._waiting: list[_Message] = []
        self._last_sent = 0

    def __len__(self) -> int:
        return len(self._archived) + len(self._waiting)

    def add(self, part: PortablePart) -> None:
        """One `<result/>` of the archive, or one `<message/>` that waits; refused where it is neither."""
        try:
            if part.place == portable.OFFLINE:
                now = clock.now()
                self._waiting.append(self._read(part.element, part.element.find(_DELAY), now))
                return
            forwarded = part.element.find("{urn:xmpp:forward:0}forwarded")
            if forwarded is None:
                raise Invalid("no forwarded message")
            found = self._read(forwarded.find(_MESSAGE), forwarded.find(_DELAY))
        except Invalid as error:
            self._report.refuse(part.file, part.line, reason(error))
            return
        self._archived.append(found)

    def _read(self, message: etree._Element | None, delay: etree._Element | None, sent: int = 0) -> _Message:
        """`sent` is the time of a message that says none."""
        if message is None or message.tag not in _MESSAGES:
            raise Invalid("no message")
        if delay is None and not sent:
            raise Invalid("a message without its time")
        try:
            sent = parse_time(delay.get("stamp") or "") if delay is not None else sent
        except ValueError as error:
            raise Invalid("a message without its time") from error
        if not 0 < sent <= clock.now():
            raise Invalid("a message of the future, or of no time")
        from_, to = (parse(message.get(name) or self._person.address).bare for name in ("from", "to"))
        peer = to if from_ == self._person.address else from_
        return _Message(sent, peer, message.get("id") or "", portable.plain(message))

    async def flush(self) -> None:
        """Stores what waits, less what is there already."""
        archived, self._archived = self._archived, []
        waiting, self._waiting = self._waiting, []
        if archived:
            await self._store_archived(archived)
        if waiting:
            await self._store_waiting(waiting)

    async def _store_archived(self, messages: list[_Message]) -> None:
        owner, last = self._person.id, self._last_sent

        async def work(tx: Tx) -> tuple[int, int]:
            first, end = min(each.sent for each in messages), max(each.sent for each in messages)
            known, added, sent = await _known(tx, owner, first, end), 0, last
            for each in messages:
                if each.key in known:
                    continue
                known.add(each.key)
                sent = max(each.sent, sent + 1)  # ids keep the order of the file
                await archive.append(tx, owner, each.peer, each.stanza_id, each.data, sent)
                added += 1
            return added, sent

        added, self._last_sent = await self._workplace.store.write(work)
        self._report.accepted += added
        self._report.unchanged += len(messages) - added

    async def _store_waiting(self, messages: list[_Message]) -> None:
        owner, limit = self._person.id, self._workplace.config.xmpp.offline_messages

        async def work(tx: Tx) -> tuple[int, int]:
            known = {each.stanza for each in await offline.waiting(tx, owner)}
            added = full = 0
            for each in messages:
                if each.data in known:
                    continue
                if await offline.append(tx, owner, each.data, limit=limit, sent=each.sent):
                    added += 1
                else:
                    full += 1
            return added, full

        added, full = await self._workplace.store.write(work)
        self._report.accepted += added
        self._report.unchanged += len(messages) - added - full
        if full:
            self._report.refuse(self._person.address, 0, f"{full} messages more than may wait")


async def _known(tx: Tx, owner: int, first: int, last: int) -> set[Key]:
    """Those of that time which are in the archive."""
    known: set[Key] = set()
    start, end = first - first % _MILLISECOND, last + _MILLISECOND + _PAGE
    query: ArchiveQuery | None = ArchiveQuery(start=start, end=end, limit=_PAGE)
    while query is not None:
        page = await archive.page(tx, owner, query)
        for each in page.messages:
            stanza = etree.fromstring(each.stanza)
            known.add(_Message(each.sent, each.peer, stanza.get("id") or "", each.stanza).key)
        after = page.messages[-1].id if page.messages else None
        query = None if page.complete else ArchiveQuery(start=start, end=end, after=after, limit=_PAGE)
    return known
