# SPDX-License-Identifier: Apache-2.0
"""One id for what enters the server and all that follows from it, in whatever protocol.

An id is given where a message, a request or a stanza enters, and is drawn only when somebody first asks for
it: a line of the log, a row that waits, the client's answer. It is in the context (PEP 567), so that tasks,
threads and the store's works begun for it know it; rows that wait for another process keep it as text.

As text it is a hexadecimal number of the same making as all ids here (storage.clock.unique_id): microseconds
since 1970 UTC, shifted by ten random bits. So it tells when its matter entered, and the id that a chat
message has in the archive (XEP-0359) can be one.
"""

from __future__ import annotations

import random
import re
import time
from contextvars import Context, ContextVar, Token, copy_context
from types import TracebackType

_CHANCE_BITS = 10
_HEXADECIMAL = re.compile(r"[0-9a-f]{15,16}")
_DECIMAL = re.compile(r"[0-9]{18,19}")  # as XEP-0359 shows it


class TraceId:
    """An id that is drawn when it is first needed."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    @property
    def is_drawn(self) -> bool:
        """Whether anything knows it already."""
        return bool(self._text)

    def settle(self, number: int) -> None:
        """The matter has a number of its own by now, which is its id unless another was drawn before."""
        if not self._text:
            self._text = f"{number:x}"

    def __str__(self) -> str:
        if not self._text:
            drawn = time.time_ns() // 1000 << _CHANCE_BITS | random.getrandbits(_CHANCE_BITS)  # no secret
            self._text = f"{drawn:x}"
        return self._text


_current: ContextVar[TraceId | None] = ContextVar("armgs_trace", default=None)

# What `Under` does, without its cost, for what is done some thousand times a second:
# token = enter(trace); try: … finally: leave(token)
enter = _current.set
leave = _current.reset


def current() -> str:
    """The id of what is being done; "" where it has none."""
    found = _current.get()
    return "" if found is None else str(found)


def of_context() -> TraceId | None:
    """The id of what is being done, drawn or not."""
    return _current.get()


def is_known() -> bool:
    """Whether a line of the log, a row or an answer names the id of what is being done."""
    found = _current.get()
    return found is not None and found.is_drawn


def has_begun() -> bool:
    """Whether what is being done has an id."""
    return _current.get() is not None


class Under:
    """`with Under(TraceId()):` what is done within belongs to it; None: to nothing."""

    __slots__ = ("_token", "_trace")

    def __init__(self, trace: TraceId | None) -> None:
        self._trace = trace
        self._token: Token[TraceId | None] | None = None

    def __enter__(self) -> TraceId | None:
        self._token = _current.set(self._trace)
        return self._trace

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None  # entered
        _current.reset(self._token)


def under(text: str) -> Under:
    """What is done within belongs to an id that was kept as text; "" begins a new one."""
    return Under(TraceId(text))


def apart() -> Context:
    """A context for a task that outlives what has begun it: it belongs to nothing."""
    context = copy_context()
    context.run(_current.set, None)
    return context


def parse(text: str) -> str:
    """An id as somebody wrote it down, a stanza id in decimal among them; "" where it is none."""
    lower = text.strip().lower()
    if _HEXADECIMAL.fullmatch(lower):
        return lower
    return f"{int(lower):x}" if _DECIMAL.fullmatch(lower) else ""


def moment_of(text: str) -> int:
    """When it was drawn, microseconds since 1970 UTC. `text` is as `parse` gives it."""
    return int(text, 16) >> _CHANCE_BITS
