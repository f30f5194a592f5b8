# SPDX-License-Identifier: Apache-2.0
"""The pieces of a plan: copies of the message, answers, redirections, notifications, refusals.

The envelope sender of what is redirected: one of our own domains stays; for all others it is the person who
redirects, whose domain our servers may send for (decision 49). A null sender stays null (RFC 5228 §4.2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from armgs_server import log
from armgs_server.config import Config
from armgs_server.directory import Directory
from armgs_server.directory.model import Principal
from armgs_server.errors import Invalid
from armgs_server.formats import addresses, mime
from armgs_server.formats.mime import MessageIndex
from armgs_server.rules import compose
from armgs_server.rules.compose import Stamp
from armgs_server.rules.plan import Filed, Plan, Said, Sent
from armgs_server.rules.sieve.actions import (
    INBOX,
    Envelope,
    FileInto,
    Notify,
    Outcome,
    Redirect,
    Reject,
    Vacation,
)
from armgs_server.rules.sieve.extensions.answers import bare_address
from armgs_server.rules.sieve.letter import Letter, Version
from armgs_server.rules.sieve.uris import parse_method
from armgs_server.storage import Store, clock, mail, traces
from armgs_server.storage.blobs import BlobRef

# Received: fields above which nothing is redirected any more (RFC 5228 §4.2, RFC 5321 §6.3).
HOPS: Final = 50
TEXT_LIMIT: Final = 4000  # characters of a notification in chat

_log = log.get("rules")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that is being delivered; its first `own_prefix` bytes are ours, and left out when it is sent
    on."""

    ref: BlobRef
    index: MessageIndex
    own_prefix: int
    envelope: Envelope
    now: int
    is_junk: bool = False


