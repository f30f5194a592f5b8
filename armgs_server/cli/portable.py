# SPDX-License-Identifier: Apache-2.0
"""XEP-0227: files of the portable format of XMPP servers, read piece by piece, however large they are.

`<include/>` (XInclude, §5) is followed where it stands for a host, a user or a part of one, by a relative
name that stays below the first file's folder; deeper ones are somebody's data. A DTD is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast
from urllib.parse import unquote, urlsplit

from lxml import etree

from armgs_server.errors import Invalid, NotFound
from armgs_server.formats import xmltree
from armgs_server.xmpp.stanza import CLIENT

PIE = "urn:xmpp:pie:0"
ARCHIVE = f"{{{PIE}#mam}}archive"
OFFLINE = f"{{{PIE}}}offline-messages"
_INCLUDE = "{http://www.w3.org/2001/XInclude}include"
# How deep each stands below the document; what an included file begins with stands where its name does.
_SERVER_DATA, _HOST, _USER, _PART, _MESSAGE = range(1, 6)
_NAMES = {_SERVER_DATA: f"{{{PIE}}}server-data", _HOST: f"{{{PIE}}}host", _USER: f"{{{PIE}}}user"}
_MOST_INCLUDES = 1_000_000  # a file that includes itself ends here at the latest
_DEEPEST = 5  # files within one another: server-data, host, user, part


@dataclass(frozen=True, slots=True)
class PortableUser:
    """§4.2: from here on parts are of this user."""

    file: Path
    line: int
    host: str
    name: str
    password: str

    @property
    def address(self) -> str:
        return f"{self.name}@{self.host}"


@dataclass(frozen=True, slots=True)
class PortablePart:
    """One element of the user; of the archive and of what waits each message is one, told by `place`."""

    file: Path
    line: int
    element: etree._Element
    place: str = ""  # ARCHIVE or OFFLINE


Piece: TypeAlias = PortableUser | PortablePart


def read(file: Path) -> Iterator[Piece]:
    """The pieces in the order of the file; NotFound, or Invalid with the line."""
    yield from _Reader(file.resolve().parent).read(file, _SERVER_DATA, "", 1)


class _Reader:
    """Reads a file and what it includes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._included = 0

    def read(self, file: Path, level: int, host: str, depth: int) -> Iterator[Piece]:
        """The pieces of one file, whose root stands at `level`."""
        if not file.is_file():
            raise NotFound(f"{file} does not exist")
        events = etree.iterparse(
            str(file),
            events=("start", "end"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            yield from self._walk(events, file, level - 1, host, depth)
        except etree.XMLSyntaxError as error:
            raise Invalid(f"{file}: {error.msg or 'not well-formed'}", error.lineno or 0) from error

    def _walk(
        self, events: etree.iterparse, file: Path, level: int, host: str, depth: int
    ) -> Iterator[Piece]:
        path: list[etree._Element] = []
        for event, element in events:
            if event == "end":
                path.pop()
                yield from self._end(element, path, file, level, host, depth)
                level -= 1
                continue
            if not path:
                _check_beginning(element, file)
            level += 1
            path.append(element)
            if len(path) > xmltree.MAX_DEPTH:
                raise Invalid(f"{file}: nested too deep", _line(element))
            if element.tag != _NAMES.get(level, element.tag) and element.tag != _INCLUDE:
                if level <= _HOST or len(path) == 1:
                    raise Invalid(f"{file}: {element.tag} has no place here", _line(element))
            elif level == _HOST and element.tag == _NAMES[_HOST]:
                host = element.get("jid") or ""
            elif level == _USER and element.tag == _NAMES[_USER]:
                name, password = element.get("name") or "", element.get("password") or ""
                yield PortableUser(file, _line(element), host, name, password)

    def _end(
        self,
        element: etree._Element,
        path: list[etree._Element],
        file: Path,
        level: int,
        host: str,
        depth: int,
    ) -> Iterator[Piece]:
        """An element is complete: told where it is a piece, and forgotten with all before it."""
        line = _line(element)
        if element.tag == _INCLUDE and level <= _PART:
            yield from self.read(self._included_file(element, file, depth), level, host, depth + 1)
        elif level == _MESSAGE and path[-1].tag in (ARCHIVE, OFFLINE):
            yield PortablePart(file, line, element, str(path[-1].tag))
        elif level == _PART and element.tag not in (ARCHIVE, OFFLINE):
            yield PortablePart(file, line, element)
        elif level > _PART:
            return  # goes with the part it is in
        element.clear()
        while path and element.getprevious() is not None:
            del path[-1][0]

    def _included_file(self, element: etree._Element, file: Path, depth: int) -> Path:
        """§5: a relative URI, without `parse` or `xpointer`."""
        line, href = _line(element), element.get("href") or ""
        url = urlsplit(href)
        if not url.path or url.scheme or url.netloc or element.get("parse", "xml") != "xml":
            raise Invalid(f"{file}: an include of {href!r} cannot be followed", line)
        found = (file.parent / unquote(url.path)).resolve()
        self._included += 1
        if not found.is_relative_to(self._folder) or url.fragment or element.get("xpointer"):
            raise Invalid(f"{file}: an include of {href!r} cannot be followed", line)
        if self._included > _MOST_INCLUDES or depth >= _DEEPEST:
            raise Invalid(f"{file}: files include one another too often", line)
        return found


def _line(element: etree._Element) -> int:
    return cast("int | None", element.sourceline) or 0


def _check_beginning(root: etree._Element, file: Path) -> None:
    if root.getroottree().docinfo.internalDTD is not None:
        raise Invalid(f"{file}: a DTD is not allowed", 1)


def plain(element: etree._Element) -> bytes:
    """The element as bytes, its own name without a prefix: stanzas are forwarded by their beginning.

    COMPAT prosody: its stanzas have lost their namespace, and stand in that of the file.
    """
    name = etree.QName(element)
    if element.prefix:
        default = cast("dict[str, str]", {None: name.namespace or ""})
        plainly = etree.Element(name, nsmap=default)
        plainly.attrib.update(element.attrib)
        plainly.text = element.text
        plainly.extend(list(element))
        element = plainly
    data = xmltree.serialise(element)
    if name.namespace == PIE:
        data = data.replace(f'xmlns="{PIE}"'.encode(), f'xmlns="{CLIENT}"'.encode(), 1)
    return data
