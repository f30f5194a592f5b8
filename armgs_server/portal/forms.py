# SPDX-License-Identifier: Apache-2.0
"""/forms: self-service forms, what one has asked for, and what waits for one's decision.

/forms/NAME            a form to fill in
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from armgs_server import log
from armgs_server.directory import requests
from armgs_server.directory.forms import Form, WrongField
from armgs_server.errors import Conflict, Invalid, NotFound
from armgs_server.net.http import Handler, Response
from armgs_server.portal.moments import moment
from armgs_server.portal.numbers import parse_number
from armgs_server.portal.pages import language_of
from armgs_server.portal.safety import see_other
from armgs_server.portal.signin import LONG_FORM_LIMIT, SignIn, Visit
from armgs_server.service import Core
from armgs_server.storage import requests as rows
from armgs_server.storage.requests import Request

PATH: Final = "/forms"

_log = log.get("portal")


class FormPages:
    """The pages."""

    def __init__(self, core: Core, sign_in: SignIn) -> None:
        self._store = core.store
        self._directory = core.directory
        self._forms = core.directory.forms
        self._sign_in = sign_in

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return ((PATH, self._sign_in.people(self._answer, limit=LONG_FORM_LIMIT)),)

    async def _answer(self, visit: Visit) -> Response:
        known = self._forms.all()
        if visit.request.path != PATH:
            form = known.get(visit.request.path.removeprefix(f"{PATH}/"))
            if form is None:
                raise NotFound()
            return await self._fill_in(visit, form)
        if visit.request.method == "POST":
            return await self._change(visit, known)
        return await self._overview(visit, known)

    async def _fill_in(self, visit: Visit, form: Form) -> Response:
        given = {name: values[0] for name, values in visit.form.items()}
        problem, wrong = "", ""
        if visit.request.method == "POST":
            try:
                made = await requests.hand_in(self._directory, visit.person, form, given)
            except WrongField as error:
                problem, wrong = visit.text("forms_wrong"), error.field
            except Conflict:
                problem = visit.text("forms_too_many")
            except Invalid:
                problem = visit.text("forms_nobody")
            else:
                _log.info("form handed in", form=form.name, account=visit.person.address, request=made.id)
                return see_other(PATH)
        language = language_of(visit.request)
        return self._sign_in.render(
            "form.html",
            visit,
            status=400 if problem else 200,
            name=form.name,
            title=form.title[language],
            text=form.text[language],
            fields=[
                {
                    "name": field.name,
                    "title": field.title[language],
                    "kind": field.kind,
                    "required": field.required,
                    "choices": field.choices,
                    "value": given.get(field.name, ""),
                    "wrong": field.name == wrong,
                }
                for field in form.fields
            ],
            problem=problem,
        )

    async def _change(self, visit: Visit, known: Mapping[str, Form]) -> Response:
        """A decision, or a request that is taken back."""
        number, owner = parse_number(visit.value("request")), parse_number(visit.value("owner"))
        if visit.value("withdraw"):
            await requests.withdraw(self._directory, visit.person, number)
            return see_other(PATH)
        request = await self._store.read(lambda tx: rows.get(tx, owner, number))
        form = known.get(request.form) if request is not None else None
        if form is None or visit.value("decision") not in ("grant", "refuse"):
            raise NotFound()
        yes = visit.value("decision") == "grant"
        comment = "\n".join(visit.value("comment").splitlines())
        await requests.decide(self._directory, visit.person, form, owner, number, yes=yes, comment=comment)
        _log.info("request decided", request=number, granted=int(yes), account=visit.person.address)
        return see_other(PATH)

    async def _overview(self, visit: Visit, known: Mapping[str, Form]) -> Response:
        person, language = visit.person, language_of(visit.request)
        mine = await self._store.read(lambda tx: rows.of(tx, person.id, requests.SHOWN))
        waiting = await requests.waiting(self._directory, person)
        return self._sign_in.render(
            "forms.html",
            visit,
            forms=[(form.name, form.title[language]) for form in known.values()],
            mine=[await self._shown(each, known, language) for each in mine],
            waiting=[await self._shown(each, known, language) for each in waiting if each.form in known],
            limit=requests.COMMENT_LIMIT,
        )

    async def _shown(self, request: Request, known: Mapping[str, Form], language: str) -> dict[str, Any]:
        form = known.get(request.form)
        asker = await self._directory.by_id(request.owner)
        with_ = await self._directory.by_id(request.waits_for) if request.waits_for else None
        decisions = []
        for each in request.decisions:
            by = await self._directory.by_id(each.person)
            decisions.append((by.name if by is not None else "", each.is_granted, each.comment))
        return {
            "id": request.id,
            "owner": request.owner,
            "asker": f"{asker.name} ({asker.address})" if asker is not None else "",
            "title": form.title[language] if form is not None else request.form,
            "when": moment(request.created, language),
            "state": request.state,
            "with": with_.name if with_ is not None else "",
            "decisions": decisions,
            "file": request.file,
            "values": [
                (field.title[language], request.values.get(field.name, ""), field.kind)
                for field in (form.fields if form is not None else ())
            ],
        }
