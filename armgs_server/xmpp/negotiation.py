# SPDX-License-Identifier: Apache-2.0
"""From the first stream header to a bound or resumed session: RFC 6120 §4.3, §5 to §7, XEP-0198 §5.

What must always hold: nobody is authenticated without a `principal`; after STARTTLS and after log-in what
was agreed before is forgotten but for the principal; the protocol trace shows nothing of a log-in.
"""

from __future__ import annotations

import asyncio
import secrets

from armgs_server.directory import Principal
from armgs_server.directory.exchange import Failure
from armgs_server.directory.sasl import Challenge
from armgs_server.errors import DomainError, Invalid
from armgs_server.net.stream import Security
from armgs_server.xmpp import authentication, features, inline, lifecycle
from armgs_server.xmpp.authentication import MAX_ATTEMPTS, Authentication
from armgs_server.xmpp.extensible import Extensible, LoggedIn
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.protocol import StreamHeader
from armgs_server.xmpp.registration import Registration, is_about
from armgs_server.xmpp.server import Server
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import (
    CLIENT,
    Stanza,
    element,
    error_reply,
    from_domain_error,
    result,
    stream_error,
    text_element,
)
from armgs_server.xmpp.stream_errors import StreamError
from armgs_server.xmpp.transport import Transport
from armgs_server.xmpp.xeps import xep_0198_sm as sm
from armgs_server.xmpp.xeps import xep_0388_sasl2 as sasl2
from armgs_server.xmpp.xeps import xep_0484_fast as fast

_PROCEED = element("proceed", {"xmlns": features.TLS})
_TLS_FAILURE = element("failure", {"xmlns": features.TLS})
_RESOURCE = f"{{{features.BIND}}}resource"


