# SPDX-License-Identifier: Apache-2.0
"""Arguments of SMTP commands: RFC 5321 §4.1.1 and §4.1.2, RFC 6531 §3, RFC 3461 §4, RFC 3030 §2.

Pure: text in, dataclasses out. `Invalid` means a syntax error (501); whether a parameter is known, and
what it asks for, is judged by the commands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.formats.addresses import Address

# esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-"); esmtp-value = 1*(%d33-60 / %d62-126 / UTF8)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\x80-\U0010ffff]+))?")
_PLAIN_PATH = re.compile(r"<([^<>\"@\\ ]+@[^<>\"@\\ ,:]+)>")
# A-d-l = At-domain *( "," At-domain ), obsolete: accepted and ignored (RFC 5321 §4.1.1.3, appendix C)
_SOURCE_ROUTE = re.compile(r"@[^@,:\s]+(?:,@[^@,:\s]+)*:")
# chunk-size = 1*DIGIT
_CHUNK = re.compile(r"([0-9]{1,20})(?: +(LAST) *)?", re.IGNORECASE)
# xchar = any ASCII CHAR between "!" (33) and "~" (126), except for "+" and "="; hexchar = "+" 2(hex)
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEXCHAR = re.compile(rb"\+([0-9A-F]{2})")
# RFC 6533 §3: embedded-unicode-char within utf-8-addr-xtext
_UNICODE_CHAR = re.compile(r"\\x\{([0-9A-F]{2,6})\}")

Parameters = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Path:
    """A reverse-path or forward-path with its ESMTP parameters; address None = the null path `<>`."""

    address: Address | None
    parameters: Parameters

    @property
    def text(self) -> str:
        """The address as text; empty for the null path."""
        return str(self.address) if self.address else ""


def parse_reverse_path(argument: str) -> Path:
    """`FROM:<reverse-path> [parameters]`, RFC 5321 §4.1.1.2."""
    text, parameters = _split_path(argument, "FROM:")
    return Path(addresses.parse(text) if text else None, parameters)


def parse_forward_path(argument: str, own_domain: str) -> Path:
    """`TO:<forward-path> [parameters]`, RFC 5321 §4.1.1.3; a bare `<Postmaster>` is of `own_domain`."""
    text, parameters = _split_path(argument, "TO:")
    if text.lower() == "postmaster":
        text = f"{text}@{own_domain}"
    if not text:
        raise Invalid("the forward-path is empty")
    return Path(addresses.parse(text), parameters)


def parse_domain(argument: str) -> str:
    """The argument of HELO and EHLO (RFC 5321 §4.1.1.1).

    COMPAT (Windows clients, embedded devices): names that no DNS would hold, such as `my_pc`, are taken;
    §4.1.4 forbids refusing mail for what is in it.
    """
    if not argument or len(argument) > addresses.MAX_DOMAIN or not argument.isprintable() or " " in argument:
        raise Invalid("a domain or an address literal is needed")
    return argument


def parse_chunk(argument: str) -> tuple[int, bool]:
    """`chunk-size [SP "LAST"]` of BDAT, RFC 3030 §2."""
    match = _CHUNK.fullmatch(argument)
    if match is None:
        raise Invalid("BDAT needs a size in octets, and then LAST or nothing")
    return int(match[1]), match[2] is not None


def parse_xtext(text: str) -> str:
    """RFC 3461 §4, decoded."""
    if not _XTEXT.fullmatch(text):
        raise Invalid("not xtext")
    decoded = _HEXCHAR.sub(lambda match: bytes.fromhex(match[1].decode()), text.encode("ascii"))
    try:
        return decoded.decode("ascii")
    except UnicodeDecodeError as error:
        raise Invalid("not xtext") from error


def serialise_xtext(text: str) -> str:
    """RFC 3461 §4, encoded; `text` is ASCII."""
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in text)


def parse_original_recipient(text: str) -> tuple[str, str]:
    """ORCPT: `addr-type ";" xtext` (RFC 3461 §4.2), with type utf-8 of RFC 6533 §3."""
    kind, semicolon, value = text.partition(";")
    if not semicolon or not kind or not value:
        raise Invalid("ORCPT needs a type and an address")
    if kind.lower() != "utf-8":
        return kind.lower(), parse_xtext(value)
    try:
        return "utf-8", _UNICODE_CHAR.sub(lambda match: chr(int(match[1], 16)), value)
    except (ValueError, OverflowError) as error:
        raise Invalid("ORCPT names no character") from error


def _split_path(argument: str, keyword: str) -> tuple[str, Parameters]:
    """The text between the angle brackets, and the parameters behind them."""
    if argument[: len(keyword)].upper() != keyword:
        raise Invalid(f"{keyword}<address> is needed")
    # COMPAT (many clients and devices): a space between the colon and the path.
    rest = argument[len(keyword) :].lstrip(" ")
    if plain := _PLAIN_PATH.fullmatch(rest):  # nearly always
        return plain[1], {}
    if not rest.startswith("<"):
        raise Invalid("the address must stand in angle brackets")
    end = _closing_bracket(rest)
    tail = rest[end + 1 :]
    if tail and not tail.startswith(" "):
        raise Invalid("a space is needed after the address")
    text = rest[1:end]
    route = _SOURCE_ROUTE.match(text)
    if route:
        text = text[route.end() :]
    return text, _parse_parameters(tail)


def _closing_bracket(text: str) -> int:
    """Where the path ends: `>` may stand inside a quoted local part."""
    quoted = escaped = False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == ">" and not quoted:
            return index
    raise Invalid("the address has no closing bracket")


def _parse_parameters(text: str) -> Parameters:
    if not text.strip(" "):
        return {}
    parameters: dict[str, str | None] = {}
    for word in text.split(" "):
        if not word:
            continue
        match = _PARAMETER.fullmatch(word)
        if match is None:
            raise Invalid("malformed parameter")
        keyword = match[1].upper()
        if keyword in parameters:
            raise Invalid(f"parameter {keyword} is given twice")
        parameters[keyword] = match[2]
    return parameters
