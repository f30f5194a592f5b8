# SPDX-License-Identifier: Apache-2.0
"""Scheduling messages that come by mail (RFC 6047): answers of outsiders, and their invitations.

SMTP leaves the messages in the store (`storage.invitations`); every process that serves calendars takes
them from there. What is said in the name of somebody of this server is left aside: such people are invited
and answered for inside the store, and are not told twice. The mail's From must be who speaks (§3).
"""

from __future__ import annotations

import asyncio

from armgs_server import log, trace_id
from armgs_server.dav.scheduling_delivery import Delivery
from armgs_server.dav.scheduling_desk import Desk
from armgs_server.dav.scheduling_users import Users
from armgs_server.directory.model import Principal
from armgs_server.errors import DomainError, NotFound
from armgs_server.formats.icalendar import Component, Malformed
from armgs_server.formats.imip import Incoming, extract
from armgs_server.formats.itip import Message, organizer
from armgs_server.service import Core
from armgs_server.storage import clock, invitations
from armgs_server.storage.invitations import Waiting
from armgs_server.storage.tx import Tx
from armgs_server.storage.waiting_work import WaitingWork

LEASE = 5 * clock.MINUTE  # what a killed worker leaves waits so long
CLAIM_LIMIT = 20
# One message is read at once; larger ones are somebody's attachments, not an invitation.
MAX_MAIL = 4 * 1024 * 1024
BY_ORGANIZER = ("REQUEST", "CANCEL")
BY_ATTENDEE = ("REPLY", "COUNTER")

_log = log.get("imip")


class Inbound:
    """Takes scheduling messages out of the store."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._work = WaitingWork(core.store, invitations.TOPIC, "imip", self._look)

    async def start(self) -> None:
        """Begins to look."""
        self._work.start()

    async def stop(self) -> None:
        """Ends; what was being read stays in the store."""
        await self._work.stop()

    async def _look(self) -> None:
        while taken := await self._work.take(invitations.claim, CLAIM_LIMIT, LEASE):
            for waiting in taken:
                with trace_id.under(waiting.trace):
                    await self._handle(waiting)

    async def _handle(self, waiting: Waiting) -> None:
        """Whatever a message is, it is looked at once."""
        try:
            data = await self._core.store.blobs.read(waiting.blob, 0, MAX_MAIL)
            incoming = await asyncio.to_thread(extract, data)
            owner = await self._core.directory.by_id(waiting.owner)
            if incoming is not None and owner is not None and not owner.disabled:
                await self._take(owner, incoming)
        except NotFound:
            _log.debug("a scheduling message has gone", owner=waiting.owner)
        except (DomainError, Malformed, ValueError) as error:  # of a mail, or of the objects it would make
            _log.info("a scheduling message is not taken", owner=waiting.owner, error=error)
        await self._core.store.write(lambda tx: invitations.finish(tx, waiting))

    async def _take(self, owner: Principal, incoming: Incoming) -> None:
        store, found = self._core.store, incoming.object
        users = Users(self._core.directory)
        await users.learn(found)
        await users.learn_addresses([incoming.sender])
        key = await users.learn_principal(owner)
        line, sender = organizer(found), users.who(incoming.sender)
        if line is None or users.principal(sender) is not None:
            return
        host = users.who(line[2])
        desk = Desk(store, {owner.id}, self._core.config.dav.inbox_items)
        calendar = found.calendar
        lines = [*calendar.properties, ("METHOD", "", incoming.method)]
        message = Message(
            incoming.method,
            sender,
            key,
            Component(calendar.name, calendar.begin, lines, calendar.components),
        )

        async def work(tx: Tx) -> None:
            delivery = Delivery(self._core.config, desk, users)
            if incoming.method == "REPLY":
                await delivery.answer(tx, message)
            elif incoming.method in BY_ATTENDEE:
                await delivery.note(tx, owner.id, message)
            else:
                await delivery.take(tx, owner, message)

        async def learn() -> None:
            """All that the message names is known."""

        spoken_by = host if incoming.method in BY_ORGANIZER else sender
        spoken_to = host if incoming.method in BY_ATTENDEE else key
        if incoming.method in (*BY_ORGANIZER, *BY_ATTENDEE) and spoken_by == sender and spoken_to == key:
            await desk.write(work, learn)
            _log.info("scheduling message taken", owner=owner.address, method=incoming.method, uid=found.uid)
