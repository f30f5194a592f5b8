# SPDX-License-Identifier: Apache-2.0
"""Stanzas that other servers and components send: who may speak for whom, then the ordinary routing.

What must always hold: nothing is looked at before its `from` is one that the stream may speak for and the
policy lets the two domains talk (RFC 6120 §4.9.3.9); stanzas are handled in the order in which they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from armgs_server.errors import DomainError, Invalid
from armgs_server.xmpp import iq_routing, router
from armgs_server.xmpp.delivery import Delivery
from armgs_server.xmpp.federation import presence
from armgs_server.xmpp.federation.outsider import Outsider
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.stanza import XML_LANG, Stanza, StanzaError, error_reply, from_domain_error
from armgs_server.xmpp.stream_errors import StreamError

if TYPE_CHECKING:
    from armgs_server.xmpp.federation.abroad import Abroad
    from armgs_server.xmpp.server import Server

_UNANSWERED = frozenset({"error", "result", "unavailable"})
Item = tuple[Stanza, JID, JID]  # with its sender and recipient


class Intake:
    """What one stream may say. `certified` domains may address all of ours, `pairs` one each."""

    __slots__ = ("_abroad", "certified", "lang", "pairs")

    def __init__(self, abroad: Abroad) -> None:
        self._abroad = abroad
        self.certified: set[str] = set()
        self.pairs: set[tuple[str, str]] = set()  # theirs, ours
        self.lang = ""

    @property
    def is_open(self) -> bool:
        """Whether anybody has proved who they are."""
        return bool(self.certified or self.pairs)

    async def take(self, stanzas: Sequence[Stanza]) -> None:
        """Handles them in order; StreamError at the first that may not be said here."""
        accepted: list[Item] = []
        try:
            for stanza in stanzas:
                item = self._accept(stanza)
                if item is not None:
                    accepted.append(item)
        finally:
            await handle(self._abroad, accepted)

    def _accept(self, stanza: Stanza) -> Item | None:
        """Checks one stanza; None where its sender has been answered already."""
        if not stanza.from_ or not stanza.to:
            raise StreamError("improper-addressing")  # RFC 6120 §8.1.1.2, §8.1.2.2
        try:
            origin = parse(stanza.from_)
        except Invalid as error:
            raise StreamError("improper-addressing") from error
        if not self._speaks_for(origin.domain):
            raise StreamError("invalid-from")
        try:
            to = parse(stanza.to)
        except Invalid as error:
            self._refuse(stanza, origin, from_domain_error(error))
            return None
        if origin.domain not in self.certified and (origin.domain, to.domain) not in self.pairs:
            raise StreamError("invalid-from")
        if not self._abroad.is_ours(to.domain):
            raise StreamError("host-unknown")
        if not self._abroad.may_talk(to.domain, origin.domain):
            self._refuse(stanza, origin, StanzaError("not-allowed"))
            return None
        if self.lang:
            stanza.attributes.setdefault(XML_LANG, self.lang)  # RFC 6120 §8.1.5
        return stanza, origin, to

    def _speaks_for(self, domain: str) -> bool:
        return domain in self.certified or any(theirs == domain for theirs, _ in self.pairs)

    def _refuse(self, stanza: Stanza, origin: JID, error: StanzaError) -> None:
        if stanza.type not in _UNANSWERED:
            self._abroad.server.send(origin, error_reply(stanza, error))


async def handle(abroad: Abroad, items: Sequence[Item]) -> None:
    """Verified stanzas; messages that follow one another share one commit."""
    server = abroad.server
    messages: list[Delivery] = []
    for stanza, origin, to in items:
        if stanza.name == "message":
            messages.append(Delivery(server, stanza, origin, to, None))
            continue
        await router.route(server, messages)
        messages = []
        if stanza.name == "iq":
            await iq_routing.route(server, Outsider(server, origin), stanza)
        else:
            await _presence(server, stanza, origin, to)
    await router.route(server, messages)


async def _presence(server: Server, stanza: Stanza, origin: JID, to: JID) -> None:
    try:
        host = server.host_of(to.domain)
        if host is not None:
            await host.handle(stanza, origin)
        elif server.is_local(to.domain):
            await presence.receive(server, stanza, origin, to)
        else:
            server.publish(to, stanza.forward(origin.full, to.full))
    except DomainError as error:
        if stanza.type not in _UNANSWERED:
            server.send(origin, error_reply(stanza, from_domain_error(error)))
