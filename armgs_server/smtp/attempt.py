# SPDX-License-Identifier: Apache-2.0
"""One attempt to deliver queued rows of one message to one domain: to its servers, or to a mailbox here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from armgs_server.errors import NotFound
from armgs_server.formats import addresses
from armgs_server.formats.mime import MessageIndex
from armgs_server.service import Core
from armgs_server.smtp import outbound, policy
from armgs_server.smtp.delivery import Copy, Delivery, Envelope, Stored
from armgs_server.smtp.outbound import Answer, Message, Target, Unreachable
from armgs_server.smtp.policy import Recipient
from armgs_server.smtp.replies import Reply
from armgs_server.smtp.routing import NoRoute, Routing
from armgs_server.storage import mail
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.queue import Entry
from armgs_server.storage.tx import Tx
from armgs_server.trust.model import Departure, Seal

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
    owners: tuple[int, ...] = ()
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


async def deliver(
    core: Core, routing: Routing, entries: Sequence[Entry], seal: Seal | None = None
) -> Mapping[int, Result]:
    """The result for each row, by its id."""
    first = entries[0]
    try:
        text = await core.store.blobs.read(first.blob)
    except NotFound:
        return {entry.id: Result("5.3.0", "the message is gone") for entry in entries}
    if first.data.get("mailbox") or core.directory.is_local(first.domain):
        return {entry.id: await _deliver_here(core, entry, text) for entry in entries}
    text = text[int(first.data.get("skip", 0)) :]
    if seal is not None:
        text = await seal(Departure(text, first.sender, first.owner)) + text
    return await _deliver_elsewhere(core, routing, entries, text)


async def keep(tx: Tx, delivery: Delivery, entry: Entry, result: Result, now: int) -> None:
    """Puts a message into the mailboxes it has waited for; where one has filled up meanwhile it waits on."""
    ref = BlobRef(entry.blob, result.size, None)
    recipient = Recipient(entry.recipient, entry.domain, result.owners)
    copy = Copy(tuple((owner, recipient) for owner in result.owners))
    stored = Stored(copy, ref, result.index, int(entry.data.get("skip", 0)))
    envelope = Envelope(entry.sender, entry.owner, is_junk=bool(entry.data.get("junk")))
    await delivery.place(tx, envelope, [stored], now, may_wait=True)


async def _deliver_elsewhere(
    core: Core, routing: Routing, entries: Sequence[Entry], text: bytes
) -> Mapping[int, Result]:
    first = entries[0]
    try:
        hosts = await routing.hosts(first.domain)
    except NoRoute as error:
        return {entry.id: Result(error.status, error.text) for entry in entries}
    message = Message(
        first.sender,
        text,
        needs_utf8=any(_needs_utf8(entry) for entry in entries),
        is_8bit=bool(first.data.get("8bit")),
        returned=str(first.data.get("ret", "")),
        envelope_id=str(first.data.get("envid", "")),
    )
    targets = {target.address: target for target in map(_target, entries)}  # two spellings may be one
    failure = "no server of the domain answers"
    for host in hosts:
        try:
            answers = await outbound.send(
                host,
                message,
                list(targets.values()),
                hostname=core.config.server.hostname,
                tls=core.config.smtp.relay_tls,
                timeout=core.config.smtp.relay_timeout,
            )
        except Unreachable as error:
            failure = str(error)
            continue
        return {entry.id: _result(answers[_wire_address(entry.recipient)]) for entry in entries}
    return {entry.id: Result("4.4.1", failure) for entry in entries}


async def _deliver_here(core: Core, entry: Entry, text: bytes) -> Result:
    """A mailbox here that could not take the message before, or a domain that is served here by now."""
    mailbox = int(entry.data.get("mailbox", 0))
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
    if isinstance(found, Reply):
        return Result(found.enhanced, found.lines[0])
    index = await mail.read_index(core.store.blobs, BlobRef(entry.blob, len(text), text))
    return Result("2.1.5", "Delivered", owners=found.owners, size=len(text), index=index)


def _result(answer: Answer) -> Result:
    return Result(answer.status, answer.diagnostic, answer.host, is_reported=answer.reports)


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
