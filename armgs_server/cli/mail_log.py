# SPDX-License-Identifier: Apache-2.0
"""What the log tells of messages and requests: records of the journal, or lines of a file, as
`armgs_server.log` writes them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from armgs_server.errors import Unusable

EVENTS = (
    "message taken",
    "message refused",
    "message refused by its recipient",
    "relayed",
    "postponed",
    "returned",
)
CONVERSATIONS = "trace"  # the part that [log] trace writes: what was said, not what came of it
TIMEOUT = 120.0  # seconds for journalctl
LINES = 200_000  # of the log, the newest
# What is asked of journalctl: of other fields only a record that is sought by its id is read.
_FIELDS = (
    "MESSAGE ARMGS_PART ARMGS_EVENT ARMGS_TRACE ARMGS_MESSAGE_ID ARMGS_SENDER ARMGS_RECIPIENT ARMGS_TO"
    " ARMGS_ANSWER ARMGS_ACCOUNT ARMGS_OWNER ARMGS_UID ARMGS_STANZA ARMGS_STATUS ARMGS_ERROR ARMGS_PEER"
)

_FIELD = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|.)")
_CONTROL = {"n": "\n", "r": "\r", "t": "\t"}
_PREFIX = "ARMGS_"


@dataclass(frozen=True, slots=True)
class Line:
    """One event. `moment` is in seconds since 1970; `trace`: of what (trace_id), "" where nothing is said."""

    moment: float
    part: str
    event: str
    trace: str
    fields: Mapping[str, str]

    def names(self, address: str) -> bool:
        """Whether the address, in whatever case, is the sender's or one of the recipients'."""
        wanted = address.casefold()
        known = (self.fields.get("sender", ""), self.fields.get("recipient", ""))
        return wanted in map(str.casefold, (*known, *self.fields.get("to", "").split(" ")))

    def is_about(self, what: str) -> bool:
        """Whether it tells of a message with this Message-ID, stanza id, or of an object with this UID."""
        message_id = what if what.startswith("<") else f"<{what}>"
        fields = self.fields
        return fields.get("message_id") == message_id or what in (fields.get("uid"), fields.get("stanza"))


def from_journal(unit: str, days: float, trace: str = "") -> list[Line]:
    """Those of a systemd unit ("": of whoever calls itself armgs), or its records of one id. Unusable where
    the journal cannot be read."""
    since = datetime.now(UTC) - timedelta(days=days)
    command = [
        "journalctl",
        "--output=json",
        "--quiet",
        f"--unit={unit}" if unit else "SYSLOG_IDENTIFIER=armgs",
    ]
    command += [f"--since=@{since.timestamp():.0f}", f"--lines={LINES}", "--no-pager"]
    # The journal has an index of its fields: what is asked by id is found at once, however much there is.
    command += [f"ARMGS_TRACE={trace}"] if trace else [f"--output-fields={','.join(_FIELDS.split())}"]
    try:
        found = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=True)
    except FileNotFoundError as error:
        raise Unusable("there is no journal here: name the log with --log FILE") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Unusable(f"the journal cannot be read: {error}") from error
    return list(parse(found.stdout.decode("utf-8", "replace").splitlines()))


def parse(lines: Iterable[str]) -> Iterator[Line]:
    """Events of messages and of what has an id, among lines of either kind; others are passed over."""
    for line in lines:
        found = _from_json(line) if line.startswith("{") else _from_text(line)
        if found is not None:
            yield found


def _from_json(line: str) -> Line | None:
    try:
        entry = json.loads(line)
        moment = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
    except (ValueError, KeyError, TypeError):
        return None
    if "ARMGS_EVENT" in entry:
        fields = {
            name.removeprefix(_PREFIX).lower(): _value(value)
            for name, value in entry.items()
            if name.startswith(_PREFIX)
        }
        return _event(moment, fields.pop("part", ""), fields)
    text = entry.get("MESSAGE")  # by the stream: a line of text
    return _event_of_text(moment, text) if isinstance(text, str) else None


def _value(value: Any) -> str:
    """journalctl(1): several of one name are a list, bytes that are no text a list of numbers."""
    if not isinstance(value, list):
        return str(value or "")
    if all(isinstance(each, int) and 0 <= each < 256 for each in value):
        return bytes(value).decode("utf-8", "replace")
    return " ".join(map(_value, value))


def _from_text(line: str) -> Line | None:
    stamp, _, rest = line.partition(" ")
    try:
        moment = datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
    return _event_of_text(moment, rest)


def _event_of_text(moment: float, text: str) -> Line | None:
    if "logger=" not in text:
        return None
    fields = {name: _unquote(value) for name, value in _FIELD.findall(text)}
    fields.pop("level", None)
    return _event(moment, fields.pop("logger", ""), fields)


def _event(moment: float, part: str, fields: dict[str, str]) -> Line | None:
    event = fields.pop("event", "")
    trace = fields.pop("trace", "")
    if part == CONVERSATIONS or not (trace or event in EVENTS):
        return None
    return Line(moment, part, event, trace, fields)


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
