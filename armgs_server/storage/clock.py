# SPDX-License-Identifier: Apache-2.0
"""Time and identifiers as the store keeps them: microseconds since 1970 UTC, 63-bit ids in order of time.

Where hosts share a database its clock is the clock of all of them: `follow` is told what it says, now and
then, and from then on `now` is that time, carried on by the host's own count since boot, which nobody sets.
So hosts whose clocks are minutes apart agree on what has run out and what came first.
"""

from __future__ import annotations

import secrets
import threading
import time

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

ID_BITS = 10  # of a unique_id, below its time

_lock = threading.Lock()
_last_id = 0
# The database's clock less `since_boot()`; None while there is none to follow.
_lead: int | None = None


def now() -> int:
    """Microseconds since 1970 UTC."""
    if _lead is None:
        return time.time_ns() // 1000
    return since_boot() + _lead


def since_boot() -> int:
    """Microseconds that this host has been up, the time it slept included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def follow(theirs: int, asked: int, answered: int) -> int:
    """The database said `theirs` between two moments `since_boot()`; by how much `now` was corrected.

    What is believed already stays as long as it lies within what the answer allows: a slow answer says
    little, and `now` does not jitter.
    """
    global _lead
    latest, earliest = theirs - asked, theirs - answered
    before = (latest + earliest) // 2 if _lead is None else _lead
    _lead = min(max(before, earliest), latest)
    return _lead - before


def unique_id() -> int:
    """A positive 63-bit number, larger than every earlier one of this process, unguessable by ten bits.

    Two processes may draw the same number only within the same microsecond, with a chance of 1 in 1024;
    where it is a key the insert then fails and the work is run again.
    """
    global _last_id
    candidate = now() << ID_BITS | secrets.randbits(ID_BITS)
    with _lock:
        _last_id = max(candidate, _last_id + 1)
        return _last_id
