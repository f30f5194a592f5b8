# SPDX-License-Identifier: Apache-2.0
"""acme/schedule.py: when a certificate is ordered, and when not."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from armgs_server.acme.schedule import Shown, due, failed, succeeded, wished
from armgs_server.storage import clock
from armgs_server.storage.acme import State

CA = "https://ca.example/dir"
NAMES = ("mail.example", "chat.example")
NOW = 1_800_000_000 * clock.SECOND
SHOWN = Shown(frozenset(NAMES), NOW, NOW + 90 * clock.DAY)
DONE = succeeded(CA, SHOWN, {}, NOW, 0.0)


def test_a_third_of_the_life_is_left() -> None:
    assert due(DONE, SHOWN, CA, NAMES) == NOW + 60 * clock.DAY
    assert due(succeeded(CA, SHOWN, {}, NOW, 0.5), SHOWN, CA, NAMES) == NOW + round(58.5 * clock.DAY)


def test_at_once_where_there_is_none_or_another_is_wanted() -> None:
    assert due(State(), None, CA, NAMES) == 0
    assert due(DONE, SHOWN, "https://other.example/dir", NAMES) == 0
    assert due(DONE, SHOWN, CA, (*NAMES, "new.example")) == 0
    assert due(dataclasses.replace(DONE, demanded=True), SHOWN, CA, NAMES) == 0


def test_a_name_too_many_is_no_reason() -> None:
    assert due(DONE, SHOWN, CA, NAMES[:1]) == DONE.renew


def test_refused_names_are_tried_again_the_next_day() -> None:
    state = succeeded(CA, SHOWN, {"away.example": "no such host"}, NOW, 0.0)
    assert due(state, SHOWN, CA, (*NAMES, "away.example")) == NOW + clock.DAY
    assert due(state, SHOWN, CA, NAMES) == state.renew


def test_a_ca_whose_clock_is_wrong_is_asked_once_an_hour() -> None:
    over = Shown(frozenset(NAMES), NOW - 100 * clock.DAY, NOW - 10 * clock.DAY)
    assert due(succeeded(CA, over, {}, NOW, 0.0), over, CA, NAMES) == NOW + clock.HOUR


def test_waits_double_and_hold_up_a_demand_too() -> None:
    state, waits = dataclasses.replace(DONE, demanded=True), []
    for _ in range(6):
        state = failed(state, "away", NOW, 300.0, 3600.0, 0.0)
        waits.append((due(state, SHOWN, CA, NAMES) - NOW) // clock.SECOND)
    assert waits == [300, 600, 1200, 2400, 3600, 3600]
    assert (state.failures, state.error) == (6, "away")


def test_a_failure_does_not_bring_the_next_order_forward() -> None:
    assert due(failed(DONE, "away", NOW, 300.0, 3600.0, 0.0), SHOWN, CA, NAMES) == DONE.renew


def test_the_ca_s_wish_counts_and_it_is_asked_neither_at_once_nor_never() -> None:
    state = wished(DONE, NOW - 1, NOW, NOW)
    assert due(state, SHOWN, CA, NAMES) == NOW - 1
    assert state.ask == NOW + clock.MINUTE
    none = wished(DONE, None, NOW + 30 * clock.DAY, NOW)
    assert (none.renew, none.ask) == (DONE.renew, NOW + clock.DAY)


@given(
    life=st.integers(1, 400 * clock.DAY),
    age=st.integers(0, 400 * clock.DAY),
    share=st.floats(0, 1, exclude_max=True),
    failures=st.integers(0, 2000),
)
def test_whatever_the_figures_the_next_order_is_ahead(
    life: int, age: int, share: float, failures: int
) -> None:
    shown = Shown(frozenset(NAMES), NOW - age, NOW - age + life)
    state = succeeded(CA, shown, {}, NOW, share)
    assert due(state, shown, CA, NAMES) >= NOW
    state = failed(dataclasses.replace(state, failures=failures), "", NOW, 300.0, 3600.0, share)
    assert NOW < state.retry <= NOW + 2 * clock.HOUR
