# SPDX-License-Identifier: Apache-2.0
"""ENVELOPE, BODY and BODYSTRUCTURE as ready bytes: RFC 3501 §7.4.2, RFC 9051 §7.5.2.

Pure functions from header fields to wire text. Strings go out quoted where they are ASCII and as
literals where they are not, so that the same bytes serve every client without UTF8=ACCEPT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from armgs_server.formats.mime_address import parse_address_list
from armgs_server.formats.mime_header import MediaType, parse_disposition, unfold

# QUOTED-CHAR without the two specials; TEXT-CHAR is ASCII without CR and LF (RFC 3501 §9).
_PLAIN = re.compile(rb"[\t\x20\x21\x23-\x5b\x5d-\x7e]*")
_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*")
_ADDRESS_FIELDS = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
Fields = Mapping[bytes, bytes]
# Address fields up to this length are remembered: people write to the same people.
RECURRING = 256


def string(value: bytes) -> bytes:
    """string = quoted / literal"""
    if _PLAIN.fullmatch(value):
        return b'"%b"' % value
    if _QUOTABLE.fullmatch(value):
        return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    value = value.replace(b"\0", b"")  # CHAR8 is %x01-ff
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    """nstring = string / nil"""
    return b"NIL" if value is None else string(value)


def envelope(fields: Fields) -> bytes:
    """ENVELOPE of a message with these header fields."""
    lists = {name: _address_list(fields.get(name)) for name in _ADDRESS_FIELDS}
    # RFC 3501 §7.4.2: without Sender: or Reply-To: the server gives the From: there.
    from_ = lists[b"from"]
    sender, reply_to = (from_ if lists[name] == b"NIL" else lists[name] for name in (b"sender", b"reply-to"))
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        _field(fields, b"date"),
        _field(fields, b"subject"),
        from_,
        sender,
        reply_to,
        lists[b"to"],
        lists[b"cc"],
        lists[b"bcc"],
        _field(fields, b"in-reply-to"),
        _field(fields, b"message-id"),
    )


def _field(fields: Fields, name: bytes) -> bytes:
    value = fields.get(name)
    return b"NIL" if value is None else string(unfold(value))


def _address_list(value: bytes | None) -> bytes:
    if value is None:
        return b"NIL"
    return _recurring_list(value) if len(value) <= RECURRING else _parsed_list(value)


@lru_cache(maxsize=4096)
def _recurring_list(value: bytes) -> bytes:
    return _parsed_list(value)


def _parsed_list(value: bytes) -> bytes:
    mailboxes = parse_address_list(unfold(value))
    if not mailboxes:
        return b"NIL"
    return b"(%b)" % b"".join(
        b"(%b %b %b %b)" % (nstring(name), nstring(route), nstring(mailbox), nstring(host))
        for name, route, mailbox, host in mailboxes
    )


def single_part(
    media: MediaType, fields: Fields, encoding: bytes, size: int, rest: bytes
) -> tuple[bytes, bytes]:
    """body-type-1part as (BODY, BODYSTRUCTURE); `rest` is what the type adds after the size."""
    basic = b"(%b %b %b %b %b %b %d%b" % (
        string(media.type),
        string(media.subtype),
        _parameters(media.parameters),
        _field(fields, b"content-id"),
        _field(fields, b"content-description"),
        string(encoding),
        size,
        rest,
    )
    md5 = _field(fields, b"content-md5")
    return basic + b")", b"%b %b %b)" % (basic, md5, _extension(fields))


def message_part(
    media: MediaType,
    fields: Fields,
    encoding: bytes,
    size: int,
    inner: tuple[bytes, bytes, bytes],
    lines: int,
) -> tuple[bytes, bytes]:
    """body-type-msg; `inner` is the ENVELOPE, BODY and BODYSTRUCTURE of the message within."""
    inner_envelope, inner_body, inner_structure = inner
    short = single_part(media, fields, encoding, size, b" %b %b %d" % (inner_envelope, inner_body, lines))[0]
    full = single_part(
        media, fields, encoding, size, b" %b %b %d" % (inner_envelope, inner_structure, lines)
    )[1]
    return short, full


def multipart(
    media: MediaType, fields: Fields, children: Sequence[tuple[bytes, bytes]]
) -> tuple[bytes, bytes]:
    """body-type-mpart as (BODY, BODYSTRUCTURE)."""
    subtype = string(media.subtype)
    return (
        b"(%b %b)" % (b"".join([body for body, _ in children]), subtype),
        b"(%b %b %b %b)"
        % (
            b"".join([structure for _, structure in children]),
            subtype,
            _parameters(media.parameters),
            _extension(fields),
        ),
    )


def _extension(fields: Fields) -> bytes:
    """body-fld-dsp SP body-fld-lang SP body-fld-loc"""
    disposition = b"NIL"
    if (value := fields.get(b"content-disposition")) is not None and (parsed := parse_disposition(value)):
        disposition = b"(%b %b)" % (string(parsed.type), _parameters(parsed.parameters))
    language = b"NIL"
    if (value := fields.get(b"content-language")) is not None:
        tags = [tag for piece in unfold(value).split(b",") if (tag := piece.strip())]
        if tags:
            language = string(tags[0]) if len(tags) == 1 else b"(%b)" % b" ".join(map(string, tags))
    return b"%b %b %b" % (disposition, language, _field(fields, b"content-location"))


def _parameters(parameters: Sequence[tuple[bytes, bytes]]) -> bytes:
    if not parameters:
        return b"NIL"
    return b"(%b)" % b" ".join([b"%b %b" % (string(name), string(value)) for name, value in parameters])
