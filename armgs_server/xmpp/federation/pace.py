# SPDX-License-Identifier: Apache-2.0
"""How fast a remote domain may talk, over all its streams to this process, or a client over its one: two
leaky buckets, pure.

`take` never refuses: it tells for how long the streams are not to be read. So a flood is
slowed down at its source by TCP, and nothing of it is lost or answered with errors.
"""

from __future__ import annotations

_BURST = 5.0  # seconds' worth that may come at once after a silence


class Pace:
    """One remote domain or client; `now` is any clock in seconds that never goes back."""

    __slots__ = ("_byte_rate", "_bytes_until", "_stanza_rate", "_stanzas_until")

    def __init__(self, byte_rate: int, stanza_rate: int) -> None:
        self._byte_rate = byte_rate
        self._stanza_rate = stanza_rate
        self._bytes_until = 0.0  # what was taken so far is paid off at this time
        self._stanzas_until = 0.0

    def take(self, size: int, stanzas: int, now: float) -> float:
        """Seconds to wait before anything more is read."""
        paid, allowed = self._bytes_until, self._stanzas_until
        self._bytes_until = paid = (paid if paid > now else now) + size / self._byte_rate
        self._stanzas_until = allowed = (allowed if allowed > now else now) + stanzas / self._stanza_rate
        owed = (paid if paid > allowed else allowed) - now - _BURST
        return owed if owed > 0.0 else 0.0
