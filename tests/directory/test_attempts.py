# SPDX-License-Identifier: Apache-2.0
"""The throttle, with a clock that the test moves."""

from __future__ import annotations

import pytest

from armgs_server.config import SecuritySettings
from armgs_server.directory.attempts import Attempts, network_of
from armgs_server.errors import Throttled
from armgs_server.storage.bus import LocalBus

SETTINGS = SecuritySettings(
    login_failures=3,
    login_failures_address=5,
    login_failures_network=8,
    login_window=600.0,
    login_wait=2.0,
    login_longest_wait=10.0,
    login_tracked=1000,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make(bus: LocalBus | None = None) -> tuple[Attempts, Clock]:
    clock = Clock()
    return Attempts(SETTINGS, bus or LocalBus(), clock), clock


def is_throttled(attempts: Attempts, account: str, peer: str) -> bool:
    try:
        attempts.check(account, peer)
    except Throttled:
        return True
    return False


def fail(attempts: Attempts, times: int, account: str, peer: str) -> None:
    for _ in range(times):
        attempts.failed(account, peer)


def test_each_failure_beyond_the_limit_doubles_the_wait() -> None:
    attempts, clock = make()
    fail(attempts, 2, "1", "192.0.2.1")
    assert not is_throttled(attempts, "1", "192.0.2.1")
    for wait in (2.0, 4.0, 8.0, 10.0):
        attempts.failed("1", "192.0.2.1")
        clock.now += wait - 0.1
        assert is_throttled(attempts, "1", "192.0.2.1")
        clock.now += 0.2
        assert not is_throttled(attempts, "1", "192.0.2.1") or wait > 4.0  # by then the address waits too


def test_failures_are_forgotten_after_the_window() -> None:
    attempts, clock = make()
    fail(attempts, 2, "1", "192.0.2.1")
    clock.now += 601
    fail(attempts, 2, "1", "192.0.2.1")
    assert not is_throttled(attempts, "1", "192.0.2.1")


def test_an_account_is_guarded_against_many_addresses() -> None:
    attempts, _ = make()
    for number in range(3):
        attempts.failed("1", f"198.51.{number}.1")
    assert is_throttled(attempts, "1", "203.0.113.1")
    assert not is_throttled(attempts, "2", "203.0.113.1")


def test_strangers_cannot_lock_the_owner_out() -> None:
    attempts, _ = make()
    attempts.succeeded("1", "192.0.2.1")
    fail(attempts, 4, "1", "203.0.113.1")
    assert is_throttled(attempts, "1", "203.0.113.1")
    assert not is_throttled(attempts, "1", "192.0.2.77")  # the same network as before


def test_an_address_is_stopped_over_all_accounts() -> None:
    attempts, _ = make()
    for number in range(5):
        attempts.failed(str(number), "192.0.2.1")
    assert is_throttled(attempts, "99", "192.0.2.1")
    assert not is_throttled(attempts, "99", "192.0.2.2")


@pytest.mark.parametrize("peers", ["192.0.2.%d", "2001:db8:1:2::%x"])
def test_a_network_is_stopped_over_all_addresses(peers: str) -> None:
    attempts, _ = make()
    for number in range(1, 9):
        attempts.failed(str(number), peers % number)
    assert is_throttled(attempts, "99", peers % 200)
    assert not is_throttled(attempts, "99", "2001:db8:1:3::1")


def test_a_success_forgets_the_accounts_failures_but_not_the_addresss() -> None:
    attempts, _ = make()
    fail(attempts, 2, "1", "192.0.2.1")
    attempts.succeeded("1", "192.0.2.1")
    fail(attempts, 2, "1", "192.0.2.1")
    assert not is_throttled(attempts, "1", "192.0.2.1")
    attempts.failed("2", "192.0.2.1")
    assert is_throttled(attempts, "3", "192.0.2.1")


def test_workers_tell_one_another() -> None:
    bus = LocalBus()
    one, _ = make(bus)
    other, _ = make(bus)
    fail(one, 3, "1", "192.0.2.1")
    assert is_throttled(one, "1", "192.0.2.1")
    assert is_throttled(other, "1", "192.0.2.1")
    other.close()
    fail(one, 3, "2", "198.51.100.1")
    assert not is_throttled(other, "2", "198.51.100.1")


def test_memory_is_bounded() -> None:
    attempts, _ = make()
    for number in range(5000):
        attempts.failed(f"?{number}", f"10.{number % 250}.{number // 250}.1")
    assert len(attempts._failures) == SETTINGS.login_tracked


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_networks(peer: str, network: str) -> None:
    assert network_of(peer) == network
