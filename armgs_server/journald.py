# SPDX-License-Identifier: Apache-2.0
"""Records to systemd's journal as fields, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL).

A record is one datagram of `NAME=value` lines; a value of several lines is told by its length. What is larger
than a datagram may be goes as a sealed memfd. Nothing here waits: while the journal is full, records are kept
up to a bound and sent after a moment, later ones are counted as lost, and that is told. Where there is no
journal any more the records go to the handler of last resort.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import socket
import struct
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Final

SOCKET: Final = Path("/run/systemd/journal/socket")
AGAIN: Final = 0.2  # seconds until a full journal is tried again
# One value: the journal would take more, but nobody reads it (a traceback of a deep recursion is 100 KB).
VALUE_LIMIT: Final = 256 * 1024
_NAME_LIMIT: Final = 64  # systemd.journal-fields(7) takes no longer names
_TOO_LARGE: Final = (errno.EMSGSIZE, errno.ENOBUFS)
_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL

Field = tuple[str, str | bytes]


def is_journal(stream: IO[Any], environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the stream is the journal's: JOURNAL_STREAM names its device and inode (systemd.exec(5))."""
    named = environment.get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return named == f"{found.st_dev}:{found.st_ino}"


def serialise(fields: Iterable[Field]) -> bytes:
    """One record. Names are brought into the form that the journal takes."""
    parts: list[bytes] = []
    for name, value in fields:
        data = value if isinstance(value, bytes) else value.encode("utf-8", "backslashreplace")
        data = data[:VALUE_LIMIT]
        word = name.encode("ascii", "replace")[:_NAME_LIMIT]
        if b"\n" in data:
            parts += (word, b"\n", struct.pack("<Q", len(data)), data, b"\n")
        else:
            parts += (word, b"=", data, b"\n")
    return b"".join(parts)


class JournalHandler(logging.Handler):
    """Sends records. `describe` makes a record's fields; `backlog` bytes at most wait for a full journal."""

    def __init__(
        self,
        describe: Callable[[logging.LogRecord], Iterable[Field]],
        last_resort: logging.Handler,
        backlog: int,
        path: Path = SOCKET,
    ) -> None:
        super().__init__()
        self._describe = describe
        self._last_resort = last_resort
        self._backlog = backlog
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._waiting: deque[bytes] = deque()
        self._size = 0  # of what waits
        self._lost = 0
        self._timer: threading.Timer | None = None
        self._is_closed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Called with the handler's lock held."""
        try:
            data = serialise(self._describe(record))
            self._flush()
            if self._waiting or not self._send(data):
                self._keep(data)
        except OSError:  # no journal (any more): ENOENT, ECONNREFUSED …
            self._last_resort.handle(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """What still waits is tried once more."""
        self.acquire()
        try:
            if self._is_closed:
                return
            self._is_closed = True
            if self._timer is not None:
                self._timer.cancel()
            with contextlib.suppress(OSError):  # nobody is there to take it
                self._flush()
            self._socket.close()
        finally:
            self.release()
        super().close()

    def _send(self, data: bytes) -> bool:
        """False where the journal is full just now; OSError where there is none."""
        try:
            self._socket.sendto(data, self._path)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _TOO_LARGE:
                raise
            return self._send_file(data)
        return True

    def _send_file(self, data: bytes) -> bool:
        """A descriptor and no bytes; sealed, so that the journal may read it in place."""
        descriptor = os.memfd_create("armgs-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [descriptor]))]
            self._socket.sendmsg([], rights, 0, self._path)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def _keep(self, data: bytes) -> None:
        if self._size + len(data) > self._backlog:
            self._lost += 1
        else:
            self._waiting.append(data)
            self._size += len(data)
        if self._timer is None:
            self._try_later()

    def _try_later(self) -> None:
        self._timer = threading.Timer(AGAIN, self._on_time)
        self._timer.daemon = True
        self._timer.start()

    def _on_time(self) -> None:
        self.acquire()
        try:
            self._timer = None
            if self._is_closed:
                return
            try:
                self._flush()
            except OSError:
                self._give_up()
            if self._waiting or self._lost:
                self._try_later()
        finally:
            self.release()

    def _give_up(self) -> None:
        """The journal has gone away while records waited for it."""
        lost, self._lost = self._lost + len(self._waiting), 0
        self._waiting.clear()
        self._size = 0
        told = {"name": "log", "levelno": logging.WARNING, "levelname": "WARNING", "msg": "records lost"}
        self._last_resort.handle(logging.makeLogRecord({**told, "fields": {"count": lost}}))

    def _flush(self) -> None:
        while self._waiting:
            if not self._send(self._waiting[0]):
                return
            self._size -= len(self._waiting.popleft())
        if self._lost and self._send(serialise(_told(self._lost))):
            self._lost = 0


def _told(lost: int) -> list[Field]:
    return [
        ("MESSAGE", f"log: records lost count={lost}"),
        ("PRIORITY", "4"),
        ("SYSLOG_IDENTIFIER", "armgs"),
        ("ARMGS_PART", "log"),
        ("ARMGS_EVENT", "records lost"),
        ("ARMGS_COUNT", str(lost)),
    ]
