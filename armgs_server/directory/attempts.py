# SPDX-License-Identifier: Apache-2.0
"""The throttle on log-ins: one for all protocols, by account, by address and by network.

After so many failures within the window each further one doubles the wait, up to a bound. A network from
which an account has logged in before is counted for that account on its own: strangers who guess at an
account cannot keep its owner out. Memory is bounded; what was touched longest ago is forgotten first.
Workers tell one another of failures on the bus, so that an attacker gets no fresh count from each.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from armgs_server.config import SecuritySettings
from armgs_server.directory.cache import Cache
from armgs_server.errors import Throttled
from armgs_server.storage.bus import Bus

TOPIC: Final = "attempts"
IPV4_NETWORK: Final = 24
IPV6_NETWORK: Final = 64

Key: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class _Failures:
    count: int
    last: float
    blocked_until: float


class Attempts:
    """`clock` counts seconds from anywhere; accounts are named by any text that stays the same."""

    def __init__(self, settings: SecuritySettings, bus: Bus, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._bus = bus
        self._clock = clock
        self._failures: Cache[Key, _Failures] = Cache(settings.login_tracked)
        self._known: Cache[tuple[str, str], bool] = Cache(settings.login_tracked)
        self._name = secrets.token_hex(8)
        self._unsubscribe = bus.subscribe(TOPIC, self._on_message)

    def check(self, account: str, peer: str) -> None:
        """Raises Throttled while the account, the address or its network has to wait."""
        if not self._failures:  # nobody has failed of late
            return
        now = self._clock()
        for key, _ in self._keys(account, peer):
            failures = self._failures.get(key)
            if failures is not None and failures.blocked_until > now:
                raise Throttled("too many failed log-ins; try again later")

    def failed(self, account: str, peer: str) -> None:
        """Counts a failure, here and in the other workers."""
        self._count(account, peer)
        self._bus.publish(TOPIC, "\0".join((self._name, peer, account)).encode())

    def succeeded(self, account: str, peer: str) -> None:
        """Forgets the account's failures, and knows its network from now on."""
        key, _ = self._keys(account, peer)[0]
        self._failures.drop(key)
        self._known.put((account, network_of(peer)), True)

    def close(self) -> None:
        """Stops listening."""
        self._unsubscribe()

    def _keys(self, account: str, peer: str) -> tuple[tuple[Key, int], ...]:
        settings, network = self._settings, network_of(peer)
        by_account: Key = ("account", account)
        if self._known.get((account, network)):
            by_account = ("account", account, network)
        return (
            (by_account, settings.login_failures),
            (("address", peer), settings.login_failures_address),
            (("network", network), settings.login_failures_network),
        )

    def _count(self, account: str, peer: str) -> None:
        now = self._clock()
        for key, limit in self._keys(account, peer):
            failures = self._failures.get(key)
            if failures is None or now - failures.last > self._settings.login_window:
                failures = _Failures(0, now, 0.0)
                self._failures.put(key, failures)
            failures.count += 1
            failures.last = now
            if failures.count >= limit:
                doublings = min(failures.count - limit, 30)  # 2**30 seconds is beyond any bound
                wait = self._settings.login_wait * 2**doublings
                failures.blocked_until = now + min(wait, self._settings.login_longest_wait)

    def _on_message(self, data: bytes) -> None:
        name, peer, account = data.decode().split("\0", 2)
        if name != self._name:
            self._count(account, peer)


@lru_cache(maxsize=4096)
def network_of(peer: str) -> str:
    """The /24 of an IPv4 address, the /64 of an IPv6 one; what is no address is a network of its own."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    size = IPV4_NETWORK if address.version == 4 else IPV6_NETWORK
    return str(ipaddress.ip_network((address, size), strict=False))
