# SPDX-License-Identifier: Apache-2.0
"""What a request becomes when everybody has consented, in that transaction: a file among the asker's own, and
where the form says so an event of the default calendar, with an absence.

An absence that the person has set, and that is not over, stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from armgs_server.directory import form_events, forms
from armgs_server.directory.forms import Form
from armgs_server.directory.model import Principal
from armgs_server.errors import NotFound
from armgs_server.formats import icalendar
from armgs_server.storage import Store, absences, accounts, calindex, clock, collections, items, scheduling
from armgs_server.storage.requests import Request
from armgs_server.storage.tx import Tx

LANGUAGE: Final = "ru"  # of the file, and of what is told in chat
_DAY: Final = "%d.%m.%Y"


async def put(
    tx: Tx, store: Store, asker: Principal, form: Form, request: Request, names: Mapping[int, str]
) -> Request:
    """Writes them; the request, granted. `names` are those of who has decided."""
    await accounts.hold(tx, [asker.id])
    path = await _put_file(tx, store, asker, form, request, names)
    if form.event is not None and form_events.is_in_order(form.event, request.values):
        await _put_event(tx, store, asker, form, request)
    return replace(request, state="granted", waits_for=0, file=path)


async def _put_file(
    tx: Tx, store: Store, asker: Principal, form: Form, request: Request, names: Mapping[int, str]
) -> str:
    """Its path."""
    ref = store.blobs.small(_document(asker, form, request, names).encode())
    folder = await collections.by_role(tx, asker.id, "files", "root")
    if folder is None:
        raise NotFound()
    parts = [part for part in form.folder.split("/") if part]
    for part in parts:
        found = await collections.find(tx, asker.id, "files", part, folder.id)
        folder = found or await collections.create(tx, asker.id, "files", part, parent=folder.id)
    name = wanted = forms.file_name(form, request.values)
    number = 1
    while await items.by_name(tx, asker.id, folder.id, name) is not None:
        number += 1
        name = f"{wanted.removesuffix('.txt')} ({number}).txt"
    await items.add(tx, folder, ref, name=name, content_type="text/plain; charset=utf-8")
    return "/".join([*parts, name])


async def _put_event(tx: Tx, store: Store, asker: Principal, form: Form, request: Request) -> None:
    """A person who has no calendar any more has the file alone."""
    event = form.event
    assert event is not None, "the caller has looked"
    now, values = clock.now(), request.values
    summary = " ".join(forms.put_in(event.summary, values).split())
    calendar = await scheduling.default_calendar(tx, asker.id, "VEVENT")
    if calendar is not None:
        name = f"request-{asker.id:x}-{request.id:x}"
        data = form_events.calendar_object(name, event, summary, values, now)
        item = await items.add(
            tx, calendar, store.blobs.small(data), name=f"{name}.ics", content_type="text/calendar"
        )
        await calindex.put(tx, item, calindex.entry(icalendar.check(data)))
    away = form_events.absence(asker.id, event, summary, values, now)
    before = await absences.of(tx, asker.id) if away is not None else None
    if away is not None and (before is None or before.ends <= now):
        await absences.put(tx, away)


def _document(asker: Principal, form: Form, request: Request, names: Mapping[int, str]) -> str:
    lines = [form.title[LANGUAGE], f"№ {request.id:x}, {_day(request.created)}", ""]
    lines.append(f"{asker.name}, {asker.address}" + (f", {asker.post}" if asker.post else ""))
    lines.append("")
    for field in form.fields:
        value = request.values.get(field.name, "")
        if field.kind == "yes":
            value = "да" if value else "нет"
        lines.append(f"{field.title[LANGUAGE]}: {value}")
    for decision in request.decisions:
        comment = f" ({decision.comment})" if decision.comment else ""
        lines += ["", f"Согласовано: {names.get(decision.person, '')}, {_day(decision.time)}{comment}"]
    return "\n".join(lines) + "\n"


def _day(time: int) -> str:
    return datetime.fromtimestamp(time / clock.SECOND).astimezone().strftime(_DAY)
