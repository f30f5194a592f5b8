# SPDX-License-Identifier: Apache-2.0
"""Which generations stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.cli.backup_keep import Rule, kept, parse_keep
from armgs_server.errors import Invalid

NIGHT = datetime(2026, 1, 1, 2, 15, tzinfo=UTC)


def test_rules() -> None:
    assert parse_keep("7d, 4w,12m") == (Rule(7, "d"), Rule(4, "w"), Rule(12, "m"))
    assert parse_keep("") == ()


@pytest.mark.parametrize("text", ["7", "d", "0d", "7x", "7d,,4w", "-1d", "99999d", "7D"])
def test_what_is_no_rule_is_named(text: str) -> None:
    with pytest.raises(Invalid, match="is no rule like"):
        parse_keep(text)


def test_a_year_of_nights() -> None:
    nights = [NIGHT + timedelta(days=day) for day in range(365)]
    stay = sorted(kept(nights, parse_keep("7d,4w,12m")))
    # The last seven, the Sundays of the three weeks before this one, and the last of eleven months.
    assert [f"{each:%m-%d}" for each in stay] == [
        *("01-31", "02-28", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31", "09-30", "10-31", "11-30"),
        *("12-13", "12-20", "12-25", "12-26", "12-27", "12-28", "12-29", "12-30", "12-31"),
    ]


def test_the_last_one_of_a_day_stands_for_it() -> None:
    hours = [NIGHT + timedelta(hours=hour) for hour in range(30)]
    assert kept(hours, parse_keep("2d")) == {hours[21], hours[29]}


def test_no_rules_keep_everything() -> None:
    assert kept([NIGHT], ()) == {NIGHT}
    assert kept([], parse_keep("7d")) == set()


@given(
    st.sets(st.datetimes(timezones=st.just(UTC)), min_size=1),
    st.lists(st.builds(Rule, st.integers(1, 20), st.sampled_from("hdwmy"))),
)
def test_the_newest_stays_and_pruning_twice_is_pruning_once(
    moments: set[datetime], rules: list[Rule]
) -> None:
    stay = kept(moments, rules)
    assert max(moments) in stay
    assert stay <= moments
    assert kept(stay, rules) == stay


@given(st.text(alphabet="0123456789hdwmy, x"))
def test_any_text_is_rules_or_refused(text: str) -> None:
    try:
        rules = parse_keep(text)
    except Invalid:
        return
    assert all(rule.count > 0 and rule.period in "hdwmy" for rule in rules)
