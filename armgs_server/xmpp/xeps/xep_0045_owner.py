# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §10.1, §10.2, §10.9: the owner sets a room up, configures it, destroys it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from lxml import etree

from armgs_server.errors import DomainError
from armgs_server.storage import rooms
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import StanzaError, element, text_element
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps import xep_0045_config as config
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0045_admin import AffiliationChange, check_owners, set_affiliations
from armgs_server.xmpp.xeps.xep_0045_config import RoomConfig
from armgs_server.xmpp.xeps.xep_0045_invitations import reason_of
from armgs_server.xmpp.xeps.xep_0045_presence import Change, dismiss, notify, remove
from armgs_server.xmpp.xeps.xep_0045_room import OWNER, Affiliation, Room

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server


_ADMINS = "muc#roomconfig_roomadmins"
_OWNERS = "muc#roomconfig_roomowners"


class Registry(Protocol):
    """What of the rooms' host is needed here."""

    server: Server

    async def keep(self, room: Room) -> None:
        """Unlocks a new room: from now on it is in the store."""

    async def forget(self, room: Room) -> None:
        """Takes a room out of the store and out of memory."""


def handle_get(room: Room, actor: JID) -> bytes:
    """§10.1.3, §10.2: the form."""
    _check_owner(room, actor)
    title = f"Configuration of {room.address.bare}"
    more = [
        Field(var, "jid-multi", label, tuple(room.with_affiliation(affiliation)))
        for var, label, affiliation in (
            (_ADMINS, "Admins", Affiliation.ADMIN),
            (_OWNERS, "Owners", Affiliation.OWNER),
        )
        if room.place is None
    ]
    return element("query", {"xmlns": OWNER}, config.serialise(room.config, title, more))


async def handle_set(registry: Registry, room: Room, actor: JID, query: etree._Element) -> bytes:
    """A submitted or cancelled form, or `<destroy/>`."""
    _check_owner(room, actor)
    destroy = query.find(f"{{{OWNER}}}destroy")
    if destroy is not None:
        if room.place is not None:
            raise StanzaError("not-allowed", "the room lasts as long as what it belongs to")
        await _destroy(registry, room, destroy)
        return b""
    form = forms.find(query)
    if form is None:
        raise StanzaError("bad-request", "neither a form nor destroy")
    if form.get("type") == "cancel":
        if room.is_locked:  # §10.1.3: the room is not made after all
            await dissolve(registry, room, element("destroy"))
        return b""
    values = forms.values(form)
    if values.get("FORM_TYPE", (config.FORM_TYPE,)) != (config.FORM_TYPE,):
        raise StanzaError("bad-request", "a form of another type")
    changed, affiliations = config.parse(room.config, values), _affiliations(room, values)
    check_owners(room, affiliations)
    await set_affiliations(registry.server, room, "", affiliations)
    await _configure(registry, room, changed)
    return b""


def _affiliations(room: Room, values: Mapping[str, tuple[str, ...]]) -> list[AffiliationChange]:
    """§10.2: the form names all admins and all owners; who is no owner any more becomes an admin."""
    owners, admins = _jids(room, values, _OWNERS), _jids(room, values, _ADMINS)
    changes = []
    for bare in owners | admins | room.affiliations.keys():
        before = room.affiliations.get(bare, Affiliation.NONE)
        after = before
        if bare in owners:
            after = Affiliation.OWNER
        elif bare in admins or (before is Affiliation.OWNER and _ADMINS not in values):
            after = Affiliation.ADMIN
        elif before >= Affiliation.ADMIN:
            after = Affiliation.MEMBER if room.config.members_only else Affiliation.NONE
        if after is not before:
            changes.append(AffiliationChange(bare, after))
    return changes


def _jids(room: Room, values: Mapping[str, tuple[str, ...]], var: str) -> set[str]:
    """The bare JIDs of a list; where the form leaves it out, those that there are."""
    if var not in values:
        return set(room.with_affiliation(Affiliation.OWNER if var == _OWNERS else Affiliation.ADMIN))
    try:
        found = [jids.parse(text.strip()) for text in values[var] if text.strip()]
    except DomainError as error:
        raise StanzaError("not-acceptable", f"{var} lists addresses") from error
    if not all(jid.local for jid in found):
        raise StanzaError("not-acceptable", f"{var} lists people")
    return {jid.bare for jid in found}


async def _configure(registry: Registry, room: Room, changed: RoomConfig) -> None:
    before = room.config
    if room.is_locked:  # §10.1.2: an instant room submits an empty form
        room.config = changed
        await registry.keep(room)
        return
    if changed != before:

        async def work(tx: Tx) -> None:
            await room.check_home(tx)
            await rooms.set_data(tx, room.owner, changed.to_data())

        await registry.server.store.write(work)
        room.config = changed
        _follow(registry.server, room, before)


def _follow(server: Server, room: Room, before: RoomConfig) -> None:
    """§10.2.1: what a new configuration does to who is in the room."""
    after = room.config
    if after.members_only and not before.members_only:
        for occupant in tuple(room.occupants.values()):
            if room.affiliation_of(occupant) is Affiliation.NONE:
                remove(server, room, occupant, Change(codes=(322,), is_leaving=True))  # §9.3
    for occupant in room.occupants.values():
        occupant.tails.clear()
    codes = []
    if after.is_non_anonymous != before.is_non_anonymous:
        codes.append(172 if after.is_non_anonymous else 173)
    if after.is_archived != before.is_archived:
        codes.append(170 if after.is_archived else 171)
    notify(server, room, codes or (104,))


async def _destroy(registry: Registry, room: Room, destroy: etree._Element) -> None:
    """§10.9"""
    alternative = destroy.get("jid", "")
    if alternative:
        try:
            alternative = jids.parse(alternative).bare
        except DomainError as error:
            raise StanzaError("jid-malformed") from error
    reason = reason_of(destroy)
    text = text_element("reason", reason) if reason else b""
    password = destroy.findtext(f"{{{OWNER}}}password") or ""
    text += text_element("password", password[: config.TEXT_LIMIT]) if password else b""
    await dissolve(registry, room, element("destroy", {"jid": alternative}, text))


async def dissolve(registry: Registry, room: Room, inner: bytes) -> None:
    """The room is gone from the store, then everybody is sent away."""
    await registry.forget(room)
    dismiss(registry.server, room, Change(is_leaving=True, affiliation=Affiliation.NONE, inner=inner))


def _check_owner(room: Room, actor: JID) -> None:
    if room.affiliation(actor) is not Affiliation.OWNER:
        raise StanzaError("forbidden", "only owners may")
