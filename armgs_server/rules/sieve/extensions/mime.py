# SPDX-License-Identifier: Apache-2.0
"""foreverypart, break, extracttext, replace, enclose: RFC 5703. The :mime of tests is in `headers`.

What `replace` makes of parts is seen by tests when the loop has ended; what it and `enclose` make of the
whole message at once.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

from armgs_server.errors import Invalid
from armgs_server.rules.sieve import strings
from armgs_server.rules.sieve.extensions.variables import MODIFIER_OPTIONS, modified
from armgs_server.rules.sieve.language import Extension, Option, Spec, Type
from armgs_server.rules.sieve.letter import Field, Letter, part_text, write_field
from armgs_server.rules.sieve.machine import Break, Run
from armgs_server.rules.sieve.program import Node, Value

# Fields that belong to what is inside of a message, not to the message.
_CONTENT: Final = b"content-"
# What an enclosing message takes over from the one inside.
_ENCLOSING: Final = (b"return-path", b"received", b"from", b"sender", b"to", b"cc", b"date", b"reply-to")
_BOUNDARY: Final = "=_enclosed"


async def run_foreverypart(run: Run, node: Node) -> None:
    """RFC 5703 §3: each part once, the message itself first; inside of another loop the current part's."""
    outer, letter = run.part, run.letter
    parts = letter.parts()
    if outer is not None:
        parts = [
            each for each in parts if outer.start <= each.start and each.end <= outer.end and each != outer
        ]
    name = run.text(node, "name")
    try:
        for part in parts:
            if run.letter is not letter:
                break  # replaced as a whole: these parts are no more
            run.part = part
            await run.execute(node.blocks[0])
    except Break as error:
        if error.name and error.name != name:
            raise
    finally:
        run.part = outer if run.letter is letter else None
    if outer is None and run.letter is letter and letter.has_replacements:
        run.letter = await run.aside(letter.replaced)


async def run_break(run: Run, node: Node) -> None:
    """RFC 5703 §3.1"""
    if run.part is None:
        raise Invalid("break stands in no foreverypart")
    raise Break(run.text(node, "name"))


async def run_extracttext(run: Run, node: Node) -> None:
    """RFC 5703 §7: the text of the current part; "" where it has none."""
    if run.part is None:
        raise Invalid("extracttext stands in no foreverypart")
    letter, part = run.letter, run.part
    first = run.number(node, "first", run.limits.variable_size)
    text = await run.aside(lambda: "" if part.children else part_text(letter, part)[:first])
    run.set_variable(run.text(node, "name"), modified(run, node, text))


async def run_replace(run: Run, node: Node) -> None:
    """RFC 5703 §5: of the current part, or of the whole message."""
    text = run.text(node, "replacement")
    is_mime = "mime" in node.arguments
    part, letter = run.part, run.letter
    if part is not None and part != letter.root:
        letter.replace_part(part, _entity(text, is_mime) + b"\r\n")
        return
    header = _replaced_header(letter, run, node)
    entity = _entity(text, is_mime)
    run.letter = await run.aside(lambda: letter.replaced(header + entity))


def _replaced_header(letter: Letter, run: Run, node: Node) -> bytes:
    """The message's own fields; what :subject and :from replace is kept as Original-…:."""
    kept = [field for field in letter.header if field.name and not field.name.startswith(_CONTENT)]
    kept = [field for field in kept if field.name != b"mime-version"]
    pieces = [field.raw for field in kept]
    for name, title in (("subject", "Subject"), ("from", "From")):
        value = run.text(node, name)
        if not value:
            continue
        for position, field in enumerate(kept):
            if field.name == name.encode():
                pieces[position] = f"Original-{title}:".encode() + field.raw.partition(b":")[2]
        pieces.append(write_field(title, value))
    return b"".join(pieces) + b"MIME-Version: 1.0\r\n"


def _entity(text: str, is_mime: bool) -> bytes:
    """A part: as the script has written it, or plain text."""
    data = "\r\n".join(text.splitlines()).encode()
    if is_mime:
        return data
    return b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" + _wrapped(
        data
    )


def _wrapped(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


async def run_enclose(run: Run, node: Node) -> None:
    """RFC 5703 §6: the message as an attachment of a new one."""
    letter = run.letter
    headers = [_given_field(text) for text in run.texts(node, "headers")]
    subject, text = run.text(node, "subject"), run.text(node, "text")
    run.letter = await run.aside(lambda: letter.replaced(_enclosed(letter, subject, headers, text)))


def _given_field(text: str) -> bytes:
    name, colon, value = text.partition(":")
    if not colon or not name.isascii() or not name.replace("-", "").isalnum():
        raise Invalid(f"{text[:40]!r} is no header field")
    return write_field(name, value)


def _enclosed(letter: Letter, subject: str, headers: list[bytes], text: str) -> bytes:
    own = [field.raw for field in letter.header if _is_taken_over(field)]
    titles = [field.raw for field in letter.header if field.name == b"subject"]
    title = write_field("Subject", subject) if subject else b"".join(titles[:1])
    inner = b"".join(letter.version.chunks())
    boundary = _BOUNDARY
    while boundary.encode() in inner:
        boundary += "_"
    mark = boundary.encode()
    return b"".join(
        (
            *own,
            title,
            *headers,
            b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary="' + mark + b'"\r\n\r\n',
            b"--" + mark + b"\r\n" + _entity(text, is_mime=False) + b"\r\n",
            b"--" + mark + b"\r\nContent-Type: message/rfc822\r\n\r\n" + inner,
            b"\r\n--" + mark + b"--\r\n",
        )
    )


def _is_taken_over(field: Field) -> bool:
    return field.name in _ENCLOSING


def check_variable(arguments: Mapping[str, Value]) -> None:
    """A constant, the name of a variable."""
    name = arguments["name"]
    if not isinstance(name, str):
        raise Invalid("the name of a variable is a constant")
    strings.check_variable(name)


EXTENSION = Extension(
    capabilities={"foreverypart": (), "extracttext": (), "replace": (), "enclose": ()},
    commands=(
        Spec(
            "foreverypart",
            run_foreverypart,
            options=(Option("name", Type.STRING),),
            capability="foreverypart",
            block=True,
        ),
        Spec("break", run_break, options=(Option("name", Type.STRING),), capability="foreverypart"),
        Spec(
            "extracttext",
            run_extracttext,
            (("name", Type.STRING),),
            (*MODIFIER_OPTIONS, Option("first", Type.NUMBER)),
            "extracttext",
            check=check_variable,
        ),
        Spec(
            "replace",
            run_replace,
            (("replacement", Type.STRING),),
            (Option("mime"), Option("subject", Type.STRING), Option("from", Type.STRING)),
            "replace",
        ),
        Spec(
            "enclose",
            run_enclose,
            (("text", Type.STRING),),
            (Option("subject", Type.STRING), Option("headers", Type.STRINGS)),
            "enclose",
        ),
    ),
)
