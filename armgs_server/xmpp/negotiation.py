# SPDX-License-Identifier: Apache-2.0
"""From the first stream header to a bound or resumed session: RFC 6120 §4.3, §5 to §7, XEP-0198 §5.

What must always hold: nobody is authenticated without a `principal`; after STARTTLS and after log-in what
was agreed before is forgotten but for the principal; the protocol trace shows nothing of a log-in.
"""

from __future__ import annotations

import secrets

from armgs_server.directory import Principal
from armgs_server.errors import DomainError, Invalid
from armgs_server.net.stream import Security
from armgs_server.xmpp import authentication, features, lifecycle
from armgs_server.xmpp.authentication import MAX_ATTEMPTS, Authentication
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.protocol import StreamHeader
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
from armgs_server.xmpp.transport import Transport
from armgs_server.xmpp.xeps import xep_0198_sm as sm

_PROCEED = element("proceed", {"xmlns": features.TLS})
_TLS_FAILURE = element("failure", {"xmlns": features.TLS})


class StreamError(Exception):
    """RFC 6120 §4.9: the stream cannot go on."""

    def __init__(self, condition: str, text: str = "", extra: bytes = b"") -> None:
        super().__init__(condition)
        self.condition = condition
        self.text = text
        self.extra = extra


class Negotiation:
    """What one connection has agreed on so far. `must_restart` asks for a new inbound stream."""

    __slots__ = (
        "_authentication",
        "_domain",
        "_has_header",
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
        self._domain = ""
        self._has_header = False  # whether ours was sent on this stream
        self.principal: Principal | None = None
        self.lang = ""
        self.must_restart = False

    def open(self, header: StreamHeader) -> None:
        """RFC 6120 §4.7: answers the header, then says what can be negotiated."""
        server, stream = self._server, self._stream
        self.lang = header.lang
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
        stream.write(features.before_login(server, stream, self._authentication, self._tls))

    def fail(self, error: StreamError) -> None:
        """RFC 6120 §4.9.1.2: even an error before our header is told inside a stream."""
        if not self._has_header:
            self._write_header()
        self._stream.end(stream_error(error.condition, error.text, error.extra))
        self._stream.close()

    async def handle(self, nonza: Stanza) -> Session | None:
        """The session, once there is one."""
        match (nonza.xmlns, nonza.name):
            case (features.TLS, "starttls"):
                await self._start_tls()
            case (authentication.SASL, "auth" | "response" | "abort") if self.principal is None:
                await self._authenticate(nonza)
            case (sm.NAMESPACE, "resume") if self.principal is not None:
                return await self._resume(self.principal, nonza)
            case (sm.NAMESPACE, "enable"):
                self._stream.write(sm.failed("unexpected-request"))  # XEP-0198 §3: only after binding
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

    async def _authenticate(self, nonza: Stanza) -> None:
        """RFC 6120 §6.4."""
        if self._authentication is None:
            raise StreamError("not-authorized")
        attempt = self._authentication
        self._stream.write(await attempt.handle(nonza))
        self.principal = attempt.principal
        if self.principal is not None:
            self._authentication = None
            self._stream.conceal(False)
            self._restart()
        elif attempt.failures >= MAX_ATTEMPTS:
            raise StreamError("policy-violation", "too many attempts")

    async def _bind(self, principal: Principal, iq: Stanza) -> Session | None:
        """RFC 6120 §7.6 and §7.7."""
        if iq.type != "set" or not iq.has("bind", features.BIND):
            raise StreamError("not-authorized")
        resource = iq.payload().findtext(f"{{{features.BIND}}}resource") or ""
        try:
            session = await lifecycle.bind(self._server, principal, resource, self._stream, self.lang)
        except DomainError as error:
            self._stream.write(error_reply(iq, from_domain_error(error)))
            return None
        jid = text_element("jid", session.jid.full)
        session.send(result(iq, element("bind", {"xmlns": features.BIND}, jid)))
        return session

    async def _resume(self, principal: Principal, nonza: Stanza) -> Session | None:
        """XEP-0198 §5."""
        previous = nonza.attributes.get("previd", "")
        session = await lifecycle.resume(self._server, principal, previous, self._stream)
        if session is None or session.sm is None:
            handled = await lifecycle.handled(self._server, principal, previous)
            self._stream.write(sm.failed("item-not-found", handled))
            return None
        acknowledge(session, nonza)
        self._stream.write(sm.resumed(session.sm))
        session.sm.resend(session)
        return session


def acknowledge(session: Session, nonza: Stanza) -> None:
    """XEP-0198 §4: the `h` of `<a/>` or `<resume/>`."""
    text = nonza.attributes.get("h", "")
    if session.sm is None or not text.isascii() or not text.isdecimal():
        raise StreamError("bad-format")
    try:
        session.sm.acknowledge(int(text))
    except sm.TooHighCount as error:
        raise StreamError("undefined-condition", extra=sm.too_high(error)) from error
