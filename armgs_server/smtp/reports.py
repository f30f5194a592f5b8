# SPDX-License-Identifier: Apache-2.0
"""Reports on queued messages: who gets one, what is in it, and its delivery (RFC 5321 §6.1, RFC 3461 §6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from armgs_server import log, trace_id
from armgs_server.errors import NotFound
from armgs_server.formats import addresses, mime
from armgs_server.rules.plan import Plan
from armgs_server.service import Core
from armgs_server.smtp import dsn, header, policy
from armgs_server.smtp.attempt import Result
from armgs_server.smtp.copies import Envelope, Stored, plan_copies
from armgs_server.smtp.delivery import NO_PLANS, Delivery
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
    needs_tls: bool = False  # as the message had it (RFC 8689 §5)


@dataclass(frozen=True, slots=True)
class Subject:
    """The message that is reported on."""

    sender: str
    blob: bytes
    skip: int  # of its first bytes, which are ours
    created: int
    envelope_id: str
    returned: str
    needs_tls: bool = False


async def prepare(
    core: Core, outcomes: Sequence[tuple[Entry, Result]], late: Sequence[Entry], now: int
) -> list[Prepared]:
    """The reports that the sender of these rows, all of one message, is owed; one for each action."""
    owed: dict[str, list[Outcome]] = {}
    for entry, result in outcomes:
        action = _action(entry, result, entry in late)
        if action:
            owed.setdefault(action, []).append(_outcome(entry, result, action))
    if not owed:
        return []
    entry = outcomes[0][0]
    if not entry.sender:
        # RFC 5321 §6.1: a report about a report would go round for ever.
        _log.warning("report lost", recipient=entry.recipient, action=next(iter(owed)))
        return []
    subject = Subject(
        entry.sender,
        entry.blob,
        int(entry.data.get("skip", 0)),
        entry.created,
        str(entry.data.get("envid", "")),
        str(entry.data.get("ret", "")),
        bool(entry.data.get("tls")),
    )
    made = [await make(core, subject, each, now) for each in owed.values()]
    return [report for report in made if report is not None]


def believed(recipients: Sequence[Recipient]) -> list[Recipient]:
    """As a stranger may ask for reports whose domain does not stand behind the message: not of success.

    Anybody's address may be in such a reverse-path, and a report of each delivery would go there; for the
    same reason the transaction forgets RET=FULL.
    """
    return [
        replace(each, notify=(each.notify - {"SUCCESS"}) or frozenset({"NEVER"}))
        if "SUCCESS" in each.notify
        else each
        for each in recipients
    ]


async def make(core: Core, subject: Subject, outcomes: Sequence[Outcome], now: int) -> Prepared | None:
    """A report on its way to the message's sender; None where nobody can be told."""
    target = await _target(core, subject.sender)
    if target is None:
        return None
    returned, is_full = await _returned(core, subject)
    report = Report(
        sender=subject.sender,
        hostname=core.config.server.hostname,
        identifier=f"{clock.unique_id():x}",
        moment=header.moment_of(now),
        arrived=header.moment_of(subject.created),
        envelope_id=subject.envelope_id,
        outcomes=outcomes,
        returned=returned,
        is_full=is_full,
        language=await _language(core, subject.sender),
        trace=trace_id.current(),
    )
    top = header.return_path("")
    ref = await core.store.blobs.put(top + dsn.serialise(report))
    [copy] = plan_copies([target])
    index = await mail.read_index(core.store.blobs, ref) if copy.mailboxes else None
    return Prepared([Stored(copy, ref, index, len(top))], subject.needs_tls)


async def plans(delivery: Delivery, prepared: Prepared, now: int) -> Mapping[int, Plan]:
    """What the rules of the sender make of the report."""
    return await delivery.filing.plans(Envelope("", is_8bit=True), prepared.stored, now)


async def place(
    tx: Tx, delivery: Delivery, prepared: Prepared, now: int, plans: Mapping[int, Plan] = NO_PLANS
) -> None:
    """Delivers the report within the transaction that finishes the rows."""
    envelope = Envelope("", is_8bit=True, needs_tls=prepared.needs_tls)
    await delivery.place(tx, envelope, prepared.stored, now, may_wait=True, plans=plans)


def _action(entry: Entry, result: Result, is_late: bool) -> str:
    """What is told of a row, by the sender's NOTIFY (RFC 3461 §4.1); "" where nothing is."""
    notify = entry.data.get("notify", ("FAILURE", "DELAY"))
    if result.is_delivered:
        if _is_relay_reported(entry, result):
            return "relayed"
        if "SUCCESS" not in notify or result.is_reported:
            return ""
        return "delivered" if result.owners else "relayed"
    if result.is_final:
        return "failed" if "FAILURE" in notify else ""
    return "delayed" if is_late and "DELAY" in notify else ""


def _is_relay_reported(entry: Entry, result: Result) -> bool:
    """RFC 2852 §4.1.4: who asked for a trace, or for a time that the next server does not know, is told."""
    deliver_by = entry.data.get("by")
    if deliver_by is None or result.owners or "NEVER" in entry.data.get("notify", ()):
        return False
    return deliver_by[1].endswith("T") or not result.is_in_time


def _outcome(entry: Entry, result: Result, action: str) -> Outcome:
    original = entry.data.get("orcpt")
    return Outcome(
        recipient=entry.recipient,
        action=action,
        status=result.status,
        diagnostic=result.diagnostic,
        remote_mta=result.remote_mta,
        original=(original[0], original[1]) if original else None,
    )


async def confirm(
    delivery: Delivery,
    envelope: Envelope,
    stored: Sequence[Stored],
    recipients: Sequence[Recipient],
    now: int,
) -> None:
    """Tells the sender of deliveries here for which NOTIFY=SUCCESS was asked (RFC 3461 §5.2.3)."""
    first = stored[0]
    subject = Subject(
        envelope.sender,
        first.ref.hash,
        first.own_prefix,
        now,
        envelope.envelope_id,
        envelope.returned,
        envelope.needs_tls,
    )
    outcomes = [
        Outcome(each.path, "delivered", "2.1.5", "250 2.1.5 Delivered", original=each.original)
        for each in recipients
    ]
    report = await make(delivery.core, subject, outcomes, now)
    if report is not None:
        await delivery.core.store.write(lambda tx: place(tx, delivery, report, now))


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


async def _language(core: Core, sender: str) -> str:
    """The language of who gets the report, or of the department; "" where neither has said."""
    person = await core.directory.resolve(addresses.normalise(sender))
    if person is None:
        return ""
    department = await core.directory.by_id(person.department)
    known = (each.data.get("language", "") for each in (person, department) if each is not None)
    return next((language for language in known if language in dsn.LANGUAGES), "")


async def _returned(core: Core, subject: Subject) -> tuple[bytes, bool]:
    """The message's header, or all of it where the sender wants that and it is not large."""
    end = subject.skip + RETURN_LIMIT + 1
    try:
        text = await core.store.blobs.read(subject.blob, start=subject.skip, end=end)
    except NotFound:
        return b"", False
    # RFC 8689 §5: what had to be protected is not returned whole.
    if subject.returned == "FULL" and not subject.needs_tls and len(text) <= RETURN_LIMIT:
        return text, True
    return text[: mime.header_end(text, 0, len(text))], False
