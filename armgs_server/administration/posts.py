# SPDX-License-Identifier: Apache-2.0
"""Verbs about posts and the terms for which people hold them. Times are RFC 3339 texts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from armgs_server.administration.fields import Field
from armgs_server.administration.verb import Desk, Given, Verb
from armgs_server.directory import lookup, people, posts, terms
from armgs_server.directory.model import Principal
from armgs_server.errors import Invalid
from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

_POST: Final = Field("integer", "The number of the post.", required=True, minimum=1)
_PERSON: Final = Field("string", "The person's address.", required=True)
_MOST_YEARS: Final = 200  # from 1970


async def list_(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = []
    for department in await desk.chosen(tx, given.get("domain", "")):
        found += [await _described(tx, desk, each) for each in await terms.posts(tx, department.id)]
    return {"posts": found}


async def show(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = await desk.number(tx, given["post"], "group")
    return await _described(tx, desk, await terms.existing_post(tx, found.id))


async def create(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    department = await desk.department(tx, given["domain"])
    if given.get("unit"):
        await desk.number(tx, given["unit"], "unit")
    if given.get("address"):
        await desk.domain_of(tx, given["address"])
    post = await terms.create_post(
        tx,
        department.id,
        given["name"],
        unit=given.get("unit", 0),
        address=given.get("address", ""),
        head=given.get("head", False),
    )
    if given.get("mailbox"):
        post = await _open_mailbox(tx, desk, post)
    return await _described(tx, desk, post)


async def change(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    post = await _post(tx, desk, given)
    if given.get("unit"):
        await desk.number(tx, given["unit"], "unit")
    post = await terms.change_post(
        tx, post, desk.now, name=given.get("name"), unit=given.get("unit"), head=given.get("head")
    )
    if "deputies" in given:
        named = [await desk.find(tx, each, "person") for each in given["deputies"]]
        await posts.set_deputies(tx, post, [each.id for each in named])
    return await _described(tx, desk, post)


async def appoint(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    post = await _post(tx, desk, given)
    person = await desk.find(tx, given["person"], "person")
    starts = parse_time(given["starts"]) if given.get("starts") else desk.now
    ends = parse_time(given["ends"]) if given.get("ends") else 0
    await terms.appoint(tx, post, person, desk.now, (starts, ends, given.get("acting", False)))
    return await _described(tx, desk, post)


async def relieve(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    post = await _post(tx, desk, given)
    person = await desk.find(tx, given["person"], "person")
    ends = parse_time(given["ends"]) if given.get("ends") else desk.now
    await terms.relieve(tx, post, person, desk.now, ends)
    return await _described(tx, desk, post)


async def remove(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    post = await _post(tx, desk, given)
    for each in await lookup.direct_members(tx, post.id):
        await terms.relieve(tx, post, each, desk.now, desk.now)
    await people.delete(tx, post.id)
    return {"number": post.id, "name": post.name}


def parse_time(text: str) -> int:
    """RFC 3339 date-time, or a date alone, which is its beginning in UTC."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        if not 1970 <= moment.astimezone(UTC).year < 1970 + _MOST_YEARS:
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{text[:60]!r} is no time like 2026-11-22 or 2026-11-22T09:00:00+03:00") from error
    return round(moment.timestamp()) * clock.SECOND


def shown_time(moment: int) -> str:
    """RFC 3339; "" for 0."""
    return f"{datetime.fromtimestamp(moment / clock.SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else ""


async def _post(tx: Tx, desk: Desk, given: Given) -> Principal:
    found = await desk.below(tx, await desk.number(tx, given["post"], "group"))
    return await terms.existing_post(tx, found.id)


async def _open_mailbox(tx: Tx, desk: Desk, post: Principal) -> Principal:
    if not post.address:
        raise Invalid("a mailbox needs an address")
    return await posts.open_mailbox(tx, post, desk.directory.config.limits.quota)


async def _described(tx: Tx, desk: Desk, post: Principal) -> dict[str, Any]:
    held = []
    for each in await terms.terms_of(tx, post.id):
        person = await lookup.by_id(tx, each.person)
        held.append(
            {
                "person": person.address if person is not None else "",
                "starts": shown_time(each.starts),
                "ends": shown_time(each.ends),
                "acting": bool(each.acting),
                "current": each.state(desk.now) == 1,
            }
        )
    return {
        "number": post.id,
        "name": post.name,
        "address": post.address,
        "unit": post.unit,
        "head": bool(post.data[terms.KEY].get("head")),
        "mailbox": posts.has_mailbox(post),
        "deputies": [
            each.address for each in await lookup.deputies(tx, post.id) if desk.admits(each.department)
        ],
        "terms": held,
    }


_TIME: Final = "RFC 3339, or a date"
VERBS: Final = (
    Verb(
        "posts.list",
        "GET",
        "/posts",
        "Posts, and who holds them",
        {"domain": Field("string", "Only those of the department of this domain.")},
        list_,
    ),
    Verb("posts.show", "GET", "/posts/{post}", "One post", {"post": _POST}, show),
    Verb(
        "posts.create",
        "POST",
        "/posts",
        "Adds a post to a unit",
        {
            "domain": Field("string", "A domain of the department.", required=True),
            "name": Field("string", "The title of who holds it.", required=True, length=500),
            "unit": Field("integer", "The unit; 0 is the department itself."),
            "head": Field("boolean", "Who holds it leads the unit."),
            "address": Field("string", "An address of the post."),
            "mailbox": Field("boolean", "The post has a mailbox under the address."),
        },
        create,
    ),
    Verb(
        "posts.change",
        "PATCH",
        "/posts/{post}",
        "Changes a post; who holds it follows",
        {
            "post": _POST,
            "name": Field("string", "The title.", length=500),
            "unit": Field("integer", "The unit."),
            "head": Field("boolean", "Who holds it leads the unit."),
            "deputies": Field("addresses", "Who stands in while nobody holds it."),
        },
        change,
    ),
    Verb(
        "posts.appoint",
        "POST",
        "/posts/{post}/terms",
        "Somebody holds the post for a term, or is acting in it",
        {
            "post": _POST,
            "person": _PERSON,
            "starts": Field("string", f"{_TIME}; now where it is not given.", length=60),
            "ends": Field("string", f"{_TIME}; open where it is not given.", length=60),
            "acting": Field("boolean", "Stands in for who holds it."),
        },
        appoint,
    ),
    Verb(
        "posts.relieve",
        "POST",
        "/posts/{post}/relieve",
        "Ends somebody's term",
        {
            "post": _POST,
            "person": _PERSON,
            "ends": Field("string", f"{_TIME}; now where it is not given.", length=60),
        },
        relieve,
    ),
    Verb("posts.remove", "DELETE", "/posts/{post}", "Removes a post", {"post": _POST}, remove),
)
