# SPDX-License-Identifier: Apache-2.0
"""Connections counted in all and by host."""

from armgs_server.config import LimitSettings
from armgs_server.net.limits import ConnectionLimits, host_of


def test_total_and_per_host() -> None:
    limits = ConnectionLimits(LimitSettings(connections=3, connections_per_host=2))
    assert limits.admit("192.0.2.1") and limits.admit("192.0.2.1")
    assert not limits.admit("192.0.2.1")
    assert limits.admit("192.0.2.2")
    assert not limits.admit("192.0.2.3")
    limits.release("192.0.2.1")
    assert limits.admit("192.0.2.3")
    assert limits.count == 3


def test_what_counts_as_one_host() -> None:
    assert host_of("192.0.2.1") == "192.0.2.1"
    assert host_of("2001:db8:1:2::1") == host_of("2001:db8:1:2:ffff::9")
    assert host_of("2001:db8:1:2::1") != host_of("2001:db8:1:3::1")
    assert host_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert host_of("fe80::1%eth0") == "fe80::/64"
