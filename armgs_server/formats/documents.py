# SPDX-License-Identifier: Apache-2.0
"""The text of documents that come with mail: PDF (ISO 32000), Office Open XML (ECMA-376) and OpenDocument
(OASIS ODF 1.3), for searches.

What a file claims to be is not asked: it is what its first bytes and entries say. Everything that grows is
limited; time and memory are the caller's to limit, who runs this in a process of its own.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from xml.parsers import expat

from pypdf import PdfReader

from armgs_server.errors import Invalid

# The first octets, and how they begin in base64.
PDF, ZIP = b"%PDF-", b"PK\x03\x04"
IN_BASE64 = (b"JVBER", b"UEsDB")
MAX_ENTRIES = 10_000
MAX_UNPACKED = 64 * 1024 * 1024
MAX_PAGES = 2000
_CHUNK = 65_536
# The entries that hold text: in ODF content.xml, in OOXML one for each part of the document.
_ODF = re.compile(r"content\.xml")
_OOXML = re.compile(
    r"word/(?:document|footnotes|endnotes|comments|header\d*|footer\d*)\.xml"
    r"|xl/(?:sharedStrings|worksheets/sheet\d+|comments\d*)\.xml"
    r"|ppt/(?:slides/slide|notesSlides/notesSlide)\d+\.xml"
)
# Elements that end a line, and those that stand for a space.
_LINES = frozenset(("p", "h", "si", "is", "row"))
_SPACES = frozenset(("tab", "s", "br", "cr", "line-break", "table-cell"))


def text_of(data: bytes, limit: int) -> str:
    """At most `limit` characters; "" for what is no such document. Invalid for one that is broken."""
    if data.startswith(PDF):
        return _joined(_pages(data), limit)
    if data.startswith(ZIP):
        return _joined(_entries(data), limit)
    return ""


def _joined(pieces: Iterator[str], limit: int) -> str:
    found: list[str] = []
    length = 0
    for piece in pieces:
        found.append(piece[: limit - length])
        length += len(found[-1])
        if length >= limit:
            break
    return "".join(found)


def _pages(data: bytes) -> Iterator[str]:
    reader = PdfReader(io.BytesIO(data))
    for number, page in enumerate(reader.pages):
        if number == MAX_PAGES:
            return
        yield page.extract_text() + "\n"


def _entries(data: bytes) -> Iterator[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise Invalid("too many entries")
            is_odf = any(entry.filename == "mimetype" for entry in entries)
            pattern = _ODF if is_odf else _OOXML
            left = MAX_UNPACKED
            for entry in entries:
                if pattern.fullmatch(entry.filename):
                    with archive.open(entry) as file:
                        text = XmlText(only_t=not is_odf)
                        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                            left -= len(chunk)
                            yield text.feed(chunk)
                    yield "\n"
    except (zipfile.BadZipFile, RuntimeError, expat.ExpatError) as error:  # RuntimeError: encrypted
        raise Invalid(str(error)) from error


class XmlText:
    """The text of an XML document, chunk by chunk; a document type is refused, and entities with it."""

    def __init__(self, *, only_t: bool) -> None:
        self._only_t = only_t  # ECMA-376: text is in w:t, a:t and t; elsewhere are numbers and formulas
        self._is_text = not only_t
        self._found: list[str] = []
        parser = self._parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse

    def feed(self, data: bytes) -> str:
        """What has come with this chunk."""
        self._parser.Parse(data)
        found, self._found = "".join(self._found), []
        return found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if local in _SPACES:
            self._found.append(" ")
        elif self._only_t and local == "t":
            self._is_text = True

    def _end(self, name: str) -> None:
        local = name.rpartition(" ")[2]
        if local in _LINES:
            self._found.append("\n")
        elif self._only_t and local == "t":
            self._is_text = False

    def _characters(self, text: str) -> None:
        if self._is_text:
            self._found.append(text)

    def _refuse(self, *_: object) -> None:
        raise Invalid("a document type is not taken")
