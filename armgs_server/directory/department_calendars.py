# SPDX-License-Identifier: Apache-2.0
"""Calendars of a department: holidays, working Saturdays, events of the house. Everybody in it has them in
the own home at once, to read; they are written by import, or copied from the web (storage.subscribed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from armgs_server.directory.access import READ_ONLY, put_grant
from armgs_server.directory.model import Principal
from armgs_server.errors import Invalid, NotFound
from armgs_server.storage import accounts, collections, subscribed, trees
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

KIND: Final = "calendar"
NAME_LIMIT: Final = 100  # characters: it is a segment of a path, with the department's address behind it
URL_LIMIT: Final = 2000
_SOURCE: Final = "source"  # in the data of a subscribed calendar


@dataclass(frozen=True, slots=True)
class DepartmentCalendar:
    """`source` is "" for one that is written by import; `error` is of the last time that it was fetched."""

    name: str
    items: int
    source: str
    error: str


async def create(tx: Tx, department: Principal, name: str, source: str = "") -> Collection:
    """A new one, readable by everybody in the department. Invalid, AlreadyExists."""
    name = _checked_name(name)
    await accounts.hold(tx, [department.id])
    url = _checked_url(source) if source else ""
    if url:
        made = await collections.create(tx, department.id, subscribed.KIND, name, data={_SOURCE: url})
        await subscribed.add(tx, department.id, made.id)
    else:
        made = await collections.create(tx, department.id, KIND, name)
    await put_grant(tx, made, department.id, READ_ONLY)
    return made


async def find(tx: Tx, department: Principal, name: str) -> Collection | None:
    """The one of that name."""
    found = await collections.find(tx, department.id, KIND, name)
    return found or await collections.find(tx, department.id, subscribed.KIND, name)


async def of(tx: Tx, department: Principal) -> list[DepartmentCalendar]:
    """All of a department, by name."""
    found = []
    for kind in (KIND, subscribed.KIND):
        for each in await collections.children(tx, department.id, 0, kind):
            row = await subscribed.get(tx, department.id, each.id) if kind != KIND else None
            error = row.error if row is not None else ""
            source = str(each.data.get(_SOURCE, ""))
            found.append(DepartmentCalendar(each.name, each.items, source, error))
    return sorted(found, key=lambda each: each.name)


async def remove(tx: Tx, department: Principal, name: str) -> None:
    """Takes one away from everybody. NotFound."""
    await accounts.hold(tx, [department.id])
    found = await find(tx, department, name)
    if found is None:
        raise NotFound(f"{department.name} has no calendar {name[:NAME_LIMIT]}")
    await trees.delete(tx, found)


def _checked_name(name: str) -> str:
    name = name.strip()
    is_segment = name.isprintable() and "/" not in name and name not in (".", "..")
    if "_shared_by_" in name:  # what stands between its name and its owner's in the homes of others
        is_segment = False
    if not 0 < len(name) <= NAME_LIMIT or not is_segment:
        raise Invalid(f"a calendar's name has 1 to {NAME_LIMIT} printable characters, and no slash")
    return name


def _checked_url(source: str) -> str:
    """Where it may lead is checked each time it is fetched, after the name was looked up (net.fetch)."""
    scheme, separator, rest = source.strip().partition("://")
    if scheme.lower() in ("webcal", "webcals"):  # what links to calendars say
        scheme = "https"
    url = scheme.lower() + separator + rest
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_web = False
    if not is_web or len(url) > URL_LIMIT or not url.isascii() or not url.isprintable() or " " in url:
        raise Invalid("the source is no address on the web")
    return url
