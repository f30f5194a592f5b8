# SPDX-License-Identifier: Apache-2.0
"""Structured log lines, and the masked trace of conversations.

A line is logfmt: `level=info logger=smtp event="message taken" size=5120`; under systemd it starts
with the journal's priority prefix and has no time of its own, elsewhere with the time in UTC.
A field whose name speaks of a secret is written as `***`, whatever its value.

A trace line carries a mark: `<` received, `>` sent, `=` state, `!` error. Received bytes are held
until a line or an element is whole, so that a credential cut in two by the network cannot escape the
masks; credentials become `***`, bulk data ends in `…`.
"""

import logging
import os
import re
import sys
import time
from typing import Any

_ROOT = "armgs_server"
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
_PLAIN = re.compile(r"[^\s\"=\\\x00-\x1f\x7f]+")
_SECRET_NAMES = ("password", "secret", "token", "credential", "authorization")


class Logger:
    """Writes events with named fields; one for each module or service."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"{_ROOT}.{name}")

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
            self._logger.log(level, "%s", event, extra={"fields": fields}, exc_info=exc_info)


def get(name: str) -> Logger:
    """The logger of that name."""
    return Logger(name)


def setup(level: str) -> None:
    """Sends the log to standard error; may be called again when the configuration is reloaded."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(journal="JOURNAL_STREAM" in os.environ))
    for name, least in ((_ROOT, level.upper()), ("asyncio", "WARNING")):
        logger = logging.getLogger(name)
        for old in list(logger.handlers):
            logger.removeHandler(old)
        logger.addHandler(handler)
        logger.setLevel(least)
        logger.propagate = False


class Formatter(logging.Formatter):
    """logfmt, one line for each record: a line break inside a value is escaped."""

    def __init__(self, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = getattr(record, "fields", {})
        name = record.name.removeprefix(f"{_ROOT}.")
        pairs = [f"level={record.levelname.lower()}", f"logger={name}"]
        pairs.append(f"event={quote(record.getMessage())}")
        pairs += [f"{key}={_field(key, value)}" for key, value in fields.items()]
        if record.exc_info:
            pairs.append(f"traceback={quote(self.formatException(record.exc_info))}")
        if self._journal:  # sd-daemon(3): "<N>" at the start of a line is its priority
            return f"<{_PRIORITIES.get(record.levelno, 6)}>" + " ".join(pairs)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return f"{moment}.{int(record.msecs):03d}Z " + " ".join(pairs)


def quote(value: object) -> str:
    """A value as logfmt writes it: bare when it is one plain word, else quoted and escaped."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", _escape_control, escaped) + '"'


def _escape_control(match: "re.Match[str]") -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(match[0], f"\\x{ord(match[0]):02x}")


def _field(key: str, value: object) -> str:
    if any(secret in key.lower() for secret in _SECRET_NAMES):
        return "***"
    return quote(value)


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
