# SPDX-License-Identifier: Apache-2.0
"""A stream that another server has opened: RFC 6120 as the receiving entity, XEP-0178, XEP-0220, XEP-0288.

What must always hold: where TLS is required, nothing but STARTTLS is taken before it; nothing is handled
for a domain before it has proved itself by a certificate or a key; a key is verified with the domain's own
server, never over this stream; who is refused is told no more than that.
"""

from __future__ import annotations

import asyncio
import base64
import secrets

from armgs_server import log
from armgs_server.errors import DomainError, Invalid
from armgs_server.formats import addresses
from armgs_server.net.identity import is_for
from armgs_server.net.stream import Security, Stream
from armgs_server.xmpp import features
from armgs_server.xmpp.authentication import SASL
from armgs_server.xmpp.faults import Fault
from armgs_server.xmpp.federation.abroad import Abroad
from armgs_server.xmpp.federation.dialback import Dialback
from armgs_server.xmpp.federation.intake import Intake
from armgs_server.xmpp.federation.opening import close, peer_certificate
from armgs_server.xmpp.federation.wire import END, Wire
from armgs_server.xmpp.jid import parse_domain
from armgs_server.xmpp.protocol import Event, StreamEnd, StreamHeader
from armgs_server.xmpp.stanza import Stanza, element, text_element
from armgs_server.xmpp.stream_errors import StreamError
from armgs_server.xmpp.xeps import xep_0220_dialback, xep_0288_bidi

LOG = log.get("federation")
_PROCEED = element("proceed", {"xmlns": features.TLS})
_TLS_FAILURE = element("failure", {"xmlns": features.TLS})
_MAX_FAILURES = 3  # RFC 6120 §6.4.5


