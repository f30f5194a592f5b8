# SPDX-License-Identifier: Apache-2.0
"""Notices of other services, sent as messages of the domain: mail rules that notify (RFC 5437 §2).

They lie in the store (`storage.notices`), written with what they tell of; every process that serves chat
takes them from there by lease. One that is lost on the way to another server is not sent again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from armgs_server import log, trace_id
from armgs_server.errors import DomainError
from armgs_server.storage import notices
from armgs_server.storage.notices import Notice
from armgs_server.storage.waiting_work import WaitingWork
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.stanza import element, text_element

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

CLAIM_LIMIT: Final = 50

_log = log.get("xmpp")


class Notices:
    """From `start` to `stop`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._work = WaitingWork(server.store, notices.TOPIC, "notices", self._look)

    def start(self) -> None:
        self._work.start()

    async def stop(self) -> None:
        """What is not sent yet stays in the store."""
        await self._work.stop()

    async def _look(self) -> None:
        while taken := await self._work.take(notices.claim, CLAIM_LIMIT):
            for notice in taken:
                with trace_id.under(notice.trace):
                    await self._send(notice)

    async def _send(self, notice: Notice) -> None:
        owner = await self._server.directory.by_id(notice.owner)
        if owner is not None:
            origin = owner.address.rpartition("@")[2]
            inner = text_element("subject", notice.subject) if notice.subject else b""
            inner += text_element("body", notice.text)
            attributes = {"from": origin, "to": notice.recipient, "id": f"notice-{notice.id:x}"}
            stanza = parse_stanza(element("message", attributes, inner))
            try:
                await self._server.route(stanza, jids.parse(origin))
                _log.info("told by chat", account=owner.address, to=notice.recipient, stanza=stanza.id)
            except DomainError as error:
                _log.info("a notice is not sent", owner=notice.owner, error=error)
        await self._server.store.write(lambda tx: notices.finish(tx, notice))
