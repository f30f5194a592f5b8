# SPDX-License-Identifier: Apache-2.0
"""Verbs about tokens: with which programs do what their scopes name, in the departments they are for.

A scope is a group of verbs: `people` is all of them, `people:read` those that change nothing; `*` and
`*:read` are every group; `passwords` is what opens accounts to others or shuts them. What makes, lists and
revokes tokens is for people alone: no token can make another one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from armgs_server.administration.fields import Field
from armgs_server.administration.posts import shown_time
from armgs_server.administration.verb import Desk, Given, Verb
from armgs_server.directory import lookup
from armgs_server.directory.api_tokens import ApiTokens
from armgs_server.errors import Conflict, Denied, Invalid, NotFound
from armgs_server.storage import api_tokens as rows
from armgs_server.storage import clock
from armgs_server.storage.api_tokens import ApiToken
from armgs_server.storage.tx import Tx

GROUP: Final = "tokens"
EVERYTHING: Final = "*"
READ: Final = ":read"
SHOWN_DAYS: Final = 30  # for so long one that has ended is still listed
_ID: Final = Field("string", "The token's id.", required=True, length=32)


class OutOfScope(Denied):
    """Not with this token; `needed` is the scope that is enough."""

    def __init__(self, needed: str) -> None:
        super().__init__(f"the token has not the scope {needed}" if needed else "this is not for tokens")
        self.needed = needed


def needed(verb: Verb) -> str:
    """The least scope that is enough for a verb; "" where none is."""
    if verb.scope == GROUP:
        return ""
    return verb.scope if verb.changes else verb.scope + READ


def check(verb: Verb, scopes: Collection[str]) -> None:
    """OutOfScope."""
    least = needed(verb)
    enough = {verb.scope, EVERYTHING, *(() if verb.changes else (verb.scope + READ, EVERYTHING + READ))}
    if not least or enough.isdisjoint(scopes):
        raise OutOfScope(least)


async def list_(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    return {"tokens": [await _shown(tx, each) for each in await rows.all_(tx) if _is_own(desk, each)]}


async def create(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    settings = desk.directory.config.administration
    scopes = _checked(desk, given["scopes"])
    departments = desk.departments
    if given.get("domains"):
        departments = frozenset([(await desk.department(tx, each)).id for each in given["domains"]])
    days = given.get("days", settings.token_days)
    if days > settings.token_days_most:
        raise Invalid(f"a token is good for at most {settings.token_days_most} days")
    await rows.sweep(tx, desk.now - SHOWN_DAYS * clock.DAY)
    maker = 0 if desk.person is None else desk.person.id
    if maker and sum(each.maker == maker for each in await rows.all_(tx)) >= settings.tokens:
        raise Conflict(f"one administrator has at most {settings.tokens} tokens: revoke one")
    id_, text, hashed = ApiTokens(desk.directory).new()
    ends = desk.now + days * clock.DAY
    made = ApiToken(id_, given["name"], hashed, maker, desk.actor, departments, scopes, desk.now, ends)
    await rows.add(tx, made)
    desk.about.update(departments or ())
    return {**await _shown(tx, made), "token": text}


async def revoke(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await rows.get(tx, given["id"])
    if found is None or not _is_own(desk, found):
        raise NotFound("there is no such token")
    await rows.remove(tx, found.id)
    desk.about.update(found.departments or ())
    return await _shown(tx, found)


def _is_own(desk: Desk, token: ApiToken) -> bool:
    """Whether all that it is for is the administrator's."""
    if desk.departments is None:
        return True
    return token.departments is not None and token.departments <= desk.departments


def _checked(desk: Desk, scopes: list[str]) -> tuple[str, ...]:
    known = [f"{group}{suffix}" for group in (EVERYTHING, *desk.groups) for suffix in ("", READ)]
    unknown = [each for each in scopes if each not in known]
    if unknown or not scopes:
        wrong = unknown[0][:80] if unknown else "nothing"
        raise Invalid(f"{wrong} is no scope; there are {', '.join(known)}")
    return tuple(dict.fromkeys(scopes))


async def _shown(tx: Tx, token: ApiToken) -> dict[str, Any]:
    names = []
    for number in sorted(token.departments or ()):
        found = await lookup.by_id(tx, number)
        names += [found.address] if found is not None else []
    return {
        "id": token.id,
        "name": token.name,
        "scopes": list(token.scopes),
        "domains": names,
        "made_by": token.actor,
        "created": shown_time(token.created),
        "expires": shown_time(token.expires),
        "last_used": shown_time(token.last_used),
        "last_peer": token.last_peer,
    }


VERBS: Final = (
    Verb(
        "tokens.list",
        "GET",
        "/tokens",
        "Tokens of programs, with their last use; those without domains are for all departments",
        {},
        list_,
    ),
    Verb(
        "tokens.create",
        "POST",
        "/tokens",
        "A token for a program, shown this once",
        {
            "name": Field("string", "What program it is for.", required=True, length=200),
            "scopes": Field(
                "texts", "Groups of verbs: people, people:read …; * and *:read are all.", required=True
            ),
            "domains": Field("texts", "Departments by a domain of each; without it all of one's own."),
            "days": Field("integer", "How long it is good.", minimum=1, maximum=36_500),
        },
        create,
    ),
    Verb("tokens.revoke", "DELETE", "/tokens/{id}", "Ends a token at once", {"id": _ID}, revoke),
)
