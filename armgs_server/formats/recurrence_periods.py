# SPDX-License-Identifier: Apache-2.0
"""The local times of an RRULE (RFC 5545 §3.3.10), generated period by period.

Own code in place of python-dateutil for three reasons: a rule begun ten years ago starts near the
wanted window, not at DTSTART; a rule that never matches ("30 February") ends after a budget of
periods looked at, where a generator that yields only matches cannot be stopped; and DTSTART counts
as the first occurrence even when it does not fit the rule.
"""

from __future__ import annotations

from calendar import isleap, monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from armgs_server.formats.recurrence_rule import Numbers, Rule

_SECONDS = {"SECONDLY": 1, "MINUTELY": 60, "HOURLY": 3600}


class Exhausted(Exception):
    """The budget of periods is spent; what was yielded so far is right, what follows is unknown."""


@dataclass(slots=True)
class Budget:
    """How many periods (years, months, weeks, days or steps) may still be looked at."""

    steps: int

    def spend(self, times: int = 1) -> None:
        """For one period, and the more the more times it holds."""
        self.steps -= 1 + times // 4
        if self.steps < 0:
            raise Exhausted


def occurrences(
    rule: Rule, start: datetime, after: datetime, before: datetime, budget: Budget
) -> Iterator[datetime]:
    """Local times of the set, in order, from about `after` (earlier ones may come too) up to `before`.

    `start` itself is first and counts for COUNT, whether it fits the rule or not (RFC 5545 §3.8.5.3).
    UNTIL is the caller's, who knows the zone.
    """
    yield start
    remaining = None if rule.count is None else rule.count - 1
    rule = _completed(rule, start)
    skip_to = start if remaining is not None or after < start else after
    if rule.freq in _SECONDS:
        periods = _short_periods(rule, start, skip_to, before, budget)
    else:
        periods = _long_periods(rule, start, skip_to, before, budget)
    for period in periods:
        for moment in _positions(rule.numbers("BYSETPOS"), period):
            if moment <= start:
                continue
            if moment > before or remaining == 0:
                return
            if remaining is not None:
                remaining -= 1
            yield moment
        if remaining == 0:
            return


def _completed(rule: Rule, start: datetime) -> Rule:
    """With the days that the rule leaves to DTSTART."""
    by = dict(rule.by)
    byday = rule.byday
    if not (byday or by.keys() & {"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"}):
        if rule.freq == "YEARLY":
            by.setdefault("BYMONTH", (start.month,))
        if rule.freq in ("YEARLY", "MONTHLY"):
            by["BYMONTHDAY"] = (start.day,)
        elif rule.freq == "WEEKLY":
            byday = ((0, start.weekday()),)
    elif (
        rule.freq == "YEARLY" and "BYWEEKNO" in by and not (byday or by.keys() & {"BYMONTHDAY", "BYYEARDAY"})
    ):
        byday = ((0, start.weekday()),)
    return Rule(rule.freq, rule.interval, rule.count, rule.until, rule.wkst, byday, by)


def _positions(positions: Numbers, period: list[datetime]) -> list[datetime]:
    if not positions:
        return period
    size = len(period)
    chosen = {position - 1 if position > 0 else size + position for position in positions}
    return [period[index] for index in sorted(chosen) if 0 <= index < size]


def _long_periods(
    rule: Rule, start: datetime, skip_to: datetime, before: datetime, budget: Budget
) -> Iterator[list[datetime]]:
    """Each year, month, week or day of the rule, with its local times."""
    times = [
        time(hour, minute, min(second, 59))
        for hour in rule.numbers("BYHOUR") or (start.hour,)
        for minute in rule.numbers("BYMINUTE") or (start.minute,)
        for second in rule.numbers("BYSECOND") or (start.second,)
    ]
    fits = _day_test(rule)
    last = before.date()
    for first, days in _PERIODS[rule.freq](rule, start.date(), skip_to.date()):
        if first > last:
            return
        fitting = [day for day in days if fits(day)]
        budget.spend(len(fitting) * len(times))
        yield [datetime.combine(day, moment) for day in fitting for moment in times]


Period = tuple[date, list[date]]  # its first day; the days in it that may fit


def _years(rule: Rule, start: date, skip_to: date) -> Iterator[Period]:
    year = start.year + (skip_to.year - start.year) // rule.interval * rule.interval
    months = () if rule.by.keys() & {"BYYEARDAY", "BYWEEKNO"} else rule.numbers("BYMONTH")
    while year <= date.max.year:
        first = date(year, 1, 1)
        if months:
            yield first, [day for month in months for day in _month_days(rule, year, month)]
        else:
            yield first, [first + timedelta(day) for day in range(365 + isleap(year))]
        year += rule.interval


def _months(rule: Rule, start: date, skip_to: date) -> Iterator[Period]:
    month = start.year * 12 + start.month - 1
    month += (skip_to.year * 12 + skip_to.month - 1 - month) // rule.interval * rule.interval
    while month < (date.max.year + 1) * 12:
        year, index = divmod(month, 12)
        yield date(year, index + 1, 1), _month_days(rule, year, index + 1)
        month += rule.interval


def _month_days(rule: Rule, year: int, month: int) -> list[date]:
    length = monthrange(year, month)[1]
    wanted = rule.numbers("BYMONTHDAY")
    if not wanted:
        return [date(year, month, day) for day in range(1, length + 1)]
    days = {day if day > 0 else length + 1 + day for day in wanted}
    return [date(year, month, day) for day in sorted(days) if 1 <= day <= length]


