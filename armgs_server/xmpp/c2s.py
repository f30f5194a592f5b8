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

from armgs_server.directory import Principal
from armgs_server.errors import DomainError, Invalid
from armgs_server.net.stream import Security, Stream
from armgs_server.xmpp import iq_routing, lifecycle, negotiation, presence, router
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.negotiation import Authentication
from armgs_server.xmpp.protocol import Event, Fault, Protocol, StreamEnd, StreamHeader
from armgs_server.xmpp.server import LOG, Server
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import (
    XML_LANG,
    Stanza,
    element,
    error_reply,
    from_domain_error,
    result,
    stream_error,
    stream_header,
    text_element,
)
from armgs_server.xmpp.xeps import xep_0198_sm as sm
from armgs_server.xmpp.xeps import xep_0352_csi as csi

_END = b"</stream:stream>"
_REST_AFTER = 5.0  # seconds of silence after which a stream's parser is dropped
_PROBE_TIMEOUT = 60.0  # to answer when asked for a sign of life


class StreamError(Exception):
    """RFC 6120 §4.9: the stream cannot go on."""

    def __init__(self, condition: str, text: str = "", extra: bytes = b"") -> None:
        super().__init__(condition)
        self.condition = condition
        self.text = text
        self.extra = extra


class ClientStream:
    """One connection on port 5222 or 5223."""

    __slots__ = (
        "_authentication",
        "_deadline",
        "_domain",
        "_has_header",
        "_is_final",
        "_is_over",
        "_lang",
        "_principal",
        "_protocol",
        "_server",
        "_session",
        "_stream",
        "_tls",
        "_was_restarted",
    )

    def __init__(self, server: Server, stream: Stream, tls: Security) -> None:
        self._server = server
        self._stream = stream
        self._tls = tls
        self._protocol = Protocol(max_stanza_size=server.config.xmpp.stanza_size_before_login)
        self._authentication: Authentication | None = None
        self._principal: Principal | None = None
        self._session: Session | None = None
        self._domain = ""
        self._lang = ""
        self._has_header = False  # whether ours was sent on this stream
        self._was_restarted = False
        self._is_over = False
        self._is_final = False  # ended by word, so it cannot be resumed
        self._deadline = asyncio.get_running_loop().time() + server.config.security.login_timeout

    async def run(self) -> None:
        """Serves the connection to its end."""
        try:
            while not self._is_over:
                data = await self._read()
                if data:
                    self._protocol.receive_data(data)
                else:
                    self._protocol.receive_eof()
                await self._handle_events(list(self._protocol.events()))
                await self._stream.drain()
        except StreamError as error:
            self._fail(error)
        except TimeoutError:
            self._fail(StreamError("connection-timeout"))
        except DomainError as error:
            LOG.warning("stream ended", id=self._stream.id, error=error.text)
            self._fail(StreamError("internal-server-error"))
        finally:
            if self._session is not None:
                await lifecycle.leave(self._server, self._session, self._stream, is_final=self._is_final)

    # Reading

    async def _read(self) -> bytes:
        if self._session is None:
            remaining = self._deadline - asyncio.get_running_loop().time()
            return await self._stream.read(max(remaining, 0.01))
        try:
            return await self._stream.read(_REST_AFTER)
        except TimeoutError:
            self._protocol.rest()
        try:
            return await self._stream.read(self._server.config.xmpp.idle_timeout)
        except TimeoutError:
            self._ask_for_life(self._session)
        return await self._stream.read(_PROBE_TIMEOUT)

    def _ask_for_life(self, session: Session) -> None:
        """XEP-0198 §4 or XEP-0199: whoever is there answers."""
        if session.sm is not None:
            session.write(element("r", {"xmlns": sm.NAMESPACE}))
        else:
            ping = element("ping", {"xmlns": "urn:xmpp:ping"})
            attributes = {"type": "get", "id": secrets.token_hex(4), "from": session.jid.domain}
            session.send(element("iq", {**attributes, "to": session.jid.full}, ping))

    async def _handle_events(self, events: list[Event]) -> None:
        session = self._session
        if session is None:
            for event in events:
                if self._was_restarted and not isinstance(event, StreamEnd):
                    raise StreamError("policy-violation", "input before the answer")
                await self._handle(event)
            self._was_restarted = False
            return
        async with session.handling:
            messages: list[Stanza] = []
            for event in events:
                if session.stream is not self._stream:
                    self._is_over = True
                    return
                if isinstance(event, Stanza) and event.name == "message" and event.is_stanza:
                    self._stamp(session, event)
                    messages.append(event)
                    continue
                await self._route(session, messages)
                messages = []
                await self._handle(event)
            await self._route(session, messages)

    async def _route(self, session: Session, messages: list[Stanza]) -> None:
        if messages:
            await router.messages(self._server, session, messages)
            if session.sm is not None:
                session.sm.count_handled(len(messages))

    async def _handle(self, event: Event) -> None:
        match event:
            case Stanza():
                if self._session is None:
                    await self._negotiate(event)
                elif event.is_stanza:
                    await self._handle_stanza(self._session, event)
                else:
                    self._handle_nonza(self._session, event)
            case StreamHeader():
                self._open(event)
            case StreamEnd():
                self._end(event)
            case Fault(condition, text):
                raise StreamError(condition, text)

    def _end(self, end: StreamEnd) -> None:
        """RFC 6120 §4.4: an end tag is answered by one; the connection's end alone is no goodbye."""
        self._is_over = True
        self._is_final = end.is_tag
        if end.is_tag:
            self._stream.write(_END)

    # The stream's header and its end

    def _open(self, header: StreamHeader) -> None:
        """RFC 6120 §4.7: answers the header, then says what can be negotiated."""
        server = self._server
        try:
            self._domain = parse(header.to).domain if header.to else ""
        except Invalid:
            self._domain = ""
        self._lang = header.lang
        is_known = server.is_local(self._domain)
        if not self._domain and self._principal is not None:
            self._domain = self._principal.domain
            is_known = True
        self._write_header()
        if not is_known:
            raise StreamError("host-unknown")
        if header.version.partition(".")[0] not in ("1",):
            raise StreamError("unsupported-version")  # RFC 6120 §4.7.5: no features without 1.0
        if self._principal is not None:
            self._stream.write(negotiation.features_after_login(server, self._domain))
            return
        if self._authentication is None:
            self._authentication = Authentication(server, self._stream, self._domain)
        self._stream.write(
            negotiation.features_before_login(server, self._stream, self._authentication, self._tls)
        )

    def _write_header(self) -> None:
        domain = self._domain or next(iter(self._server.directory.domains), "localhost")
        to = self._principal.address if self._principal is not None else ""
        self._stream.write(
            stream_header(from_=domain, stream_id=secrets.token_hex(8), to=to, lang=self._lang or "en")
        )
        self._has_header = True

    def _restart(self) -> None:
        """RFC 6120 §4.3.3: the next bytes begin a new stream."""
        self._protocol = Protocol(max_stanza_size=self._protocol.max_stanza_size)
        self._has_header = False
        self._was_restarted = True

    def _fail(self, error: StreamError) -> None:
        if not self._has_header:
            self._write_header()
        if self._session is not None and self._session.stream is not self._stream:
            return  # the session goes on elsewhere; this stream was closed with its own error
        self._stream.write(stream_error(error.condition, error.text, error.extra) + _END)
        self._stream.close()

    # Before binding

    async def _negotiate(self, nonza: Stanza) -> None:
        match (nonza.xmlns, nonza.name):
            case (negotiation.TLS, "starttls"):
                await self._start_tls()
            case (negotiation.SASL, "auth" | "response" | "abort") if self._principal is None:
                await self._authenticate(nonza)
            case (sm.NAMESPACE, "resume") if self._principal is not None:
                await self._resume(self._principal, nonza)
            case (sm.NAMESPACE, "enable"):
                self._stream.write(sm.failed("unexpected-request"))  # XEP-0198 §3: only after binding
            case ("jabber:client", _):
                if self._principal is not None and nonza.has("bind", negotiation.BIND):
                    await self._bind(self._principal, nonza)
                    return
                raise StreamError("not-authorized")  # RFC 6120 §4.9.3.12
            case _:
                raise StreamError("unsupported-stanza-type")

    async def _start_tls(self) -> None:
        """RFC 6120 §5.4.2."""
        if self._tls != "starttls" or self._stream.is_tls or self._principal is not None:
            self._stream.write(negotiation.TLS_FAILURE)
            raise StreamError("policy-violation", "TLS is not offered here")
        self._stream.write(negotiation.PROCEED)
        await self._stream.start_tls()
        self._authentication = None
        self._restart()

    async def _authenticate(self, nonza: Stanza) -> None:
        if self._authentication is None:
            raise StreamError("not-authorized")
        self._stream.conceal(True)
        answer = await self._authentication.handle(nonza)
        self._stream.conceal(False)
        self._stream.write(answer)
        self._principal = self._authentication.principal
        if self._principal is not None:
            self._protocol.max_stanza_size = self._server.config.xmpp.stanza_size
            self._restart()
        elif self._authentication.failures >= negotiation.MAX_ATTEMPTS:
            raise StreamError("policy-violation", "too many attempts")

    async def _bind(self, principal: Principal, iq: Stanza) -> None:
        """RFC 6120 §7.6 and §7.7."""
        if iq.type != "set":
            raise StreamError("not-authorized")
        resource = iq.payload().findtext(f"{{{negotiation.BIND}}}resource") or ""
        try:
            session = await lifecycle.bind(self._server, principal, resource, self._stream, self._lang)
        except DomainError as error:
            self._stream.write(error_reply(iq, from_domain_error(error)))
            return
        self._session = session
        jid = text_element("jid", session.jid.full)
        session.send(result(iq, element("bind", {"xmlns": negotiation.BIND}, jid)))

    async def _resume(self, principal: Principal, nonza: Stanza) -> None:
        """XEP-0198 §5."""
        previous = nonza.attributes.get("previd", "")
        session = await lifecycle.resume(self._server, principal, previous, self._stream)
        if session is None or session.sm is None:
            self._stream.write(sm.failed("item-not-found"))
            return
        self._session = session
        self._acknowledge(session, nonza)
        self._stream.write(sm.resumed(session.sm))
        session.sm.resend(session)

    # After binding

    def _stamp(self, session: Session, stanza: Stanza) -> None:
        """RFC 6120 §8.1.2.1: the sender is who the server knows it to be; §8.1.5: the stream's language."""
        from_ = stanza.from_
        if from_ and from_ not in (session.jid.full, session.account.bare):
            try:
                claimed = parse(from_)
            except Invalid as error:
                raise StreamError("invalid-from") from error
            if claimed not in (session.jid, session.jid.to_bare()):
                raise StreamError("invalid-from")
        stanza.attributes["from"] = session.jid.full
        if self._lang:
            stanza.attributes.setdefault(XML_LANG, self._lang)

    async def _handle_stanza(self, session: Session, stanza: Stanza) -> None:
        self._stamp(session, stanza)
        if stanza.name == "message":
            await router.messages(self._server, session, [stanza])
        elif stanza.name == "presence":
            await presence.handle(self._server, session, stanza)
        else:
            await iq_routing.route(self._server, session, stanza)
        if session.sm is not None:
            session.sm.count_handled()

    def _handle_nonza(self, session: Session, nonza: Stanza) -> None:
        match (nonza.xmlns, nonza.name):
            case (sm.NAMESPACE, "r") if session.sm is not None:
                session.write(session.sm.answer())
            case (sm.NAMESPACE, "a") if session.sm is not None:
                self._acknowledge(session, nonza)
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

    def _acknowledge(self, session: Session, nonza: Stanza) -> None:
        text = nonza.attributes.get("h", "")
        if session.sm is None or not text.isascii() or not text.isdecimal():
            raise StreamError("bad-format")
        try:
            session.sm.acknowledge(int(text))
        except sm.TooHighCount as error:
            raise StreamError("undefined-condition", extra=sm.too_high(error)) from error
