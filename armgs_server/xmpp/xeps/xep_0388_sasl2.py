# SPDX-License-Identifier: Apache-2.0
"""XEP-0388: Extensible SASL Profile: a log-in that takes along what is to follow it.

What may come with it: resumption (XEP-0198 §9), binding (XEP-0386), a token to log in with again (XEP-0484).
Here is what is read and written; `negotiation` and `inline` do it.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from lxml import etree

from armgs_server.directory.tokens import Agent
from armgs_server.errors import Invalid
from armgs_server.xmpp.stanza import Stanza, element, text_element
from armgs_server.xmpp.xeps import xep_0198_sm as sm
from armgs_server.xmpp.xeps import xep_0386_bind2 as bind2
from armgs_server.xmpp.xeps import xep_0484_fast as fast

NAMESPACE = "urn:xmpp:sasl:2"
_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
_NS = f"{{{NAMESPACE}}}"


@dataclass(frozen=True, slots=True)
class Resumption:
    """XEP-0198 §9.2: the session that is to go on."""

    previous: str
    h: str


@dataclass(frozen=True, slots=True)
class Request:
    """§2.3: an `<authenticate/>`; `initial` is None where it has no initial response."""

    mechanism: str
    initial: bytes | None
    agent: Agent | None
    resumption: Resumption | None
    binding: bind2.Request | None
    use: fast.Use | None
    wants: str  # the mechanism of the token that is asked for


def parse(nonza: Stanza) -> Request:
    """Reads an `<authenticate/>`. Invalid."""
    root = nonza.tree()
    initial = root.find(f"{_NS}initial-response")
    agent = root.find(f"{_NS}user-agent")
    resume = root.find(f"{{{sm.NAMESPACE}}}resume")
    return Request(
        nonza.attributes.get("mechanism", ""),
        None if initial is None else decode(initial.text or ""),
        None if agent is None else _agent(agent),
        None if resume is None else Resumption(resume.get("previd") or "", resume.get("h") or ""),
        bind2.parse(root),
        fast.parse_use(root),
        fast.parse_request(root),
    )


def decode(text: str) -> bytes:
    """§2.2: an empty element is an empty string. Invalid."""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("not base64") from error


def feature(mechanisms: tuple[str, ...], tokens: tuple[str, ...]) -> bytes:
    """§2.1: what is offered, and what may come with it."""
    inline = element("sm", {"xmlns": sm.NAMESPACE}) + bind2.INLINE_FEATURE + fast.inline_feature(tokens)
    names = b"".join(text_element("mechanism", name) for name in mechanisms)
    return element("authentication", {"xmlns": NAMESPACE}, names + element("inline", {}, inline))


def challenge(data: bytes) -> bytes:
    """§2.5."""
    return element("challenge", {"xmlns": NAMESPACE}, base64.b64encode(data))


def success(data: bytes | None, identifier: str, inner: bytes) -> bytes:
    """§2.6.1: who the client is now, and the outcome of what came along."""
    additional = b"" if data is None else element("additional-data", {}, base64.b64encode(data))
    who = text_element("authorization-identifier", identifier)
    return element("success", {"xmlns": NAMESPACE}, additional + who + inner)


def failure(condition: str, text: str) -> bytes:
    """§2.6.2: the conditions are those of RFC 6120 §6.5."""
    inner = element(condition, {"xmlns": _SASL}) + (text_element("text", text) if text else b"")
    return element("failure", {"xmlns": NAMESPACE}, inner)


def _agent(tree: etree._Element) -> Agent:
    return Agent(
        tree.get("id") or "",
        tree.findtext(f"{_NS}software") or "",
        tree.findtext(f"{_NS}device") or "",
    )
