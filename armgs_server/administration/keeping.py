# SPDX-License-Identifier: Apache-2.0
"""Verbs about what is kept: quotas, the queue of mail, legal holds, the journal of acts."""

from __future__ import annotations

import json
from typing import Any, Final

from armgs_server.administration.fields import Field
from armgs_server.administration.posts import shown_time
from armgs_server.administration.verb import DEFAULT_PAGE, Desk, Given, Verb
from armgs_server.directory import lookup
from armgs_server.directory.model import Kind, Principal
from armgs_server.errors import NotFound
from armgs_server.storage import accounts, acts, clock, holds, queue
from armgs_server.storage.queue import Entry
from armgs_server.storage.tx import Tx

QUEUE_LIMIT: Final = 10_000  # rows looked at for administrators of some departments
_LAST_ID: Final = (1 << 63) - 1  # what the engines' integers hold
_OWNERS: Final[tuple[Kind, ...]] = ("person", "group", "room", "equipment")
_OWNER: Final = Field("string", "Whose.", required=True)
_ID: Final = Field("string", "The id of the message.", required=True, length=16)
_LIMIT: Final = Field("integer", "At most so many.", minimum=1, maximum=1000)


async def show_quota(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    owner = await desk.find(tx, given["address"], *_OWNERS)
    used = await accounts.usage(tx, owner.id)
    return {"address": owner.address, "items": used.items, "bytes": used.bytes, "quota": used.quota}


async def set_quota(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    owner = await desk.find(tx, given["address"], *_OWNERS)
    await accounts.set_quota(tx, owner.id, given["quota"])
    return await show_quota(tx, desk, given)


async def list_queue(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    limit = given.get("limit", DEFAULT_PAGE)
    selected = {key: given[key] for key in ("sender", "recipient", "domain") if given.get(key)}
    reach = limit if desk.departments is None else QUEUE_LIMIT
    found = [each for each in await queue.scan(tx, limit=reach, **selected) if await _is_own(tx, desk, each)]
    return {"messages": [_message(each) for each in found[:limit]]}


async def show_message(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    return _message(await _entry(tx, desk, given))


async def change_message(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    entry = await _entry(tx, desk, given)
    action = given["action"]
    if action == "hold":
        await queue.hold(tx, [entry])
    elif action == "retry":
        if not entry.is_held:
            await queue.retry(tx, [entry], desk.now, 0)
    else:
        if "list" in entry.data:  # it waits for a moderator, whose place this takes
            await queue.annotate(tx, entry, {**entry.data, "approved": True})
        lifetime = round(desk.directory.config.smtp.queue_lifetime * clock.SECOND)
        await queue.retry(tx, [entry], desk.now, lifetime)
    return {"id": given["id"], "action": action}


async def cancel_message(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    entry = await _entry(tx, desk, given)
    if given.get("report"):
        await queue.annotate(tx, entry, {**entry.data, "cancelled": True})
        await queue.retry(tx, [entry], desk.now, 0)
    else:
        await queue.finish(tx, [entry])
    return _message(entry)


async def list_holds(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    found = []
    for each in await holds.all_holds(tx):
        owner = await lookup.by_id(tx, each.owner)
        if owner is not None and desk.admits(owner.department):
            found.append({"address": owner.address, "since": shown_time(each.since), "reason": each.reason})
    return {"holds": found}


async def put_hold(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    owner = await _held(tx, desk, given)
    await holds.put_hold(tx, owner.id, given.get("reason", ""))
    return {"address": owner.address, "held": True}


async def lift_hold(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    owner = await _held(tx, desk, given)
    if not await holds.lift_hold(tx, owner.id):
        raise NotFound(f"there is no hold on {owner.address}")
    return {"address": owner.address, "held": False}


async def list_acts(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    if given.get("domain"):
        owner = (await desk.department(tx, given["domain"])).id
    else:
        desk.check_all()
        owner = acts.WHOLE
    found = await acts.latest(tx, owner, given.get("before", 0), given.get("limit", DEFAULT_PAGE))
    return {
        "acts": [
            {
                "number": each.id,
                "time": shown_time(each.moment),
                "actor": each.actor,
                "verb": each.verb,
                "arguments": json.loads(each.arguments),
                "chain": each.hash.hex(),
            }
            for each in found
        ]
    }


async def _held(tx: Tx, desk: Desk, given: Given) -> Principal:
    return await desk.find(tx, given["address"], *_OWNERS)


async def _entry(tx: Tx, desk: Desk, given: Given) -> Entry:
    text = given["id"]
    is_number = bool(text) and all(character in "0123456789abcdef" for character in text)
    number = int(text, 16) if is_number else 0
    found = await queue.get(tx, number) if 0 < number <= _LAST_ID else None
    if found is None or not await _is_own(tx, desk, found):
        raise NotFound(f"no message {text} waits")
    if found.owner:
        desk.about.add((await lookup.existing(tx, found.owner)).department)
    return found


async def _is_own(tx: Tx, desk: Desk, entry: Entry) -> bool:
    """What the server itself sends is for administrators of all departments."""
    if desk.departments is None:
        return True
    owner = await lookup.by_id(tx, entry.owner) if entry.owner else None
    return owner is not None and desk.admits(owner.department)


def _message(entry: Entry) -> dict[str, Any]:
    return {
        "id": f"{entry.id:x}",
        "sender": entry.sender,
        "recipient": entry.recipient,
        "queued": shown_time(entry.created),
        "next": "" if entry.is_held else shown_time(entry.next_attempt),
        "held": entry.is_held,
        "attempts": entry.attempts,
        "error": entry.last_error,
    }


VERBS: Final = (
    Verb(
        "quota.show", "GET", "/quota/{address}", "What somebody has stored", {"address": _OWNER}, show_quota
    ),
    Verb(
        "quota.set",
        "PUT",
        "/quota/{address}",
        "How much somebody may store",
        {"address": _OWNER, "quota": Field("integer", "Bytes; 0 is no limit.", required=True)},
        set_quota,
    ),
    Verb(
        "queue.list",
        "GET",
        "/queue",
        "Mail on its way to other servers",
        {
            "sender": Field("string", "Only mail from this address."),
            "recipient": Field("string", "Only mail to this address."),
            "domain": Field("string", "Only mail to this domain."),
            "limit": _LIMIT,
        },
        list_queue,
    ),
    Verb("queue.show", "GET", "/queue/{id}", "One message that waits", {"id": _ID}, show_message),
    Verb(
        "queue.change",
        "POST",
        "/queue/{id}",
        "Holds a message, releases it, or tries again now",
        {
            "id": _ID,
            "action": Field("string", "What.", required=True, choices=("hold", "release", "retry")),
        },
        change_message,
    ),
    Verb(
        "queue.cancel",
        "DELETE",
        "/queue/{id}",
        "Removes a message from the queue",
        {"id": _ID, "report": Field("boolean", "Tell the sender.")},
        cancel_message,
    ),
    Verb("holds.list", "GET", "/holds", "Legal holds", {}, list_holds),
    Verb(
        "holds.put",
        "PUT",
        "/holds/{address}",
        "From now on nothing of somebody's is gone, and nobody sees that",
        {"address": _OWNER, "reason": Field("string", "Why.")},
        put_hold,
    ),
    Verb("holds.lift", "DELETE", "/holds/{address}", "Lifts a hold", {"address": _OWNER}, lift_hold),
    Verb(
        "acts.list",
        "GET",
        "/acts",
        "What administrators have done, the last first",
        {
            "domain": Field(
                "string", "Of the department of this domain; else what was about the whole server."
            ),
            "before": Field("integer", "Go on before the one with this number."),
            "limit": _LIMIT,
        },
        list_acts,
    ),
)
