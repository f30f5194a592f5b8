# SPDX-License-Identifier: Apache-2.0
"""storage/clock.py: the database's clock is everybody's, whatever a host's own one says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from armgs_server.storage import Store, clock


@pytest.fixture(autouse=True)
def own_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is followed at first, and nothing is left behind."""
    monkeypatch.setattr(clock, "_lead", None)
    yield


def test_without_a_database_to_follow_it_is_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_123_456_789)
    assert clock.now() == 1_700_000_000_123_456


def test_it_follows_a_clock_that_is_minutes_away() -> None:
    asked = clock.since_boot()
    clock.follow(5 * clock.MINUTE, asked, asked)
    assert 5 * clock.MINUTE <= clock.now() < 6 * clock.MINUTE


def test_the_hosts_clock_may_be_set_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = clock.since_boot()
    clock.follow(1000 * clock.SECOND, asked, asked)
    monkeypatch.setattr("time.time_ns", lambda: 0)
    assert clock.now() >= 1000 * clock.SECOND


def test_a_slow_answer_changes_nothing_that_it_does_not_contradict() -> None:
    assert clock.follow(1000, 0, 10) == 0  # believed to have been said at 5: 995 ahead
    assert clock.follow(2000, 900, 1200) == 0  # between 800 and 1100 ahead: nothing new
    assert clock.follow(2000, 1000, 1001) == 4  # between 999 and 1000 ahead
    assert clock.follow(2000, 1500, 1600) == -499  # its clock was set back


def test_ids_rise_though_the_clock_goes_back() -> None:
    asked = clock.since_boot()
    clock.follow(clock.HOUR, asked, asked)
    before = clock.unique_id()
    clock.follow(clock.MINUTE, asked, asked)
    assert clock.unique_id() > before


@pytest.mark.postgres
async def test_opening_postgresql_sets_it(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = clock.now()
    monkeypatch.setattr("time.time_ns", lambda: 0)
    store = await Store.open(postgresql_url, tmp_path)
    try:
        assert truth - clock.SECOND < clock.now() < truth + clock.MINUTE
    finally:
        await store.close()
