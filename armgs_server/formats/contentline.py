# SPDX-License-Identifier: Apache-2.0
"""Content lines, the syntax that iCalendar (RFC 5545 §3.1) and vCard (RFC 6350 §3.3) share.

`scan` turns a whole object into (name, parameters, value) triples in two passes of C code: unfold,
then one regular expression. Parameters and values stay as they were written; whoever needs one
parses that one. Line numbers cost nothing until there is something wrong: a line is known by its
place among the scanned ones, and `line_number` finds where that was in the file.
Refused here: bytes that are not UTF-8, and control characters, which no XML answer could carry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from armgs_server.errors import Invalid

ContentLine = tuple[str, str, str]  # NAME in upper case, ";PARAM=value…" or "", value

# Parameter values may be quoted, and then hold ":" and ";" (RFC 5545 §3.1).
# COMPAT Lotus Notes, Exchange: "_" and "." in names; "." also divides a vCard group from its property.
# COMPAT Apple's Address Book: "PHOTO;BASE64:", a parameter without "=" as vCard 2.1 had them.
_LINE = re.compile(
    r'^([A-Za-z0-9_.-]+)((?:;(?:[A-Za-z0-9_-]+=[^\n:";]*(?:"[^"\n]*"[^\n:";]*)*|BASE64))*):(.*)$',
    re.MULTILINE,
)
_NOT_BLANK = re.compile(r"^[^\n]*\S[^\n]*$", re.MULTILINE)
# What XML 1.0 cannot carry (§2.2); with DEL and lone CR, which no line of text holds.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")
_CONTROL_OCTETS = bytes(octet for octet in range(32) if octet not in b"\t\n") + b"\x7f"
_PARAMETER = re.compile(r';([A-Za-z0-9_-]+)=([^";]*(?:"[^"]*"[^";]*)*)')
_PARAMETER_VALUE = re.compile(r'(?:^|,)([^",]*(?:"[^"]*"[^",]*)*)')
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_BOM = b"\xef\xbb\xbf"

LINE_OCTETS = 75  # RFC 5545 §3.1: lines SHOULD NOT be longer, the break not counted


def unfold(data: bytes) -> str:
    """The text with one logical line to a line, LF between them; Invalid when it is not text."""
    if data.startswith(_BOM):  # COMPAT Outlook, Notepad
        data = data[3:]
    plain = data.replace(b"\r\n", b"\n")
    # Before decoding: a fold may stand within a character's octets (RFC 5545 §3.1).
    whole = plain.replace(b"\n ", b"").replace(b"\n\t", b"")
    try:
        text = whole.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid("not UTF-8", _line_of_octet(data, _folded_offset(plain, error.start))) from error
    if len(whole.translate(None, _CONTROL_OCTETS)) != len(whole) or b"\xef\xbf" in whole:
        _refuse_control(data, plain, text)
    return text


def _refuse_control(data: bytes, plain: bytes, text: str) -> None:
    control = _CONTROL.search(text)
    if control is not None:
        offset = _folded_offset(plain, len(text[: control.start()].encode()))
        raise Invalid(f"control character U+{ord(control[0]):04X}", _line_of_octet(data, offset))


def scan(data: bytes) -> list[ContentLine]:
    """All content lines; Invalid with the line that is none."""
    text = unfold(data)
    found: list[ContentLine] = _LINE.findall(text)
    # One match a line unless a line is blank (COMPAT, skipped) or no content line.
    if len(found) != text.count("\n") + (not text.endswith("\n")):
        lines = _NOT_BLANK.findall(text)
        if len(lines) != len(found):
            raise Invalid("not a content line (NAME:value)", line_number(data, _first_bad(lines)))
    return [line if line[0].isupper() else (line[0].upper(), line[1], line[2]) for line in found]


def scan_tolerantly(data: bytes) -> list[ContentLine]:
    """The same, a line that is no content line as ("", "", text): to find the good parts of a file."""
    lines: list[ContentLine] = []
    for line in _NOT_BLANK.findall(unfold(data)):
        match = _LINE.match(line)
        lines.append((match[1].upper(), match[2], match[3]) if match else ("", "", line))
    return lines


def line_number(data: bytes, index: int) -> int:
    """Where the content line of this place begins in the file, 1-based."""
    starts = _starts(data)
    number = 0
    for _ in range(index + 1):
        number = next(starts, number)
    return number


def _starts(data: bytes) -> Iterator[int]:
    start, blank = 1, True
    for number, line in enumerate(data.removeprefix(_BOM).split(b"\n"), 1):
        if number > 1 and line[:1] not in (b" ", b"\t"):
            if not blank:
                yield start
            start, blank = number, True
        blank = blank and not line.strip()
    if not blank:
        yield start


def _first_bad(lines: Iterable[str]) -> int:
    return next(index for index, line in enumerate(lines) if _LINE.match(line) is None)


def _folded_offset(plain: bytes, offset: int) -> int:
    """The place in the folded text, LF line ends, of this octet of the unfolded one."""
    seen = 0
    at = 0
    while True:
        break_ = plain.find(b"\n", at)
        while break_ >= 0 and plain[break_ + 1 : break_ + 2] not in (b" ", b"\t"):
            break_ = plain.find(b"\n", break_ + 1)
        if break_ < 0 or seen + break_ - at > offset:
            return at + offset - seen
        seen += break_ - at
        at = break_ + 2


def _line_of_octet(data: bytes, offset: int) -> int:
    """`offset` counts LF line ends, so lines are counted in the same text."""
    return data.replace(b"\r\n", b"\n").removeprefix(_BOM).count(b"\n", 0, offset) + 1


def parameters(text: str) -> dict[str, list[str]]:
    """Names in upper case, values without their quotes and RFC 6868 escapes."""
    found: dict[str, list[str]] = {}
    for name, values in _PARAMETER.findall(text):
        parts = values.split(",") if '"' not in values else _PARAMETER_VALUE.findall(values)
        found.setdefault(name.upper(), []).extend(_unquote(part) for part in parts)
    return found


def _unquote(value: str) -> str:
    value = value.strip().replace('"', "")
    if "^" in value:  # RFC 6868 §3.2
        value = re.sub(r"\^[n^']", lambda escape: {"^n": "\n", "^^": "^", "^'": '"'}[escape[0]], value)
    return value


def unescape(value: str) -> str:
    """A TEXT value as it reads (RFC 5545 §3.3.11)."""
    if "\\" not in value:
        return value
    return _ESCAPED.sub(lambda escape: "\n" if escape[1] in "nN" else escape[1], value)


def split_list(value: str, separator: str = ",") -> list[str]:
    """The values of a list (",") or structured value (";"), unescaped."""
    if "\\" not in value:
        return value.split(separator)
    parts = [""]
    for piece in re.findall(rf"\\.|{separator}|[^\\{separator}]+|\\$", value, re.DOTALL):
        if piece == separator:
            parts.append("")
        else:
            parts[-1] += unescape(piece)
    return parts


def escape(text: str) -> str:
    """TEXT as a value (RFC 5545 §3.3.11)."""
    return (
        text.replace("\\", "\\\\")
        .replace("\r\n", "\n")
        .replace("\n", "\\n")
        .replace(",", "\\,")
        .replace(";", "\\;")
    )


def serialise(lines: Iterable[ContentLine]) -> bytes:
    """Folded, with CRLF."""
    return b"".join(_fold(f"{name}{parameters}:{value}".encode()) for name, parameters, value in lines)


def _fold(line: bytes) -> bytes:
    if len(line) <= LINE_OCTETS:
        return line + b"\r\n"
    pieces = []
    start, room = 0, LINE_OCTETS
    while len(line) - start > room:
        end = start + room
        while line[end] & 0xC0 == 0x80:  # not within a character
            end -= 1
        pieces.append(line[start:end])
        start, room = end, LINE_OCTETS - 1
    pieces.append(line[start:])
    return b"\r\n ".join(pieces) + b"\r\n"
