# SPDX-License-Identifier: Apache-2.0
"""Rows of the queue as delivery makes them: what relay and reports need later, and when they are due."""

from __future__ import annotations

from typing import Any

from armgs_server.smtp.copies import Envelope, Stored
from armgs_server.smtp.policy import Recipient
from armgs_server.storage import clock, queue

# RFC 6710 §5.2: a step of priority is worth so much waiting in the queue.
PRIORITY_STEP = 5 * clock.MINUTE


def data_of(envelope: Envelope, stored: Stored, recipient: Recipient, owner: int) -> dict[str, Any]:
    """What relay and reports need later; only what differs from the default is kept."""
    data: dict[str, Any] = {"skip": stored.own_prefix, "size": stored.ref.size}
    if owner:
        data["mailbox"] = owner
    if envelope.needs_utf8:
        data["utf8"] = True
    if envelope.is_8bit:
        data["8bit"] = True
    if envelope.is_binary:
        data["binary"] = True
    if envelope.is_junk:
        data["junk"] = True
    if envelope.needs_tls:
        data["tls"] = True
    if envelope.priority:
        data["priority"] = envelope.priority
    if envelope.deliver_by is not None:
        data["by"] = list(envelope.deliver_by)
    if envelope.release:
        data["release"] = envelope.release
    if recipient.is_held and recipient.mail_list is not None:
        data["list"] = recipient.mail_list.id
    if envelope.returned:
        data["ret"] = envelope.returned
    if envelope.envelope_id:
        data["envid"] = envelope.envelope_id
    if recipient.notify:
        data["notify"] = sorted(recipient.notify)
    if recipient.original:
        data["orcpt"] = list(recipient.original)
    return data


def due(envelope: Envelope, stored: Stored, now: int) -> int:
    """When it is sent for the first time: what is urgent goes before what has waited longer."""
    if any(recipient.is_held for recipient in stored.copy.destinations):
        return queue.HELD
    return max(now, envelope.release) - envelope.priority * PRIORITY_STEP
