# SPDX-License-Identifier: Apache-2.0
"""What NOTIFY can ask for: events, and groups of them for mailboxes (RFC 5465 §5, §6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from armgs_server.imap.commands.fetch_items import Items
from armgs_server.imap.commands.list_entries import Entry
from armgs_server.imap.mailbox_filter import SELECTED_DELAYED, MailboxFilter

MESSAGE_NEW: Final = "MessageNew"
MESSAGE_EXPUNGE: Final = "MessageExpunge"
FLAG_CHANGE: Final = "FlagChange"
MAILBOX_NAME: Final = "MailboxName"
SUBSCRIPTION_CHANGE: Final = "SubscriptionChange"
MAILBOX_METADATA: Final = "MailboxMetadataChange"
SERVER_METADATA: Final = "ServerMetadataChange"
MESSAGE_EVENTS: Final = (MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE)
EVENTS: Final = (*MESSAGE_EVENTS, MAILBOX_NAME, SUBSCRIPTION_CHANGE, MAILBOX_METADATA, SERVER_METADATA)


@dataclass(frozen=True, slots=True)
class EventGroup:
    """event-group; no events: NONE. `items` are fetched of new messages in the selected mailbox."""

    filter: MailboxFilter
    events: frozenset[str]
    items: Items | None = None


@dataclass(frozen=True, slots=True)
class Selected:
    """What is told of the selected mailbox (RFC 5465 §6.1)."""

    messages: bool = False
    flags: bool = False
    is_delayed: bool = False
    items: Items | None = None


def selected_of(groups: Sequence[EventGroup]) -> Selected:
    """The group of the selected mailbox; nothing where there is none."""
    for group in groups:
        if group.filter.is_of_selected:
            return Selected(
                MESSAGE_NEW in group.events,
                FLAG_CHANGE in group.events,
                group.filter.kind == SELECTED_DELAYED,
                group.items,
            )
    return Selected()


def events_of(entry: Entry, groups: Sequence[EventGroup]) -> frozenset[str]:
    """RFC 5465 §6: groups in their order; NONE ends what further ones would add."""
    events: frozenset[str] = frozenset()
    for group in groups:
        if group.filter.is_match(entry):
            if not group.events:
                break
            events |= group.events
    return events
