# SPDX-License-Identifier: Apache-2.0
"""Waiting until the words of mailboxes are indexed."""

from __future__ import annotations

import asyncio

from armgs_server.storage import mail_words
from armgs_server.storage.tx import Tx
from tests.imap.client import Office

PATIENCE = 60.0


async def indexed(office: Office) -> None:
    """Until all mailboxes that were searched are."""

    async def is_done(tx: Tx) -> bool:
        wanted = await tx.value("SELECT COUNT(*) FROM mail_index")
        return bool(wanted) and not await mail_words.behind(tx, (-1, -1), 1)

    async with asyncio.timeout(PATIENCE):
        while not await office.store.read(is_done):
            await asyncio.sleep(0.02)
