# SPDX-License-Identifier: Apache-2.0
"""Tests of header fields: address, header, exists, size (RFC 5228 §5); subaddress (RFC 5233), index
(RFC 5260 §6), and :mime (RFC 5703 §4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from armgs_server.errors import Invalid
from armgs_server.formats.addresses import split_detail
from armgs_server.formats.mime_header import (
    MediaType,
    decode_text,
    parse_disposition,
    parse_media_type,
)
from armgs_server.rules.sieve.language import ADDRESS_PARTS, MATCHING, Extension, Option, Spec, Type
from armgs_server.rules.sieve.letter import Field, addresses_in
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node, Value

INDEX = (Option("index", Type.NUMBER, capability="index"), Option("last", capability="index"))
MIME = (Option("mime", capability="mime"), Option("anychild", capability="mime"))
MIME_PARTS = (
    Option("type", slot="media", value="type", capability="mime"),
    Option("subtype", slot="media", value="subtype", capability="mime"),
    Option("contenttype", slot="media", value="contenttype", capability="mime"),
    Option("param", Type.STRINGS, capability="mime"),
)
# RFC 5228 §5.1: "restricted to header fields that contain addresses"
ADDRESS_FIELDS = frozenset(
    "from sender reply-to to cc bcc resent-from resent-sender resent-to resent-cc resent-bcc resent-reply-to"
    " return-path delivered-to envelope-to x-original-to apparently-to errors-to approved list-post"
    " disposition-notification-to return-receipt-to mail-followup-to mail-reply-to x-envelope-to".split()
)
_NAME = re.compile(r"[!-9;-~]+")


async def test_address(run: Run, node: Node) -> bool:
    """RFC 5228 §5.1"""
    part = run.word(node, "part", "all")
    values = [
        found
        for value in _values(run, node, run.texts(node, "headers"))
        for local, domain in addresses_in(value)
        if (found := address_part(part, local, domain)) is not None
    ]
    return await run.is_match(node, values, run.texts(node, "keys"))


async def test_header(run: Run, node: Node) -> bool:
    """RFC 5228 §5.7: values as a person reads them, without white space around them."""
    names = run.texts(node, "headers")
    if "index" not in node.arguments and "mime" not in node.arguments:
        values = [value for name in names for value in run.letter.values(name)]
    elif "media" in node.arguments or "param" in node.arguments:
        values = list(_media(run, node, _values(run, node, names)))
    else:
        values = [decode_text(value).strip() for value in _values(run, node, names)]
    return await run.is_match(node, values, run.texts(node, "keys"))


async def test_exists(run: Run, node: Node) -> bool:
    """RFC 5228 §5.5: all of the fields."""
    return all(_values(run, node, [name]) for name in run.texts(node, "headers"))


async def test_size(run: Run, node: Node) -> bool:
    """RFC 5228 §5.9"""
    size = run.letter.version.size
    if "over" in node.arguments:
        return size > run.number(node, "over")
    return size < run.number(node, "under")


def address_part(part: str, local: str, domain: str) -> str | None:
    """RFC 5228 §2.7.4, RFC 5233 §4; None where there is no detail."""
    if part == "localpart":
        return local
    if part == "domain":
        return domain
    if part == "all":
        return f"{local}@{domain}"
    user, detail = split_detail(local)
    if part == "user":
        return user
    return detail if user != local else None


def _values(run: Run, node: Node, names: Iterable[str]) -> list[bytes]:
    """Unfolded values of the fields named, in the parts that are meant; with :index one of each name."""
    if "index" not in node.arguments and "mime" not in node.arguments:
        return [value for name in names for value in run.letter.raw(name)]
    headers = list(_headers(run, node))
    found: list[bytes] = []
    for name in names:
        wanted = name.lower().encode()
        values = [field.unfolded for header in headers for field in header if field.name == wanted]
        found += pick(run, node, values)
    return found


def pick(run: Run, node: Node, values: Sequence[bytes]) -> Sequence[bytes]:
    """RFC 5260 §6: `:index` counts from 1, with `:last` from the end."""
    if "index" not in node.arguments:
        return values
    number = run.number(node, "index")
    ordered = values[::-1] if "last" in node.arguments else values
    return ordered[number - 1 : number] if number else ()


def _headers(run: Run, node: Node) -> Iterable[Sequence[Field]]:
    """RFC 5703 §4: without :mime the message's own; with it the current part's, and those within."""
    letter = run.letter
    if "mime" not in node.arguments:
        return [letter.header]
    part = run.part or letter.root
    if "anychild" not in node.arguments:
        return [letter.part_header(part)]
    inside = [each for each in letter.parts() if part.start <= each.start and each.end <= part.end]
    return [letter.part_header(each) for each in inside]


def _media(run: Run, node: Node, values: Iterable[bytes]) -> Iterable[str]:
    """RFC 5703 §4.2: pieces of Content-Type: and Content-Disposition:."""
    names = [name.lower().encode() for name in run.texts(node, "param")]
    piece = run.word(node, "media")
    for value in values:
        media = parse_media_type(value) or parse_disposition(value)
        if media is None:
            continue
        if names:
            yield from (decode_text(each) for name in names if (each := media.parameter(name)) is not None)
        else:
            yield _media_piece(media, piece).decode("latin-1")


def _media_piece(media: MediaType, piece: str) -> bytes:
    if piece == "type":
        return media.type
    if piece == "subtype":
        return media.subtype
    return media.type + b"/" + media.subtype if media.subtype else media.type


def check_header_names(arguments: Mapping[str, Value]) -> None:
    """RFC 5228 §2.4.2.2: a constant that cannot be the name of a field is an error."""
    if arguments.get("last") and "index" not in arguments:
        raise Invalid(":last goes with :index")
    if "anychild" in arguments and "mime" not in arguments:
        raise Invalid(":anychild goes with :mime")
    if ("media" in arguments or "param" in arguments) and "mime" not in arguments:
        raise Invalid(":type, :subtype, :contenttype and :param go with :mime")
    for name in _names(arguments):
        if not _NAME.fullmatch(name):
            raise Invalid(f"{name[:60]!r} is not the name of a header field")


def check_address_names(arguments: Mapping[str, Value]) -> None:
    """The same for fields of addresses."""
    check_header_names(arguments)
    for name in _names(arguments):
        if name.lower() not in ADDRESS_FIELDS:
            raise Invalid(f"{name[:60]} is no field of addresses")


def _names(arguments: Mapping[str, Value]) -> list[str]:
    """The constant ones."""
    names = arguments.get("headers", arguments.get("header", []))
    return [name for name in (names if isinstance(names, list) else [names]) if isinstance(name, str)]


def check_size(arguments: Mapping[str, Value]) -> None:
    """One of the two."""
    if len(arguments) != 1:
        raise Invalid("wants :over or :under")


_HEADERS = (("headers", Type.STRINGS), ("keys", Type.STRINGS))

EXTENSION = Extension(
    capabilities={
        "subaddress": (),
        "relational": (),
        "index": (),
        "mime": (),
        "regex": (),
        "comparator-i;octet": (),
        "comparator-i;ascii-casemap": (),
        "comparator-i;ascii-numeric": (),
        "comparator-i;unicode-casemap": (),
    },
    tests=(
        Spec(
            "address",
            test_address,
            _HEADERS,
            (*MATCHING, *ADDRESS_PARTS, *INDEX, *MIME),
            check=check_address_names,
        ),
        Spec(
            "header", test_header, _HEADERS, (*MATCHING, *INDEX, *MIME, *MIME_PARTS), check=check_header_names
        ),
        Spec("exists", test_exists, (("headers", Type.STRINGS),), MIME, check=check_header_names),
        Spec(
            "size",
            test_size,
            options=(Option("over", Type.NUMBER), Option("under", Type.NUMBER)),
            check=check_size,
        ),
    ),
)
