# SPDX-License-Identifier: Apache-2.0
"""Addresses against the hosts and networks of a setting."""

from __future__ import annotations

import pytest

from armgs_server.net.hosts import is_within

NETWORKS = ("192.0.2.7", "198.51.100.0/24", "2001:db8::/32", "fe80::1")


@pytest.mark.parametrize(
    "peer", ["192.0.2.7", "198.51.100.0", "198.51.100.255", "2001:db8:1::9", "fe80::1", "fe80::1%eth0"]
)
def test_within(peer: str) -> None:
    assert is_within(peer, NETWORKS)


@pytest.mark.parametrize("peer", ["192.0.2.8", "198.51.101.1", "2001:db9::1", "fe80::2%eth0", "::c000:207"])
def test_not_within(peer: str) -> None:
    assert not is_within(peer, NETWORKS)
    assert not is_within(peer, ())
