# SPDX-License-Identifier: Apache-2.0
"""The time zone data distribution service (RFC 7808) at /timezones/: what the server itself computes with.

Anybody may ask, without logging in (§9): the data are the IANA database's, and what a client asks for would
tell where a person is. Answers depend on the files alone; they are made once and kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from armgs_server.dav.conditions import evaluate_preconditions
from armgs_server.errors import Invalid, NotFound
from armgs_server.formats import timezone_data as data
from armgs_server.formats import timezones
from armgs_server.net.http import Request, Response

PREFIX = "/timezones"
WELL_KNOWN = "/.well-known/timezone"
PUBLISHER = "IANA"
CALENDAR = "text/calendar"
ERROR = "urn:ietf:params:tzdist:error:"
LATEST = 4102444800  # 2100: what is expanded or cut off ends there
MAX_PATTERN = 200
_MAX_AGE = ("Cache-Control", "public, max-age=86400")
_ACTIONS: tuple[tuple[str, str, dict[str, bool]], ...] = (
    ("capabilities", "/capabilities", {}),
    ("list", "/zones{?changedsince}", {"changedsince": False}),
    ("get", "/zones{/tzid}{?start,end}", {"start": False, "end": False}),
    ("expand", "/zones{/tzid}/observances{?start,end}", {"start": True, "end": True}),
    ("find", "/zones{?pattern}", {"pattern": True}),
)


class _Refusal(Exception):
    """§4.3: the name of the error and a sentence."""

    def __init__(self, name: str, title: str, status: int = 400) -> None:
        super().__init__(title)
        self.name, self.title, self.status = name, title, status


async def redirect(request: Request) -> Response:
    """§4.2.1.3."""
    return Response(307, [("Location", PREFIX), ("Cache-Control", "no-cache")])


async def handle(request: Request) -> Response:
    """Any request below /timezones."""
    if request.method not in ("GET", "HEAD"):
        return Response(405, [("Allow", "GET, HEAD")])
    try:
        return await _answer(request)
    except _Refusal as refusal:
        problem = {"type": ERROR + refusal.name, "title": refusal.title, "status": refusal.status}
        return _json(problem, status=refusal.status, content_type="application/problem+json")


async def _answer(request: Request) -> Response:
    path = request.path.removeprefix(PREFIX).strip("/")
    given = parse_qs(request.query, keep_blank_values=True)
    if path in ("", "capabilities"):
        return _json(_capabilities())
    if path == "zones":
        zones = await asyncio.to_thread(_zones)  # reads some hundred files the first time
        if "pattern" in given:
            return _json(_found(zones, given["pattern"]))
        return _json(_listed(zones, given.get("changedsince", [])))
    tzid = path.removeprefix("zones/")
    if tzid == path:
        raise _Refusal("invalid-action", "There is no such action.", 404)
    expand = tzid.removesuffix("/observances")
    try:
        if expand != tzid:
            return await asyncio.to_thread(_expanded, request, expand, given)
        return await asyncio.to_thread(_zone, request, tzid, given)
    except NotFound:
        raise _Refusal("tzid-not-found", "There is no such time zone.", 404) from None


def _capabilities() -> dict[str, Any]:
    """§5.1."""
    return {
        "version": 1,
        "info": {
            "primary-source": f"{PUBLISHER}:{data.version()}",
            "formats": [CALENDAR],
            "truncated": {"any": True, "untruncated": True},
        },
        "actions": [
            {
                "name": name,
                "uri-template": PREFIX + template,
                "parameters": [
                    {"name": each, "required": required, "multi": False}
                    for each, required in parameters.items()
                ],
            }
            for name, template, parameters in _ACTIONS
        ],
    }


@lru_cache(maxsize=1)
def _zones() -> tuple[dict[str, Any], ...]:
    """§6.2: one object for each zone; aliases are told with what they stand for."""
    aliases = data.aliases()
    names: dict[str, list[str]] = {}
    for alias, tzid in sorted(aliases.items()):
        names.setdefault(tzid, []).append(alias)
    modified = data.moment_text(data.modified())
    return tuple(
        {
            "tzid": tzid,
            "etag": data.etag(tzid),
            "last-modified": modified,
            "publisher": PUBLISHER,
            "version": data.version(),
            **({"aliases": names[tzid]} if tzid in names else {}),
        }
        for tzid in sorted(timezones.known() - set(aliases))
    )


@lru_cache(maxsize=1)
def _token() -> str:
    return hashlib.sha256("".join(zone["etag"] for zone in _zones()).encode()).hexdigest()[:20]


def _listed(zones: tuple[dict[str, Any], ...], since: list[str]) -> dict[str, Any]:
    """§5.2."""
    if len(since) > 1:
        raise _Refusal("invalid-changedsince", "One changedsince at most.")
    return {"synctoken": _token(), "timezones": [] if since == [_token()] else zones}


def _found(zones: tuple[dict[str, Any], ...], patterns: list[str]) -> dict[str, Any]:
    """§5.5."""
    if len(patterns) != 1 or not 0 < len(patterns[0]) <= MAX_PATTERN:
        raise _Refusal("invalid-pattern", "One pattern is needed.")
    text, is_open, is_left_open = _parse_pattern(patterns[0])

    def is_match(name: str) -> bool:
        name = _folded(name)
        if is_open and is_left_open:
            return text in name
        if is_open or is_left_open:
            return name.startswith(text) if is_open else name.endswith(text)
        return name == text

    matching = [zone for zone in zones if any(map(is_match, (zone["tzid"], *zone.get("aliases", ()))))]
    return {"synctoken": _token(), "timezones": matching}


def _parse_pattern(pattern: str) -> tuple[str, bool, bool]:
    """The text, and whether more may follow it, and come before it."""
    characters: list[str] = []
    stars: list[int] = []
    escaped = False
    for character in pattern:
        if escaped and character not in "*\\":
            raise _Refusal("invalid-pattern", "A backslash stands before * or another backslash.")
        if not escaped and character == "\\":
            escaped = True
            continue
        if not escaped and character == "*":
            stars.append(len(characters))
        else:
            characters.append(character)
        escaped = False
    if escaped or not set(stars) <= {0, len(characters)} or len(stars) > 2 or not characters:
        raise _Refusal("invalid-pattern", "An asterisk stands first or last.")
    return _folded("".join(characters)), len(characters) in stars, 0 in stars


def _folded(text: str) -> str:
    return "".join(each.lower() if "A" <= each <= "Z" else " " if each == "_" else each for each in text)


def _moment(given: dict[str, list[str]], name: str, *, required: bool) -> int | None:
    values = given.get(name, [])
    if not values and not required:
        return None
    try:
        if len(values) != 1:
            raise Invalid("one value is needed")
        return data.parse_moment(values[0])
    except Invalid as error:
        raise _Refusal(f"invalid-{name}", error.text) from error


def _range(given: dict[str, list[str]], *, required: bool) -> tuple[int | None, int | None]:
    start, end = _moment(given, "start", required=required), _moment(given, "end", required=required)
    if start is not None and end is not None and end <= start:
        raise _Refusal("invalid-end", "The end is not after the start.")
    if start is not None and start >= LATEST:
        raise _Refusal("invalid-start", "Nobody knows what will hold then.")
    return start, end


def _zone(request: Request, tzid: str, given: dict[str, list[str]]) -> Response:
    """§5.3."""
    start, end = _range(given, required=False)
    if end is not None and end > LATEST:
        raise _Refusal("invalid-end", "Nobody knows what will hold then.")
    accept = request.header("accept")
    media = [part.partition(";")[0].strip().lower() for part in (accept or "*/*").split(",")]
    if not {CALENDAR, "text/*", "*/*"} & set(media):
        raise _Refusal("invalid-format", "Time zones are text/calendar here.", 406)
    etag = data.etag(tzid)
    if start is not None or end is not None:
        etag = f'{etag[:-1]}-{start or ""}-{end or ""}"'
    fields = [("ETag", etag), _MAX_AGE]
    outcome = evaluate_preconditions(request.header, reading=True, etag=etag, modified=data.modified())
    if outcome == "not modified":
        return Response(304, fields)
    body = (
        b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//armgs_server//Time zones//EN\r\n"
        + data.vtimezone(tzid, start, end)
        + b"END:VCALENDAR\r\n"
    )
    return Response(200, [*fields, ("Content-Type", f"{CALENDAR}; charset=utf-8")], body)


def _expanded(request: Request, tzid: str, given: dict[str, list[str]]) -> Response:
    """§5.4: what holds at the start, and every change up to the end."""
    start, end = _range(given, required=True)
    assert start is not None and end is not None
    zone, last = data.zone(tzid), min(end, LATEST)
    held = zone.in_effect(start)
    onsets = [held._replace(at=start, before=held.after if held.at != start else held.before)]
    onsets += [onset for onset in zone.until(last) if onset.at > start]
    observances = [
        {
            "name": onset.name,
            "onset": data.moment_text(onset.at),
            "utc-offset-from": onset.before,
            "utc-offset-to": onset.after,
        }
        for onset in onsets
    ]
    answer = {"tzid": tzid, "observances": observances}
    if last != end:
        answer["end"] = data.moment_text(last)
    return _json(answer, fields=[("ETag", data.etag(tzid)), _MAX_AGE])


def _json(
    value: object,
    *,
    status: int = 200,
    content_type: str = "application/json",
    fields: list[tuple[str, str]] | None = None,
) -> Response:
    body = json.dumps(value, ensure_ascii=False).encode()
    return Response(status, [("Content-Type", f"{content_type}; charset=utf-8"), *(fields or [])], body)
