# SPDX-License-Identifier: Apache-2.0
"""Opens streams to other servers: RFC 6120 §4.3 as the initiating entity, XEP-0178 §3, XEP-0220, XEP-0288.

What must always hold: where `[federation] tls` is "verified", nothing but the stream headers and STARTTLS
is said before the other side has shown a certificate of the CA for its domain; that goes for the streams
on which dialback keys are verified too, so keys then prove as much as certificates do.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from typing import TYPE_CHECKING

from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.net.dial import dial
from armgs_server.net.identity import is_for
from armgs_server.net.stream import Stream
from armgs_server.xmpp import features
from armgs_server.xmpp.authentication import SASL
from armgs_server.xmpp.faults import Fault
from armgs_server.xmpp.federation.routing import NoRoute, Target
from armgs_server.xmpp.federation.wire import END, Wire
from armgs_server.xmpp.jid import parse_domain
from armgs_server.xmpp.protocol import StreamEnd, StreamHeader
from armgs_server.xmpp.stanza import STREAM, Stanza, element
from armgs_server.xmpp.xeps import xep_0220_dialback as dialback
from armgs_server.xmpp.xeps import xep_0288_bidi as bidi

if TYPE_CHECKING:
    from armgs_server.xmpp.federation.abroad import Abroad

NOT_FOUND = "remote-server-not-found"
TIMEOUT = "remote-server-timeout"
_GOODBYE = 3.0  # seconds that another server has to take what was sent to it
_UNBOUNDED = 86400.0  # the caller bounds the time of all steps together


class Unreachable(Exception):
    """There is no stream to that domain; `condition` is what senders are told (RFC 6120 §8.3.3)."""

    def __init__(self, condition: str, text: str) -> None:
        super().__init__(text)
        self.condition = condition
        self.text = text


class Refused(Exception):
    """The server at hand cannot or will not talk to us; another one of the domain may."""


class Opening:
    """One attempt to get a stream from one of our domains to another server's."""

    def __init__(self, abroad: Abroad, ours: str, theirs: str) -> None:
        self._abroad = abroad
        self._settings = abroad.server.config.federation
        self._ours = ours
        self._theirs = theirs
        self._stream_id = ""
        self.is_bidirectional = False

    async def for_stanzas(self) -> Wire:
        """A stream on which stanzas may be sent; Unreachable. The caller bounds the time."""
        return await self._first(is_for_keys=False)

    async def for_keys(self) -> Wire:
        """A stream on which only keys are verified: nobody has to prove anything to us but by TLS."""
        return await self._first(is_for_keys=True)

    async def _first(self, *, is_for_keys: bool) -> Wire:
        """RFC 6120 §3.2: the first server of the domain that takes us."""
        try:
            targets = await self._abroad.routing.targets(self._theirs)
        except NoRoute as error:
            raise Unreachable(TIMEOUT if error.is_temporary else NOT_FOUND, str(error)) from error
        reason = "no server"
        for target in targets:
            try:
                stream = await self._dial(target)
            except OSError as error:  # TLS errors and time-outs are some too
                reason = f"{target.host}:{target.port}: {error}"
                continue
            try:
                return await self._negotiate(stream, is_for_keys=is_for_keys)
            except (Refused, OSError, Invalid) as error:
                stream.abort()
                reason = f"{target.host}:{target.port}: {error}"
            except BaseException:
                stream.abort()
                raise
        raise Unreachable(NOT_FOUND, reason)

    async def _dial(self, target: Target) -> Stream:
        config = self._abroad.server.config
        name = _tls_name(self._theirs)
        trace = "xmpp-server" if "xmpp-server" in config.log.trace else ""
        tls = self._abroad.tls if target.is_direct else None
        return await dial(
            target.host, target.port, config.limits, self._abroad.deadlines, tls=tls, name=name, trace=trace
        )

    async def _negotiate(self, stream: Stream, *, is_for_keys: bool) -> Wire:
        wire = Wire(stream, self._abroad.server.config.xmpp.stanza_size_before_login)
        offered = await self._open(wire)
        if offered is not None and offered.has("starttls", features.TLS) and not stream.is_tls:
            if self._abroad.tls is not None:
                offered = await self._start_tls(wire)
        self._check_tls(stream)
        if is_for_keys:
            return wire
        if offered is not None and offered.has("bidi", bidi.FEATURE):
            wire.write(bidi.ENABLE)
            self.is_bidirectional = True
        if offered is None or not await self._authenticate(wire, offered):
            await self._dial_back(wire)
        return wire

    async def _open(self, wire: Wire) -> Stanza | None:
        """Opens the stream; its features, None where the other side knows none (RFC 6120 §4.7.5)."""
        wire.open(self._ours, self._theirs)
        header = await self._next(wire)
        if not isinstance(header, StreamHeader):
            raise Refused("no stream header")
        self._stream_id = header.id
        if header.version.partition(".")[0] != "1":
            return None
        offered = await self._element(wire)
        if (offered.xmlns, offered.name) != (STREAM, "features"):
            raise Refused(f"{offered.name} in place of features")
        return offered

    async def _start_tls(self, wire: Wire) -> Stanza | None:
        """RFC 6120 §5.4.2."""
        wire.write(element("starttls", {"xmlns": features.TLS}))
        answer = await self._element(wire)
        if (answer.xmlns, answer.name) != (features.TLS, "proceed") or wire.has_more:
            raise Refused("STARTTLS is refused")
        await wire.stream.start_tls(self._abroad.tls, _tls_name(self._theirs))
        wire.restart()
        return await self._open(wire)

    def _check_tls(self, stream: Stream) -> None:
        """RFC 6120 §13.7.2.1; see the head of this file."""
        if self._settings.tls == "optional":
            return
        if not stream.is_tls:
            raise Refused("the server offers no TLS")
        if self._settings.tls == "verified":
            certificate = peer_certificate(stream)
            if not is_for(certificate, _tls_name(self._theirs)):
                raise Refused("the certificate is not one of the domain")

    async def _authenticate(self, wire: Wire, offered: Stanza) -> bool:
        """XEP-0178 §3: SASL EXTERNAL, where the other side has found our certificate good."""
        if not _offers_external(offered):
            return False
        identity = base64.b64encode(self._ours.encode())
        wire.write(element("auth", {"xmlns": SASL, "mechanism": "EXTERNAL"}, identity))
        answer = await self._element(wire)
        if (answer.xmlns, answer.name) != (SASL, "success"):
            return False
        wire.restart()
        await self._open(wire)
        return True

    async def _dial_back(self, wire: Wire) -> None:
        """XEP-0220 §2.1.1."""
        if not self._stream_id:
            raise Refused("the stream has no id to make a key for")
        secret = await self._abroad.dialback_secret()
        key = dialback.make_key(secret, self._theirs, self._ours, self._stream_id)
        wire.write(dialback.result(self._ours, self._theirs, key))
        while True:
            answer = await self._element(wire)
            if (answer.xmlns, answer.name) != (dialback.NAMESPACE, "result"):
                continue
            pair = parse_domain(answer.from_), parse_domain(answer.to)
            if answer.type != "valid" or pair != (self._theirs, self._ours):
                raise Refused(f"dialback: {answer.type}")
            return

    async def _element(self, wire: Wire) -> Stanza:
        event = await self._next(wire)
        if not isinstance(event, Stanza):
            raise Refused("the stream has ended")
        if (event.xmlns, event.name) == (STREAM, "error"):
            raise Refused(f"stream error {condition_of(event)}")
        return event

    async def _next(self, wire: Wire) -> StreamHeader | Stanza:
        event = await wire.next(_UNBOUNDED)
        match event:
            case Fault(condition, text):
                wire.fail(condition, text)
                raise Refused(f"{condition} {text}")
            case StreamEnd():
                raise Refused("the stream has ended")
        return event


async def close(wire: Wire) -> None:
    """RFC 6120 §4.4: says goodbye; what the other side still has to say is not waited for."""
    wire.write(END)
    with contextlib.suppress(OSError):  # it is gone already, or takes nothing
        async with asyncio.timeout(_GOODBYE):
            await wire.stream.drain()
    wire.stream.close()


def condition_of(error: Stanza) -> str:
    """The defined condition of a stream error."""
    return next((mark[0].rpartition(" ")[2] for mark in error.marks), "undefined-condition")


def peer_certificate(stream: Stream) -> bytes:
    """DER; empty where none was shown."""
    tls: ssl.SSLObject | None = stream.tls
    return (tls.getpeercert(binary_form=True) or b"") if tls is not None else b""


def _offers_external(offered: Stanza) -> bool:
    mechanisms = offered.tree().iterfind(f"{{{SASL}}}mechanisms/{{{SASL}}}mechanism")
    return any((each.text or "").strip() == "EXTERNAL" for each in mechanisms)


def _tls_name(domain: str) -> str:
    """RFC 6125 §6.4.2: names are compared as A-labels."""
    try:
        return addresses.to_ascii(domain)
    except Invalid:
        return domain
