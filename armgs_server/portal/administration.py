# SPDX-License-Identifier: Apache-2.0
"""/admin: the verbs of administration as pages, made of the table of verbs, without script.

Lists and records are what the verbs that read answer; each verb that changes is a form. A form is sent twice:
first it shows what will change, and the second time it does that and nothing else. Where nothing can be shown
before (what is told once, what has transactions of its own) it is done at once. A field left empty is not
given; a lone hyphen stands for an empty text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from armgs_server.administration import TABLE, VERBS, Office, Verb
from armgs_server.administration.fields import parse_text
from armgs_server.directory.effects import KINDS
from armgs_server.errors import DomainError, Invalid, NotFound
from armgs_server.net.http import Handler, Response
from armgs_server.net.http.answer import STATUS_OF
from armgs_server.portal.pages import language_of
from armgs_server.portal.reading import query_of
from armgs_server.portal.signin import SignIn, Visit
from armgs_server.portal.texts_administration import NAMES, TITLES
from armgs_server.service import Core

PATH: Final = "/admin"
_DO: Final = "do"
_EMPTY: Final = "-"


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of things: the verb that lists them, the argument that names one, forms on both pages."""

    name: str
    key: str = ""  # of a record of the list; "" where there is no page of one
    argument: str = ""
    on_list: tuple[str, ...] = ()
    on_record: tuple[str, ...] = ()


SECTIONS: Final = {
    section.name: section
    for section in (
        Section("departments", "domain", "domain", ("departments.create", "invitations.create")),
        Section("units", "number", "unit", ("units.create",)),
        Section("posts", "number", "post", ("posts.create",)),
        Section(
            "people",
            "address",
            "address",
            ("people.create",),
            ("aliases.add", "aliases.remove", "quota.set", "holds.put", "holds.lift"),
        ),
        Section(
            "groups", "address", "address", ("groups.create",), ("aliases.add", "quota.set", "holds.put")
        ),
        Section("rooms", "address", "address", ("rooms.create",)),
        Section("contacts", "number", "contact", ("contacts.create",)),
        Section("calendars", on_list=("calendars.create", "calendars.remove")),
        Section("queue", "id", "id"),
        Section("holds"),
        Section("tokens", on_list=("tokens.create", "tokens.revoke")),
        Section("acts"),
    )
}


