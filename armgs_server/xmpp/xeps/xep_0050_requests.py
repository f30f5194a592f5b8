# SPDX-License-Identifier: Apache-2.0
"""XEP-0050: self-service forms (directory.forms) in chat: handed in and decided as on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from armgs_server.directory import requests
from armgs_server.directory.forms import Form, WrongField
from armgs_server.directory.model import Principal
from armgs_server.errors import Conflict, Invalid, NotFound
from armgs_server.storage.requests import Request
from armgs_server.xmpp.iq import Query
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0050_commands import Ask, Call, Command, Done, bad_payload, speaks_russian
from armgs_server.xmpp.xeps.xep_0133_admin import asker

FORMS: Final = "armgs#forms"
REQUESTS: Final = "armgs#requests"
_FORMS: Final = ("Подать заявление", "Hand in a request")
_REQUESTS: Final = ("Решить по заявлению", "Decide a request")
# What a field is in XEP-0004 §3.3.
_TYPES: Final = {
    "text": "text-single",
    "long": "text-multi",
    "date": "text-single",
    "number": "text-single",
    "choice": "list-single",
    "yes": "boolean",
}


async def _has_forms(query: Query) -> bool:
    return not query.session.is_outside and bool(query.server.directory.forms.all())


async def _choose(call: Call) -> Ask:
    """Which form."""
    options = tuple(
        (_said(call, form.title), name) for name, form in call.query.server.directory.forms.all().items()
    )
    field = Field("form", "list-single", call.say("Заявление", "Request"), options=options, required=True)
    return Ask(forms.form(FORMS, (field,), title=call.say(*_FORMS)), _fill_in, is_last=False)


async def _fill_in(call: Call) -> Ask:
    """The form itself."""
    form = call.query.server.directory.forms.all().get(call.required("form"))
    if form is None:
        raise bad_payload("there is no such form")
    call.state["form"] = form.name
    fields = [
        Field(
            field.name,
            _TYPES[field.kind],
            _said(call, field.title) + (call.say(" (ГГГГ-ММ-ДД)", " (YYYY-MM-DD)") * (field.kind == "date")),
            options=tuple((choice, choice) for choice in field.choices),
            required=field.required,
        )
        for field in form.fields
    ]
    asked = forms.form(FORMS, fields, title=_said(call, form.title), instructions=_said(call, form.text))
    return Ask(asked, _hand_in)


async def _hand_in(call: Call) -> Done:
    form = call.query.server.directory.forms.all().get(call.state["form"])
    if form is None:
        raise bad_payload("there is no such form any more")
    given = {field.name: "\n".join(call.values.get(field.name, ())) for field in form.fields}
    try:
        made = await requests.hand_in(call.query.server.directory, await _self(call), form, given)
    except WrongField as error:
        raise bad_payload(error.text or f"{error.field} is wrong") from error
    except Conflict:
        return _failed(call, "Слишком много заявлений ждут решения.", "Too many requests wait already.")
    except Invalid:
        return _failed(call, "Согласовать это некому.", "There is nobody to decide it.")
    if made.state == "granted":
        text = call.say("Готово, лежит в Ваших файлах: ", "Done; it lies in your files: ") + made.file
    else:
        text = call.say("Отправлено на согласование.", "Sent to who decides.")
    return Done(notes=(("info", text),))


async def _waiting(call: Call) -> Ask | Done:
    """What waits for the asker's decision."""
    known = call.query.server.directory.forms.all()
    found = await requests.waiting(call.query.server.directory, await _self(call))
    options = []
    for each in found:
        if each.form in known:
            title = _said(call, known[each.form].title)
            options.append((f"{title}: {await _name(call, each.owner)}", f"{each.owner}/{each.id}"))
    if not options:
        return Done(notes=(("info", call.say("Ничего не ждёт.", "Nothing waits.")),))
    field = Field(
        "request", "list-single", call.say("Заявление", "Request"), (), tuple(options), required=True
    )
    return Ask(forms.form(REQUESTS, (field,), title=call.say(*_REQUESTS)), _show, is_last=False)


async def _show(call: Call) -> Ask:
    """What it says, and the question."""
    request, form = await _chosen(call, call.required("request"))
    call.state["request"] = f"{request.owner}/{request.id}"
    lines = [
        f"{_said(call, field.title)}: {request.values.get(field.name, '') or '—'}" for field in form.fields
    ]
    decisions = (("grant", call.say("Согласовать", "Grant")), ("refuse", call.say("Отказать", "Refuse")))
    fields = (
        Field("text", "fixed", values=("\n".join(lines),)),
        Field(
            "decision",
            "list-single",
            call.say("Решение", "Decision"),
            options=tuple((label, value) for value, label in decisions),
            required=True,
        ),
        Field("comment", "text-multi", call.say("Примечание", "Comment")),
    )
    title = f"{_said(call, form.title)}: {await _name(call, request.owner)}"
    return Ask(forms.form(REQUESTS, fields, title=title), _decide)


async def _decide(call: Call) -> Done:
    request, form = await _chosen(call, call.state["request"])
    decision = call.required("decision")
    if decision not in ("grant", "refuse"):
        raise bad_payload("decision is grant or refuse")
    comment = "\n".join(call.values.get("comment", ())).strip()
    try:
        await requests.decide(
            call.query.server.directory,
            await _self(call),
            form,
            request.owner,
            request.id,
            yes=decision == "grant",
            comment=comment,
        )
    except Conflict:
        return _failed(call, "По нему уже решено.", "It is decided already.")
    except Invalid as error:
        raise bad_payload(error.text) from error
    return Done(notes=(("info", call.say("Решение записано.", "The decision is kept.")),))


async def _chosen(call: Call, key: str) -> tuple[Request, Form]:
    """A request that waits for the asker. NotFound for any other."""
    for each in await requests.waiting(call.query.server.directory, await _self(call)):
        form = call.query.server.directory.forms.all().get(each.form)
        if f"{each.owner}/{each.id}" == key and form is not None:
            return each, form
    raise NotFound()


async def _self(call: Call) -> Principal:
    """The asker as the directory has it now."""
    known = asker(call.query)
    return await call.query.server.directory.by_id(known.id) or known


async def _name(call: Call, number: int) -> str:
    found = await call.query.server.directory.by_id(number)
    return found.name if found is not None else ""


def _said(call: Call, texts: Mapping[str, str]) -> str:
    return texts["ru" if speaks_russian(call.query) else "en"]


def _failed(call: Call, russian: str, english: str) -> Done:
    return Done(notes=(("error", call.say(russian, english)),))


COMMANDS: Final = tuple(
    Command(node, name, at, first, _has_forms)
    for at in ("account", "server")
    for node, name, first in ((FORMS, _FORMS, _choose), (REQUESTS, _REQUESTS, _waiting))
)
