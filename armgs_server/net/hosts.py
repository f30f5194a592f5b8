# SPDX-License-Identifier: Apache-2.0
"""Whether an address is one of the hosts and networks that a setting names."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def is_within(peer: str, networks: tuple[str, ...]) -> bool:
    """Whether the address belongs to one of them. Costs nothing where none is named."""
    return bool(networks) and _is_within(peer, networks)


@lru_cache(maxsize=4096)  # the same few hosts ask again and again, for each message and each request
def _is_within(peer: str, networks: tuple[str, ...]) -> bool:
    address: IPv4Address | IPv6Address = ip_address(peer.partition("%")[0])
    return any(address.version == network.version and address in network for network in _parsed(networks))


@lru_cache(maxsize=16)
def _parsed(networks: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(network) for network in networks)
