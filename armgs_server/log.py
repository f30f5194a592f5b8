# SPDX-License-Identifier: Apache-2.0
"""Structured log lines, and the masked trace of conversations.

A line is logfmt: `level=info logger=smtp trace=196… event="message taken" size=5120`, with the time in UTC
before it. Where standard error is systemd's journal, records go there by its native protocol instead, the
fields as fields (ARMGS_TRACE, ARMGS_PEER …); where only the stream is there, a line begins with its priority.
`trace` is the id of what is being done (trace_id). A field whose name speaks of a secret is written as `***`,
whatever its value.

A trace line carries a mark: `<` received, `>` sent, `=` state, `!` error. Received bytes are held
until a line or an element is whole, so that a credential cut in two by the network cannot escape the
masks; credentials become `***`, bulk data ends in `…`.
"""

import logging
import re
import sys
import time
from collections.abc import Iterable
from typing import Any

from armgs_server import journald, trace_id

_ROOT = "armgs_server"
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
_PLAIN = re.compile(r"[^\s\"=\\\x00-\x1f\x7f]+")
_UNNAMED = re.compile(r"[^A-Z0-9_]")  # systemd.journal-fields(7)
BACKLOG = 1024 * 1024
_SECRET_NAMES = ("password", "secret", "token", "credential", "authorization")


class Logger:
    """Writes events with named fields; one for each module or service."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"{_ROOT}.{name}")

    @property
    def informs(self) -> bool:
        """Whether `info` writes anything: asked where making the fields costs something."""
        return self._logger.isEnabledFor(logging.INFO)

    @property
    def debugs(self) -> bool:
        """The same of `debug`."""
        return self._logger.isEnabledFor(logging.DEBUG)

    def debug(self, event: str, /, **fields: Any) -> None:
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: Any) -> None:
        """An error with the traceback of the exception being handled."""
        self._write(logging.ERROR, event, fields, exc_info=True)

    def _write(self, level: int, event: str, fields: dict[str, Any], exc_info: bool = False) -> None:
        if self._logger.isEnabledFor(level):
            extra = {"fields": fields, "trace": trace_id.current()}
            self._logger.log(level, "%s", event, extra=extra, exc_info=exc_info, stacklevel=3)


def get(name: str) -> Logger:
    """The logger of that name."""
    return Logger(name)


def setup(level: str, backlog: int = BACKLOG) -> None:
    """Sends the log to the journal or to standard error; may be called again when the configuration is
    reloaded. `backlog` bytes at most wait while the journal is full."""
    handler = _handler(backlog)
    for name, least in ((_ROOT, level.upper()), ("asyncio", "WARNING")):
        logger = logging.getLogger(name)
        for old in list(logger.handlers):
            logger.removeHandler(old)
            if isinstance(old, journald.JournalHandler):
                old.close()
        logger.addHandler(handler)
        logger.setLevel(least)
        logger.propagate = False


def _handler(backlog: int) -> logging.Handler:
    is_journal = journald.is_journal(sys.stderr)
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(Formatter(journal=is_journal))
    if not is_journal or not journald.SOCKET.exists():
        return stream
    return journald.JournalHandler(journal_fields, stream, backlog)


class Formatter(logging.Formatter):
    """logfmt, one line for each record: a line break inside a value is escaped."""

    def __init__(self, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        pairs = [f"level={record.levelname.lower()}", f"logger={_part(record)}"]
        if trace := _trace_of(record):
            pairs.append(f"trace={trace}")
        pairs.append(f"event={quote(record.getMessage())}")
        pairs += _pairs(record)
        if record.exc_info:
            pairs.append(f"traceback={quote(self.formatException(record.exc_info))}")
        if self._journal:  # sd-daemon(3): "<N>" at the start of a line is its priority
            return f"<{_PRIORITIES.get(record.levelno, 6)}>" + " ".join(pairs)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return f"{moment}.{int(record.msecs):03d}Z " + " ".join(pairs)


def journal_fields(record: logging.LogRecord) -> list[journald.Field]:
    """A record as the journal's fields (systemd.journal-fields(7)); MESSAGE is the whole for people."""
    event, part = record.getMessage(), _part(record)
    message = " ".join([f"{part}: {event}", *_pairs(record)])
    if record.exc_info:
        message += "\n" + logging.Formatter().formatException(record.exc_info)
    fields: list[journald.Field] = [
        ("MESSAGE", message),
        ("PRIORITY", str(_PRIORITIES.get(record.levelno, 6))),
        ("SYSLOG_IDENTIFIER", "armgs"),
        ("CODE_FILE", record.pathname),
        ("CODE_LINE", str(record.lineno)),
        ("CODE_FUNC", record.funcName or ""),
        ("ARMGS_PART", part),
        ("ARMGS_EVENT", event),
    ]
    if trace := _trace_of(record):
        fields.append(("ARMGS_TRACE", trace))
    given: dict[str, Any] = getattr(record, "fields", {})
    for key, value in given.items():
        name = "ARMGS_" + _UNNAMED.sub("_", key.upper())
        if is_secret(key):
            fields.append((name, "***"))
        else:
            fields += [(name, _text(each)) for each in _each(value)]
    return fields


