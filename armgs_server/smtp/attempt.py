# SPDX-License-Identifier: Apache-2.0
"""One attempt to deliver queued rows of one message to one domain: to its servers, or to a mailbox here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from armgs_server.errors import NotFound
from armgs_server.formats import addresses, mime
from armgs_server.formats.mime import MessageIndex
from armgs_server.rules.plan import Plan
from armgs_server.service import Core
from armgs_server.smtp import copies, header, lists, policy, replies
from armgs_server.smtp.copies import Copy, Envelope, Stored
from armgs_server.smtp.delivery import NO_PLANS, Delivery
from armgs_server.smtp.envelope import Answer, Message, Target
from armgs_server.smtp.outbound import NoTls, Outbound, Unreachable
from armgs_server.smtp.policies import Policies
from armgs_server.smtp.policy import Recipient
from armgs_server.smtp.protection import Mode, Protection
from armgs_server.smtp.replies import Reply
from armgs_server.smtp.routing import SMTP_PORT, Host, NoRoute, Routing, split_host
from armgs_server.smtp.sts_fetch import HTTPS_PORT
from armgs_server.smtp.tls_reports import TlsReports
from armgs_server.storage import clock, mail
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.queue import Entry
from armgs_server.storage.tx import Tx
from armgs_server.trust.model import Seal

# Messages above this are few at a time.
LARGE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a row. With `index` it is yet to be put into the owner's INBOX, by `keep`."""

    status: str
    diagnostic: str
    remote_mta: str = ""
    is_expired: bool = False
    is_reported: bool = False  # who took it reports the success itself
    is_in_time: bool = True  # or who took it knows until when it must arrive (RFC 2852)
    owners: tuple[int, ...] = ()
    outside: tuple[str, ...] = ()  # and where it is sent on to: contacts of a list
    size: int = 0
    index: MessageIndex | None = None

    @property
    def is_delivered(self) -> bool:
        """The next server, or a mailbox here, has it."""
        return self.status.startswith("2.")

    @property
    def is_final(self) -> bool:
        """No further attempt."""
        return self.is_expired or not self.status.startswith("4.")

    def given_up(self) -> Result:
        """RFC 3464: a failure that lasted is a failure for good, with the status it had."""
        return replace(self, is_expired=True)


def is_large(entry: Entry) -> bool:
    """Whether the message, held in memory while it is sent, must wait for its turn among the large ones."""
    return int(entry.data.get("size", 0)) > LARGE


class Attempts:
    """What attempts need: routes, policies, connections. `close` ends the connections."""

    def __init__(
        self,
        core: Core,
        seal: Seal | None = None,
        *,
        smtp_port: int = SMTP_PORT,
        https_port: int = HTTPS_PORT,
    ) -> None:
        self._core = core
        self._routing = Routing(core.config.smtp, core.config.server.hostname, smtp_port)
        self._policies = Policies(core, self._routing, https_port)
        self.tls_reports = TlsReports(core, self._routing)
        self._outbound = Outbound(core.config, seal)

    async def close(self) -> None:
        """Ends the connections to other servers; keeps what was counted."""
        await self._outbound.close()
        await self.tls_reports.stop()

    async def deliver(self, entries: Sequence[Entry], now: int) -> Mapping[int, Result]:
        """The result for each row, by its id; the rows are of one message to one domain."""
        first = entries[0]
        try:
            text = await self._core.store.blobs.read(first.blob)
        except NotFound:
            return {entry.id: Result("5.3.0", "the message is gone") for entry in entries}
        if not first.data.get("mailbox") and not self._core.directory.is_local(first.domain):
            return await self._deliver_elsewhere(entries, text, now)
        results = {entry.id: await _deliver_here(self._core, entry, text) for entry in entries}
        unknown = replies.NO_SUCH_USER_550.enhanced
        strangers = [entry for entry in entries if results[entry.id].status == unknown]
        host = split_host(self._core.config.smtp, first.domain)
        if strangers and host is not None:
            results |= await self._deliver_to([host], strangers, text, now)
        return results

    async def _deliver_elsewhere(
        self, entries: Sequence[Entry], text: bytes, now: int
    ) -> Mapping[int, Result]:
        first = entries[0]
        try:
            hosts = await self._routing.hosts(first.domain, first.sender.rpartition("@")[2])
        except NoRoute as error:
            return {entry.id: Result(error.status, error.text) for entry in entries}
        return await self._deliver_to(hosts, entries, text, now)

    async def _deliver_to(
        self, hosts: Sequence[Host], entries: Sequence[Entry], text: bytes, now: int
    ) -> Mapping[int, Result]:
        first = entries[0]
        message = _message(entries, text[int(first.data.get("skip", 0)) :], now)
        targets = {target.address: target for target in map(_target, entries)}  # two spellings may be one
        failure = Result("4.4.1", "no server of the domain answers")
        for host in hosts:
            try:
                answers = await self._send(host, first.domain, message, list(targets.values()))
            except NoTls as error:
                failure = Result("4.7.5", str(error))  # RFC 3463 §3.8: cryptographic failure
                continue
            except Unreachable as error:
                failure = Result("4.4.1", str(error))
                continue
            return {entry.id: _result(answers[_wire_address(entry.recipient)]) for entry in entries}
        return {entry.id: failure for entry in entries}

    async def _send(
        self, host: Host, domain: str, message: Message, targets: Sequence[Target]
    ) -> Mapping[str, Answer]:
        if not message.needs_tls and _waives_tls(message.text):
            return await self._outbound.send(host, message, targets, Protection(Mode.MAY))
        wanted = Protection()
        try:
            wanted = await self._policies.protection(domain, host, needs_tls=message.needs_tls)
            answers = await self._outbound.send(host, message, targets, wanted)
        except NoTls as error:
            self.tls_reports.note(domain, host.name, error.policy or wanted.policy, error.kind)
            if not wanted.is_tested:
                raise
            return await self._outbound.send(host, message, targets, Protection(Mode.MAY))
        self.tls_reports.note(domain, host.name, wanted.policy)
        return answers


