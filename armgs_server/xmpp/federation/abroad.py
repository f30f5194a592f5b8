# SPDX-License-Identifier: Apache-2.0
"""Everybody who is elsewhere: other servers' people and components, as one thing to send to.

Each process has its own streams. What must always hold: a stanza goes out only between domains that the
policy lets talk; one that cannot be sent goes back to its sender, or, where that is a room, takes its
occupant out; the number of links and of keys being verified is bounded.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from armgs_server import log
from armgs_server.config import Config
from armgs_server.directory.passwords import load_secret
from armgs_server.errors import DomainError, Invalid
from armgs_server.net.deadlines import Deadlines
from armgs_server.net.tls import TlsContexts
from armgs_server.xmpp.federation.events import Events
from armgs_server.xmpp.federation.intake import Intake
from armgs_server.xmpp.federation.link import Link
from armgs_server.xmpp.federation.opening import NOT_FOUND
from armgs_server.xmpp.federation.policy import Policy
from armgs_server.xmpp.federation.remote import Remotes
from armgs_server.xmpp.federation.routing import Routing
from armgs_server.xmpp.federation.wire import Wire, domains_of
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.stanza import Stanza, StanzaError, error_reply
from armgs_server.xmpp.xeps.xep_0220_dialback import SECRET

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server
    from armgs_server.xmpp.xeps.xep_0114_components import Components

LOG = log.get("federation")
# RFC 6120 §8.3.1, RFC 6121 §4.3: nobody waits for an answer to these.
_UNANSWERED = frozenset({"error", "result", "unavailable", "probe"})


class Abroad:
    """See the head of this file."""

    def __init__(self, server: Server, tls: TlsContexts | None, components: Components) -> None:
        self.server = server
        self.config: Config = server.config
        self.components = components
        self.tls: ssl.SSLContext | None = tls.to_servers if tls is not None else None
        self.deadlines = Deadlines(asyncio.get_running_loop())
        self.routing = Routing(server.config)
        self.remotes = Remotes(server.config.federation)
        self.events = Events(server)
        self.incoming: set[Wire] = set()
        self.verifying = 0  # dialback keys, now
        settings = server.config.federation
        self._policy = Policy(settings.allow, settings.deny)
        self._links: dict[tuple[str, str], Link] = {}
        self._component_intakes: dict[str, Intake] = {}
        self._secret = b""
        self._is_stopped = False
        if settings.enabled and self._policy.allows_nobody:
            LOG.warning("federation is on, but federation.allow names nobody")
        if settings.enabled and settings.tls != "optional" and tls is None:
            LOG.warning("federation needs a certificate of ours: nobody can be reached")
        if settings.enabled and settings.tls == "verified" and tls is not None:
            tls.verify_servers(server.config.path(settings.ca) if settings.ca else None)

    # Who may talk to whom

    def is_ours(self, domain: str) -> bool:
        """A domain for which other servers may send us stanzas."""
        return not self.server.is_outside(domain) or domain in self.components.domains

    def check(self, ours: str, theirs: str) -> None:
        """StanzaError where nothing may be sent there."""
        if theirs in self.components.domains or (ours in self.components.domains and self._is_served(theirs)):
            return
        if not self.config.federation.enabled:
            raise StanzaError(NOT_FOUND)
        if not self.may_talk(ours, theirs):
            raise StanzaError("not-allowed")

    def may_talk(self, ours: str, theirs: str) -> bool:
        """Whether the department with our domain may talk to that server, in either direction."""
        if theirs in self.components.domains:
            return True
        directory = self.server.directory
        served = ours if directory.is_local(ours) else ours.partition(".")[2]
        department = directory.domains.get(served)
        if department is None:
            return self._policy.allows({ours}, theirs)
        domains = {domain for domain, each in directory.domains.items() if each == department}
        return self._policy.allows(domains, theirs)

    def _is_served(self, domain: str) -> bool:
        return not self.server.is_outside(domain)

    # Out

    def send(self, data: bytes) -> None:
        """A stanza of ours to somebody elsewhere, ready but for the namespace of the stream."""
        if self._is_stopped:
            return  # sessions have ended, and rooms go on in another process
        try:
            ours, theirs = domains_of(data)
            component = self.components.domains.get(theirs)
            if component is not None:
                component.send(data)
                return
            self.check(ours, theirs)
            self.link(ours, theirs).send(data)
        except StanzaError as error:
            self.bounce(data, error.condition)
        except Invalid as error:
            LOG.error("stanza without addresses", error=error.text)

    def link(self, ours: str, theirs: str) -> Link:
        """What leads from one of our domains to another server's; StanzaError where there are too many."""
        link = self._links.get((ours, theirs))
        if link is None:
            if len(self._links) >= self.config.federation.links:
                self._links = {pair: each for pair, each in self._links.items() if not each.is_idle()}
                if len(self._links) >= self.config.federation.links:
                    raise StanzaError("resource-constraint")
            link = self._links[ours, theirs] = Link(self, ours, theirs)
        return link

    def adopt(self, ours: str, theirs: str, wire: Wire) -> None:
        """XEP-0288: that stream of the other server may be used the other way too."""
        self.link(ours, theirs).adopt(wire)

    def uses(self, ours: str, theirs: str, wire: Wire, within: float) -> bool:
        """Whether we have said something on the other server's stream in that time."""
        link = self._links.get((ours, theirs))
        return link is not None and link.uses(wire, within)

    def release(self, ours: str, theirs: str, wire: Wire) -> None:
        """The stream has ended."""
        link = self._links.get((ours, theirs))
        if link is not None:
            link.release(wire)

    def bounce(self, data: bytes, condition: str) -> None:
        """The stanza cannot be sent."""
        self.server.spawn(self._return(parse_stanza(data), condition))

    async def _return(self, stanza: Stanza, condition: str) -> None:
        origin, to = parse(stanza.from_), parse(stanza.to)
        data = error_reply(stanza, StanzaError(condition))
        host = self.server.host_of(origin.domain)
        if host is not None:
            if stanza.name != "presence" and stanza.type not in (*_UNANSWERED, "groupchat"):
                try:
                    await host.handle(parse_stanza(data), to)
                except DomainError as error:
                    LOG.debug("error not taken", by=origin.full, error=error.text)
            await host.gone(to)  # a room need not go on talking to who cannot hear it
        elif stanza.type in _UNANSWERED:
            return
        elif stanza.name == "presence":
            self._tell(origin, data)
        elif origin.resource or stanza.name == "message":
            self.server.send(origin, data)

    def _tell(self, origin: JID, data: bytes) -> None:
        if origin.resource:
            self.server.send(origin, data)
        else:
            self.server.send_to_available(origin, data)

    # In

    async def take_from_component(self, domain: str, stanza: Stanza) -> None:
        """XEP-0114 §3.1: a component speaks for its domain, to everybody that domain may talk to."""
        intake = self._component_intakes.get(domain)
        if intake is None:
            intake = self._component_intakes[domain] = Intake(self)
            intake.certified.add(domain)
        await intake.take([stanza])

    # Dialback

    async def dialback_secret(self) -> bytes:
        """XEP-0185 §4: one for all processes, kept in the store."""
        if not self._secret:
            self._secret = await self.server.store.write(lambda tx: load_secret(tx, SECRET))
        return self._secret

    # Life

    async def stop(self) -> None:
        """Sessions have ended: says goodbye to the other servers."""
        self._is_stopped = True
        for wire in tuple(self.incoming):
            wire.fail("system-shutdown")
        await asyncio.gather(*(link.stop() for link in self._links.values()))
        await self.components.stop()
        self.events.close()
        self.deadlines.close()