def quote(value: object) -> str:
    """A value as logfmt writes it: bare when it is one plain word, else quoted and escaped."""
    text = _text(value)
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", _escape_control, escaped) + '"'


def _escape_control(match: "re.Match[str]") -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(match[0], f"\\x{ord(match[0]):02x}")


def _pairs(record: logging.LogRecord) -> list[str]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    return [f"{key}={_field(key, value)}" for key, value in fields.items()]


def _field(key: str, value: object) -> str:
    return "***" if is_secret(key) else quote(" ".join(map(_text, _each(value))))


def is_secret(key: str) -> bool:
    """Whether a field of this name is never written."""
    return any(secret in key.lower() for secret in _SECRET_NAMES)


def _each(value: object) -> Iterable[object]:
    """Several values of one field: words in a line, fields of one name in the journal."""
    return value if isinstance(value, tuple | list) else (value,)


def _text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _trace_of(record: logging.LogRecord) -> str:
    """Of a record, or where it was not made by a Logger of ours, of what is being done."""
    found = getattr(record, "trace", None)
    return trace_id.current() if found is None else str(found)


def _part(record: logging.LogRecord) -> str:
    return record.name.removeprefix(f"{_ROOT}.")


_TRACE = logging.getLogger(f"{_ROOT}.trace")
_BULK = 400
_HELD = 4096
_CREDENTIALS = (
    (re.compile(rb"(?i)^(\S+ LOGIN )[^\r\n]*"), rb"\1***"),  # RFC 9051 §6.2.3
    (re.compile(rb"(?i)^(PASS )[^\r\n]*"), rb"\1***"),  # RFC 1939 §7
    (re.compile(rb"(?i)^((?:\S+ )?AUTH(?:ENTICATE)? [A-Z0-9_-]+ )[^\r\n]+"), rb"\1***"),  # RFC 4954, 9051
    (re.compile(rb"(?i)^((?:proxy-)?authorization:\s*\S+ |cookie:\s*)[^\r\n]*"), rb"\1***"),
    (re.compile(rb"(?i)([?&]access_token=)[^&\s]*"), rb"\1***"),  # RFC 6750 §2.3
    (
        re.compile(rb"(?s)^([^<]+)(</(?:\w+:)?(?:auth|response|initial-response|password|token)\s*>)"),
        rb"***\2",
    ),
)
# AUTH or AUTHENTICATE without an initial response: what follows is the client's part of an exchange.
_EXCHANGE = re.compile(rb"(?i)^(?:\S+ )?AUTH(?:ENTICATE)? [A-Z0-9_-]+[ \t]*\r?\n")
_LITERAL = re.compile(rb"\{\d+[+-]?\}\r?\n$")


class Trace:
    """The trace of one connection. `concealed` is set by a session while secrets are exchanged."""

    def __init__(self, service: str, connection: str) -> None:
        self.concealed = False
        self._service = service
        self._connection = connection
        self._held = b""
        self._in_login = False
        self._in_bulk = False  # a line too long to hold: its rest is not shown

    def received(self, data: bytes) -> None:
        """Bytes from the peer."""
        if self.concealed:
            self._held = b""
            self._write("<", b"***")
            return
        pieces = _pieces(self._held + data)
        for number, piece in enumerate(pieces, 1):
            is_whole = piece[-1:] in (b"\n", b">")
            if not is_whole and len(piece) <= _HELD and not self._in_bulk:
                self._held = piece
                return
            if not self._in_bulk:
                self._write("<", self._mask(piece))
            self._in_bulk = not is_whole
            if _EXCHANGE.match(piece) and number < len(pieces):
                # Sent without waiting for the challenge, before the session could conceal it.
                self._write("<", b"***")
                break
        self._held = b""

    def sent(self, data: bytes) -> None:
        """Bytes to the peer."""
        self._write(">", b"***" if self.concealed else data)

    def state(self, text: str) -> None:
        """What the connection has become: tls, authenticated, closed …"""
        self._write("=", text.encode())

    def error(self, text: str) -> None:
        """What ended the connection."""
        self._write("!", text.encode())

    def _mask(self, piece: bytes) -> bytes:
        if self._in_login:  # the literals after LOGIN are the name and the password
            self._in_login = _LITERAL.search(piece) is not None
            return b"***"
        for pattern, replacement in _CREDENTIALS:
            masked, count = pattern.subn(replacement, piece)
            if count:
                self._in_login = _LITERAL.search(piece) is not None
                return masked
        return piece

    def _write(self, mark: str, data: bytes) -> None:
        shown = data[:_BULK] + "…".encode() if len(data) > _BULK else data
        fields = {"service": self._service, "connection": self._connection, "data": shown.rstrip(b"\r\n")}
        _TRACE.info("%s", mark, extra={"fields": fields})


def _pieces(data: bytes) -> list[bytes]:
    """Lines, or elements; the last may be unfinished."""
    return [piece for piece in re.split(rb"(?<=[\n>])", data) if piece]
