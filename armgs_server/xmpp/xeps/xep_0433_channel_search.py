# SPDX-License-Identifier: Apache-2.0
"""XEP-0433: Extended Channel Search: the public rooms of a domain by words in address, name, description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lxml import etree

from armgs_server.storage import rooms
from armgs_server.xmpp.stanza import StanzaError, element, text_element
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps import xep_0045_config, xep_0059_rsm
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0045_config import RoomConfig

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

NAMESPACE: Final = "urn:xmpp:channel-search:0:search"
PARAMETERS: Final = "urn:xmpp:channel-search:0:search-params"
ERRORS: Final = "urn:xmpp:channel-search:0:error"
BY_ADDRESS: Final = "{urn:xmpp:channel-search:0:order}address"
PAGE: Final = 100  # rooms in one answer
SLICE: Final = 500  # rooms looked at in one read
SHORTEST: Final = 2  # characters of a word

_TRUE: Final = (("1",), ("true",))
_PLACES: Final = ("sinname", "sindescription", "sinaddress")


@dataclass(frozen=True, slots=True)
class Search:
    """`words` is empty where all rooms are wanted; `places` are the fields where they may stand."""

    words: tuple[str, ...]
    places: frozenset[str]

    def matches(self, address: str, config: RoomConfig) -> bool:
        """Whether each word is in one of the places."""
        texts = {"sinname": config.name, "sindescription": config.description, "sinaddress": address}
        text = "\n".join(texts[place] for place in self.places).casefold()
        return all(word in text for word in self.words)


async def answer(server: Server, query: etree._Element, domain: str) -> bytes:
    """§4.2: the form to fill in (§4.2.1), or what was found (§4.2.2)."""
    form = forms.find(query)
    if form is None:
        return element("search", {"xmlns": NAMESPACE}, _form())
    search = parse(forms.values(form))
    page = xep_0059_rsm.parse_set(query, PAGE)
    items, first, last = b"", "", page.after or ""
    left = max(page.max, 1)
    while left:
        after = last
        records = await server.store.read(
            lambda tx, after=after: rooms.of_domain(tx, domain, after, SLICE)  # type: ignore[misc]
        )
        for record in records:
            last = record.address
            config = xep_0045_config.from_data(record.data)
            if left and config.is_public and search.matches(last, config):
                first = first or last
                items += _item(last, config)
                left -= 1
                if not left:
                    break
        if len(records) < SLICE:
            break
    return element("result", {"xmlns": NAMESPACE}, items + xep_0059_rsm.serialise_set(first, last))


def parse(values: Mapping[str, tuple[str, ...]]) -> Search:
    """A submitted form; each error has its own condition (§4.2.2)."""
    if values.get("FORM_TYPE") != (PARAMETERS,):
        raise _error("invalid-search-terms", "a form of another type")
    text = " ".join(values.get("q", ())).strip()
    wants_all = values.get("all") in _TRUE
    if wants_all and text:
        conflict = text_element("var", "all") + text_element("var", "q")
        raise _error("conflicting-fields", "all rooms, or those with some words", conflict)
    if not wants_all and "q" not in values:
        raise _error("no-search-conditions", "nothing to search for")
    if values.get("key", (BY_ADDRESS,)) != (BY_ADDRESS,):
        raise _error("invalid-sort-key", "rooms come in the order of their addresses")
    words = tuple(word for word in text.casefold().split() if len(word) >= SHORTEST)
    if not wants_all and not words:
        raise _error("invalid-search-terms", f"a word has at least {SHORTEST} characters")
    places = frozenset(place for place in _PLACES if values.get(place, ("1",)) in _TRUE)
    if not places:
        raise _error("conflicting-fields", "there is nowhere to search")
    return Search(words, places)


def _error(condition: str, text: str, inner: bytes = b"") -> StanzaError:
    extra = element(condition, {"xmlns": ERRORS}, inner)
    return StanzaError("bad-request", text, type="modify", extra=extra)


def _form() -> bytes:
    yes, no = forms.boolean(True), forms.boolean(False)
    fields = (
        Field("q", "text-single", "Search for"),
        Field("all", "boolean", "Return all entries", no),
        Field("sinname", "boolean", "Search in name", yes),
        Field("sindescription", "boolean", "Search in description", yes),
        Field("sinaddress", "boolean", "Search in address", yes),
        Field("key", "list-single", "Sort results by", (BY_ADDRESS,), (("Address", BY_ADDRESS),)),
    )
    return forms.form(PARAMETERS, fields, title="Search for rooms")


def _item(address: str, config: RoomConfig) -> bytes:
    """§6.2"""
    inner = text_element("name", config.name or address.partition("@")[0])
    if config.description:
        inner += text_element("description", config.description)
    if config.lang:
        inner += text_element("language", config.lang)
    inner += text_element("service-type", "xep-0045")
    if not config.members_only and not config.has_password:
        inner += element("is-open")
    inner += text_element("anonymity-mode", "none" if config.is_non_anonymous else "semi")
    return element("item", {"address": address}, inner)
