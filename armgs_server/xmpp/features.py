# SPDX-License-Identifier: Apache-2.0
"""Stream features: RFC 6120 §4.3.2. What is offered follows from where the negotiation stands."""

from __future__ import annotations

from functools import lru_cache

from armgs_server.net.stream import Security
from armgs_server.xmpp import roster_iq
from armgs_server.xmpp.authentication import SASL, Authentication
from armgs_server.xmpp.server import Server
from armgs_server.xmpp.stanza import element, text_element
from armgs_server.xmpp.transport import Transport
from armgs_server.xmpp.xeps import xep_0115_caps, xep_0198_sm, xep_0352_csi
from armgs_server.xmpp.xeps import xep_0388_sasl2 as sasl2

TLS = "urn:ietf:params:xml:ns:xmpp-tls"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
CHANNEL_BINDING = "urn:xmpp:sasl-cb:0"  # XEP-0440

# RFC 6121 §1.4: the session request of its predecessor is a no-op that old clients insist on.
_SESSION_FEATURE = element("session", {"xmlns": roster_iq.SESSION}, element("optional"))
_BIND_FEATURES = element("bind", {"xmlns": BIND}) + _SESSION_FEATURE

# XEP-0445 §3, XEP-0077 §8.
_REGISTER = element("register", {"xmlns": "urn:xmpp:ibr-token:0"}) + element(
    "register", {"xmlns": "http://jabber.org/features/iq-register"}
)


def before_login(
    server: Server, stream: Transport, authentication: Authentication, tls: Security, *, registers: bool
) -> bytes:
    """RFC 6120 §5.4.1 and §6.4.1."""
    kinds = authentication.channel_bindings
    tokens = server.directory.auth.tokens.mechanisms(kinds)
    needs_tls = tls == "starttls" and not stream.is_tls
    return _before_login(needs_tls, authentication.mechanisms, kinds, tokens, registers)


@lru_cache(maxsize=64)
def _before_login(
    needs_tls: bool,
    mechanisms: tuple[str, ...],
    kinds: tuple[str, ...],
    tokens: tuple[str, ...],
    registers: bool,
) -> bytes:
    offered = b""
    if needs_tls:
        required = b"" if mechanisms else element("required")
        offered += element("starttls", {"xmlns": TLS}, required)
    if mechanisms:
        names = b"".join(text_element("mechanism", name) for name in mechanisms)
        offered += element("mechanisms", {"xmlns": SASL}, names)
        offered += sasl2.feature(mechanisms, tokens)
        if kinds:
            each = b"".join(element("channel-binding", {"type": kind}) for kind in kinds)
            offered += element("sasl-channel-binding", {"xmlns": CHANNEL_BINDING}, each)
        if registers:
            offered += _REGISTER
    return element("stream:features", {}, offered)


def after_login(server: Server, domain: str) -> bytes:
    """RFC 6120 §7.4, and what may be asked for once a resource is bound."""
    return _features(_BIND_FEATURES, domain, xep_0115_caps.hash_of(server))


def after_binding(server: Server, domain: str) -> bytes:
    """XEP-0388 §2.6.1: a resource is bound already (XEP-0386)."""
    return _features(b"", domain, xep_0115_caps.hash_of(server))


@lru_cache(maxsize=64)
def _features(first: bytes, domain: str, ver: str) -> bytes:
    offered = b"".join(
        (
            first,
            xep_0198_sm.STREAM_FEATURES,
            xep_0352_csi.STREAM_FEATURES,
            roster_iq.STREAM_FEATURES,
            xep_0115_caps.stream_feature(domain, ver),
        )
    )
    return element("stream:features", {}, offered)