class AdministrationPages:
    """The pages; who may see them is asked at each request."""

    def __init__(self, core: Core, sign_in: SignIn) -> None:
        self._settings = core.config.administration
        self._directory = core.directory
        self._sign_in = sign_in

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return ((PATH, self._sign_in.people(self._answer)),)

    async def _answer(self, visit: Visit) -> Response:
        if not self._settings.pages:
            raise NotFound()
        office = await Office.of(self._directory, visit.person)
        parts = [unquote(part) for part in visit.request.target.partition("?")[0].split("/")[2:] if part]
        if visit.request.method == "POST":
            if parts != [_DO]:
                raise NotFound()
            return await self._do(visit, office)
        if not parts:
            return Response(303, [("Location", f"{PATH}/departments"), ("Cache-Control", "no-store")])
        section = SECTIONS.get(parts[0])
        if section is None or len(parts) > 2 or (len(parts) == 2 and not section.argument):
            raise NotFound()
        if len(parts) == 1:
            return await self._list(visit, office, section)
        return await self._record(visit, office, section, parts[1])

    async def _list(self, visit: Visit, office: Office, section: Section) -> Response:
        verb = TABLE[f"{section.name}.list"]
        query = query_of(visit.request)
        given = {name: query[name] for name in verb.arguments if query.get(name)}
        result = await office.run(verb.name, _parsed(verb, given))
        [records] = [value for value in result.values() if isinstance(value, list)]
        if section.name == "departments":
            records = [{"domain": each["domains"][0], **each} for each in records]
        columns = (
            [name for name, value in records[0].items() if not isinstance(value, dict)] if records else []
        )
        more = ""
        if "after" in verb.arguments and records and len(records) >= int(given.get("limit", 100)):
            more = "?" + urlencode({**given, "after": records[-1]["number"]})
        if "before" in verb.arguments and records and records[-1]["number"] > 1:
            more = "?" + urlencode({**given, "before": records[-1]["number"]})
        return self._render(
            "administration_list.html",
            visit,
            section,
            filters=_form(visit, verb, given) if verb.arguments else None,
            records=[(_link(section, each), [_shown(each[name]) for name in columns]) for each in records],
            columns=columns,
            more=more,
            forms=[_form(visit, TABLE[name], {}) for name in section.on_list],
        )

    async def _record(self, visit: Visit, office: Office, section: Section, name: str) -> Response:
        show = TABLE[f"{section.name}.show"]
        field = show.arguments[section.argument]
        given = {section.argument: parse_text(field, name)}
        record = await office.run(show.name, given)
        forms = [
            _form(visit, verb, {section.argument: name}, record)
            for verb in VERBS
            if verb.changes and (verb.path.startswith(show.path) or verb.name in section.on_record)
        ]
        return self._render(
            "administration_record.html",
            visit,
            section,
            name=record.get("name") or name,
            record=[(key, _shown(value)) for key, value in record.items()],
            forms=forms,
        )

    async def _do(self, visit: Visit, office: Office) -> Response:
        verb = TABLE.get(visit.value("verb"))
        section = SECTIONS.get(visit.value("section"))
        if verb is None or section is None or not verb.changes:
            raise NotFound()
        texts = {name: visit.value(name) for name in verb.arguments if visit.value(name)}
        try:
            given = _parsed(verb, texts)
            step = office.step(verb.name, given)
            is_direct = not verb.has_preview or any(field.is_secret for field in verb.arguments.values())
            is_direct = is_direct or verb.name in ("app-passwords.add", "tokens.create")
            if is_direct or visit.value("expect"):
                result = await office.run(verb.name, given, expect=visit.value("expect"))
                return self._done(visit, section, verb, result)
            _, effects = await office.preview([step])
        except DomainError as error:
            return self._refused(visit, section, verb, texts, error)
        changes = [(kind, each) for kind in KINDS for each in effects.changes[kind]]
        return self._render(
            "administration_preview.html",
            visit,
            section,
            title=_title(visit, verb),
            verb=verb,
            fields=texts,
            changes=changes,
            people=effects.people,
            missed=effects.missed,
            digest=effects.digest,
        )

    def _done(self, visit: Visit, section: Section, verb: Verb, result: Mapping[str, Any]) -> Response:
        return self._render(
            "administration_done.html",
            visit,
            section,
            title=_title(visit, verb),
            record=[(key, _shown(value)) for key, value in result.items()],
        )

    def _refused(
        self, visit: Visit, section: Section, verb: Verb, texts: Mapping[str, str], error: DomainError
    ) -> Response:
        status = next((status for kind, status in STATUS_OF if isinstance(error, kind)), 400)
        return self._render(
            "administration_list.html",
            visit,
            section,
            status=status,
            problem=error.text,
            filters=None,
            records=[],
            columns=[],
            more="",
            forms=[_form(visit, verb, texts)],
        )

    def _render(
        self, template: str, visit: Visit, section: Section, *, status: int = 200, **values: object
    ) -> Response:
        language = language_of(visit.request)
        return self._sign_in.render(
            template,
            visit,
            status=status,
            names=NAMES[language],
            sections_of=list(SECTIONS),
            section=section.name,
            **{"problem": "", **values},
        )


def _form(
    visit: Visit, verb: Verb, texts: Mapping[str, str], record: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A verb as a form: what names the record is hidden, what the record has now is shown beside."""
    fields = []
    for name, field in verb.arguments.items():
        is_fixed = record is not None and name in texts
        now = "" if record is None or is_fixed or field.is_secret else _shown(record.get(name, ""))
        fields.append((name, field, texts.get(name, ""), is_fixed, now))
    return {"verb": verb, "title": _title(visit, verb), "fields": fields}


def _title(visit: Visit, verb: Verb) -> str:
    return TITLES[verb.name] if language_of(visit.request) == "ru" else verb.summary


def _parsed(verb: Verb, texts: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, text in texts.items():
        field = verb.arguments[name]
        if field.type == "object":
            given[name] = _attributes(text)
        elif text == _EMPTY and field.type in ("string", "texts", "addresses"):
            given[name] = "" if field.type == "string" else []
        else:
            given[name] = parse_text(field, text)
    return given


def _attributes(text: str) -> dict[str, str | None]:
    """Lines of NAME=VALUE; nothing behind the sign takes the name away."""
    found: dict[str, str | None] = {}
    for line in text.splitlines():
        name, sign, value = line.partition("=")
        if not sign or not name.strip():
            raise Invalid(f"{line[:80]!r} is not NAME=VALUE")
        found[name.strip()] = value.strip() or None
    return found


def _link(section: Section, record: Mapping[str, Any]) -> str:
    if not section.key or not record.get(section.key):
        return ""
    return f"{PATH}/{section.name}/{quote(str(record[section.key]), safe='@')}"


def _shown(value: Any) -> str:
    """A value for people."""
    if value is None or value is False or value == "":
        return ""
    if value is True:
        return "✓"
    if isinstance(value, dict):
        return ", ".join(f"{key}={_shown(each)}" for key, each in value.items() if _shown(each))
    if isinstance(value, list):
        return "\n".join(_shown(each) for each in value)
    return str(value)
