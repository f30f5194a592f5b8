# SPDX-License-Identifier: Apache-2.0
"""What the store knows of a message, a meeting or an id, and what the log does, as steps in their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from armgs_server import trace_id
from armgs_server.cli.mail_log import EVENTS, Line
from armgs_server.cli.output import remark
from armgs_server.cli.workplace import Workplace
from armgs_server.errors import DomainError
from armgs_server.formats.addresses import normalise
from armgs_server.smtp import header
from armgs_server.storage import clock, queue, tracing
from armgs_server.storage.queue import Entry
from armgs_server.storage.tracing import Copy, Page, Sought

QUEUED = 10_000  # rows of the queue that are looked at
HEADER_LIMIT = 256 * 1024
OWNERS = 200  # whose mailboxes one read goes through
EVENTS_LIMIT = 1000
# From its first command to its last byte a message may take so long; then it is in mailboxes.
ARRIVAL = clock.HOUR
CANDIDATES = 20_000  # messages of that time whose header is read, where no log says which one it was
AROUND = clock.MINUTE  # both sides of a conversation have a message at the same time

IN_MAILBOX, IN_ARCHIVE, IN_CALENDAR, FOR_DEVICE = (
    "in mailbox",
    "in archive",
    "in calendar",
    "waits for a device",
)
_SHOWN = frozenset(("sender", "recipient", "recipients", "to", "answer", "account", "owner"))


@dataclass(frozen=True, slots=True)
class Step:
    """Something that has happened to a message. `id`: of what it belongs to (trace_id)."""

    moment: float  # seconds since 1970
    event: str
    id: str
    sender: str
    recipient: str
    detail: str


async def of_thing(workplace: Workplace, what: str, since: int) -> list[Step]:
    """What has this Message-ID, this stanza id, or this UID of a calendar object, whoever has it."""
    message_id = what if what.startswith("<") else f"<{what}>"
    bare = what.strip("<>")
    sought = Sought(since, (message_id,), (bare,), ical_uids=(bare,))
    steps = await _placed(workplace, await _look(workplace, sought))
    waiting = await workplace.store.read(lambda tx: queue.scan(tx, limit=QUEUED))
    known: dict[bytes, bool] = {}
    for entry in waiting:
        if entry.blob not in known:
            known[entry.blob] = await _is_it(workplace, entry, message_id, bare)
        if known[entry.blob]:
            steps.append(_queued(entry))
    return steps


async def of_address(workplace: Workplace, what: str, since: int) -> list[Step]:
    """What lies in the person's mailboxes, and what is on its way to or from the address."""
    address = normalise(what)
    steps: list[Step] = []
    principal = await workplace.directory.by_address(address)
    if principal is not None:
        found = await workplace.store.read(
            partial(tracing.arrived, owner=principal.id, since=since, limit=EVENTS_LIMIT)
        )
        steps += [await _step(workplace, copy) for copy in found]
    for scan in (partial(queue.scan, recipient=address), partial(queue.scan, sender=address)):
        waiting = await workplace.store.read(partial(scan, limit=EVENTS_LIMIT))
        steps += [_queued(entry) for entry in waiting]
    return steps


async def of_trace(workplace: Workplace, trace: str, message_ids: Iterable[str]) -> list[Step]:
    """What is known by an id; `message_ids`: of the messages that the log names with it."""
    moment, number = trace_id.moment_of(trace), int(trace, 16)
    known = tuple(dict.fromkeys(message_ids))
    page = await _look(workplace, Sought(moment - AROUND, known, numbers=(number,)))
    stanza_ids = tuple({each.stanza_id for each in page.said if each.stanza_id})
    if stanza_ids:  # the other side's archive knows it by another number
        others = await _look(workplace, Sought(moment - AROUND, stanza_ids=stanza_ids))
        page.said += [each for each in others.said if each not in page.said]
    waiting = await workplace.store.read(lambda tx: queue.scan(tx, limit=QUEUED))
    queued = [entry for entry in waiting if entry.data.get("id") == trace]
    if not (page.copies or page.said or queued or known):
        page.copies = await _received_as(workplace, trace, moment)
    return [*await _placed(workplace, page, trace), *map(_queued, queued)]


