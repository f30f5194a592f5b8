# SPDX-License-Identifier: Apache-2.0
"""One mail transaction (RFC 5321 §3.3): from MAIL FROM to the reply to the message's text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from mmap import mmap

from armgs_server import log
from armgs_server.directory.model import Principal
from armgs_server.errors import DomainError, OverQuota
from armgs_server.formats.addresses import Address
from armgs_server.smtp import (
    asked,
    attachments,
    authorship,
    form_mail,
    header,
    own_invitations,
    records,
    replies,
    reports,
    requests,
)
from armgs_server.smtp.body import Body
from armgs_server.smtp.copies import Copy, Envelope, Stored, plan_copies
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.filing import Refused
from armgs_server.smtp.header import Trace
from armgs_server.smtp.policy import Recipient
from armgs_server.smtp.records import Records
from armgs_server.smtp.replies import Reply, reply
from armgs_server.storage import clock, mail
from armgs_server.storage.blobs import BlobRef
from armgs_server.trace_id import TraceId
from armgs_server.trust.authentication_results import without_ours
from armgs_server.trust.model import Arrival, Verdict

LOGGED_RECIPIENTS = 50

_log = log.get("smtp")

# Lists among the recipients of one message.
LISTS = 20


class Transaction:
    """Made by MAIL; RCPT adds recipients; DATA or BDAT begins the text; `finish` delivers."""

    def __init__(self, delivery: Delivery, sender: Address | None, author: Principal | None) -> None:
        self.core = delivery.core
        self._delivery = delivery
        self.sender = sender
        self._sender_text = str(sender) if sender else ""
        self.author = author
        self.recipients: list[Recipient] = []
        self.attempts = 0  # RCPT commands, whether accepted or not
        self.size = 0  # as declared by SIZE
        self.needs_utf8 = False
        self.is_8bit = False
        self.is_binary = False
        self.needs_tls = False
        self.priority = 0
        self.is_priority_lowered = False
        self.deliver_by: tuple[int, str] | None = None
        self.release = 0
        self.is_from_stranger = True
        self.queues_full = True  # who cannot take it now gets it later
        self.returned = ""
        self.envelope_id = ""
        self.body: Body | None = None
        self.id = f"{clock.unique_id():x}"  # as the reply, the log and Received: name it
        self.trace = TraceId(self.id)
        self._now = 0
        self._trace: Trace | None = None
        self._copies: list[Copy] = []
        self._verdict = Verdict()
        self._records: Records | None = None
        self._late: frozenset[int] = frozenset()
        self._message_id = ""
        self._head = b""  # where it is looked at once more
        self._whole: BlobRef | None = None  # what a form is filled in with; kept no longer than this

    @property
    def has_room_for_list(self) -> bool:
        """Each list has a copy of its own, which is written at the same time as the others."""
        return sum(1 for each in self.recipients if each.mail_list is not None) < LISTS

    def begin(self, helo: str, peer: str, protocol: str) -> Body:
        """The text follows; what is told of its way goes into Received:."""
        single = self.recipients[0].path if len(self.recipients) == 1 else ""
        hostname = self.core.config.server.hostname
        self._trace = Trace(helo, peer, hostname, protocol, self.id, single)
        is_outside = self.is_from_stranger and self.author is None and self._delivery.judge is not None
        judge = self._judge if is_outside and self._delivery.is_judged(peer) else None
        revise = partial(without_ours, config=self.core.config)
        size = self.core.config.smtp.message_size
        self.body = Body(self.core.store.blobs, size, self._inspect, judge, revise)
        return self.body

    async def finish(self) -> Reply:
        """Delivers; the positive reply is true. Domain errors are the caller's to translate."""
        assert self.body is not None  # begin() was called
        refs = await self.body.finish()
        if isinstance(refs, Reply):
            _log.info("message refused", **self._known(), code=refs.code, answer=" ".join(refs.lines))
            return refs
        if asked.is_to_form(self.recipients):
            *refs, self._whole = refs
            if self._whole.size > form_mail.LETTER_LIMIT:
                return replies.TOO_LARGE_552
        if self.author is not None:
            refs, files = await attachments.detach(self.core, self.author, refs)
            if files:
                kept = self._records or Records()
                self._records = replace(kept, author=self.author.id, files=files)
        envelope = self._envelope()
        stored: list[Stored] = []
        for copy, ref in zip(self._copies, refs, strict=True):
            is_kept = bool(copy.mailboxes) or self._records is not None
            index = await mail.read_index(self.core.store.blobs, ref) if is_kept else None
            skip = len(header.return_path(copy.sender(envelope)))
            stored.append(Stored(copy, ref, index, skip))
        try:
            full = await self._delivery.deliver(envelope, stored, self._now, queues_full=self.queues_full)
        except Refused as error:
            _log.info("message refused by its recipient", **self._known())
            return error.reply
        self._late = full
        if self.author is not None:
            await own_invitations.note(self.core, self.author.id, stored)
        try:
            await self._ask_lists(stored)
        except DomainError as error:
            if not stored:  # nothing else was asked for: the client comes again
                raise
            _log.warning("request not done", error=error)
        delivered = [each for each in self.recipients if "SUCCESS" in each.notify and not each.is_remote]
        if delivered and self.sender is not None:
            told = [each for each in delivered if full.isdisjoint(each.owners)]
            await self._confirm(envelope, stored, told)
        if _log.informs:
            size, is_junk = self.body.size, int(self._verdict.is_junk)
            _log.info("message taken", **self._known(), size=size, junk=is_junk)
        return reply(250, "2.0.0", f"Message taken, id {self.id}")

    def _known(self) -> dict[str, object]:
        """What the log tells of the message, for whoever asks whether it has arrived (`armgs trace`)."""
        return {
            "message_id": self._message_id,
            "sender": self._sender_text,
            "recipients": len(self.recipients),
            "to": [each.path for each in self.recipients[:LOGGED_RECIPIENTS]],
            "peer": "" if self._trace is None else self._trace.peer,
            "account": "" if self.author is None else self.author.address,
        }

    async def finish_each(self) -> Sequence[Reply]:
        """RFC 2033 §4.2: a reply for each recipient, in their order; who cannot take it does not get it."""
        recipients = tuple(self.recipients)
        self.queues_full = False
        try:
            answer = await self.finish()
        except OverQuota:
            return [replies.MAILBOX_FULL_452] * len(recipients)
        return [
            replies.MAILBOX_FULL_452 if each.owners and self._late.issuperset(each.owners) else answer
            for each in recipients
        ]

    async def _ask_lists(self, stored: Sequence[Stored]) -> None:
        """What is asked of the server is done, moderators are told. The message itself is settled."""
        if not self._head:
            return
        subject = header.subject(self._head)
        if self.author is not None:  # RCPT takes requests from nobody else
            question = asked.Asked(self.author, self._head, self._message_id, self._whole, self._now)
            await asked.answer(self._delivery, self.recipients, question)
        for copy in stored:
            if copy.copy.mail_list is not None and copy.copy.destinations:
                await requests.tell_moderators(self._delivery, copy, self._sender_text, subject, self._now)

    async def _confirm(
        self, envelope: Envelope, stored: Sequence[Stored], recipients: Sequence[Recipient]
    ) -> None:
        """The message is delivered whatever becomes of its report."""
        if not recipients:
            return
        try:
            await reports.confirm(self._delivery, envelope, stored, recipients, self._now)
        except DomainError as error:
            _log.warning("report lost", error=error)

    def abort(self) -> None:
        """Forgets the text."""
        if self.body is not None:
            self.body.abort()

    def _envelope(self) -> Envelope:
        return Envelope(
            self._sender_text,
            self.author.id if self.author else 0,
            self.needs_utf8,
            self.is_8bit,
            self.is_binary,
            self.returned,
            self.envelope_id,
            self._verdict.is_junk,
            self.needs_tls,
            self.priority,
            self.deliver_by,
            self.release,
            ()
            if self._trace is None
            else (("remote-ip", self._trace.peer), ("remote-host", self._trace.helo)),
            self._records,
        )

    async def _judge(self, text: bytes | mmap, header_size: int) -> bytes | Reply:
        """Asks whether mail from outside is wanted; the header under which it is kept, or the refusal."""
        assert self._trace is not None and self._delivery.judge is not None  # begin() has looked
        arrival = Arrival(
            id=self.id,
            peer=self._trace.peer,
            helo=self._trace.helo,
            is_tls=self._trace.protocol.endswith("S"),  # RFC 3848
            sender=self._sender_text,
            recipients=tuple(each.path for each in self.recipients),
            text=text,
            header_size=header_size,
        )
        self._verdict = await self._delivery.judge(arrival)
        refusal = self._verdict.refusal
        if refusal is not None:
            return reply(refusal.code, refusal.status, refusal.text)
        head = self._verdict.head
        return bytes(text[:header_size]) if head is None else head

    async def _inspect(self, head: bytes) -> Sequence[bytes] | Reply:
        """Looks at the header; the prefixes of the copies, or the reply that refuses the message."""
        if header.hops(head) > self.core.config.smtp.hops:
            return replies.LOOP_554
        added = b""
        self._now = clock.now()
        moment = header.moment_of(self._now)
        if self.author is not None:
            written_by = await authorship.sender_field(self.core, self.author, head, self._sender_text)
            if written_by is None:
                return replies.NOT_YOUR_HEADER_554
            hostname = self.core.config.server.hostname
            author = self._sender_text or self.author.address
            added = written_by + header.missing_fields(head, author, moment, self.id, hostname)
        self._message_id = header.message_id(head) or header.message_id(added)
        asks = any(each.asks for each in self.recipients)
        if asks or any(each.mail_list for each in self.recipients):
            refusal = self._look_at_lists(head)
            if refusal is not None:
                return refusal
        if self.author is None and not self._verdict.is_proven:
            self.recipients, self.returned = reports.believed(self.recipients), ""
        self._copies = plan_copies(self.recipients)
        if not self._copies and not asks:
            return replies.LOOP_554
        assert self._trace is not None  # begin() has made it
        self._records = await records.plan(self.core, self.author, head, self._sender_text, self.recipients)
        middle = self._verdict.fields + self._trace.field(moment)
        envelope = self._envelope()
        return [
            header.return_path(copy.sender(envelope)) + middle + _list_fields(copy) + added
            for copy in self._copies
        ] + [b""] * asked.is_to_form(self.recipients)

    def _look_at_lists(self, head: bytes) -> Reply | None:
        """Loops end here, and what programs answer."""
        self._head = head
        refusal = asked.check(self.recipients, head)
        if refusal is not None:
            return refusal
        passed = header.list_ids(head)
        self.recipients = [
            each
            for each in self.recipients
            if each.mail_list is None or header.list_id(each.mail_list.address) not in passed
        ]
        return None


def _list_fields(copy: Copy) -> bytes:
    if copy.mail_list is None:
        return b""
    return header.list_fields(copy.mail_list.address, copy.mail_list.name) + copy.mail_list.fields()
