# SPDX-License-Identifier: Apache-2.0
"""What is kept of a message beside its delivery, in the same transaction: a post's Sent, the journals.

Both are copies of the bytes that are delivered first. A Sent mailbox that is full does without; the message
goes all the same. Large attachments that have become links (attachments.py) are made files here, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from armgs_server.directory.model import Principal
from armgs_server.service import Core
from armgs_server.smtp import attachments, authorship
from armgs_server.smtp.attachments import Detached
from armgs_server.smtp.policy import Recipient
from armgs_server.storage import accounts, collections, journal, mail
from armgs_server.storage.items import Flags
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.smtp.copies import Stored

JOURNAL: Final = "journal"  # in a department's data: whether it has one


@dataclass(frozen=True, slots=True)
class Records:
    """Decided before the message is stored."""

    sent_owner: int = 0  # the group in whose Sent it belongs
    journals: tuple[int, ...] = ()  # departments
    sender: str = ""
    recipients: tuple[str, ...] = ()
    author: int = 0
    files: tuple[Detached, ...] = ()  # attachments that have become the author's files


async def plan(
    core: Core, author: Principal | None, head: bytes, sender: str, recipients: Iterable[Recipient]
) -> Records | None:
    """None where nothing is to be kept, as mostly."""
    owners = {owner for recipient in recipients for owner in recipient.owners}
    journals = await _journals(core, owners, author)
    sent = 0 if author is None else await authorship.sent_owner(core, author, head, sender)
    if not journals and not sent:
        return None
    return Records(sent, journals, sender, tuple(recipient.path for recipient in recipients))


async def keep(tx: Tx, records: Records, stored: Stored, now: int) -> None:
    """Writes them. OverQuota where the author has no room for the files any more."""
    for department in records.journals:
        await journal.append(tx, department, stored.ref, records.sender, records.recipients)
    if records.files:
        await attachments.keep(tx, records.author, records.files, now)
    if not records.sent_owner:
        return
    sent = await collections.by_role(tx, records.sent_owner, "mail", "sent")
    usage = await accounts.usage(tx, records.sent_owner)
    if sent is None or (usage.quota and usage.bytes + stored.ref.size > usage.quota):
        return
    assert stored.index is not None  # made for every message that is recorded
    await mail.append(tx, sent, stored.ref, stored.index, created=now, flags=Flags.SEEN)


async def _journals(core: Core, owners: Iterable[int], author: Principal | None) -> tuple[int, ...]:
    """The departments of who gets and who sends it, as far as they have a journal."""
    departments = set() if author is None else {author.department}
    for owner in owners:
        principal = await core.directory.by_id(owner)
        if principal is not None:
            departments.add(principal.department)
    found = []
    for number in sorted(departments):
        department = await core.directory.by_id(number)
        if department is not None and department.data.get(JOURNAL):
            found.append(number)
    return tuple(found)
