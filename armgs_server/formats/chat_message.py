# SPDX-License-Identifier: Apache-2.0
"""A chat message as an Internet message (RFC 5322): what mail programs are shown of a chat.

`render` is a pure function of what the archive keeps, and what it makes is known by its hash: a message that
was made once must come out the same ever after. Whoever changes a single octet of the form gives it another
number, and keeps the old one.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from email.utils import format_datetime

from lxml import etree

from armgs_server.errors import Invalid, TooLarge
from armgs_server.formats import xmltree

FORM = 1
_CLIENT = "{jabber:client}"
_OOB = "{jabber:x:oob}x/{jabber:x:oob}url"  # XEP-0066 §3
_REPLY = "{urn:xmpp:reply:0}reply"  # XEP-0461 §3
_SUBJECT_SIZE = 60  # characters of the first words
_WIDTH = 76  # RFC 3676 §4.2: lines of at most 78
_LONGEST = 900  # octets of a line that goes out as it is (RFC 5322 §2.1.1: 998)
_WORD_OCTETS = 42  # in base64, in an encoded word of at most 75 characters (RFC 2047 §2)
_MAX_LINKS = 20
_SPACES = re.compile(r"\s+")
_DOT_ATOM = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,120}")
_LINK = re.compile(r"[\x21-\x7e]{1,2000}")


def has_text(stanza: bytes) -> bool:
    """Whether there can be anything to show: receipts, markers and tombstones say nothing."""
    return b"<body" in stanza


def render(source: int, archive_id: int, sent: int, stanza: bytes) -> bytes | None:
    """The message, as form 1 has it; None where it says nothing. `sent` is in microseconds."""
    if not has_text(stanza):
        return None
    try:
        root = xmltree.parse(stanza)
    except (Invalid, TooLarge):  # what cannot be read is not shown, and hides nothing else
        return None
    text = root.findtext(f"{_CLIENT}body")
    if not text:
        return None
    subject = root.findtext(f"{_CLIENT}subject") or _first_words(text)
    header = [
        *_parties(root),
        f"Date: {format_datetime(datetime.fromtimestamp(sent // 1_000_000, UTC))}",
        f"Message-ID: <{_message_id(root.get('id') or str(archive_id), root.get('from'))}>",
        *_answered(root),
        f"Subject: {_unstructured(subject)}",
        f"XMPP-Archive-ID: {source}.{archive_id}",
        "MIME-Version: 1.0",
    ]
    links = [link for each in root.iterfind(_OOB) if (link := (each.text or "").strip())]
    links = [link for link in links if _LINK.fullmatch(link)][:_MAX_LINKS]
    fields, body = _text_part(text)
    if links:
        boundary = f"=_chat_{archive_id:x}"
        header.append(f'Content-Type: multipart/mixed; boundary="{boundary}"')
        body = "".join(
            [f"--{boundary}\r\n{fields}\r\n{body}", *(_link_part(boundary, link) for link in links)]
            + [f"--{boundary}--\r\n"]
        )
    else:
        header.append(fields.removesuffix("\r\n"))
    return ("\r\n".join(header) + "\r\n\r\n" + body).encode("utf-8", "replace")


def _parties(root: etree._Element) -> list[str]:
    """From and To. Of a room's messages the nick is the name, the room the address (XEP-0045 §7.4)."""
    sender, _, resource = (root.get("from") or "").partition("/")
    recipient = (root.get("to") or "").partition("/")[0]
    if root.get("type") == "groupchat":
        return [f"From: {_phrase(resource)}{_address(sender)}", f"To: {_address(sender)}"]
    return [f"From: {_address(sender)}", f"To: {_address(recipient)}"]


def _address(bare: str) -> str:
    local, at, domain = bare.rpartition("@")
    if not at:
        return f"<{bare}>" if bare else "<>"
    if not _DOT_ATOM.fullmatch(local):
        escaped = local.replace("\\", "\\\\").replace('"', '\\"')
        local = f'"{escaped}"'
    return f"<{local}@{domain}>"


