# SPDX-License-Identifier: Apache-2.0
"""SASL on a stream: RFC 6120 §6. The mechanisms are the directory's, the same for every protocol."""

from __future__ import annotations

import base64
import binascii

from armgs_server.directory import Principal
from armgs_server.directory.exchange import Answer, Exchange, Failure, Success
from armgs_server.directory.sasl import Challenge
from armgs_server.errors import Invalid
from armgs_server.xmpp.server import Server
from armgs_server.xmpp.stanza import Stanza, element, text_element
from armgs_server.xmpp.transport import Transport

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
MAX_ATTEMPTS = 5  # RFC 6120 §6.4.5: retries on one stream


class Authentication:
    """RFC 6120 §6: SASL on one stream."""

    __slots__ = (
        "_bindings",
        "_stream",
        "channel_bindings",
        "exchange",
        "failures",
        "has_password",
        "principal",
    )

    def __init__(self, server: Server, stream: Transport, domain: str) -> None:
        self._stream = stream
        self._bindings: dict[str, bytes | None] = {}  # of the channel, by kind: asked for once
        auth = server.directory.auth
        channel_binding = self.channel_binding if stream.is_tls else None
        self.channel_bindings = auth.channel_bindings(channel_binding)
        self.exchange: Exchange = auth.begin(
            service="xmpp",
            peer=stream.peer,
            is_tls=stream.is_tls,
            channel_binding=channel_binding,
            domain=domain,
        )
        self.failures = 0
        self.principal: Principal | None = None
        self.has_password = False  # the account's own was given

    @property
    def mechanisms(self) -> tuple[str, ...]:
        return self.exchange.mechanisms

    def channel_binding(self, kind: str) -> bytes | None:
        """See Transport.channel_binding."""
        if kind not in self._bindings:
            self._bindings[kind] = self._stream.channel_binding(kind)
        return self._bindings[kind]

    async def handle(self, nonza: Stanza) -> bytes:
        """Answers `<auth/>`, `<response/>` or `<abort/>`; `principal` is set on success."""
        try:
            if nonza.name == "auth":
                mechanism = nonza.attributes.get("mechanism", "")
                answer = await self.exchange.start(mechanism, _decode(nonza, is_initial=True))
            elif nonza.name == "response":
                answer = await self.exchange.respond(_decode(nonza) or b"")
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
                self.has_password = not self.exchange.app_password
                return element("success", {"xmlns": SASL}, base64.b64encode(data) if data else b"")
            case Failure(condition, text):
                self.failures += 1
                inner = element(condition) + (text_element("text", text, {"xml:lang": "en"}) if text else b"")
                return element("failure", {"xmlns": SASL}, inner)


def _decode(nonza: Stanza, *, is_initial: bool = False) -> bytes | None:
    """RFC 6120 §6.4.2: no text is no initial response, `=` is an empty one."""
    inner = nonza.inner()
    # Base64 has neither markup nor entities: a tree is for whoever writes it another way.
    text = (nonza.tree().text or "") if b"<" in inner or b"&" in inner else inner.decode()
    text = text.strip()
    if not text:
        return None if is_initial else b""
    if text == "=":
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("not base64") from error
