# SPDX-License-Identifier: Apache-2.0
"""Mail that asks something of the server itself: of a list, for a message back, by a form.

Only who has logged in is heard, and no program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from armgs_server.directory.model import Principal
from armgs_server.smtp import form_mail, header, recall, replies, requests
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.policy import Recipient
from armgs_server.smtp.replies import Reply
from armgs_server.storage.blobs import BlobRef


@dataclass(frozen=True, slots=True)
class Asked:
    """A message; `whole` is there where a form is among its recipients."""

    author: Principal
    head: bytes
    message_id: str
    whole: BlobRef | None
    now: int


def is_to_form(recipients: Sequence[Recipient]) -> bool:
    """Whether the text itself is needed."""
    return any(each.form is not None for each in recipients)


def check(recipients: Sequence[Recipient], head: bytes) -> Reply | None:
    """Loops end here: what programs answer is for nobody of these (RFC 3834 §2, RFC 5230 §4.6)."""
    if header.is_automatic_reply(head):
        return replies.AUTOMATIC_TO_LIST_550
    if is_to_form(recipients) and form_mail.is_of_a_program(head):
        return replies.PROGRAM_TO_FORM_550
    return None


async def answer(delivery: Delivery, recipients: Sequence[Recipient], asked: Asked) -> None:
    """Does what is asked of each, and says so."""
    author, now = asked.author, asked.now
    for each in recipients:
        if each.requests_of is not None:
            subject = header.subject(asked.head)
            await requests.handle(delivery, each.requests_of, author, subject, now)
        elif each.is_recall:
            await recall.handle(delivery, author, asked.head, now)
        elif each.form is not None and asked.whole is not None:
            await form_mail.handle(
                delivery.core, each.form, author, asked.head, asked.whole, asked.message_id
            )