def _phrase(name: str) -> str:
    """display-name and a space, where there is a name."""
    name = _SPACES.sub(" ", name).strip()
    if not name:
        return ""
    if name.isascii():
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" '
    return f"{_encoded_words(name)} "


def _answered(root: etree._Element) -> list[str]:
    """In-Reply-To. In a room an answer names the archive's id (XEP-0461 §3.1), which no Message-ID has."""
    reply = root.find(_REPLY)
    if reply is None or not reply.get("id") or root.get("type") == "groupchat":
        return []
    return [f"In-Reply-To: <{_message_id(reply.get('id') or '', reply.get('to'))}>"]


def _message_id(own: str, sender: str | None) -> str:
    """The sender's id for it, so that both sides have the same; what cannot stand here is hashed."""
    domain = (sender or "").partition("/")[0].rpartition("@")[2]
    if not _ID.fullmatch(own):
        own = hashlib.sha256(own.encode("utf-8", "replace")).hexdigest()[:32]
    return f"{own}@{domain}" if _ID.fullmatch(domain) else f"{own}@chat.invalid"


def _first_words(text: str) -> str:
    line = _SPACES.sub(" ", text[: 20 * _SUBJECT_SIZE]).strip()
    if len(line) <= _SUBJECT_SIZE:
        return line
    cut = line.rfind(" ", _SUBJECT_SIZE // 2, _SUBJECT_SIZE)
    return line[: cut if cut > 0 else _SUBJECT_SIZE] + "…"


def _unstructured(text: str) -> str:
    """RFC 2047 §5 (1)"""
    text = _SPACES.sub(" ", text).strip()
    return text if text.isascii() and "=?" not in text and len(text) < _LONGEST else _encoded_words(text)


def _encoded_words(text: str) -> str:
    octets = text.encode("utf-8", "replace")
    words: list[str] = []
    start = 0
    while start < len(octets):
        end = start + _WORD_OCTETS
        while end < len(octets) and octets[end] & 0xC0 == 0x80:  # RFC 2047 §5: whole characters
            end -= 1
        words.append(f"=?utf-8?b?{base64.b64encode(octets[start:end]).decode('ascii')}?=")
        start = end
    return "\r\n ".join(words)


def _text_part(text: str) -> tuple[str, str]:
    """Its header fields and its body, flowed (RFC 3676)."""
    lines = [flowed for line in text.replace("\r\n", "\n").split("\n") for flowed in _flow(line)]
    if max(len(line.encode("utf-8", "replace")) for line in lines) > _LONGEST:
        octets = base64.encodebytes("\r\n".join(text.split("\n")).encode("utf-8", "replace"))
        fields = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
        return fields, octets.decode("ascii").replace("\n", "\r\n")
    body = "".join(f"{line}\r\n" for line in lines)
    encoding = "7bit" if body.isascii() else "8bit"
    return (
        f"Content-Type: text/plain; charset=utf-8; format=flowed\r\nContent-Transfer-Encoding: {encoding}\r\n"
    ), body


def _flow(line: str) -> list[str]:
    """One paragraph as lines that end in a space where they go on (RFC 3676 §4.2), space-stuffed (§4.4)."""
    line = line.replace("\r", " ").rstrip(" ")
    found: list[str] = []
    while len(line) > _WIDTH:
        cut = line.rfind(" ", 1, _WIDTH)
        if cut < 0:
            cut = line.find(" ", _WIDTH)
        if cut < 0:
            break
        found.append(_stuffed(line[: cut + 1]))
        line = line[cut + 1 :]
    found.append(_stuffed(line))
    return found


def _stuffed(line: str) -> str:
    return f" {line}" if line.startswith((" ", ">", "From ")) else line


def _link_part(boundary: str, link: str) -> str:
    """What is attached by its URL (text/uri-list, RFC 2483 §5)."""
    return (
        f"--{boundary}\r\nContent-Type: text/uri-list; charset=us-ascii\r\n"
        f"Content-Disposition: attachment; filename=link.uri\r\n\r\n{link}\r\n"
    )
