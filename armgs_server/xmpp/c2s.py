# SPDX-License-Identifier: Apache-2.0
"""A client's stream: RFC 6120 from the first byte to the end of the connection.

One coroutine for each connection reads, feeds the protocol, and handles what comes out in order. What must
always hold: a stanza counts as handled (XEP-0198) only when its handler has returned; messages that came in
one read are routed together, so they share one commit; once another stream has taken the session over,
this one handles nothing more.
"""

from __future__ import annotations

import asyncio
import secrets

from armgs_server import measures, trace_id
from armgs_server.errors import DomainError, Invalid
from armgs_server.net.stream import Security
from armgs_server.trace_id import TraceId
from armgs_server.xmpp import iq_routing, lifecycle, presence, router
from armgs_server.xmpp.faults import Fault
from armgs_server.xmpp.federation.pace import Pace
from armgs_server.xmpp.inline import acknowledge
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.negotiation import Negotiation
from armgs_server.xmpp.protocol import Event, StreamEnd, StreamHeader
from armgs_server.xmpp.server import LOG, Server
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import XML_LANG, Stanza, element
from armgs_server.xmpp.stream_errors import StreamError
from armgs_server.xmpp.transport import Transport
from armgs_server.xmpp.xeps import xep_0198_sm as sm
from armgs_server.xmpp.xeps import xep_0352_csi as csi

# Seconds of silence after which a stream's parser is dropped; at first sooner: many log in together, and
# what they all have for a while leaves room behind between what they keep.
_REST_AFTER = 5.0
_operations = measures.operations("xmpp")
_FIRST_REST_AFTER = 1.0
_PROBE_TIMEOUT = 60.0  # to answer when asked for a sign of life
_PROBED = 2  # silences after which that is asked


