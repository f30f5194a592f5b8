# SPDX-License-Identifier: Apache-2.0
"""What stands in strings: encoded characters (RFC 5228 §2.4.2.4) and variables (RFC 5229 §3)."""

from __future__ import annotations

import re
from typing import Final

from armgs_server.errors import Invalid
from armgs_server.rules.sieve.program import Template, Text, Variable

# encoded-arb-octets = "${hex:" hex-pair-seq "}"; encoded-unicode-char = "${unicode:" unicode-hex-seq "}"
_BLANK: Final = r"[ \t\r\n]*"
_ENCODED: Final = re.compile(
    rf"\$\{{(?:(?P<hex>hex):{_BLANK}(?P<pairs>[0-9a-f]{{1,2}}(?:[ \t\r\n]+[0-9a-f]{{1,2}})*){_BLANK}"
    rf"|(?P<unicode>unicode):{_BLANK}(?P<points>[0-9a-f]+(?:[ \t\r\n]+[0-9a-f]+)*){_BLANK})\}}",
    re.IGNORECASE,
)
# variable-ref = "${" [namespace] variable-name "}"; variable-name = num-variable / identifier
_VARIABLE: Final = re.compile(r"\$\{((?:[A-Za-z_][A-Za-z0-9_]*\.)*[A-Za-z_][A-Za-z0-9_]*|[0-9]{1,9})\}")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_NAME: Final = 64  # RFC 5229 §6: at least 32
NAMESPACES: Final = frozenset({"global"})  # RFC 6609 §3.4.3


def decode(text: str) -> str:
    """With encoded characters decoded; what only looks like some stays. Invalid for no code point."""
    return _ENCODED.sub(_decoded, text) if "${" in text else text


def _decoded(found: re.Match[str]) -> str:
    if found["hex"]:
        return bytes(int(pair, 16) for pair in found["pairs"].split()).decode("utf-8", "replace")
    characters = []
    for digits in found["points"].split():
        point = int(digits, 16)
        # RFC 5228 §2.4.2.4: "It is an error for a script to use a hexadecimal value that isn't [valid]"
        if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
            raise Invalid(f"{digits} is no Unicode character")
        characters.append(chr(point))
    return "".join(characters)


def template(text: str) -> Text:
    """The string with its variables found; a plain string where it has none."""
    if "${" not in text:
        return text
    pieces: list[str | Variable] = []
    position = 0
    for found in _VARIABLE.finditer(text):
        name = found[1].lower()
        if not name.isdigit():
            check_namespace(name)
        if found.start() > position:
            pieces.append(text[position : found.start()])
        pieces.append(Variable(str(int(name)) if name.isdigit() else name))
        position = found.end()
    if not pieces:
        return text
    if position < len(text):
        pieces.append(text[position:])
    return Template(tuple(pieces))


def check_namespace(name: str) -> None:
    """Invalid where the name has a namespace that no extension makes (RFC 5229 §3)."""
    namespace, dot, _ = name.rpartition(".")
    if dot and namespace not in NAMESPACES:
        raise Invalid(f"there are no variables {namespace}.…")
    if len(name) > MAX_NAME:
        raise Invalid("the name of a variable is too long")


def check_variable(name: str) -> None:
    """Invalid for a name that nothing can be put into."""
    plain = name.lower()
    namespace, _, local = plain.rpartition(".")
    if not _IDENTIFIER.fullmatch(local) or (namespace and namespace not in NAMESPACES):
        raise Invalid(f"{name[:40]!r} is not the name of a variable")
    check_namespace(plain)