class Negotiation:
    """What one connection has agreed on so far. `must_restart` asks for a new inbound stream."""

    __slots__ = (
        "_authentication",
        "_device",
        "_domain",
        "_extensible",
        "_from",
        "_has_header",
        "_has_password",
        "_registers",
        "_registration",
        "_server",
        "_stream",
        "_tls",
        "lang",
        "must_restart",
        "principal",
    )

    def __init__(self, server: Server, stream: Transport, tls: Security) -> None:
        self._server = server
        self._stream = stream
        self._tls = tls
        self._authentication: Authentication | None = None
        self._extensible: Extensible | None = None  # while an XEP-0388 log-in is under way
        self._registers = False  # accounts of this domain are made by invitation
        self._registration: Registration | None = None
        self._device = ""
        self._has_password = False
        self._domain = ""
        self._from = ""
        self._has_header = False  # whether ours was sent on this stream
        self.principal: Principal | None = None
        self.lang = ""
        self.must_restart = False

    async def open(self, header: StreamHeader) -> None:
        """RFC 6120 §4.7: answers the header, then says what can be negotiated."""
        server, stream = self._server, self._stream
        self.lang, self._from = header.lang, header.from_
        try:
            self._domain = parse(header.to).domain if header.to else ""
        except Invalid:
            self._domain = ""
        if not self._domain and self.principal is not None:
            self._domain = self.principal.domain
        self._write_header()
        if not server.is_local(self._domain):
            raise StreamError("host-unknown")
        if header.version.partition(".")[0] != "1":
            raise StreamError("unsupported-version")  # RFC 6120 §4.7.5: no features without 1.0
        if self.principal is not None:
            stream.write(features.after_login(server, self._domain))
            return
        if self._authentication is None:
            self._authentication = Authentication(server, stream, self._domain)
        stream.conceal(bool(self._authentication.mechanisms))
        self._registers = bool(await server.directory.invitations.policy(self._domain))
        offered = features.before_login(
            server, stream, self._authentication, self._tls, registers=self._registers
        )
        stream.write(offered)

    def fail(self, error: StreamError) -> None:
        """RFC 6120 §4.9.1.2: even an error before our header is told inside a stream."""
        if not self._has_header:
            self._write_header()
        self._stream.end(stream_error(error.condition, error.text, error.extra))
        self._stream.close()

    async def handle(self, nonza: Stanza) -> Session | None:
        """The session, once there is one."""
        if self._extensible is not None and nonza.xmlns != sasl2.NAMESPACE:
            raise StreamError("not-authorized", "a log-in is under way")  # XEP-0388 §2.4
        match (nonza.xmlns, nonza.name):
            case (features.TLS, "starttls"):
                await self._start_tls()
            case (authentication.SASL, "auth" | "response" | "abort") if self.principal is None:
                await self._authenticate(nonza)
            case (sasl2.NAMESPACE, "authenticate" | "response" | "abort") if self.principal is None:
                return await self._authenticate_extensibly(nonza)
            case (sm.NAMESPACE, "resume") if self.principal is not None:
                return await self._resume(self.principal, nonza)
            case (sm.NAMESPACE, "enable"):
                self._stream.write(sm.failed("unexpected-request"))  # XEP-0198 §3: only after binding
            case (namespace, "iq") if namespace == CLIENT and self.principal is None and is_about(nonza):
                await self._register(nonza)
            case (namespace, "iq") if namespace == CLIENT and self.principal is not None:
                return await self._bind(self.principal, nonza)
            case (namespace, _) if namespace == CLIENT:
                raise StreamError("not-authorized")  # RFC 6120 §4.9.3.12
            case _:
                raise StreamError("unsupported-stanza-type")
        return None

    def _write_header(self) -> None:
        domain = self._domain or next(iter(self._server.directory.domains), "localhost")
        to = self.principal.address if self.principal is not None else ""
        lang = self.lang or "en"
        self._stream.open(from_=domain, stream_id=secrets.token_hex(8), to=to, lang=lang)
        self._has_header = True

    def _restart(self) -> None:
        """RFC 6120 §4.3.3."""
        self._has_header = False
        self.must_restart = True

    async def _start_tls(self) -> None:
        """RFC 6120 §5.4.2."""
        if self._tls != "starttls" or self._stream.is_tls or self.principal is not None:
            self._stream.write(_TLS_FAILURE)
            raise StreamError("policy-violation", "TLS is not offered here")
        self._stream.write(_PROCEED)
        await self._stream.start_tls()
        self._authentication = None
        self._restart()

    async def _register(self, iq: Stanza) -> None:
        """XEP-0445; where nobody may be invited to an account, as if it did not exist."""
        attempt = self._authentication
        if attempt is None or not attempt.mechanisms or not self._registers:
            raise StreamError("not-authorized")
        if self._registration is None:
            self._registration = Registration(self._server, self._stream, self._domain)
        self._stream.write(await self._registration.answer(iq))
        if self._registration.failures >= MAX_ATTEMPTS:
            raise StreamError("policy-violation", "too many attempts")

    async def _authenticate(self, nonza: Stanza) -> None:
        """RFC 6120 §6.4."""
        if self._authentication is None:
            raise StreamError("not-authorized")
        attempt = self._authentication
        self._stream.write(await attempt.handle(nonza))
        self.principal = attempt.principal
        if self.principal is not None:
            self._has_password = attempt.has_password
            self._authentication = None
            self._stream.conceal(False)
            self._restart()
        elif attempt.failures >= MAX_ATTEMPTS:
            raise StreamError("policy-violation", "too many attempts")

    async def _authenticate_extensibly(self, nonza: Stanza) -> Session | None:
        """XEP-0388 §2.3 to §2.6."""
        attempt = self._authentication
        if attempt is None or not attempt.mechanisms:
            raise StreamError("not-authorized")
        if nonza.name == "authenticate":
            if self._extensible is not None:
                raise StreamError("not-authorized", "a log-in is under way")
            self._extensible = Extensible(self._server, self._stream, attempt, self._domain, self._from)
        if self._extensible is None:
            raise StreamError("not-authorized", "no log-in is under way")
        outcome = await self._extensible.handle(nonza)
        if isinstance(outcome, Challenge):
            self._stream.write(sasl2.challenge(outcome.data))
            return None
        self._extensible = None
        if isinstance(outcome, Failure):
            self._stream.write(sasl2.failure(outcome.condition, outcome.text))
            if attempt.failures >= MAX_ATTEMPTS:
                raise StreamError("policy-violation", "too many attempts")
            return None
        return await self._go_on(outcome)

    async def _go_on(self, done: LoggedIn) -> Session | None:
        """XEP-0388 §2.6.1: what was asked for with the log-in, the success, and the features after it."""
        server, stream, request = self._server, self._stream, done.request
        self.principal, self._authentication = done.principal, None
        self._device, self._has_password = done.device, done.has_password
        stream.allow(server.config.xmpp.stanza_size)
        outcome = await inline.perform(
            server, done.principal, stream, self.lang, request.resumption, request.binding, done.device
        )
        session = outcome.session
        token = b"" if done.given is None else fast.token(done.given)
        identifier = done.principal.address if session is None else session.jid.full
        stream.write(sasl2.success(done.data, identifier, outcome.inner + token))
        # What is written goes out, and into the trace, later in this turn of the loop: the token unseen.
        asyncio.get_running_loop().call_soon(stream.conceal, False)
        if session is None:
            stream.write(features.after_login(server, self._domain))
            return None
        self._identify(session)
        if not outcome.is_resumed:  # XEP-0198 §9.2: a resumed stream gets no features
            if session.is_ended:
                raise StreamError("conflict")
            stream.write(features.after_binding(server, self._domain))
            session.stream = stream
        if session.sm is not None:
            session.sm.resend(session)
        return session

    def _identify(self, session: Session) -> None:
        """How its client has logged in; a resumed session has perhaps got another client."""
        session.device, session.has_password = self._device, self._has_password

    async def _bind(self, principal: Principal, iq: Stanza) -> Session | None:
        """RFC 6120 §7.6 and §7.7."""
        if iq.type != "set" or not iq.has("bind", features.BIND):
            raise StreamError("not-authorized")
        asked = iq.payload().findtext(_RESOURCE) if b"resource" in iq.raw else None
        try:
            session = await lifecycle.bind(self._server, principal, asked or "", self._stream, self.lang)
        except DomainError as error:
            self._stream.write(error_reply(iq, from_domain_error(error)))
            return None
        self._identify(session)
        jid = text_element("jid", session.jid.full)
        session.send(result(iq, element("bind", {"xmlns": features.BIND}, jid)))
        return session

    async def _resume(self, principal: Principal, nonza: Stanza) -> Session | None:
        """XEP-0198 §5."""
        previous = nonza.attributes.get("previd", "")
        h = nonza.attributes.get("h", "")
        session = await inline.resume(self._server, principal, previous, h, self._stream)
        if session is None or session.sm is None:
            handled = await lifecycle.handled(self._server, principal, previous)
            self._stream.write(sm.failed("item-not-found", handled))
            return None
        self._identify(session)
        self._stream.write(sm.resumed(session.sm))
        session.sm.resend(session)
        return session
