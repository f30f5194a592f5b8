# SPDX-License-Identifier: Apache-2.0
"""Content namespaces: RFC 6120 §4.8.2. Servers speak `jabber:server`, components `jabber:component:accept`.

Inside this server a stanza is in `jabber:client`, wherever it came from; what goes to a server or a
component is said in that stream's own namespace. Mostly nothing is written down: a stanza leans on the
stream's default namespace, so its bytes are the same in all three. Only where a start tag names the
namespace does it have to be changed, and then bytes of the same length take its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from armgs_server.xmpp.stanza import CLIENT, START_TAG, Mark, Stanza

SERVER = "jabber:server"
COMPONENT = "jabber:component:accept"

_CLIENT = CLIENT.encode()
_HEAD = re.compile(rb"<(message|presence|iq) xmlns='jabber:client'")  # as stanza.head writes it


def adopted(stanza: Stanza, content: str) -> Stanza:
    """A stanza of a stream of that content namespace, in `jabber:client`."""
    prefix = content + " "
    marks: list[Mark] = []
    tags = [0] if stanza.xmlns == content else []
    for mark in stanza.marks:
        if mark[0].startswith(prefix):
            tags.append(mark[1])
            mark = (f"{CLIENT} {mark[0].removeprefix(prefix)}", mark[1], mark[2])
        marks.append(mark)
    raw = stanza.raw
    if content.encode() in raw:
        raw = _renamed(raw, tags, content)
    xmlns = CLIENT if stanza.xmlns == content else stanza.xmlns
    return Stanza(raw, stanza.name, xmlns, stanza.attributes, marks)


def _renamed(raw: bytes, tags: Iterable[int], content: str) -> bytes:
    """Names `jabber:client` in the start tags at these offsets; blanks keep the length."""
    declaration = re.compile(rb"(xmlns\s*=\s*)(['\"])" + re.escape(content.encode()) + rb"\2")
    blanks = b" " * (len(content) - len(CLIENT))
    parts = []
    position = 0
    for start in tags:
        match = START_TAG.match(raw, start)
        assert match is not None, "expat has seen a start tag here"
        tag = declaration.sub(rb"\1\2" + _CLIENT + rb"\2" + blanks, match[0], count=1)
        parts += [raw[position:start], tag]
        position = match.end()
    return b"".join((*parts, raw[position:]))


def head_in_content(data: bytes) -> bytes:
    """A ready stanza whose start tag leaves the namespace to the stream."""
    return _HEAD.sub(rb"<\1", data, count=1) if data.find(_CLIENT, 0, 40) > 0 else data


def in_content(stanza: Stanza) -> bytes:
    """The same, for one whose children may name `jabber:client` too (see `prefixes.rewritten`)."""
    raw = stanza.raw
    parts = []
    position = 0
    for child in stanza.children:
        if child.xmlns == CLIENT:
            match = START_TAG.match(raw, child.start)
            assert match is not None, "a child begins with a start tag"
            parts += [raw[position : child.start], re.sub(rb"\sxmlns=(['\"])jabber:client\1", b"", match[0])]
            position = match.end()
    return head_in_content(b"".join((*parts, raw[position:])))
