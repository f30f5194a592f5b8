# SPDX-License-Identifier: Apache-2.0
"""XEP-0055: Jabber Search: people by name, unit, post and telephone, at search.DOMAIN and at the server.

Who asks finds whom the address books show (directory.people_search). At most `[xmpp] search_results` people
are told at once; the rest is asked for page by page (§2.3, XEP-0059). Of very many, such as all who have a
common name, no number is told, and they come in no order of names: nothing beyond the page is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lxml import etree

from armgs_server.directory import Principal
from armgs_server.directory.people_search import Found, PeopleSearch
from armgs_server.errors import NotFound
from armgs_server.xmpp.iq import SERVER, Query, Route
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import XML_LANG, Stanza, StanzaError, element, result, text_element
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps import xep_0030_disco, xep_0059_rsm
from armgs_server.xmpp.xeps.xep_0004_forms import Field

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

NAMESPACE = "jabber:iq:search"
FEATURES = (NAMESPACE,)
LABEL = "search"
# §2.1: the fields every client knows, in the order of its schema.
_LEGACY = ("first", "last", "nick", "email")
# Form field → what it asks for, label in Russian and English; x- where none is registered (XEP-0068).
_FIELDS = (
    ("x-any", "any", "Что угодно", "Anything"),
    ("first", "first", "Имя", "First Name"),
    ("last", "last", "Фамилия", "Last Name"),
    ("nick", "nick", "Псевдоним", "Nickname"),
    ("email", "email", "Почта", "Email"),
    ("x-unit", "unit", "Подразделение", "Unit"),
    ("x-post", "post", "Должность", "Post"),
    ("x-telephone", "telephone", "Телефон", "Telephone"),
)
_INSTRUCTIONS = ("Заполните одно или несколько полей.", "Fill in one or more fields.")
_LONGEST = 200  # characters of what is looked for


class SearchHost:
    """search.DOMAIN, where clients look for it (XEP-0030 category directory, type user)."""

    name = "Search"

    def __init__(self, server: Server) -> None:
        self._server = server
        self.people = PeopleSearch(server.directory)

    async def handle(self, stanza: Stanza, origin: JID) -> None:
        """Only IQs to the host itself mean anything here."""
        if stanza.name != "iq":
            raise StanzaError("service-unavailable")
        if stanza.type not in ("get", "set"):
            return
        names = [mark[0] for mark in stanza.marks]
        if stanza.type == "get" and names == [f"{xep_0030_disco.INFO} query"]:
            identities = [("directory", "user", self.name)]
            features = [xep_0030_disco.INFO, xep_0030_disco.ITEMS, NAMESPACE, xep_0059_rsm.NAMESPACE]
            answer = xep_0030_disco.info(identities, features)
        elif stanza.type == "get" and names == [f"{xep_0030_disco.ITEMS} query"]:
            answer = element("query", {"xmlns": xep_0030_disco.ITEMS})
        elif names == [f"{NAMESPACE} query"]:
            person = await self._server.person(origin.to_bare())
            if person is None:
                raise StanzaError("forbidden")
            answer = await self.answer(person, stanza, stanza.payload())
        else:
            raise StanzaError("service-unavailable")
        self._server.send(origin, result(stanza, answer))

    async def gone(self, origin: JID) -> None:
        """Nothing here depends on sessions."""

    async def answer(self, asker: Principal, stanza: Stanza, payload: etree._Element) -> bytes:
        """The inside of the result: the fields there are (§2.1), or who was found (§2.2)."""
        language = 1 if stanza.attributes.get(XML_LANG, "ru").lower()[:2] != "ru" else 0
        if stanza.type == "get":
            return _offer(language)
        form = forms.find(payload)
        wanted = _from_form(form) if form is not None else _from_elements(payload)
        if not any(wanted.values()):
            raise StanzaError("not-acceptable", "nothing is looked for")
        page = xep_0059_rsm.parse_set(payload, self._server.config.xmpp.search_results)
        try:
            found = await self.people.find(
                asker, wanted, page.max, after=page.after or "", before=page.before
            )
        except NotFound:
            raise StanzaError("item-not-found") from None
        shown = found.found
        inner = _table(shown, language) if form is not None else b"".join(_item(each) for each in shown)
        addresses = [each.person.address for each in shown]
        first, last = (addresses[0], addresses[-1]) if addresses else ("", "")
        inner += xep_0059_rsm.serialise_set(first, last, found.count)
        return element("query", {"xmlns": NAMESPACE}, inner)


async def handle_server(query: Query) -> bytes:
    """The same at the server's own address, where older clients ask."""
    host = query.server.hosts[LABEL]
    assert isinstance(host, SearchHost)
    return await host.answer(query.session.account.principal, query.stanza, query.payload)


def _offer(language: int) -> bytes:
    fields = [Field(name, "text-single", labels[language]) for name, _, *labels in _FIELDS]
    form = forms.form(NAMESPACE, fields, instructions=_INSTRUCTIONS[language])
    inner = text_element("instructions", _INSTRUCTIONS[language])
    inner += b"".join(element(name) for name in _LEGACY) + form
    return element("query", {"xmlns": NAMESPACE}, inner)


def _from_form(form: etree._Element) -> Mapping[str, str]:
    """§2.2 with the form of §3; fields that were not offered are passed over."""
    if form.get("type") != "submit":
        raise StanzaError("bad-request", "the form is not submitted")
    values = forms.values(form)
    return _checked({asked: " ".join(values.get(name, ())) for name, asked, *_ in _FIELDS})


def _from_elements(payload: etree._Element) -> Mapping[str, str]:
    return _checked({name: payload.findtext(f"{{{NAMESPACE}}}{name}") or "" for name in _LEGACY})


def _checked(wanted: Mapping[str, str]) -> Mapping[str, str]:
    if any(len(text) > _LONGEST for text in wanted.values()):
        raise StanzaError("not-acceptable", "too long")
    return {name: text for name, text in wanted.items() if text.strip(" *")}


def _item(found: Found) -> bytes:
    person = found.person
    values = (found.first, found.last or person.name, person.name, person.address)
    inner = b"".join(text_element(name, value) for name, value in zip(_LEGACY, values, strict=True))
    return element("item", {"jid": person.address}, inner)


def _table(found: list[Found], language: int) -> bytes:
    columns = [Field("jid", "jid-single", "JID")]
    columns += [Field(name, "text-single", labels[language]) for name, _, *labels in _FIELDS[1:]]
    rows = (
        {
            "jid": each.person.address,
            "first": each.first,
            "last": each.last or each.person.name,
            "nick": each.person.name,
            "email": each.person.address,
            "x-unit": each.unit,
            "x-post": each.person.post,
            "x-telephone": each.telephone,
        }
        for each in found
    )
    return forms.table(NAMESPACE, columns, rows)


ROUTES = (
    Route("get", NAMESPACE, "query", SERVER, handle_server),
    Route("set", NAMESPACE, "query", SERVER, handle_server),
)
