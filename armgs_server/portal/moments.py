# SPDX-License-Identifier: Apache-2.0
"""Moments, days and sizes as people read them: in the server's time zone, in the language of the page."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from armgs_server.errors import Invalid
from armgs_server.storage import clock

_MOMENTS: Final = {"ru": "%d.%m.%Y %H:%M", "en": "%Y-%m-%d %H:%M"}
_DAYS: Final = {"ru": "%d.%m.%Y", "en": "%Y-%m-%d"}
_UNITS: Final = {"ru": ("Б", "КиБ", "МиБ", "ГиБ", "ТиБ"), "en": ("B", "KiB", "MiB", "GiB", "TiB")}


def moment(time: int, language: str) -> str:
    """Day and minute; "" for 0, which stands for never."""
    return _local(time).strftime(_MOMENTS[language]) if time else ""


def day(time: int, language: str) -> str:
    """The day; "" for 0."""
    return _local(time).strftime(_DAYS[language]) if time else ""


def hours(starts: int, ends: int) -> tuple[str, str]:
    """From which minute to which of one day; its last one is 24:00."""
    first, last = (_local(each).strftime("%H:%M") for each in (starts, ends))
    return first, "24:00" if last == "00:00" and ends > starts else last


def size(number: int, language: str) -> str:
    """Bytes in units of 1024."""
    value, unit, units = float(number), 0, _UNITS[language]
    while value >= 1024 and unit < len(units) - 1:
        value, unit = value / 1024, unit + 1
    text = f"{value:.0f}" if unit == 0 else f"{value:.1f}"
    return f"{text.replace('.', ',') if language == 'ru' else text} {units[unit]}"


def parse_day(text: str) -> date:
    """What a field of type `date` sends. Invalid."""
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"{text[:20]!r} is no day") from error
    if not 1970 < found.year < 9000:
        raise Invalid(f"{text[:20]!r} is no day")
    return found


def start_of(found: date) -> int:
    """The first moment of a day."""
    return int(datetime(found.year, found.month, found.day).astimezone().timestamp()) * clock.SECOND


def end_of(found: date) -> int:
    """The first moment after a day."""
    return start_of(found + timedelta(days=1))


def iso_day(time: int) -> str:
    """For a field of type `date`."""
    return _local(time).date().isoformat()


def today() -> date:
    """Today, here."""
    return _local(clock.now()).date()


def _local(time: int) -> datetime:
    return datetime.fromtimestamp(time / clock.SECOND).astimezone()
