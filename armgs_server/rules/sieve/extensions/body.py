# SPDX-License-Identifier: Apache-2.0
"""body: RFC 5173. Wildcards capture nothing here (RFC 5173 §6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from armgs_server.formats.mime import Kind, Part
from armgs_server.formats.mime_header import MediaType, decode_bytes, parse_fields, parse_media_type
from armgs_server.formats.mime_section import MAX_TEXT, decoded_body, text_parts
from armgs_server.rules.sieve.language import MATCHING, Extension, Option, Spec, Type
from armgs_server.rules.sieve.letter import Letter, part_text
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node


async def test_body(run: Run, node: Node) -> bool:
    """RFC 5173 §5"""
    letter = run.letter
    transform = node.arguments.get("transform", "text")
    if isinstance(transform, list):
        types = [run.fill(name).lower() for name in transform]
        values = await run.aside(lambda: list(_content(letter, types)))
    elif transform == "raw":
        values = await run.aside(lambda: [_raw(letter)])
    else:
        values = await run.aside(lambda: list(_text(letter)))
    return await run.is_match(node, values, run.texts(node, "keys"), captures=False)


def _raw(letter: Letter) -> str:
    """RFC 5173 §5.1: undecoded, parts and boundaries and all."""
    start = letter.root.body
    return decode_bytes(letter.data[start : start + MAX_TEXT], "utf-8")


def _text(letter: Letter) -> Iterator[str]:
    """RFC 5173 §5.3: the text of text parts, without the markup of HTML."""
    for part in text_parts(letter.root):
        if is_of(_media_name(letter, part), "text"):
            yield part_text(letter, part)


def _content(letter: Letter, types: Sequence[str]) -> Iterator[str]:
    """RFC 5173 §5.2: parts of these media types ("text", "text/html", "" for all), decoded."""
    for part in text_parts(letter.root):
        name = _media_name(letter, part)
        if any(is_of(name, wanted) for wanted in types):
            yield _decoded(letter, part)
    # What a multipart or a message has of its own: its header, where such types are asked for.
    for part in letter.parts():
        if part.kind is Kind.MESSAGE and any(wanted and is_of("message/rfc822", wanted) for wanted in types):
            yield _inner_header(letter, part)


def _inner_header(letter: Letter, part: Part) -> str:
    inner = part.children[0]
    return decode_bytes(letter.data[inner.start : inner.body], "utf-8")


def is_of(name: str, wanted: str) -> bool:
    """Whether a media type is one of those that a content type of a script means."""
    if wanted.count("/") > 1 or wanted.startswith("/") or wanted.endswith("/"):
        return False  # RFC 5173 §5.2: no type at all
    return not wanted or name == wanted or name.startswith(f"{wanted}/")


def _media_name(letter: Letter, part: Part) -> str:
    """The media type in lower case; text/plain where a part has none (RFC 2045 §5.2)."""
    media = _media(letter.data[part.start : part.body])
    if media is None:
        return "text/plain"
    return f"{media.type.decode('latin-1')}/{media.subtype.decode('latin-1')}".lower()


def _media(header: bytes) -> MediaType | None:
    return parse_media_type(parse_fields(header).get(b"content-type", b""))


def _decoded(letter: Letter, part: Part) -> str:
    """The octets of a part without their transfer encoding, as text (RFC 5173 §5.2)."""
    header = letter.data[part.start : part.body]
    body = letter.data[part.body : min(part.end, part.body + MAX_TEXT)]
    plain = decoded_body(header, body)
    media = _media(header)
    charset = (media.parameter(b"charset") if media is not None else None) or b"utf-8"
    return decode_bytes(body if plain is None else plain, charset.decode("latin-1"))


EXTENSION = Extension(
    capabilities={"body": ()},
    tests=(
        Spec(
            "body",
            test_body,
            (("keys", Type.STRINGS),),
            (
                *MATCHING,
                Option("raw", slot="transform", value="raw"),
                Option("text", slot="transform", value="text"),
                Option("content", Type.STRINGS, slot="transform"),
            ),
            "body",
        ),
    ),
)
