# SPDX-License-Identifier: Apache-2.0
"""What a client and the server agree on before a resource is bound: RFC 6120 §4.3 and §5 to §7.

Pure of sockets but for the stream's own facts (TLS, channel binding). Which features are offered follows
from where the negotiation stands; nothing is typed twice.
"""

from __future__ import annotations

import base64
import binascii

from armgs_server.directory import Principal
from armgs_server.directory.exchange import Answer, Exchange, Failure, Success
from armgs_server.directory.sasl import Challenge
from armgs_server.errors import Invalid
from armgs_server.net.stream import Stream
from armgs_server.xmpp import roster_iq
from armgs_server.xmpp.server import Server
from armgs_server.xmpp.stanza import Stanza, element, text_element
from armgs_server.xmpp.xeps import xep_0115_caps, xep_0198_sm, xep_0352_csi

TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
CHANNEL_BINDING = "urn:xmpp:sasl-cb:0"  # XEP-0440

PROCEED = element("proceed", {"xmlns": TLS})
TLS_FAILURE = element("failure", {"xmlns": TLS})
MAX_ATTEMPTS = 5  # RFC 6120 §6.4.5: retries on one stream

# RFC 6121 §1.4: the session request of RFC 3921 is a no-op that old clients insist on.
_SESSION_FEATURE = element("session", {"xmlns": roster_iq.SESSION}, element("optional"))


class Authentication:
    """RFC 6120 §6: SASL on one stream."""

    def __init__(self, server: Server, stream: Stream, domain: str) -> None:
        self._server = server
        self._exchange: Exchange = server.directory.auth.begin(
            service="xmpp",
            peer=stream.peer,
            is_tls=stream.is_tls,
            channel_binding=stream.channel_binding,
            domain=domain,
        )
        self.failures = 0
        self.principal: Principal | None = None

    @property
    def mechanisms(self) -> tuple[str, ...]:
        return self._exchange.mechanisms

    async def handle(self, nonza: Stanza) -> bytes:
        """Answers `<auth/>`, `<response/>` or `<abort/>`; `principal` is set on success."""
        try:
            if nonza.name == "auth":
                mechanism = nonza.attributes.get("mechanism", "")
                answer = await self._exchange.start(mechanism, _decode(nonza, is_initial=True))
            elif nonza.name == "response":
                answer = await self._exchange.respond(_decode(nonza) or b"")
            else:
                answer = Failure("aborted", "")
        except Invalid:
            answer = Failure("incorrect-encoding", "")
        return self._written(answer)

    def _written(self, answer: Answer) -> bytes:
        match answer:
            case Challenge(data):
                return element("challenge", {"xmlns": SASL}, base64.b64encode(data) or b"=")
            case Success(data, principal):
                self.principal = principal
                return element("success", {"xmlns": SASL}, base64.b64encode(data) if data else b"")
            case Failure(condition, text):
                self.failures += 1
                inner = element(condition) + (text_element("text", text, {"xml:lang": "en"}) if text else b"")
                return element("failure", {"xmlns": SASL}, inner)


def _decode(nonza: Stanza, *, is_initial: bool = False) -> bytes | None:
    """RFC 6120 §6.4.2: no text is no initial response, `=` is an empty one."""
    text = (nonza.tree().text or "").strip()
    if not text:
        return None if is_initial else b""
    if text == "=":
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("not base64") from error


def features_before_login(server: Server, stream: Stream, authentication: Authentication, tls: str) -> bytes:
    """RFC 6120 §5.4.1 and §6.4.1. `tls` is the listener's: none, starttls, direct."""
    offered = b""
    if tls == "starttls" and not stream.is_tls:
        required = b"" if authentication.mechanisms else element("required")
        offered += element("starttls", {"xmlns": TLS}, required)
    if authentication.mechanisms:
        names = b"".join(text_element("mechanism", name) for name in authentication.mechanisms)
        offered += element("mechanisms", {"xmlns": SASL}, names)
        kinds = server.directory.auth.channel_bindings(stream.channel_binding)
        if kinds:
            each = b"".join(element("channel-binding", {"type": kind}) for kind in kinds)
            offered += element("sasl-channel-binding", {"xmlns": CHANNEL_BINDING}, each)
    return element("stream:features", {}, offered)


def features_after_login(server: Server, domain: str) -> bytes:
    """RFC 6120 §7.4, and what may be asked for once a resource is bound."""
    offered = b"".join(
        (
            element("bind", {"xmlns": BIND}),
            _SESSION_FEATURE,
            xep_0198_sm.STREAM_FEATURES,
            xep_0352_csi.STREAM_FEATURES,
            roster_iq.STREAM_FEATURES,
            xep_0115_caps.stream_feature(server, domain),
        )
    )
    return element("stream:features", {}, offered)
