# SPDX-License-Identifier: Apache-2.0
"""Tables as PostgreSQL's COPY writes them in binary (PostgreSQL's manual, COPY, "Binary Format"): by this a
backup is read where there is no PostgreSQL.

A signature, flags, an extension of the header; then for each row the number of its fields and each field with
its length before it, -1 for NULL; -1 instead of a number of fields ends the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from armgs_server.errors import Invalid

SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_BUFFER = 1024 * 1024
_WITH_OIDS = 1 << 16
_CRITICAL = 0xFFFF0000  # flags a reader has to know
_HEADER = struct.Struct("!II")
_COUNT = struct.Struct("!h")
_LENGTH = struct.Struct("!i")


def rows(path: Path) -> Iterator[tuple[bytes | None, ...]]:
    """The rows of a file, each field as PostgreSQL sends it. Invalid where it is not whole."""
    with path.open("rb", buffering=_BUFFER) as file:
        yield from parse(file)


def parse(file: BinaryIO) -> Iterator[tuple[bytes | None, ...]]:
    """The same of an open file."""
    if _exactly(file, len(SIGNATURE)) != SIGNATURE:
        raise Invalid("this is no table of a backup")
    flags, extension = _HEADER.unpack(_exactly(file, _HEADER.size))
    if flags & _CRITICAL:
        text = "has OIDs" if flags & _WITH_OIDS else "is of a later format"
        raise Invalid(f"the table {text}")
    _exactly(file, extension)
    while True:
        (count,) = _COUNT.unpack(_exactly(file, _COUNT.size))
        if count == -1:
            break
        if count < 0:
            raise Invalid("a row has a negative number of fields")
        yield tuple(_field(file) for _ in range(count))
    if file.read(1):
        raise Invalid("the table goes on behind its end")


def integer(field: bytes) -> int:
    """A BIGINT."""
    if len(field) != 8:
        raise Invalid(f"a number has {len(field)} bytes")
    return int.from_bytes(field, "big", signed=True)


def _field(file: BinaryIO) -> bytes | None:
    (length,) = _LENGTH.unpack(_exactly(file, _LENGTH.size))
    if length == -1:
        return None
    if length < 0:
        raise Invalid("a field has a negative length")
    return _exactly(file, length)


def _exactly(file: BinaryIO, size: int) -> bytes:
    """So many bytes; read in pieces, since a damaged length may be as large as it likes."""
    found = bytearray()
    while len(found) < size:
        piece = file.read(min(size - len(found), _BUFFER))
        if not piece:
            raise Invalid("the table is cut off")
        found += piece
    return bytes(found)