class ServerStream:
    """One connection on port 5269 or 5270."""

    def __init__(self, abroad: Abroad, stream: Stream, tls: Security) -> None:
        self._abroad = abroad
        self._config = abroad.config
        self._stream = stream
        self._tls = tls
        self._wire = Wire(stream, self._config.xmpp.stanza_size_before_login)
        self._intake = Intake(abroad)
        self._entered: set[str] = set()  # domains for which this stream is counted
        self._dialback = Dialback(abroad, self._wire, self._admit)
        self._ours = ""
        self._theirs = ""
        self._failures = 0
        self._is_over = False
        self._has_header = False
        self._must_restart = False
        self._wants_bidi = False
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._deadline = self._heard_at + self._config.security.login_timeout

    async def run(self) -> None:
        """Serves the connection to its end."""
        self._abroad.incoming.add(self._wire)
        try:
            while not self._is_over:
                await self._step()
        except StreamError as error:
            self._fail(error)
        except TimeoutError:
            self._fail(StreamError("connection-timeout"))
        except DomainError as error:
            LOG.warning("stream of another server ended", id=self._stream.id, error=error.text)
            self._fail(StreamError("internal-server-error"))
        finally:
            self._abroad.incoming.discard(self._wire)
            await self._dialback.stop()
            for domain in self._entered:
                self._abroad.remotes.leave(domain)
            for theirs, ours in self._intake.pairs:
                self._abroad.release(ours, theirs, self._wire)

    async def _step(self) -> None:
        try:
            events, size = await self._wire.read(self._patience())
        except TimeoutError:
            await self._check_time()
            return
        self._heard_at = self._loop.time()
        stanzas: list[Stanza] = []
        for event in events:
            if self._must_restart and not isinstance(event, StreamEnd):
                raise StreamError("policy-violation", "input before the answer")
            if isinstance(event, Stanza) and event.is_stanza:
                stanzas.append(event)
                continue
            await self._take(stanzas)
            stanzas = []
            await self._handle(event)
        await self._take(stanzas)
        if self._must_restart:
            self._wire.restart()
            self._must_restart = False
        for domain in tuple(self._entered):
            await self._abroad.remotes.wait(domain, size, sum(isinstance(each, Stanza) for each in events))
        await self._stream.drain()

    def _patience(self) -> float:
        """A key that is being verified may open the stream while it is being read."""
        until = self._heard_at + self._config.federation.idle_timeout
        if not self._intake.is_open:
            until = min(until, self._deadline)
        return max(until - self._loop.time(), 0.01)

    async def _check_time(self) -> None:
        """Nothing has come for a while."""
        idle = self._config.federation.idle_timeout
        now = self._loop.time()
        if not self._intake.is_open:
            if now >= self._deadline:
                raise StreamError("connection-timeout")
            self._heard_at = now
        elif any(self._abroad.uses(ours, theirs, self._wire, idle) for theirs, ours in self._intake.pairs):
            self._heard_at = now
        elif now - self._heard_at >= idle:
            self._is_over = True
            await close(self._wire)  # whoever has something to say opens another one

    async def _take(self, stanzas: list[Stanza]) -> None:
        if stanzas and not self._intake.is_open:
            raise StreamError("not-authorized")  # RFC 6120 §4.9.3.12
        await self._intake.take(stanzas)

    async def _handle(self, event: Event) -> None:
        match event:
            case Stanza():
                await self._handle_nonza(event)
            case StreamHeader():
                self._open(event)
            case StreamEnd(is_tag):
                self._is_over = True
                if is_tag:
                    self._wire.write(END)
            case Fault(condition, text):
                raise StreamError(condition, text)

    # The stream

    def _open(self, header: StreamHeader) -> None:
        """RFC 6120 §4.7: answers the header, then says what can be negotiated."""
        self._intake.lang = header.lang
        self._ours, self._theirs = _domain(header.to), _domain(header.from_)
        stream_id = self._dialback.stream_id = secrets.token_hex(16)
        self._write_header(stream_id)
        if not self._abroad.is_ours(self._ours):
            raise StreamError("host-unknown")  # RFC 6120 §4.9.3.6
        if header.version.partition(".")[0] == "1":
            self._wire.write(element("stream:features", {}, self._features()))

    def _write_header(self, stream_id: str) -> None:
        ours = self._ours or next(iter(self._abroad.server.directory.domains), "localhost")
        self._wire.open(ours, self._theirs, stream_id)
        self._has_header = True

    def _features(self) -> bytes:
        offered = b""
        if self._tls == "starttls" and not self._stream.is_tls:
            required = b"" if self._config.federation.tls == "optional" else element("required")
            offered += element("starttls", {"xmlns": features.TLS}, required)
        if self._needs_tls():
            return offered
        if self._is_certified(self._theirs) and self._theirs not in self._intake.certified:
            mechanism = text_element("mechanism", "EXTERNAL")  # XEP-0178 §3, step 7
            offered += element("mechanisms", {"xmlns": SASL}, mechanism)
        return offered + xep_0220_dialback.STREAM_FEATURE + xep_0288_bidi.STREAM_FEATURE

    def _needs_tls(self) -> bool:
        return not self._stream.is_tls and self._config.federation.tls != "optional"

    def _fail(self, error: StreamError) -> None:
        if not self._has_header:
            self._write_header(secrets.token_hex(16))
        self._wire.fail(error.condition, error.text)

    async def _handle_nonza(self, nonza: Stanza) -> None:
        match (nonza.xmlns, nonza.name):
            case (features.TLS, "starttls"):
                await self._start_tls()
            case _ if self._needs_tls():
                raise StreamError("policy-violation", "TLS is required")
            case (namespace, "auth") if namespace == SASL:
                self._authenticate(nonza)
            case (namespace, "bidi") if namespace == xep_0288_bidi.NAMESPACE and not self._intake.is_open:
                self._wants_bidi = True
            case (namespace, _) if namespace == xep_0220_dialback.NAMESPACE:
                await self._dialback.handle(nonza, self._is_certified)
            case _:
                raise StreamError("unsupported-stanza-type")

    async def _start_tls(self) -> None:
        """RFC 6120 §5.4.2."""
        if self._tls != "starttls" or self._stream.is_tls:
            self._wire.write(_TLS_FAILURE)
            raise StreamError("policy-violation", "TLS is not offered here")
        self._wire.write(_PROCEED)
        await self._stream.start_tls()
        self._restart()

    def _restart(self) -> None:
        self._must_restart = True
        self._has_header = False

    # Who it is

    def _is_certified(self, domain: str) -> bool:
        """Whether the connection's certificate is that domain's, of a CA that we trust for it."""
        if not domain or self._config.federation.tls != "verified":
            return False
        try:
            return is_for(peer_certificate(self._stream), addresses.to_ascii(domain))
        except Invalid:
            return False

    def _authenticate(self, nonza: Stanza) -> None:
        """XEP-0178 §3, steps 8 to 11."""
        claimed = self._theirs
        try:
            text = (nonza.tree().text or "").strip()
            if text and text != "=":
                claimed = parse_domain(base64.b64decode(text, validate=True).decode())
        except (Invalid, ValueError):
            claimed = ""
        is_external = nonza.attributes.get("mechanism") == "EXTERNAL"
        if is_external and self._is_certified(claimed) and self._admit(claimed, self._ours, by_name=True):
            self._wire.write(element("success", {"xmlns": SASL}))
            self._restart()
            return
        condition = "not-authorized" if is_external else "invalid-mechanism"
        self._wire.write(element("failure", {"xmlns": SASL}, element(condition)))
        self._failures += 1
        if self._failures >= _MAX_FAILURES:
            raise StreamError("policy-violation", "too many attempts")

    def _admit(self, theirs: str, ours: str, *, by_name: bool = False) -> bool:
        """The domain has proved itself; False where it may not talk to us, or has too many streams."""
        if not self._abroad.may_talk(ours, theirs):
            return False
        if theirs not in self._entered:
            if not self._abroad.remotes.enter(theirs):
                return False
            self._entered.add(theirs)
        if by_name:
            self._intake.certified.add(theirs)
        self._intake.pairs.add((theirs, ours))
        self._wire.allow(self._config.xmpp.stanza_size)
        if self._wants_bidi:  # XEP-0288 §2
            self._abroad.adopt(ours, theirs, self._wire)
        return True


def _domain(text: str) -> str:
    """The domain of a header's address; nothing where it is none."""
    try:
        return parse_domain(text)
    except Invalid:
        return ""
