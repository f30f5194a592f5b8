# SPDX-License-Identifier: Apache-2.0
"""What becomes of a form that somebody has filled in: its route decides in turn, the result is a file.

Who decides is settled when it is handed in. A step is with a person, or with any member of a group or unit;
the asker decides nothing of the own request. The transaction of the last consent writes the result
(directory.request_results); whoever is next, and in the end the asker, is told in chat, and by mail where
the form has an address. Page, chat and mail call the same functions; `also` is what they want to be true with
it, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from armgs_server.directory import forms, request_letters, request_results
from armgs_server.directory.forms import Form
from armgs_server.directory.model import Principal
from armgs_server.errors import Conflict, Denied, Invalid, NotFound
from armgs_server.storage import clock, letters, notices, requests
from armgs_server.storage.requests import Decision, Request
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.directory.directory import Directory

AT_ONCE: Final = 50  # requests of one person that nobody has decided
SHOWN: Final = 100
COMMENT_LIMIT: Final = 1000  # characters
TOLD: Final = 50  # members of a group who are told that something waits for them
_PORT: Final = 443
_LANGUAGE: Final = request_results.LANGUAGE

Also = Callable[[Tx, Request], Awaitable[None]]


async def hand_in(
    directory: Directory,
    person: Principal,
    form: Form,
    given: Mapping[str, str],
    *,
    also: Also | None = None,
) -> Request:
    """A new request, with the first of its route. WrongField, Invalid, Conflict."""
    values = forms.filled(form, given)
    route = await _route(directory, person, form)
    now = clock.now()
    made = Request(
        person.id,
        clock.unique_id(),
        form.name,
        "waiting",
        0,
        route[0] if route else 0,
        now,
        now,
        values,
        route,
    )
    told = await _told(directory, made.waits_for)

    async def work(tx: Tx) -> Request:
        if await requests.count_waiting(tx, person.id) >= AT_ONCE:
            raise Conflict(f"{AT_ONCE} requests wait already")
        after = made
        if made.waits_for:
            await requests.put(tx, made)
            await _tell(tx, directory, told, form, person, made)
        else:
            after = await request_results.put(tx, directory.store, person, form, made, {})
            await requests.put(tx, after)
        if also is not None:
            await also(tx, after)
        return after

    return await directory.store.write(work)


async def decide(
    directory: Directory,
    person: Principal,
    form: Form,
    owner: int,
    id_: int,
    *,
    yes: bool,
    comment: str,
    at_step: int | None = None,
    also: Also | None = None,
) -> Request:
    """Somebody of the route has decided. NotFound for who is not asked, Conflict where that was decided.

    `at_step` is the step that was asked about, where the person was asked at a certain one.
    """
    if len(comment) > COMMENT_LIMIT or not all(each.isprintable() or each == "\n" for each in comment):
        raise Invalid(f"a comment has at most {COMMENT_LIMIT} characters")
    held = await directory.groups_of(person)
    asker = await directory.by_id(owner)
    before = await directory.store.read(lambda tx: requests.get(tx, owner, id_))
    if asker is None or before is None or not held.intersection(before.route) or person.id == owner:
        raise NotFound()
    step = before.step + 1
    next_ = before.route[step] if yes and step < len(before.route) else 0
    names = {person.id: person.name}
    for decision in before.decisions:
        found = await directory.by_id(decision.person)
        names[decision.person] = found.name if found is not None else ""
    told = await _told(directory, next_)

    async def work(tx: Tx) -> Request:
        request = await requests.get(tx, owner, id_)
        if request is None or request.state != "waiting" or request.step != before.step:
            raise Conflict()
        if at_step is not None and at_step != request.step:
            raise Conflict()
        if request.waits_for not in held:
            raise Denied()
        now = clock.now()
        decisions = (*request.decisions, Decision(person.id, now, yes, comment))
        after = replace(request, step=step, waits_for=next_, changed=now, decisions=decisions)
        if not yes:
            after = replace(after, state="refused")
        elif not next_:
            after = await request_results.put(tx, directory.store, asker, form, after, names)
        await requests.put(tx, after)
        if after.state == "waiting":
            await _tell(tx, directory, told, form, asker, after)
        else:
            await _tell_result(tx, directory, asker, form, after)
        if also is not None:
            await also(tx, after)
        return after

    return await directory.store.write(work)


async def withdraw(directory: Directory, person: Principal, id_: int, *, also: Also | None = None) -> None:
    """The asker wants it no more. NotFound, Conflict where it was decided."""

    async def work(tx: Tx) -> None:
        request = await requests.get(tx, person.id, id_)
        if request is None:
            raise NotFound()
        if request.state != "waiting":
            raise Conflict()
        after = replace(request, state="withdrawn", waits_for=0, changed=clock.now())
        await requests.put(tx, after)
        if also is not None:
            await also(tx, after)

    await directory.store.write(work)


async def waiting(directory: Directory, person: Principal) -> list[Request]:
    """What waits for the person's decision."""
    held = sorted(await directory.groups_of(person))
    found = await directory.store.read(lambda tx: requests.waiting_for(tx, held, SHOWN))
    return [each for each in found if each.owner != person.id]


async def _route(directory: Directory, person: Principal, form: Form) -> list[int]:
    """Who decides, in turn; who would decide the own request is left out. Invalid."""
    route: list[int] = []
    for each in form.route:
        if each == forms.HEAD:
            found = await _head(directory, person)
        else:
            found = await directory.by_address(each)
        if found is None or found.disabled:
            raise Invalid(f"nobody can decide: {each}")
        if found.id != person.id and found.id not in route:
            route.append(found.id)
    return route


async def _head(directory: Directory, person: Principal) -> Principal | None:
    """Who leads the person's unit, or the next one above that another leads."""
    heads = [each for each in await directory.heads(person.department) if not each.disabled]
    unit = person.unit
    while True:
        found = [each for each in heads if unit in each.led and each.id != person.id]
        if found or not unit:
            return found[0] if found else None
        above = await directory.by_id(unit)
        unit = above.unit if above is not None else 0


async def _told(directory: Directory, number: int) -> Sequence[Principal]:
    """Those who are told that something waits for them."""
    found = await directory.by_id(number) if number else None
    if found is None:
        return ()
    people = [found] if found.kind == "person" else await directory.members(found)
    return [each for each in people if not each.disabled][:TOLD]


async def _tell(
    tx: Tx, directory: Directory, people: Sequence[Principal], form: Form, asker: Principal, request: Request
) -> None:
    now, url, host = clock.now(), _url(directory), directory.config.server.hostname
    text = f"Ждёт Вашего решения: {form.title[_LANGUAGE]}, {asker.name}\n{url}"
    for person in people:
        if person.id == asker.id:
            continue
        await notices.add(tx, person.id, person.address, form.title[_LANGUAGE], text, now)
        if form.address:
            letter = request_letters.ask(form, request, asker, person, host, url)
            await letters.add(tx, letter, now)


async def _tell_result(tx: Tx, directory: Directory, asker: Principal, form: Form, request: Request) -> None:
    now, url = clock.now(), _url(directory)
    said = "согласовано" if request.state == "granted" else "отказано"
    text = f"{form.title[_LANGUAGE]}: {said}\n{url}"
    await notices.add(tx, asker.id, asker.address, form.title[_LANGUAGE], text, now)
    if form.address:
        await letters.add(tx, request_letters.tell_result(form, request, asker, url), now)


def _url(directory: Directory) -> str:
    config = directory.config
    port = config.port(_PORT)
    return f"https://{config.server.hostname}{'' if port == _PORT else f':{port}'}/forms"
