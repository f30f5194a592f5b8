# SPDX-License-Identifier: Apache-2.0
"""vCard 3.0 (RFC 2426) and 4.0 (RFC 6350) as a server needs them: structure, UID, text to search.

`check(data)` reads one address object resource (RFC 6352 §5.1): one vCard with VERSION, FN and UID.
Bytes are never rewritten. Tolerated: an FN that is empty, a missing N, lines and folds of any kind.
vCard 2.1 is refused: its quoted-printable lines are another syntax, and no CardDAV client expects it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from armgs_server.errors import Invalid
from armgs_server.formats.contentline import (
    ContentLine,
    line_number,
    parameters,
    scan,
    scan_tolerantly,
    serialise,
    split_list,
    unescape,
)

VERSIONS = ("3.0", "4.0")
# What a person types when looking for somebody.
_SEARCHED = frozenset(("FN", "N", "NICKNAME", "EMAIL", "TEL", "ORG", "TITLE", "ROLE", "IMPP", "NOTE"))
_SEPARATORS = re.compile(r"[\s().-]+")
SEARCH_LENGTH = 4000  # characters of one property that are searched


@dataclass(frozen=True, slots=True)
class Card:
    """A checked vCard; property names are in upper case and without their group."""

    uid: str
    version: str
    fn: str
    lines: list[ContentLine]  # between BEGIN and END

    def all(self, name: str) -> list[ContentLine]:
        return [line for line in self.lines if line[0] == name]

    @property
    def emails(self) -> list[str]:
        return [line[2].strip() for line in self.lines if line[0] == "EMAIL" and line[2].strip()]

    @property
    def is_group(self) -> bool:
        kinds = (line[2] for line in self.lines if line[0] in ("KIND", "X-ADDRESSBOOKSERVER-KIND"))
        return any(kind.strip().lower() == "group" for kind in kinds)


@dataclass(frozen=True, slots=True)
class Part:
    data: bytes
    card: Card
    line: int


def check(data: bytes) -> Card:
    """The one vCard in `data`, fit to be stored; else Invalid with the line."""
    lines = [_ungrouped(line) for line in scan(data)]
    error = _fault(lines)
    if error is not None:
        text, index = error
        raise Invalid(text, line_number(data, index) if lines else 1)
    return _card(lines)


def _ungrouped(line: ContentLine) -> ContentLine:
    # RFC 6350 §3.3: group "." name
    return (line[0].rpartition(".")[2], line[1], line[2]) if "." in line[0] else line


def _fault(lines: list[ContentLine]) -> tuple[str, int] | None:
    """What is wrong and at which line, or None."""
    if not lines or lines[0][0] != "BEGIN" or lines[0][2].strip().upper() != "VCARD":
        return "not a vCard", 0
    last = len(lines) - 1
    names: dict[str, int] = {}
    for index, line in enumerate(lines):
        name = line[0]
        names.setdefault(name, index)
        if name == "BEGIN" and index:
            return "a second BEGIN in one object", index
        if name == "END" and (index != last or line[2].strip().upper() != "VCARD"):
            return "something after END:VCARD", index
    if "END" not in names:
        return "the vCard has no END", 0
    version = lines[names["VERSION"]][2].strip() if "VERSION" in names else "missing"
    if version not in VERSIONS:
        return f"VERSION is {version}", names.get("VERSION", 0)
    if "FN" not in names:
        return "no FN", 0
    if "UID" not in names or not lines[names["UID"]][2].strip():
        return "no UID", names.get("UID", 0)
    return None


def _card(lines: list[ContentLine]) -> Card:
    first: dict[str, str] = {}
    for name, _, value in lines:
        first.setdefault(name, value)
    fn = unescape(first["FN"]).strip()
    return Card(unescape(first["UID"]).strip(), first["VERSION"].strip(), fn, lines[1:-1])


def search_text(card: Card) -> str:
    """Names, addresses, numbers, casefolded, a line each; numbers also without their punctuation."""
    found: dict[str, None] = {}
    for name, _, value in card.lines:
        if name not in _SEARCHED or not value:
            continue
        if name == "N" or name == "ORG":
            text = " ".join(part for part in split_list(value[:SEARCH_LENGTH], ";") if part)
        else:
            text = unescape(value[:SEARCH_LENGTH])
        if name == "TEL":
            found[_SEPARATORS.sub("", text.removeprefix("tel:"))] = None
        found[text.casefold().replace("\n", " ").strip()] = None
    return "\n".join(text for text in found if text)


def text_values(line: ContentLine) -> list[str]:
    """What a text-match is tried on: the value as it reads."""
    return [unescape(line[2])]


def parameter_values(line: ContentLine, name: str) -> list[str] | None:
    """The values of a parameter; None where there is none."""
    return parameters(line[1]).get(name) if line[1] else None


def split(data: bytes) -> tuple[list[Part], list[Invalid]]:
    """All cards of a .vcf file, and why the others are refused, each with its line; for import.

    A file that is one card stays as it is, byte for byte.
    """
    try:
        return [Part(data, check(data), 1)], []
    except Invalid:
        pass  # the reasons are found card by card
    try:
        lines = scan_tolerantly(data)
    except Invalid as error:
        return [], [error]
    parts: list[Part] = []
    refused: list[Invalid] = []
    start = 0
    for index, line in enumerate(lines):
        ends = line[0] == "END" and line[2].strip().upper() == "VCARD"
        if not ends and index + 1 < len(lines):
            continue
        chunk = lines[start : index + 1]
        fault = next(
            (("not a content line (NAME:value)", at) for at, each in enumerate(chunk) if not each[0]), None
        ) or _fault([_ungrouped(each) for each in chunk])
        if fault is not None:
            refused.append(Invalid(fault[0], line_number(data, start + fault[1])))
        else:
            card = _card([_ungrouped(each) for each in chunk])
            parts.append(Part(serialise(chunk), card, line_number(data, start)))
        start = index + 1
    if not parts and not refused:
        refused.append(Invalid("nothing to import: no vCard", 1))
    return parts, refused