class Maker:
    """Makes the pieces of one plan."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        config: Config,
        person: Principal,
        letter: Letter,
        arrival: Arrival,
    ) -> None:
        self._store = store
        self._directory = directory
        self._config = config
        self._person = person
        self._letter = letter
        self._arrival = arrival
        self._copies: dict[Version, tuple[BlobRef, MessageIndex]] = {}

    async def made(
        self, outcome: Outcome, changed: Letter, vacations: Sequence[Vacation], error: str
    ) -> Plan:
        """Where nothing is refused."""
        filed = [await self._filed(action) for action in outcome.actions if isinstance(action, FileInto)]
        answers = [await self._answer(vacation) for vacation in vacations]
        sent = [answer for answer in answers if answer is not None]
        said: list[Said] = []
        is_loop = False
        for action in outcome.actions:
            if isinstance(action, Redirect):
                redirected = await self._redirected(action)
                is_loop = is_loop or redirected is None
                sent += [redirected] if redirected is not None else []
            elif isinstance(action, Notify):
                await self._notify(action, sent, said)
        if outcome.keeps or (is_loop and not filed):
            junk = "\\Junk" if self._arrival.is_junk and outcome.keeps else ""
            kept = FileInto(INBOX, outcome.keep_flags, changed.version, special_use=junk)
            filed.append(await self._filed(kept))
        complaint = None
        if error:
            text = compose.complaint(owner=self._person.address, error=error, stamp=self._stamp())
            complaint = (await self._store.blobs.put(text), mime.index(text))
        return Plan(
            self._person.id,
            filed,
            sent,
            said,
            tuple(outcome.remembered.values()),
            complaint=complaint,
        )

    async def rejected(self, outcome: Outcome, reject: Reject) -> Plan:
        """RFC 5429: refused at the protocol, or the sender is told by mail."""
        refusal: list[Sent] = []
        sender = self._arrival.envelope.sender
        # RFC 5429 §2.2: no report about a report; nor to who is no person
        if sender and not self._letter.values("auto-submitted"):
            text = compose.refusal(
                self._letter,
                owner=self._person.address,
                to=sender,
                reason=reject.reason,
                host=self._config.server.hostname,
                is_extended=reject.is_extended,
                stamp=self._stamp(),
            )
            refusal = [Sent(await self._store.blobs.put(text), "", sender)]
        remembered = tuple(outcome.remembered.values())
        reason = reject.reason
        if not reason.isascii():
            # RFC 5429 §2.1.1: ereject says something general instead; what reject says, must be said
            reason = "The recipient does not take this message" if reject.is_extended else ""
        return Plan(
            self._person.id,
            remembered=remembered,
            refused=reason or None,
            refusal=refusal,
        )

    async def _filed(self, action: FileInto) -> Filed:
        ref, index = await self._copy(action.version)
        return Filed(action.mailbox, action.flags, ref, index, action.create, action.special_use)

    async def _copy(self, version: Version) -> tuple[BlobRef, MessageIndex]:
        """The bytes of a version: those that came, or a blob of their own, once."""
        if version.is_original and version.data is self._letter.data:
            return self._arrival.ref, self._arrival.index
        made = self._copies.get(version)
        if made is None:
            ref = await self._write(version.chunks())
            made = self._copies[version] = ref, await mail.read_index(self._store.blobs, ref)
        return made

    async def _write(self, chunks: Iterator[bytes]) -> BlobRef:
        writer = self._store.blobs.writer()
        try:
            for chunk in chunks:
                await writer.write(chunk)
            return await writer.finish()
        except BaseException:
            writer.abort()
            raise

    async def _answer(self, vacation: Vacation) -> Sent | None:
        """RFC 5230 §5: to the reverse-path, from a null one; None for who has had it lately."""
        sender = self._arrival.envelope.sender
        plain = f"{vacation.handle}\0{addresses.normalise(sender)}"
        key = hashlib.sha256(plain.encode()).hexdigest()
        owner, now = self._person.id, self._arrival.now
        if await self._store.read(lambda tx: traces.is_there(tx, owner, "vacation", key, now)):
            return None  # the transaction will look again; this spares the writing of an answer
        text = compose.vacation(
            self._letter,
            sender=vacation.sender or compose.person(self._person.name, self._person.address),
            to=sender,
            subject=vacation.subject,
            reason=vacation.reason,
            is_mime=vacation.is_mime,
            stamp=self._stamp(),
        )
        return Sent(await self._store.blobs.put(text), "", sender, ("vacation", key, vacation.seconds))

    async def _redirected(self, action: Redirect) -> Sent | None:
        """None where it would go round."""
        own = self._person.address
        passed = {value.strip("<>").lower() for value in self._letter.values("delivered-to")}
        if (
            own in passed
            or addresses.normalise(action.address) == own
            or len(self._letter.raw("received")) > HOPS
        ):
            _log.info("not redirected: a loop", owner=self._person.id)
            return None
        trace = f"Delivered-To: {own}\r\n".encode()  # RFC 9228 §2
        ref = await self._write(self._without_prefix(action.version, trace))
        sender = self._arrival.envelope.sender
        if sender and not self._directory.is_local(sender.rpartition("@")[2]):
            sender = own
        return Sent(ref, sender, action.address, daily=("redirect", self._config.sieve.redirects_per_day))

    def _without_prefix(self, version: Version, trace: bytes) -> Iterator[bytes]:
        """The message without its Return-Path: (RFC 5321 §4.4), our trace in front."""
        yield trace
        skip = self._arrival.own_prefix
        for chunk in version.chunks():
            yield chunk[skip:]
            skip = max(skip - len(chunk), 0)

    async def _notify(self, action: Notify, sent: list[Sent], said: list[Said]) -> None:
        """RFC 5435 §3: what cannot be sent is left; a notification never costs the message."""
        try:
            method = parse_method(action.method)
        except Invalid as error:
            _log.info("not notified", owner=self._person.id, error=error)
            return
        daily = ("notify", self._config.sieve.notifications_per_day)
        if method.scheme == "xmpp":
            subject = (self._letter.values("subject") or [""])[0]
            author = (self._letter.values("from") or [""])[0]
            told = action.message or method.fields.get("body") or f"{author}: {subject}"
            said.append(Said(method.recipients[0], subject[:TEXT_LIMIT], told[:TEXT_LIMIT], daily))
            return
        if any(
            value.lower().startswith(("auto-notified", "auto-replied"))
            for value in self._letter.values("auto-submitted")
        ):
            return  # RFC 5436 §2.2: no notification of a notification
        own = self._person.address
        for recipient in method.recipients:
            text = compose.notification(
                self._letter,
                sender=self._notifier(action),
                owner=own,
                to=recipient,
                fields=method.fields,
                text=action.message,
                stamp=self._stamp(),
                importance=action.importance,
            )
            # RFC 5436 §2.4: the reverse-path is null, or somebody who wants to know
            sent.append(Sent(await self._store.blobs.put(text), "", recipient, daily=daily))

    def _notifier(self, action: Notify) -> str:
        """RFC 5435 §3.3: :from, where it is the owner's own."""
        given = bare_address(action.sender)
        if given and addresses.is_valid(given) and addresses.normalise(given) == self._person.address:
            return action.sender
        return compose.person(self._person.name, self._person.address)

    def _stamp(self) -> Stamp:
        domain = self._person.address.rpartition("@")[2]
        moment = datetime.fromtimestamp(self._arrival.now / clock.SECOND, UTC)
        return Stamp(moment, f"{clock.unique_id():x}@{domain}")
