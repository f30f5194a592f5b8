# SPDX-License-Identifier: Apache-2.0
"""What others changed, as untagged responses: in the selected mailbox (RFC 3501 §5.2, §7.3, §7.4), in
searches of it that are kept up to date (RFC 5267), and, where NOTIFY asks for it, elsewhere (RFC 5465).

The bus says only that something changed; here it is read since the modseq that the client knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, TypeVar

from armgs_server import log
from armgs_server.directory.access import TOPIC as GRANTS
from armgs_server.directory.model import TOPIC as DIRECTORY
from armgs_server.errors import DomainError
from armgs_server.imap.contexts import Contexts
from armgs_server.imap.responses import defined_flags, flag_list, number_set
from armgs_server.imap.view import View
from armgs_server.storage import mail_query, recent
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.mail_query import MailChanges

if TYPE_CHECKING:
    from armgs_server.imap.notify import Notify
    from armgs_server.imap.session import Session

T = TypeVar("T")
# Commands that change the selected mailbox themselves.
OWN_CHANGES = frozenset(
    ("APPEND", "EXPUNGE", "UID EXPUNGE", "COPY", "UID COPY", "MOVE", "UID MOVE", "REPLACE", "UID REPLACE")
)

_log = log.get("imap")


class Updates:
    """Watches the selected mailbox of one session.

    While a command runs, the bus touches nothing but `stale`; during IDLE, and with NOTIFY between commands,
    it starts a task that tells.
    """

    __slots__ = (
        "_pushing",
        "_session",
        "_unsubscribe",
        "contexts",
        "is_idling",
        "is_resting",
        "notify",
        "stale",
    )

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pushing: asyncio.Task[None] | None = None
        self._unsubscribe: Sequence[Callable[[], None]] = ()
        self.is_idling = False
        self.is_resting = False  # between two commands
        self.stale = False  # the store may know something that the client does not
        self.contexts = Contexts(session)
        self.notify: Notify | None = None  # what NOTIFY has asked for, if it was ever used

    def begin(self, collection: Collection) -> None:
        """A mailbox was selected."""
        self.stale = True  # something may have changed since the view was read
        topics: list[tuple[str, Callable[[bytes], None]]] = [(f"changes:{collection.owner}", self._on_change)]
        if collection.owner != self._session.owner:
            topics += [(GRANTS, self._on_rights), (DIRECTORY, self._on_rights)]
        bus = self._session.core.store.bus
        self._unsubscribe = [bus.subscribe(topic, callback) for topic, callback in topics]

    async def end(self) -> None:
        """No mailbox is selected any more."""
        self.is_idling = self.stale = False
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe = ()
        self.contexts.clear()
        await self.pushed()

    async def rest(self, command: Awaitable[T]) -> T:
        """Waits for the next command; with NOTIFY the client is told meanwhile."""
        self.is_resting = True
        self.push()
        try:
            return await command
        finally:
            self.is_resting = False
            await self.pushed()

    async def close(self) -> None:
        """The session ends, or belongs to nobody any more."""
        await self.pushed()
        if self.notify is not None:
            self.notify.close()
            self.notify = None

    def _on_change(self, hint: bytes) -> None:
        collection, _ = self._session.selected()
        if not hint or int(hint.split(b" ", 1)[0]) == collection.id:
            self.stale = True
            self.push()

    def _on_rights(self, _: bytes) -> None:
        """Somebody's rights, groups or post may be others now; the person's, too."""
        self.stale = True
        self.push()

    def push(self) -> None:
        """During IDLE, and with NOTIFY between commands: tells at once."""
        if self._pushing is None and self._is_due():
            self._pushing = asyncio.get_running_loop().create_task(self._push(), name="imap-push")

    def _is_due(self) -> bool:
        """Whether there may be something to tell now."""
        notify, session = self.notify, self._session
        if session.is_ended or not (self.is_idling or (self.is_resting and notify is not None)):
            return False
        if notify is not None and notify.stale:
            return True
        if session.view is None or (notify is not None and not notify.selected.messages):
            return False
        return self.stale or (bool(session.view.gone) and self._may_expunge())

    def _may_expunge(self) -> bool:
        """RFC 5465 §6.1: between commands, unless the client wants them delayed."""
        return self.is_idling or (self.notify is not None and not self.notify.selected.is_delayed)

    async def pushed(self) -> None:
        """Waits for what is being told."""
        if self._pushing is not None:
            await self._pushing

    async def _push(self) -> None:
        try:
            while self._is_due():
                stream = self._session.stream
                _log.debug("announced", account=stream.account, connection=stream.id)
                await self._tell(may_expunge=self._may_expunge())
                await stream.drain()
        except (ConnectionError, TimeoutError):
            self._session.stream.abort()
        except DomainError as error:  # stays stale: told with the next hint or command
            _log.warning("cannot read changes", error=error.text, connection=self._session.stream.id)
        finally:
            self._pushing = None

    async def tell(self, *, may_expunge: bool, is_own: bool = False) -> None:
        """Before a tagged line. What cannot be read now is told later. `is_own`: the command itself may have
        changed the selected mailbox."""
        try:
            await self._tell(may_expunge=may_expunge, is_own=is_own)
        except DomainError as error:
            _log.warning("cannot read changes", error=error.text, connection=self._session.stream.id)

    def wrote(self, written: Sequence[Item]) -> None:
        """The client's own command has put these messages into a mailbox: no news to it (RFC 5465 §5)."""
        if self.notify is not None and written:
            self.notify.wrote(written)

    def named(self, *names: str) -> None:
        """The same of mailboxes that it has made, renamed, deleted, subscribed to."""
        if self.notify is not None:
            self.notify.own_names.update(names)

    async def _tell(self, *, may_expunge: bool, is_own: bool = False) -> None:
        notify, view = self.notify, self._session.view
        # RFC 5465 §3.1: of the selected mailbox, too, only what was asked for; but what a command of the
        # client's own has done is said.
        if view is not None and (notify is None or notify.selected.messages or is_own):
            if self.stale or (view.gone and may_expunge):
                await self._update(may_expunge=may_expunge)
        if notify is not None and not self._session.is_ended:
            if notify.stale:
                await notify.tell()
            notify.own_names.clear()

    async def _update(self, *, may_expunge: bool) -> None:
        session = self._session
        collection, view = session.selected()
        self.stale = False
        if await session.reach.has_lost_selected():
            session.bye("the selected mailbox is not yours to read any more")
            return
        try:
            changes = await session.core.store.read(
                lambda tx: mail_query.changes(tx, collection.owner, collection.id, view.modseq)
            )
        except DomainError:
            self.stale = True
            raise
        if changes is None:  # RFC 2180 §3.3: the mailbox was deleted under the client
            session.bye("the selected mailbox was deleted")
            return
        if changes.rows:
            await claim_recent(session, collection, view, changes.rows[-1][0])
        last = view.uids[-1] if view.uids else 0
        selected = None if self.notify is None else self.notify.selected
        if self.contexts and may_expunge:
            session.writelines(self.contexts.without(view.gone.union(changes.removed)))
        session.writelines(
            serialise_updates(
                view,
                changes,
                may_expunge=may_expunge,
                enabled=session.enabled,
                tells_flags=selected is None or selected.flags,
            )
        )
        uids = [row[0] for row in changes.rows]
        if self.notify is not None:
            await self.notify.fetch_new([uid for uid in uids if uid > last])
        if self.contexts and uids:
            session.writelines(await self.contexts.changed([uid for uid in uids if view.number(uid)]))