def of_lines(lines: Sequence[Line], what: str, is_address: bool, known: set[str]) -> list[Step]:
    """Lines that name it, then those that have the same ids."""
    ids = known | {line.trace for line in lines if (line.names if is_address else line.is_about)(what)}
    ids.discard("")
    return [_of_line(line) for line in lines if line.trace in ids]


async def _look(workplace: Workplace, sought: Sought) -> Page:
    """All owners, some in each read."""
    whole, after = Page(), 0
    while True:
        page = await workplace.store.read(partial(tracing.look, sought=sought, after=after, limit=OWNERS))
        whole.copies += page.copies
        whole.said += page.said
        whole.meetings += page.meetings
        if page.last is None:
            return whole
        after = page.last


async def _received_as(workplace: Workplace, trace: str, moment: int) -> list[Copy]:
    """Messages whose Received: names the id, where neither log nor queue knows it any more."""
    page = await _look(workplace, Sought(moment, arrived=(moment, moment + ARRIVAL)))
    mark = f" id {trace}".encode()
    found, heads = [], dict[bytes, bool]()
    for copy in sorted(page.copies, key=lambda copy: copy.created)[:CANDIDATES]:
        if copy.blob not in heads:
            heads[copy.blob] = mark in await _head(workplace, copy.blob, 0)
        if heads[copy.blob]:
            found.append(copy)
    return found


async def _placed(workplace: Workplace, page: Page, trace: str = "") -> list[Step]:
    steps = [await _step(workplace, copy, trace) for copy in page.copies]
    for said in page.said:
        owner, number = await _name(workplace, said.owner), f"{said.id:x}"
        moment = (said.id >> clock.ID_BITS) / clock.SECOND
        detail = f"with {said.peer}, stanza id {said.stanza_id or '-'}, archive id {said.id}"
        steps.append(Step(moment, IN_ARCHIVE, number, "", owner, detail))
        if await workplace.store.read(partial(tracing.waits_for_device, said=said)):
            steps.append(Step(moment, FOR_DEVICE, number, "", owner, ""))
    for meeting in page.meetings:
        owner = await _name(workplace, meeting.owner)
        moment = meeting.modified / clock.SECOND
        steps.append(Step(moment, IN_CALENDAR, "", "", owner, f"{meeting.calendar}, UID {meeting.ical_uid}"))
    return steps


async def _step(workplace: Workplace, copy: Copy, trace: str = "") -> Step:
    name = await _name(workplace, copy.owner)
    moment, detail = copy.created / clock.SECOND, f"{copy.mailbox}, uid {copy.uid}"
    return Step(moment, IN_MAILBOX, trace, copy.sender, name, detail)


async def _name(workplace: Workplace, number: int) -> str:
    owner = await workplace.directory.by_id(number)
    if owner is not None:
        return owner.address
    return await workplace.store.read(partial(tracing.room_of, owner=number)) or f"#{number}"


def _queued(entry: Entry) -> Step:
    detail = f"attempts {entry.attempts}" + (f": {entry.last_error}" if entry.last_error else "")
    event = "held" if entry.is_held else "waits"
    number = str(entry.data.get("id", ""))
    return Step(entry.created / clock.SECOND, event, number, entry.sender, entry.recipient, detail)


async def _is_it(workplace: Workplace, entry: Entry, message_id: str, ical_uid: str) -> bool:
    """Whether a queued message has the Message-ID, or is an invitation with the UID."""
    text = await _head(workplace, entry.blob, int(entry.data.get("skip", 0)))
    head, _, body = text.partition(b"\r\n\r\n")
    return header.message_id(head) == message_id or f"\r\nUID:{ical_uid}\r\n".encode() in body


async def _head(workplace: Workplace, blob: bytes, skip: int) -> bytes:
    try:
        return await workplace.store.blobs.read(blob, start=skip, end=skip + HEADER_LIMIT)
    except DomainError as error:
        remark(f"armgs: blob {blob.hex()}: {error}")
        return b""


def _of_line(line: Line) -> Step:
    fields = line.fields
    rest = " ".join(f"{name}={value}" for name, value in fields.items() if value and name not in _SHOWN)
    detail = fields.get("answer") or fields.get("message_id") or rest
    sender = fields.get("sender") or fields.get("account") or ("<>" if line.event in EVENTS else "")
    recipient = fields.get("recipient") or fields.get("to") or fields.get("owner", "")
    return Step(line.moment, line.event, line.trace, sender, recipient, detail)
