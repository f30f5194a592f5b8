# SPDX-License-Identifier: Apache-2.0
"""Passwords that were checked before, as keyed hashes, for a while, in this process's memory only."""

from __future__ import annotations

import time
from typing import Final, Generic, TypeVar

from armgs_server.directory.cache import Cache

K = TypeVar("K")

PASSWORDS_LIMIT: Final = 32  # of one account: the own password, and one for each of some devices


class Remembered(Generic[K]):
    """At most `limit` accounts; each of their passwords for `lifetime` seconds. `limit` 0: nothing is."""

    def __init__(self, limit: int, lifetime: float) -> None:
        self._limit = limit
        self._lifetime = lifetime
        self._accounts: Cache[K, dict[bytes, float]] = Cache(max(1, limit))

    def __contains__(self, entry: tuple[K, bytes]) -> bool:
        """Whether this password of this account is remembered."""
        account, secret = entry
        known = self._accounts.get(account)
        return known is not None and known.get(secret, 0.0) > time.monotonic()

    def add(self, account: K, secret: bytes) -> None:
        """Remembers one; with too many of an account the others are forgotten."""
        if not self._limit:
            return
        known = self._accounts.get(account)
        if known is None or len(known) >= PASSWORDS_LIMIT:
            known = {}
            self._accounts.put(account, known)
        known[secret] = time.monotonic() + self._lifetime

    def forget(self, account: K) -> None:
        """Forgets one account."""
        self._accounts.drop(account)

    def forget_all(self) -> None:
        """Forgets everything."""
        self._accounts.clear()
