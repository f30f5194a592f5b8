# SPDX-License-Identifier: Apache-2.0
"""What becomes of a form that somebody has filled in: its route decides in turn, the result is a file.

Who decides is settled when it is handed in. A step is with a person, or with any member of a group or unit;
the asker decides nothing of the own request. The transaction of the last consent writes the file among the
asker's own; whoever is next, and in the end the asker, is told in chat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from armgs_server.directory import forms
from armgs_server.directory.forms import Form
from armgs_server.directory.model import Principal
from armgs_server.errors import Conflict, Denied, Invalid, NotFound
from armgs_server.storage import accounts, clock, collections, items, notices, requests
from armgs_server.storage.requests import Decision, Request
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.directory.directory import Directory

AT_ONCE: Final = 50  # requests of one person that nobody has decided
SHOWN: Final = 100
COMMENT_LIMIT: Final = 1000  # characters
TOLD: Final = 50  # members of a group who are told that something waits for them
_PORT: Final = 443
_DAY: Final = "%d.%m.%Y"
_LANGUAGE: Final = "ru"  # of the file, and of what is told in chat


async def hand_in(directory: Directory, person: Principal, form: Form, given: Mapping[str, str]) -> Request:
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
        if made.waits_for:
            await requests.put(tx, made)
            await _tell(tx, directory, told, form, person)
            return made
        return await _grant(tx, directory, person, form, made, {})

    return await directory.store.write(work)


async def decide(
    directory: Directory, person: Principal, form: Form, owner: int, id_: int, *, yes: bool, comment: str
) -> Request:
    """Somebody of the route has decided. NotFound for who is not asked, Conflict where that was decided."""
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
        if request.waits_for not in held:
            raise Denied()
        now = clock.now()
        decisions = (*request.decisions, Decision(person.id, now, yes, comment))
        after = replace(request, step=step, waits_for=next_, changed=now, decisions=decisions)
        if yes and not next_:
            return await _grant(tx, directory, asker, form, after, names)
        if not yes:
            after = replace(after, state="refused")
            await _tell_result(tx, directory, asker, form, after)
        else:
            await _tell(tx, directory, told, form, asker)
        await requests.put(tx, after)
        return after

    return await directory.store.write(work)


async def withdraw(directory: Directory, person: Principal, id_: int) -> None:
    """The asker wants it no more. NotFound, Conflict where it was decided."""

    async def work(tx: Tx) -> None:
        request = await requests.get(tx, person.id, id_)
        if request is None:
            raise NotFound()
        if request.state != "waiting":
            raise Conflict()
        await requests.put(tx, replace(request, state="withdrawn", waits_for=0, changed=clock.now()))

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
    tx: Tx, directory: Directory, people: Sequence[Principal], form: Form, asker: Principal
) -> None:
    text = f"Ждёт Вашего решения: {form.title[_LANGUAGE]}, {asker.name}\n{_url(directory)}"
    for person in people:
        if person.id != asker.id:
            await notices.add(tx, person.id, person.address, form.title[_LANGUAGE], text, clock.now())


async def _tell_result(tx: Tx, directory: Directory, asker: Principal, form: Form, request: Request) -> None:
    said = "согласовано" if request.state == "granted" else "отказано"
    text = f"{form.title[_LANGUAGE]}: {said}\n{_url(directory)}"
    await notices.add(tx, asker.id, asker.address, form.title[_LANGUAGE], text, clock.now())


async def _grant(
    tx: Tx, directory: Directory, asker: Principal, form: Form, request: Request, names: Mapping[int, str]
) -> Request:
    """Everybody has consented: the file is written."""
    granted = replace(request, state="granted", waits_for=0)
    data = _document(asker, form, granted, names).encode()
    ref = directory.store.blobs.small(data)
    await accounts.hold(tx, [asker.id])
    folder = await collections.by_role(tx, asker.id, "files", "root")
    if folder is None:
        raise NotFound()
    for part in [part for part in form.folder.split("/") if part]:
        found = await collections.find(tx, asker.id, "files", part, folder.id)
        folder = found or await collections.create(tx, asker.id, "files", part, parent=folder.id)
    name = wanted = forms.file_name(form, request.values)
    number = 1
    while await items.by_name(tx, asker.id, folder.id, name) is not None:
        number += 1
        name = f"{wanted.removesuffix('.txt')} ({number}).txt"
    await items.add(tx, folder, ref, name=name, content_type="text/plain; charset=utf-8")
    granted = replace(granted, file="/".join([*(part for part in form.folder.split("/") if part), name]))
    await requests.put(tx, granted)
    if granted.route:
        await _tell_result(tx, directory, asker, form, granted)
    return granted


def _document(asker: Principal, form: Form, request: Request, names: Mapping[int, str]) -> str:
    lines = [form.title[_LANGUAGE], f"№ {request.id:x}, {_day(request.created)}", ""]
    lines.append(f"{asker.name}, {asker.address}" + (f", {asker.post}" if asker.post else ""))
    lines.append("")
    for field in form.fields:
        value = request.values.get(field.name, "")
        if field.kind == "yes":
            value = "да" if value else "нет"
        lines.append(f"{field.title[_LANGUAGE]}: {value}")
    for decision in request.decisions:
        comment = f" ({decision.comment})" if decision.comment else ""
        lines += ["", f"Согласовано: {names.get(decision.person, '')}, {_day(decision.time)}{comment}"]
    return "\n".join(lines) + "\n"


def _day(time: int) -> str:
    return datetime.fromtimestamp(time / clock.SECOND).astimezone().strftime(_DAY)


def _url(directory: Directory) -> str:
    config = directory.config
    port = config.port(_PORT)
    return f"https://{config.server.hostname}{'' if port == _PORT else f':{port}'}/forms"
