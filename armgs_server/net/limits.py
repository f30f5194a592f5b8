# SPDX-License-Identifier: Apache-2.0
"""How many connections there may be, in all and from one host."""

import ipaddress

from armgs_server.config import LimitSettings


class ConnectionLimits:
    """Counts connections; whoever was admitted must be released exactly once."""

    def __init__(self, settings: LimitSettings) -> None:
        self._settings = settings
        self.count = 0
        self._hosts: dict[str, int] = {}

    def admit(self, peer: str) -> bool:
        """Counts one connection more, unless a limit is reached."""
        host = host_of(peer)
        of_host = self._hosts.get(host, 0)
        settings = self._settings
        if self.count >= settings.connections or of_host >= settings.connections_per_host:
            return False
        self.count += 1
        self._hosts[host] = of_host + 1
        return True

    def release(self, peer: str) -> None:
        """One connection of that peer has ended."""
        host = host_of(peer)
        self.count -= 1
        remaining = self._hosts[host] - 1
        if remaining:
            self._hosts[host] = remaining
        else:
            del self._hosts[host]


def host_of(peer: str) -> str:
    """What counts as one host: an IPv4 address, or an IPv6 /64, which is what one subscriber has."""
    if ":" not in peer:
        return peer
    address = ipaddress.IPv6Address(peer.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


def is_power_of_two(count: int) -> bool:
    """1, 2, 4, 8 …: what is logged then does not fill the log."""
    return count & (count - 1) == 0
