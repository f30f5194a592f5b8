# SPDX-License-Identifier: Apache-2.0
"""An accepted message on its way to its recipients: what they share, and who gets which bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from armgs_server.formats.mime import MessageIndex
from armgs_server.smtp.lists import MailList
from armgs_server.smtp.policy import Recipient
from armgs_server.smtp.records import Records
from armgs_server.storage.blobs import BlobRef


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all recipients of a message share."""

    sender: str  # reverse-path; "" = null
    author: int = 0  # the principal who submitted it; 0 = from outside, or the server itself
    needs_utf8: bool = False
    is_8bit: bool = False
    is_binary: bool = False
    returned: str = ""  # RET of RFC 3461 §4.3: FULL, HDRS or not given
    envelope_id: str = ""  # ENVID of RFC 3461 §4.4
    is_junk: bool = False  # it goes to the recipients' Junk
    needs_tls: bool = False  # REQUIRETLS, RFC 8689
    priority: int = 0  # MT-PRIORITY, RFC 6710
    deliver_by: tuple[int, str] | None = None  # until when, and what then (RFC 2852)
    release: int = 0  # nobody gets it before (RFC 4865); 0 = at once
    environment: tuple[tuple[str, str], ...] = ()  # RFC 5183, for people's rules: who brought it
    records: Records | None = None  # what is kept of it beside the recipients' copies
    id: str = ""  # as the reply, the log and Received: name it


@dataclass(frozen=True, slots=True)
class Copy:
    """The recipients who get the same bytes. `mailboxes`: owner and the address that led there."""

    mailboxes: tuple[tuple[int, Recipient], ...] = ()
    destinations: tuple[Recipient, ...] = ()
    mail_list: MailList | None = None

    def sender(self, envelope: Envelope) -> str:
        """RFC 5321 §3.9.2: what a list sends comes back to who looks after it."""
        if self.mail_list is None or not envelope.sender:
            return envelope.sender
        return self.mail_list.owner_address


@dataclass(frozen=True, slots=True)
class Stored:
    """A copy with its bytes; the first `own_prefix` of them are left out when it is sent on."""

    copy: Copy
    ref: BlobRef
    index: MessageIndex | None  # needed where there are mailboxes
    own_prefix: int


def plan_copies(recipients: Sequence[Recipient]) -> list[Copy]:
    """Who gets which bytes."""
    if len(recipients) == 1 and len(recipients[0].owners) == 1 and not recipients[0].list_address:
        return [Copy(((recipients[0].owners[0], recipients[0]),))]
    direct: dict[int, Recipient] = {}
    remote: dict[str, Recipient] = {}
    lists: dict[str, Recipient] = {}
    for recipient in recipients:
        if recipient.asks:
            continue
        if recipient.mail_list is not None:
            lists.setdefault(recipient.list_address, recipient)
        elif recipient.is_remote:
            remote.setdefault(recipient.path, recipient)
        else:
            for owner in recipient.owners:
                direct.setdefault(owner, recipient)
    copies = [Copy(tuple(sorted(direct.items(), key=_owner)), tuple(remote.values()))]
    reached = set(direct)
    for recipient in lists.values():
        if recipient.is_held:
            copies.append(Copy((), (recipient,), recipient.mail_list))
            continue
        owners = [owner for owner in recipient.owners if owner not in reached]
        reached.update(owners)
        mailboxes = tuple((owner, recipient) for owner in owners)
        relayed = [path for path in recipient.outside if path not in remote]
        remote.update((path, elsewhere(path)) for path in relayed)
        copies.append(Copy(mailboxes, tuple(remote[path] for path in relayed), recipient.mail_list))
    return [copy for copy in copies if copy.mailboxes or copy.destinations]


def elsewhere(path: str) -> Recipient:
    """RFC 3461 §5.2.7.1: what a list sends on asks for no reports on behalf of the author."""
    return Recipient(path, path.rpartition("@")[2])


def _owner(mailbox: tuple[int, Recipient]) -> int:
    """PostgreSQL: everybody locks accounts in the same order."""
    return mailbox[0]
