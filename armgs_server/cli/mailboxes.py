# SPDX-License-Identifier: Apache-2.0
"""Messages from what other systems leave behind: mbox (RFC 4155, mboxrd), Maildir, a folder of .eml files.

Every message comes out with the bytes it had; only mbox's own `From ` quoting is undone, one level (mboxrd).
Files are read piece by piece, one message in memory at a time; one larger than `limit` is reported, not read.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from armgs_server.errors import Invalid, NotFound
from armgs_server.imap.mailbox_names import decode_mailbox
from armgs_server.imap.responses import ImapError
from armgs_server.storage.items import Flags


@dataclass(frozen=True, slots=True)
class Found:
    """One message as found: where, its bytes, and what the place tells about it."""

    path: Path
    line: int  # 1-based line where it begins, in an mbox; 0 elsewhere
    folder: tuple[str, ...]  # below the folder imported into
    data: bytes
    flags: Flags
    keywords: str
    received: int | None  # microseconds since 1970, None where only the message itself knows
    oversize: bool = False


def read(path: Path, limit: int) -> Iterator[Found | Path]:
    """All messages below `path`, whatever kind of mail store it is; and the files that are no mail."""
    if not path.exists():
        raise NotFound(f"{path} does not exist")
    if path.is_file():
        yield from read_mbox(path, limit) if is_mbox(path) else read_eml(path, limit)
    elif is_maildir(path):
        yield from read_maildir(path, limit)
    else:
        yield from read_folder(path, path, limit)


def is_maildir(path: Path) -> bool:
    return all((path / part).is_dir() for part in ("cur", "new"))


def is_mbox(path: Path) -> bool:
    with path.open("rb") as file:
        return _FROM_LINE.match(file.read(512)) is not None


def read_mbox(path: Path, limit: int) -> Iterator[Found]:
    """A message begins at a `From ` line at the start or after an empty line (RFC 4155, appendix A)."""
    lines: list[bytes] = []
    size = begin = number = 0
    received: int | None = None
    blank = True
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if blank and line.startswith(b"From ") and _FROM_LINE.match(line):
                if begin:
                    yield _mbox_message(path, begin, lines, size, limit, received)
                lines, size, begin, received = [], 0, number, _from_line_time(line)
            elif not begin:
                raise Invalid(f"{path}: no mbox, it does not begin with a From line", number)
            else:
                size += len(line)
                if size <= limit:
                    lines.append(line[1:] if _QUOTED_FROM.match(line) else line)
            blank = line in (b"\n", b"\r\n")
    if begin:
        yield _mbox_message(path, begin, lines, size, limit, received)


def read_maildir(path: Path, limit: int) -> Iterator[Found]:
    """A Maildir and its Maildir++ subfolders (`.Sent`, `.Projects.2026`)."""
    yield from _read_maildir_folder(path, (), limit)
    for child in sorted(path.iterdir()):
        if child.name.startswith(".") and child.is_dir() and is_maildir(child):
            yield from _read_maildir_folder(child, maildir_folder(child.name[1:]), limit)


def read_folder(path: Path, top: Path, limit: int) -> Iterator[Found | Path]:
    """Every .eml, mbox and Maildir in a tree of folders: .eml files all into one mailbox, an mbox and a
    Maildir each into one of their name. Other files are yielded: whoever imports says they were left out."""
    for child in sorted(path.iterdir()):
        folder = path.relative_to(top).parts
        if child.is_dir():
            if is_maildir(child):
                for found in read_maildir(child, limit):
                    yield _below((*folder, child.name), found)
            else:
                yield from read_folder(child, top, limit)
        elif child.suffix.lower() == ".eml":
            yield from read_eml(child, limit)
        elif child.suffix.lower() in (".mbox", ".mbx") and is_mbox(child):
            for found in read_mbox(child, limit):
                yield _below((*folder, child.stem), found)
        else:
            yield child


def read_eml(path: Path, limit: int) -> Iterator[Found]:
    data, oversize = _read_bounded(path, limit)
    yield Found(path, 0, (), data, Flags.SEEN, "", None, oversize)


def _read_maildir_folder(path: Path, folder: tuple[str, ...], limit: int) -> Iterator[Found]:
    for part in ("cur", "new"):
        for file in sorted(path.joinpath(part).iterdir()):
            if file.name.startswith(".") or not file.is_file():
                continue
            flags, keywords = maildir_flags(file.name)
            data, oversize = _read_bounded(file, limit)
            received = int(file.stat().st_mtime * 1_000_000)  # the time of delivery, by Maildir's rules
            yield Found(file, 0, folder, data, flags, keywords, received, oversize)


def maildir_folder(name: str) -> tuple[str, ...]:
    """The levels of a Maildir++ folder's name. COMPAT Dovecot, Courier: it is in IMAP's modified UTF-7."""
    path = name.replace(".", "/")
    try:
        path = decode_mailbox(path.encode("utf-8", "surrogateescape"))
    except ImapError:  # a name that only looks like it: taken as it is
        path = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return tuple(path.split("/"))


def maildir_flags(name: str) -> tuple[Flags, str]:
    """The flags in a Maildir file name, `…:2,FRS` (`;` and `!` stand for `:` on some file systems)."""
    match = re.search(r"[:;!]2,([A-Za-z]*)$", name)
    letters = match[1] if match else ""
    flags = Flags(0)
    for letter, flag in _MAILDIR_FLAGS.items():
        if letter in letters:
            flags |= flag
    return flags, "$Forwarded" if "P" in letters else ""


def _mbox_message(
    path: Path, begin: int, lines: list[bytes], size: int, limit: int, received: int | None
) -> Found:
    if lines and size <= limit and lines[-1] in (b"\n", b"\r\n"):
        lines = lines[:-1]  # the empty line before the next From line is mbox's, not the message's
    seen, keywords = _status_flags(lines)
    return Found(path, begin, (), b"".join(lines), seen, keywords, received, size > limit)


def _status_flags(lines: list[bytes]) -> tuple[Flags, str]:
    """Status: and X-Status: are where mbox programs keep flags."""
    letters = b""
    for line in lines:
        if line in (b"\n", b"\r\n"):
            break
        name, _, value = line.partition(b":")
        if name.lower() in (b"status", b"x-status"):
            letters += value.strip()
    flags = Flags(0)
    for letter, flag in _MBOX_FLAGS.items():
        if letter in letters:
            flags |= flag
    return flags, ""


def _from_line_time(line: bytes) -> int | None:
    match = re.search(rb"(\w{3}) +(\d{1,2}) +(\d\d):(\d\d)(?::(\d\d))? +(?:[A-Z]+ +)?(\d{4})", line)
    if match is None:
        return None
    month, day, hour, minute, second, year = match.groups(b"00")
    parsed = email.utils.parsedate_tz(
        b" ".join((day, month, year, b":".join((hour, minute, second)), b"+0000")).decode("ascii")
    )
    return None if parsed is None else int(email.utils.mktime_tz(parsed)) * 1_000_000


def _read_bounded(path: Path, limit: int) -> tuple[bytes, bool]:
    with path.open("rb") as file:
        data = file.read(limit + 1)
    return (b"", True) if len(data) > limit else (data, False)


def _below(folder: tuple[str, ...], found: Found) -> Found:
    return Found(
        found.path,
        found.line,
        (*folder, *found.folder),
        found.data,
        found.flags,
        found.keywords,
        found.received,
        found.oversize,
    )


_FROM_LINE = re.compile(rb"From \S.*\d\d:\d\d.*\d{4}")
_QUOTED_FROM = re.compile(rb">+From ")
_MAILDIR_FLAGS = {
    "D": Flags.DRAFT,
    "F": Flags.FLAGGED,
    "R": Flags.ANSWERED,
    "S": Flags.SEEN,
    "T": Flags.DELETED,
}
_MBOX_FLAGS = {
    b"R": Flags.SEEN,
    b"A": Flags.ANSWERED,
    b"F": Flags.FLAGGED,
    b"T": Flags.DRAFT,
    b"D": Flags.DELETED,
}
