# SPDX-License-Identifier: Apache-2.0
"""Letters that others have left in the store (storage.letters) are placed in mailboxes here.

Every process takes them by lease; the transaction that takes one out places the message, so nobody gets it
twice. They have a null reverse-path and say that a program wrote them (RFC 3834 §5): nothing answers them.
"""

from __future__ import annotations

from typing import Final

from armgs_server import log
from armgs_server.errors import DomainError
from armgs_server.smtp import notices
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.policy import Recipient
from armgs_server.storage import clock, letters
from armgs_server.storage.letters import Letter
from armgs_server.storage.tx import Tx
from armgs_server.storage.waiting_work import WaitingWork

CLAIM_LIMIT: Final = 50

_log = log.get("smtp")


class Letters:
    """From `start` to `stop`."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._core = delivery.core
        self._work = WaitingWork(self._core.store, letters.TOPIC, "letters", self._look)

    def start(self) -> None:
        """Begins to look."""
        self._work.start()

    async def stop(self) -> None:
        """Ends; what is not placed yet stays in the store."""
        await self._work.stop()

    async def _look(self) -> None:
        while taken := await self._work.take(letters.claim, CLAIM_LIMIT):
            for letter in taken:
                try:
                    await self._place(letter)
                except DomainError as error:
                    # Its lease ends, and it is tried again; the others do not wait for it.
                    _log.warning("a letter waits", owner=letter.owner, error=error)

    async def _place(self, letter: Letter) -> None:
        owner, now = await self._core.directory.by_id(letter.owner), clock.now()
        if owner is None:
            await self._core.store.write(lambda tx: letters.finish(tx, letter))
            return
        made = await notices.make(
            self._core,
            letter.author,
            [Recipient(owner.address, owner.domain, (owner.id,))],
            letter.subject,
            letter.text,
            now,
            message_id=letter.message_id,
            in_reply_to=letter.in_reply_to,
        )

        async def work(tx: Tx) -> None:
            if await letters.finish(tx, letter):
                await notices.place(tx, self._delivery, made, now)

        await self._core.store.write(work)
