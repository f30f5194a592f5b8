# SPDX-License-Identifier: Apache-2.0
"""Reports on queued messages: who gets one, what is in it, and its delivery (RFC 5321 §6.1, RFC 3461 §6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from armgs_server import log
from armgs_server.formats import addresses, mime
from armgs_server.service import Core
from armgs_server.smtp import dsn, header, policy
from armgs_server.smtp.attempt import Result
from armgs_server.smtp.delivery import Delivery, Envelope, Stored, plan_copies
from armgs_server.smtp.dsn import Outcome, Report
from armgs_server.smtp.policy import Recipient
from armgs_server.smtp.replies import Reply
from armgs_server.storage import clock, mail
from armgs_server.storage.queue import Entry
from armgs_server.storage.tx import Tx

# A message up to this size is returned whole where RET=FULL asks for it.
RETURN_LIMIT = 256 * 1024

_log = log.get("relay")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A report with everything its transaction needs."""

    stored: Sequence[Stored]


async def prepare(core: Core, finished: Sequence[tuple[Entry, Result]], now: int) -> Prepared | None:
    """The report that the sender of these rows is owed, if any. They are of one message."""
    owed = [(entry, outcome) for entry, result in finished if (outcome := _outcome(entry, result))]
    if not owed:
        return None
    first = owed[0][0]
    target = await _target(core, first.sender)
    if target is None:
        return None
    returned, is_full = await _returned(core, first)
    report = Report(
        sender=first.sender,
        hostname=core.config.server.hostname,
        identifier=f"{clock.unique_id():x}",
        moment=header.moment_of(now),
        arrived=header.moment_of(first.created),
        envelope_id=str(first.data.get("envid", "")),
        outcomes=[outcome for _, outcome in owed],
        returned=returned,
        is_full=is_full,
    )
    top = header.return_path("")
    ref = await core.store.blobs.put(top + dsn.serialise(report))
    [copy] = plan_copies([target])
    index = await mail.read_index(core.store.blobs, ref) if copy.mailboxes else None
    return Prepared([Stored(copy, ref, index, len(top))])


async def place(tx: Tx, delivery: Delivery, prepared: Prepared, now: int) -> None:
    """Delivers the report within the transaction that finishes the rows."""
    await delivery.place(tx, Envelope("", is_8bit=True), prepared.stored, now, may_wait=True)


def _outcome(entry: Entry, result: Result) -> Outcome | None:
    """What the report says of a row; None where none is owed."""
    notify = entry.data.get("notify", ["FAILURE"])
    if result.is_delivered or "FAILURE" not in notify:
        return None
    if not entry.sender:
        # RFC 5321 §6.1: a report about a report would go round for ever.
        _log.warning("report lost", recipient=entry.recipient, status=result.status)
        return None
    original = entry.data.get("orcpt")
    return Outcome(
        recipient=entry.recipient,
        action="failed",
        status=result.status,
        diagnostic=result.diagnostic,
        remote_mta=result.remote_mta,
        original=(original[0], original[1]) if original else None,
    )


async def _target(core: Core, sender: str) -> Recipient | None:
    """Where the report goes: here, or by the queue to another domain."""
    found = await policy.find_recipient(core, addresses.parse(sender), may_relay=True, is_report=True)
    if isinstance(found, Recipient):
        return found
    if isinstance(found, Reply) and found.code < 500:
        # The mailbox is full: the report waits like any other message.
        return Recipient(sender, addresses.normalise_domain(sender.rpartition("@")[2]))
    _log.warning("report lost", sender=sender, code=found.code)
    return None


async def _returned(core: Core, entry: Entry) -> tuple[bytes, bool]:
    """The message's header, or all of it where the sender wants that and it is not large."""
    skip = int(entry.data.get("skip", 0))
    text = await core.store.blobs.read(entry.blob, start=skip, end=skip + RETURN_LIMIT + 1)
    if entry.data.get("ret") == "FULL" and len(text) <= RETURN_LIMIT:
        return text, True
    return text[: mime.header_end(text, 0, len(text))], False
