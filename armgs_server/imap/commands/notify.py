# SPDX-License-Identifier: Apache-2.0
"""NOTIFY: which events of which mailboxes the client wants to hear of, at any time (RFC 5465)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from armgs_server.imap.command import Ok
from armgs_server.imap.commands.fetch_items import Items, parse_items
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.mailbox_filter import parse_filter
from armgs_server.imap.notify import Notify
from armgs_server.imap.notify_groups import (
    EVENTS,
    FLAG_CHANGE,
    MESSAGE_EVENTS,
    MESSAGE_EXPUNGE,
    MESSAGE_NEW,
    EventGroup,
)
from armgs_server.imap.responses import bad, no

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

_NAMES = {name.upper(): name for name in EVENTS}
# Of annotations of messages (RFC 5257), which are not kept here: known, and refused.
_ANNOTATION_CHANGE = "ANNOTATIONCHANGE"
_ATTRIBUTES_FOLLOW = re.compile(rb" +(?=\()")


async def handle_notify(session: Session, cursor: Cursor) -> Ok:
    """notify = "NOTIFY" SP ("SET" [status-indicator] SP event-groups / "NONE")"""
    cursor.space()
    groups: Sequence[EventGroup] = ()
    with_status = False
    if not cursor.take_word("NONE"):
        if not cursor.take_word("SET"):
            raise bad("SET or NONE expected")
        cursor.space()
        if with_status := cursor.take_word("STATUS"):
            cursor.space()
        groups = _groups(session, cursor)
    cursor.end()
    notify = Notify(session, groups)
    if session.updates.notify is not None:
        session.updates.notify.close()
    session.updates.notify = notify
    await notify.begin(with_status=with_status)
    return Ok("NOTIFY completed")


def _groups(session: Session, cursor: Cursor) -> list[EventGroup]:
    """event-groups = event-group *(SP event-group)"""
    unknown: list[str] = []
    groups = [_group(cursor, unknown)]
    while not cursor.is_at_end():
        cursor.space()
        groups.append(_group(cursor, unknown))
    if sum(group.filter.is_of_selected for group in groups) > 1:  # RFC 5465 §6.1
        raise bad("there is one selected mailbox")
    if unknown:  # RFC 5465 §3.1
        raise no(f"no such event: {unknown[0]}", f"BADEVENT ({' '.join(EVENTS)})")
    if sum(1 + len(group.filter.names) for group in groups) > session.settings.notify_groups:
        raise no("too many event groups", "LIMIT")
    return groups


def _group(cursor: Cursor, unknown: list[str]) -> EventGroup:
    """event-group = "(" filter-mailboxes SP events ")"; events = "(" event *(SP event) ")" / "NONE" """
    cursor.expect(b"(")
    chosen = parse_filter(cursor)
    cursor.space()
    events: set[str] = set()
    items: Items | None = None

    def event() -> None:
        nonlocal items
        name = cursor.atom()
        if name not in _NAMES:
            unknown.append(name)
        events.add(_NAMES.get(name, name))
        if name == MESSAGE_NEW.upper() and cursor.match(_ATTRIBUTES_FOLLOW):
            items = parse_items(cursor)

    if not cursor.take_word("NONE"):
        cursor.parenthesised(event)
        if not events:
            raise bad("event expected")
    cursor.expect(b")")
    _check(events, items, is_of_selected=chosen.is_of_selected)
    return EventGroup(chosen, frozenset(events), items)


def _check(events: set[str], items: Items | None, *, is_of_selected: bool) -> None:
    both = {MESSAGE_NEW, MESSAGE_EXPUNGE}
    if events & both and not events >= both:  # RFC 5465 §5
        raise bad("MessageNew and MessageExpunge go together")
    if events & {FLAG_CHANGE, _ANNOTATION_CHANGE} and not events >= both:
        raise bad("changes are told with MessageNew and MessageExpunge only")
    if is_of_selected and not events.intersection(EVENTS).issubset(MESSAGE_EVENTS):  # RFC 5465 §6.1
        raise bad("of the selected mailbox there are events of messages only")
    if items is not None and not is_of_selected:
        raise bad("attributes are fetched in the selected mailbox only")