def _weeks(rule: Rule, start: date, skip_to: date) -> Iterator[Period]:
    step = 7 * rule.interval
    week = start.toordinal() - (start.weekday() - rule.wkst) % 7
    week += max(0, (skip_to.toordinal() - week) // step * step)
    offsets = sorted({(weekday - rule.wkst) % 7 for _, weekday in rule.byday} or range(7))
    while 0 < week <= date.max.toordinal() - 7:
        yield date.fromordinal(week), [date.fromordinal(week + offset) for offset in offsets]
        week += step


def _days(rule: Rule, start: date, skip_to: date) -> Iterator[Period]:
    day = start.toordinal()
    day += (skip_to.toordinal() - day) // rule.interval * rule.interval
    while day <= date.max.toordinal():
        yield date.fromordinal(day), [date.fromordinal(day)]
        day += rule.interval


def _short_periods(
    rule: Rule, start: datetime, skip_to: datetime, before: datetime, budget: Budget
) -> Iterator[list[datetime]]:
    """Each hour, minute or second of the rule; days and hours that cannot fit are jumped over."""
    step = timedelta(seconds=_SECONDS[rule.freq] * rule.interval)
    fits = _day_test(rule)
    hours, minutes, seconds = (frozenset(rule.numbers(part)) for part in ("BYHOUR", "BYMINUTE", "BYSECOND"))
    now = start + (skip_to - start) // step * step
    while now <= before:
        budget.spend()
        if not fits(now.date()):
            target = datetime.combine(now.date() + timedelta(1), time())
        elif hours and now.hour not in hours:
            target = now.replace(minute=0, second=0) + timedelta(hours=1)
        elif minutes and now.minute not in minutes and rule.freq != "HOURLY":
            target = now.replace(second=0) + timedelta(minutes=1)
        else:
            moments = _within(rule, now, seconds)
            budget.spend(len(moments))
            yield moments
            target = now + step
        now -= (now - target) // step * step  # the first step at or after the target


def _within(rule: Rule, now: datetime, seconds: frozenset[int]) -> list[datetime]:
    """The local times of one hour, minute or second."""
    if rule.freq == "SECONDLY":
        return [now] if not seconds or now.second in seconds else []
    minutes = (rule.numbers("BYMINUTE") or (now.minute,)) if rule.freq == "HOURLY" else (now.minute,)
    return [
        now.replace(minute=minute, second=min(second, 59))
        for minute in minutes
        for second in rule.numbers("BYSECOND") or (now.second,)
    ]


def _day_test(rule: Rule) -> Callable[[date], bool]:
    """Whether a day fits all BY parts that speak of days."""
    tests: list[Callable[[date], bool]] = []
    if months := rule.numbers("BYMONTH"):
        tests.append(lambda day: day.month in months)
    if month_days := rule.numbers("BYMONTHDAY"):
        tests.append(lambda day: day.day in month_days or day.day - _month_length(day) - 1 in month_days)
    if year_days := rule.numbers("BYYEARDAY"):
        tests.append(
            lambda day: _year_day(day) in year_days or _year_day(day) - _year_length(day) - 1 in year_days
        )
    if weeks := rule.numbers("BYWEEKNO"):
        tests.append(lambda day: any(number in weeks for number in _week_numbers(day, rule.wkst)))
    if rule.byday and rule.freq != "WEEKLY":
        # RFC 5545 §3.3.10: numbered weekdays count within the month, or within a year without BYMONTH.
        in_year = rule.freq == "YEARLY" and "BYMONTH" not in rule.by
        numbered = rule.freq in ("YEARLY", "MONTHLY") and "BYWEEKNO" not in rule.by
        tests.append(lambda day: _is_weekday(day, rule.byday, in_year, numbered))
    if not tests:
        return lambda day: True
    if len(tests) == 1:
        return tests[0]
    return lambda day: all(test(day) for test in tests)


def _month_length(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def _year_day(day: date) -> int:
    return day.timetuple().tm_yday


def _year_length(day: date) -> int:
    return 365 + isleap(day.year)


def _week_numbers(day: date, wkst: int) -> tuple[int, int]:
    """The number of the day's week, counted from the year's start and from its end (-1 = last)."""
    # A week belongs to the year in which its fourth day lies, so the fourth day's date tells.
    middle = day + timedelta(3 - (day.weekday() - wkst) % 7)
    number = (_year_day(middle) - 1) // 7 + 1
    left = (_year_length(middle) - _year_day(middle)) // 7
    return number, -1 - left


def _is_weekday(day: date, byday: tuple[tuple[int, int], ...], in_year: bool, numbered: bool) -> bool:
    place, length = (_year_day(day), _year_length(day)) if in_year else (day.day, _month_length(day))
    weekday = day.weekday()
    for number, wanted in byday:
        if wanted != weekday:
            continue
        if number == 0 or not numbered:
            return True
        if number > 0 and (place - 1) // 7 + 1 == number:
            return True
        if number < 0 and (length - place) // 7 + 1 == -number:
            return True
    return False


_PERIODS: dict[str, Callable[[Rule, date, date], Iterator[Period]]] = {
    "YEARLY": _years, "MONTHLY": _months, "WEEKLY": _weeks, "DAILY": _days,
}  # fmt: skip
