# SPDX-License-Identifier: Apache-2.0
"""Rooms under any sequence of stanzas: only domain errors come out, and the state stays consistent."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from armgs_server.config import Config
from armgs_server.directory import Directory
from armgs_server.errors import DomainError
from armgs_server.storage import Store, rooms
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.server import Server
from armgs_server.xmpp.xeps.xep_0045_muc import Rooms
from armgs_server.xmpp.xeps.xep_0045_room import Affiliation, Role

MUC = "http://jabber.org/protocol/muc"
PEOPLE = ("ivanov@digital.example/desk", "ivanov@digital.example/phone", "petrova@digital.example/desk")
ROOMS = ("tea@conference.digital.example", "coffee@conference.digital.example")
NICKS = ("a", "b", "c")
_X = f"<x xmlns='{MUC}'/>"
_BARE = tuple(person.partition("/")[0] for person in PEOPLE[1:])

_items = st.one_of(
    st.builds(
        "<item nick='{}' role='{}'/>".format,
        st.sampled_from(NICKS),
        st.sampled_from([role.text for role in Role] + ["king"]),
    ),
    st.builds(
        "<item jid='{}' affiliation='{}'/>".format,
        st.sampled_from((*_BARE, "@")),
        st.sampled_from([affiliation.text for affiliation in Affiliation] + ["king"]),
    ),
)
_fields = st.builds(
    "<field var='muc#roomconfig_{}'><value>{}</value></field>".format,
    st.sampled_from(
        ("membersonly", "moderatedroom", "persistentroom", "maxusers", "whois", "allowpm", "roomname")
    ),
    st.sampled_from(("0", "1", "anyone", "moderators", "none", "")),
)
_form = st.lists(_fields, max_size=3).map(
    lambda each: f"<x xmlns='jabber:x:data' type='submit'>{''.join(each)}</x>"
)
_cancel = st.just("<x xmlns='jabber:x:data' type='cancel'/>")
_owner = st.one_of(_form, _cancel, st.just("<destroy><reason>x</reason></destroy>"), st.just(""))
_queries = st.one_of(
    _owner.map(lambda inner: f"<query xmlns='{MUC}#owner'>{inner}</query>"),
    st.lists(_items, max_size=2).map(lambda each: f"<query xmlns='{MUC}#admin'>{''.join(each)}</query>"),
    st.just("<query xmlns='http://jabber.org/protocol/disco#info'/>"),
    st.just("<query xmlns='urn:xmpp:mam:2'/>"),
    st.just("<ping xmlns='urn:xmpp:ping'/>"),
)
_invite = st.builds(f"<x xmlns='{MUC}#user'><invite to='{{}}'/></x>".format, st.sampled_from((*_BARE, "@")))
_said = st.one_of(
    st.just("<body>x</body>"),
    st.just("<subject>x</subject>"),
    st.just("<composing xmlns='http://jabber.org/protocol/chatstates'/>"),
    _invite,
    st.just("<x xmlns='jabber:x:data' type='submit'/>"),
    st.just(""),
)
_to = st.tuples(st.sampled_from(ROOMS), st.sampled_from(("", *(f"/{nick}" for nick in NICKS)))).map("".join)
_stanzas = st.one_of(
    st.builds(
        "<presence to='{}'{}>{}</presence>".format,
        _to,
        st.sampled_from(("", "", "", " type='unavailable'", " type='error'", " type='subscribe'")),
        st.sampled_from((_X, _X, "", f"<x xmlns='{MUC}'><history maxstanzas='1'/></x>")),
    ),
    st.builds(
        "<message to='{}' type='{}'>{}</message>".format,
        _to,
        st.sampled_from(("groupchat", "groupchat", "normal", "chat", "error")),
        _said,
    ),
    st.builds(
        "<iq id='i' to='{}' type='{}'>{}</iq>".format,
        _to,
        st.sampled_from(("set", "get", "result")),
        _queries,
    ),
)


def check(host: Rooms) -> None:
    """What must always hold of a room in memory."""
    for address, room in host._rooms.items():
        assert room.address.bare == address
        assert room.seats, "a room that nobody is in is not in memory"
        seats = {full: seat for each in room.occupants.values() for full, seat in each.seats.items()}
        assert seats == room.seats
        for nick, occupant in room.occupants.items():
            assert occupant.nick == nick == occupant.address.resource
            assert occupant.seats and occupant.role is not Role.NONE
            assert all(seat.jid.to_bare() == occupant.bare for seat in occupant.seats.values())
            assert room.affiliation_of(occupant) is not Affiliation.OUTCAST
        assert Affiliation.NONE not in room.affiliations.values()
        assert room.with_affiliation(Affiliation.OWNER)
    assert not host._busy


async def play(folder: Path, script: list[tuple[str, str]]) -> None:
    store = await Store.open("sqlite", folder)
    directory = await Directory.open(store, Config(directory=folder))
    await directory.create_department("Digital", ["digital.example"])
    for address in _BARE:
        await directory.create_person(address)
    host = Rooms(Server(directory.config, store, directory))
    for origin, text in script:
        stanza = parse_stanza(text.replace(" ", " xmlns='jabber:client' ", 1).encode())
        stanza.attributes["from"] = origin
        try:
            await host.handle(stanza, parse(origin))
        except DomainError:
            pass  # the sender's error reply
        check(host)
    for room in host._rooms.values():  # memory and store agree
        if not room.is_locked:
            kept = await store.read(lambda tx, room=room: rooms.load(tx, room.address.bare))  # type: ignore[misc]
            assert kept is not None
            assert {each.jid: each.affiliation for each in kept[1]} == {
                jid: affiliation.text for jid, affiliation in room.affiliations.items()
            }
    await directory.close()
    await store.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PEOPLE), _stanzas), max_size=40))
def test_any_conversation(script: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder), script))