class ClientStream:
    """One client's stream, whatever carries it."""

    __slots__ = (
        "_deadline",
        "_is_final",
        "_is_over",
        "_loop",
        "_negotiation",
        "_pace",
        "_rest_after",
        "_server",
        "_session",
        "_silences",
        "_stream",
    )

    def __init__(self, server: Server, stream: Transport, tls: Security) -> None:
        self._server = server
        self._stream = stream
        self._negotiation = Negotiation(server, stream, tls)
        settings = server.config.xmpp
        self._pace = Pace(settings.client_byte_rate, settings.client_stanza_rate)
        self._session: Session | None = None
        self._silences = 0  # waited for in a row
        self._rest_after = _FIRST_REST_AFTER
        self._is_over = False
        self._is_final = False  # ended by word, so it cannot be resumed
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + server.config.security.login_timeout

    async def run(self) -> None:
        """Serves the connection to its end."""
        try:
            while not self._is_over:
                try:
                    events = await self._stream.receive(self._patience())
                except TimeoutError:
                    self._look_after()
                    continue
                self._silences = 0
                await self._handle_events(events)
                await self._stream.drain()
                if (delay := self._owed(events)) > 0:
                    await asyncio.sleep(delay)
                del events  # else they live as long as the silence that follows
        except StreamError as error:
            self._fail(error)
        except TimeoutError:
            self._fail(StreamError("connection-timeout"))
        except DomainError as error:
            LOG.warning("stream ended", id=self._stream.id, error=error.text)
            self._fail(StreamError("internal-server-error"))
        finally:
            self._stream.rest()
            if self._session is not None:
                await lifecycle.leave(self._server, self._session, self._stream, is_final=self._is_final)

    # Reading

    def _patience(self) -> float:
        """Seconds to wait for what comes next."""
        if self._session is None:
            return max(self._deadline - self._loop.time(), 0.01)
        return (self._rest_after, self._server.config.xmpp.idle_timeout, _PROBE_TIMEOUT)[self._silences]

    def _look_after(self) -> None:
        """Nothing has come for so long. TimeoutError: nothing will."""
        self._silences += 1
        if self._session is None or self._silences > _PROBED:
            raise TimeoutError
        if self._silences == _PROBED:
            self._ask_for_life(self._session)
        else:
            self._stream.rest()
            self._rest_after = _REST_AFTER

    def _ask_for_life(self, session: Session) -> None:
        """XEP-0198 §4 or XEP-0199: whoever is there answers."""
        if session.sm is not None:
            session.write(element("r", {"xmlns": sm.NAMESPACE}))
        else:
            ping = element("ping", {"xmlns": "urn:xmpp:ping"})
            attributes = {"type": "get", "id": secrets.token_hex(4), "from": session.jid.domain}
            session.send(element("iq", {**attributes, "to": session.jid.full}, ping))

    def _owed(self, events: list[Event]) -> float:
        """Seconds for which a client that sends more than it may is not read: TCP slows it at its source."""
        size = stanzas = 0
        for event in events:
            if isinstance(event, Stanza):
                size += len(event.raw)
                stanzas += 1
        return self._pace.take(size, stanzas, self._loop.time()) if stanzas else 0.0

    async def _handle_events(self, events: list[Event]) -> None:
        session = self._session
        if session is None:
            for number, event in enumerate(events, start=1):
                if self._negotiation.must_restart and not isinstance(event, StreamEnd):
                    raise StreamError("policy-violation", "input before the answer")
                await self._handle(event)
                if self._session is not None:  # bound just now, and the client has not waited for the answer
                    await self._handle_events(events[number:])
                    return
            if self._negotiation.must_restart:
                self._restart()
            return
        async with session.handling:
            messages: list[Stanza] = []
            for event in events:
                if session.stream is not self._stream:
                    self._is_over = True
                    return
                if isinstance(event, Stanza) and event.name == "message" and event.is_stanza:
                    messages.append(event)
                    continue
                if messages:
                    await self._route(session, messages)
                    messages = []
                await self._handle(event)
            if messages:
                await self._route(session, messages)

    def _restart(self) -> None:
        """RFC 6120 §4.3.3: the next bytes begin a new stream."""
        settings, is_known = self._server.config.xmpp, self._negotiation.principal is not None
        limit = settings.stanza_size if is_known else settings.stanza_size_before_login
        self._stream.restart(limit)
        self._negotiation.must_restart = False

    async def _route(self, session: Session, messages: list[Stanza]) -> None:
        genuine = [message for message in messages if self._stamp(session, message)]
        begin = measures.clock()
        await router.messages(self._server, session, genuine)
        _operations.done("message", begin)
        if session.sm is not None:
            session.sm.count_handled(len(genuine))
        if len(genuine) < len(messages):
            raise StreamError("invalid-from")

    def _fail(self, error: StreamError) -> None:
        """Unless the session goes on elsewhere: this stream was closed with its own error then."""
        if self._session is None or self._session.stream is self._stream:
            self._negotiation.fail(error)

    async def _handle(self, event: Event) -> None:
        match event:
            case Stanza():
                if self._session is None:
                    self._session = await self._negotiation.handle(event)
                    if self._session is not None:
                        self._stream.name_account(self._session.account.bare)
                elif event.is_stanza:
                    await self._handle_stanza(self._session, event)
                else:
                    self._handle_nonza(self._session, event)
            case StreamHeader():
                await self._negotiation.open(event)
            case StreamEnd():
                self._end(event)
            case Fault(condition, text):
                raise StreamError(condition, text)

    def _end(self, end: StreamEnd) -> None:
        """RFC 6120 §4.4: an end tag is answered by one; the connection's end alone is no goodbye."""
        self._is_over = True
        self._is_final = end.is_tag
        if end.is_tag:
            self._stream.end()

    # After binding

    def _stamp(self, session: Session, stanza: Stanza) -> bool:
        """Writes down who sends it, and the stream's language (§8.1.5); False where another is claimed.

        RFC 6120 §8.1.2.1: a client may name its full or bare JID only.
        """
        from_ = stanza.from_
        if from_ and from_ not in (session.jid.full, session.account.bare):
            try:
                if parse(from_) not in (session.jid, session.jid.to_bare()):
                    return False
            except Invalid:
                return False
        stanza.attributes["from"] = session.jid.full
        if self._negotiation.lang:
            stanza.attributes.setdefault(XML_LANG, self._negotiation.lang)
        return True

    async def _handle_stanza(self, session: Session, stanza: Stanza) -> None:
        if not self._stamp(session, stanza):
            raise StreamError("invalid-from")
        begin = measures.clock()
        if stanza.name == "message":
            await router.messages(self._server, session, [stanza])
        elif stanza.name == "presence":
            await presence.handle(self._server, session, stanza)
        else:
            token = trace_id.enter(TraceId())
            try:
                await iq_routing.route(self._server, session, stanza)
            finally:
                trace_id.leave(token)
        _operations.done(stanza.name, begin)
        if session.sm is not None:
            session.sm.count_handled()

    def _handle_nonza(self, session: Session, nonza: Stanza) -> None:
        match (nonza.xmlns, nonza.name):
            case (sm.NAMESPACE, "r") if session.sm is not None:
                session.write(session.sm.answer())
            case (sm.NAMESPACE, "a") if session.sm is not None:
                acknowledge(session, nonza.attributes.get("h", ""))
            case (sm.NAMESPACE, "enable"):
                self._enable(session, nonza)
            case (sm.NAMESPACE, "resume"):
                session.write(sm.failed("unexpected-request"))
            case (csi.NAMESPACE, "inactive"):
                session.holding = session.holding or csi.Holding()
            case (csi.NAMESPACE, "active"):
                session.release()
            case _:
                raise StreamError("unsupported-stanza-type")

    def _enable(self, session: Session, nonza: Stanza) -> None:
        """XEP-0198 §3."""
        if session.sm is not None:
            session.write(sm.failed("unexpected-request"))
            return
        is_resumable = nonza.attributes.get("resume") in ("true", "1")
        management = lifecycle.manage(self._server, session, is_resumable=is_resumable)
        session.write(sm.enabled(management, self._server.config.xmpp.resume_time))