async def claim_recent(session: Session, collection: Collection, view: View, last: int) -> None:
    r"""RFC 3501 §2.3.2: messages up to `last` that nobody has been told of are \Recent here, and, unless the
    mailbox is open read-only, nowhere else. A claim that cannot be written is left to the next session."""
    if not session.settings.recent or view.recents is None or (view.uids and last <= view.uids[-1]):
        return
    store, key = session.core.store, (collection.owner, collection.id)
    first = await store.read(lambda tx: recent.boundary(tx, *key))
    if first > last:
        return
    if not session.read_only:
        try:
            first = await store.write(lambda tx: recent.claim(tx, *key, last + 1))
        except DomainError as error:
            _log.warning("cannot claim recent messages", error=error.text, connection=session.stream.id)
            return
    view.add_recents(first, last + 1)


def serialise_updates(
    view: View,
    changes: MailChanges,
    *,
    may_expunge: bool,
    enabled: AbstractSet[str],
    tells_flags: bool = True,
) -> list[bytes]:
    """The lines to send; brings the view to where they leave the client.

    `may_expunge` is false while a FETCH, STORE or SEARCH is answered (RFC 3501 §7.4.1). Who has enabled
    CONDSTORE is told MODSEQ, who has enabled QRESYNC gets VANISHED for EXPUNGE (RFC 7162 §3.2.10).
    """
    lines: list[bytes] = []
    view.gone.update(changes.removed)
    modseqs = "CONDSTORE" in enabled
    if may_expunge and view.gone:
        if enabled.isdisjoint(("QRESYNC", "UIDONLY")):  # RFC 9586 §3.4
            lines += [b"* %d EXPUNGE\r\n" % number for number in view.expunge()]
        elif uids := view.vanish():
            lines.append(b"* VANISHED %b\r\n" % number_set(uids))
    if view.learn(row[2] for row in changes.rows):
        lines.append(b"* FLAGS (%b)\r\n" % defined_flags(view.keywords.values()))
    last = view.uids[-1] if view.uids else 0
    if view.grow(row[0] for row in changes.rows if row[0] > last):
        lines.append(view.exists())
    elif recent_line := view.recent():
        lines.append(recent_line)
    for uid, flags, keywords, modseq in changes.rows:
        if uid > last or modseq in view.own or not tells_flags:
            continue
        ending = b" MODSEQ (%d)" % modseq if modseqs else b""
        shown = flag_list(view.shown_flags(uid, flags), keywords)
        lines.append(view.response(uid, b"UID %d FLAGS %b%b" % (uid, shown, ending)))
    view.modseq = changes.modseq
    view.own.clear()
    return lines