async def plans(delivery: Delivery, entry: Entry, result: Result, now: int) -> Mapping[int, Plan]:
    """What the rules of those make of it who are to `keep` it."""
    return await delivery.filing.plans(*_waiting(entry, result), now) if result.index is not None else {}


async def keep(
    tx: Tx, delivery: Delivery, entry: Entry, result: Result, now: int, plans: Mapping[int, Plan] = NO_PLANS
) -> None:
    """Puts a message into the mailboxes it has waited for; where one has filled up meanwhile it waits on."""
    envelope, stored = _waiting(entry, result)
    await delivery.place(tx, envelope, stored, now, may_wait=True, plans=plans)


def _waiting(entry: Entry, result: Result) -> tuple[Envelope, Sequence[Stored]]:
    ref = BlobRef(entry.blob, result.size, None)
    recipient = Recipient(entry.recipient, entry.domain, result.owners)
    copy = Copy(
        tuple((owner, recipient) for owner in result.owners),
        tuple(copies.elsewhere(path) for path in result.outside),
    )
    stored = Stored(copy, ref, result.index, int(entry.data.get("skip", 0)))
    data = entry.data
    envelope = Envelope(
        entry.sender,
        entry.owner,
        needs_utf8=bool(data.get("utf8")),
        is_8bit=bool(data.get("8bit")),
        is_binary=bool(data.get("binary")),
        is_junk=bool(data.get("junk")),
    )
    return envelope, [stored]


async def _deliver_here(core: Core, entry: Entry, text: bytes) -> Result:
    """A mailbox here that could not take the message before, or a domain that is served here by now."""
    mailbox = int(entry.data.get("mailbox", 0))
    if "list" in entry.data:
        return await _deliver_to_list(core, entry, text)
    if mailbox:
        owner = await core.directory.by_id(mailbox)
        if owner is None or owner.disabled:
            return Result("5.1.1", "No such address here")
        found = await policy.find_mailbox(core, addresses.parse(entry.recipient), owner, len(text))
    else:
        found = await policy.find_recipient(
            core,
            addresses.parse(entry.recipient),
            may_relay=False,
            is_report=not entry.sender,
            size=len(text),
        )
    if isinstance(found, Recipient) and not found.owners:  # of the domain's other server, or of nobody
        found = replies.NO_SUCH_USER_550
    if isinstance(found, Reply):
        return Result(found.enhanced, found.lines[0])
    index = await mail.read_index(core.store.blobs, BlobRef(entry.blob, len(text), text))
    return Result("2.1.5", "Delivered", owners=found.owners, size=len(text), index=index)


async def _deliver_to_list(core: Core, entry: Entry, text: bytes) -> Result:
    """A moderator has let it through: the bytes are the members' already."""
    if not entry.data.get("approved"):
        return Result(replies.NOT_A_POSTER_550.enhanced, "No moderator has decided in time")
    group = await core.directory.by_id(int(entry.data["list"]))
    members = await core.directory.members(group) if group is not None else ()
    owners = tuple(sorted({member.id for member in members if not member.disabled}))
    outside = await lists.outside(core, group) if group is not None else ()
    if not owners and not outside:
        return Result(replies.EMPTY_LIST_550.enhanced, replies.EMPTY_LIST_550.lines[0])
    index = await mail.read_index(core.store.blobs, BlobRef(entry.blob, len(text), text))
    return Result("2.1.5", "Delivered", owners=owners, outside=outside, size=len(text), index=index)


def _result(answer: Answer) -> Result:
    return Result(
        answer.status,
        answer.diagnostic,
        answer.host,
        is_reported=answer.reports,
        is_in_time=answer.knows_time,
    )


def _message(entries: Sequence[Entry], text: bytes, now: int) -> Message:
    data = entries[0].data
    deliver_by = data.get("by")
    return Message(
        entries[0].sender,
        text,
        needs_utf8=any(_needs_utf8(entry) for entry in entries),
        is_8bit=bool(data.get("8bit")),
        is_binary=bool(data.get("binary")),
        returned=str(data.get("ret", "")),
        envelope_id=str(data.get("envid", "")),
        needs_tls=bool(data.get("tls")),
        priority=int(data.get("priority", 0)),
        deliver_by=((deliver_by[0] - now) // clock.SECOND, deliver_by[1]) if deliver_by else None,
        author=entries[0].owner,
    )


def _waives_tls(text: bytes) -> bool:
    """RFC 8689 §5: the author would rather have the message arrive than have it arrive unread."""
    head = text[: mime.header_end(text, 0, len(text))]
    return any(value.strip().lower() == b"no" for value in header.fields(head, "tls-required"))


def _target(entry: Entry) -> Target:
    original = entry.data.get("orcpt")
    notify = tuple(entry.data.get("notify", ()))
    return Target(_wire_address(entry.recipient), notify, (original[0], original[1]) if original else None)


def _needs_utf8(entry: Entry) -> bool:
    """SMTPUTF8 is needed for the addresses; the message itself only where its sender said so."""
    return bool(entry.data.get("utf8")) or not (entry.sender + _wire_address(entry.recipient)).isascii()


def _wire_address(text: str) -> str:
    """A peer without SMTPUTF8 can still take an ASCII local part in a domain of A-labels."""
    address = addresses.parse(text)
    if text.isascii() or not address.is_ascii:
        return text
    return f"{text.rpartition('@')[0]}@{addresses.to_ascii(address.domain)}"
