# SPDX-License-Identifier: Apache-2.0
"""Time and identifiers as the store keeps them: microseconds since 1970 UTC, 63-bit ids in order of time."""

from __future__ import annotations

import secrets
import threading
import time

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_lock = threading.Lock()
_last_id = 0


def now() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def unique_id() -> int:
    """A positive 63-bit number, larger than every earlier one of this process, unguessable by ten bits.

    Two processes may draw the same number only within the same microsecond, with a chance of 1 in 1024;
    where it is a key the insert then fails and the work is run again.
    """
    global _last_id
    candidate = now() << 10 | secrets.randbits(10)
    with _lock:
        _last_id = max(candidate, _last_id + 1)
        return _last_id
