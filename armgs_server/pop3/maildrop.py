# SPDX-License-Identifier: Apache-2.0
"""The maildrop: a person's INBOX as it was when the session began (RFC 1939 §4, §5).

Invariants:
- One session at a time has it, on whichever host: a lease in the store, renewed while the session lasts.
  What the session deletes at its end is deleted only while the lease is still its own.
- Numbers are places in the list made at the beginning; messages that arrive later are not in it.
- Nothing is changed before `update`; a session that ends in any other way has changed nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from array import array
from collections.abc import Callable, Iterator

from armgs_server import log
from armgs_server.errors import NotFound, Temporary
from armgs_server.pop3.responses import IN_USE, Pop3Error
from armgs_server.storage import Store, clock, collections, items, leases, mail_query, restored
from armgs_server.storage.collections import Collection
from armgs_server.storage.leases import Lease
from armgs_server.storage.mail_query import Selection
from armgs_server.storage.tx import Row, Tx

# A host that died gives the maildrop free after this time.
LEASE_TIME = 60 * clock.SECOND
_RENEWALS = 3  # in that time
# Rows read, and messages removed, in one transaction.
PAGE = 2000
MAX_UID = (1 << 32) - 1

_log = log.get("pop3")


class Maildrop:
    """One session's hold on an INBOX. `open` makes it, `close` gives it up."""

    def __init__(self, store: Store, inbox: Collection, lease: Lease, limit: int) -> None:
        self._store = store
        self._inbox = inbox
        self._lease = lease
        self._limit = limit
        self._uids = array("I")
        self._sizes = array("Q")
        self._renewal: asyncio.Task[None] | None = None
        self.deleted: set[int] = set()  # numbers

    @classmethod
    async def open(cls, store: Store, owner: int, limit: int, on_loss: Callable[[], None]) -> Maildrop:
        """Takes the exclusive-access lock (RFC 1939 §4) and makes the list. Pop3Error where another session
        has it. `on_loss` is called should the lease be lost."""
        holder = f"pop3 {secrets.token_hex(8)}"

        async def work(tx: Tx) -> tuple[Collection | None, Lease | None]:
            inbox = await collections.by_role(tx, owner, "mail", "inbox")
            return inbox, await leases.acquire(tx, f"pop3:{owner}", holder, LEASE_TIME)

        inbox, lease = await store.write(work)
        if lease is None:
            raise Pop3Error("another session has the maildrop", IN_USE)
        if inbox is None:
            await store.write(lambda tx: leases.release(tx, lease))
            raise NotFound("there is no inbox")
        maildrop = cls(store, inbox, lease, limit)
        try:
            await maildrop._read()
        except BaseException:
            await maildrop.close()
            raise
        maildrop._renewal = asyncio.get_running_loop().create_task(
            maildrop._renew(on_loss), name="pop3-lease"
        )
        return maildrop

    async def _read(self) -> None:
        while len(self._uids) < self._limit:
            last = self._uids[-1] if self._uids else 0
            rows = await self._select("i.size", Selection(last + 1, MAX_UID))
            for uid, size in rows[: self._limit - len(self._uids)]:
                self._uids.append(uid)
                self._sizes.append(size)
            if len(rows) < PAGE:
                return
            await asyncio.sleep(0)

    async def _select(self, columns: str, selection: Selection) -> list[Row]:
        owner, number = self._inbox.owner, self._inbox.id
        return await self._store.read(
            lambda tx: mail_query.select(tx, owner, number, columns, selection, limit=PAGE)
        )

    # What a session asks for.

    def __len__(self) -> int:
        return len(self._uids)

    def present(self) -> Iterator[int]:
        """The numbers of the messages that are not marked as deleted."""
        return (number for number in range(1, len(self._uids) + 1) if number not in self.deleted)

    def size(self, number: int) -> int:
        """Octets of a message (RFC 1939 §11)."""
        return self._sizes[number - 1]

    def unique_id(self, number: int) -> str:
        """RFC 1939 §7: never given to another message of this maildrop, the same in every session."""
        return f"{self._inbox.uid_validity}.{self._uids[number - 1]}"

    async def locate(self, number: int) -> tuple[bytes, int]:
        """The blob of a message, and the size of its header. NotFound where another protocol removed it."""
        uid = self._uids[number - 1]
        rows = await self._select("i.blob, m.header_size", Selection(uid, uid))
        if not rows:
            raise NotFound("the message is gone")
        return bytes(rows[0][1]), int(rows[0][2])

    async def update(self, *, undelete: bool) -> None:
        """RFC 1939 §6: removes what is marked; with `undelete` it goes where it can be taken back from.
        Conflict where the lease is lost: nothing more is removed."""
        remove = restored.throw if undelete else items.remove
        uids = [self._uids[number - 1] for number in sorted(self.deleted)]
        for at in range(0, len(uids), PAGE):
            part = uids[at : at + PAGE]

            async def work(tx: Tx, part: list[int] = part) -> None:
                await leases.check(tx, self._lease)
                await remove(tx, self._inbox, part)

            await self._store.write(work)
        self.deleted.clear()

    async def close(self) -> None:
        """Gives the lock up."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait({self._renewal})
            self._renewal = None
        try:
            await self._store.write(lambda tx: leases.release(tx, self._lease))
        except Temporary as error:
            _log.warning("a maildrop stays locked for a while", error=error.text)

    # The lease.

    async def _renew(self, on_loss: Callable[[], None]) -> None:
        is_ours = True
        while is_ours:
            await asyncio.sleep(LEASE_TIME / _RENEWALS / clock.SECOND)
            is_ours = await self._is_renewed()
        _log.warning("a maildrop has passed to another session", lease=self._lease.name)
        on_loss()

    async def _is_renewed(self) -> bool:
        name, holder = self._lease.name, self._lease.holder
        try:
            held = await self._store.write(lambda tx: leases.acquire(tx, name, holder, LEASE_TIME))
        except Temporary as error:  # the next time may be soon enough; `update` makes sure
            _log.warning("cannot renew a lease", lease=name, error=error.text)
            return True
        return held == self._lease
