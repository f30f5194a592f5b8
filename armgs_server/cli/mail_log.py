# SPDX-License-Identifier: Apache-2.0
"""What the log tells of messages: lines of the journal, or of a file, as `armgs_server.log` writes them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from armgs_server.errors import Unusable

EVENTS = (
    "message taken",
    "message refused",
    "message refused by its recipient",
    "relayed",
    "postponed",
    "returned",
)
TIMEOUT = 120.0  # seconds for journalctl
LINES = 200_000  # of the log, the newest

_FIELD = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|.)")
_CONTROL = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Line:
    """One event of a message. `moment` is in seconds since 1970."""

    moment: float
    event: str
    fields: Mapping[str, str]

    def names(self, address: str) -> bool:
        """Whether the address, in whatever case, is the sender's or one of the recipients'."""
        wanted = address.casefold()
        known = (self.fields.get("sender", ""), self.fields.get("recipient", ""))
        return wanted in map(str.casefold, (*known, *self.fields.get("to", "").split(" ")))


def from_journal(unit: str, days: float) -> list[Line]:
    """Those of a systemd unit. Unusable where the journal cannot be read."""
    since = datetime.now(UTC) - timedelta(days=days)
    command = ["journalctl", f"--unit={unit}", "--output=json", "--output-fields=MESSAGE", "--quiet"]
    command += [f"--since=@{since.timestamp():.0f}", f"--lines={LINES}", "--no-pager"]
    try:
        found = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=True)
    except FileNotFoundError as error:
        raise Unusable("there is no journal here: name the log with --log FILE") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Unusable(f"the journal cannot be read: {error}") from error
    return list(parse(found.stdout.decode("utf-8", "replace").splitlines()))


def parse(lines: Iterable[str]) -> Iterator[Line]:
    """The events of messages among lines of either kind; others are passed over."""
    for line in lines:
        found = _from_json(line) if line.startswith("{") else _from_text(line)
        if found is not None:
            yield found


def _from_json(line: str) -> Line | None:
    try:
        entry = json.loads(line)
        moment, text = int(entry["__REALTIME_TIMESTAMP"]) / 1e6, entry["MESSAGE"]
    except (ValueError, KeyError, TypeError):
        return None
    # A message with bytes that are no UTF-8 is an array there (systemd.journal-fields(7)).
    return _event(moment, text) if isinstance(text, str) else None


def _from_text(line: str) -> Line | None:
    stamp, _, rest = line.partition(" ")
    try:
        moment = datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
    return _event(moment, rest)


def _event(moment: float, text: str) -> Line | None:
    if "logger=smtp" not in text and "logger=relay" not in text:
        return None
    fields = {name: _unquote(value) for name, value in _FIELD.findall(text)}
    event = fields.pop("event", "")
    return Line(moment, event, fields) if event in EVENTS else None


def _unquote(value: str) -> str:
    """The reverse of log.quote."""
    if not value.startswith('"'):
        return value
    return _ESCAPE.sub(_unescape, value[1:-1])


def _unescape(match: re.Match[str]) -> str:
    escaped = match[1]
    if len(escaped) == 3:
        return chr(int(escaped[1:], 16))
    return _CONTROL.get(escaped, escaped)
