# SPDX-License-Identifier: Apache-2.0
"""Short messages from the server itself to people here: answers to requests, questions to moderators.

They say that a program wrote them (RFC 3834 §5) and have a null reverse-path, so nothing answers them.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from email.header import Header

from armgs_server.service import Core
from armgs_server.smtp import header
from armgs_server.smtp.copies import Copy, Envelope, Stored
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.policy import Recipient
from armgs_server.storage import clock, mail
from armgs_server.storage.tx import Tx


async def make(
    core: Core,
    author: str,
    recipients: Sequence[Recipient],
    subject: str,
    text: str,
    now: int,
    *,
    message_id: str = "",
    in_reply_to: str = "",
) -> Stored:
    """The message for the recipients' mailboxes, kept; `place` gives it to them."""
    identifier = message_id or f"<{clock.unique_id():x}@{core.config.server.hostname}>"
    answered = f"In-Reply-To: {in_reply_to}\r\nReferences: {in_reply_to}\r\n" if in_reply_to else ""
    head = (
        f"From: <{author}>\r\n"
        f"To: {', '.join(f'<{each.path}>' for each in recipients)}\r\n"
        f"Subject: {Header(subject, 'utf-8', header_name='Subject').encode(linesep=chr(13) + chr(10))}\r\n"
        f"Date: {header.date_of(header.moment_of(now))}\r\n"
        f"Message-ID: {identifier}\r\n"
        f"{answered}"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    top = header.return_path("")
    ref = await core.store.blobs.put(top + head.encode() + encoded(text))
    mailboxes = tuple(sorted((each.owners[0], each) for each in recipients if each.owners))
    return Stored(Copy(mailboxes), ref, await mail.read_index(core.store.blobs, ref), len(top))


async def place(tx: Tx, delivery: Delivery, stored: Stored, now: int) -> None:
    """Delivers it; a mailbox that is full gets it later."""
    await delivery.place(tx, Envelope(""), [stored], now, may_wait=True)


def encoded(text: str) -> bytes:
    """A text as base64 lines."""
    content = base64.b64encode(text.encode())
    return b"".join(content[start : start + 76] + b"\r\n" for start in range(0, len(content), 76))
