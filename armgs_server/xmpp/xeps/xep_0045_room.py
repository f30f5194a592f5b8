# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §4, §5: a room, who is in it, and what they may do. State only: nothing is sent from here.

Invariants:
- An occupant is a nick; it has one seat for each session of the same person that took that nick.
- `seats` holds every seat of every occupant by full JID: one session is in a room at most once.
- Roles last as long as the occupant, affiliations for ever; nobody without an affiliation has an entry.
"""

from __future__ import annotations

import base64
import hmac
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from armgs_server.formats.xmltree import quote
from armgs_server.storage import clock, leases
from armgs_server.storage.leases import Lease
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.xeps.xep_0045_archive import Keeper
from armgs_server.xmpp.xeps.xep_0045_config import RoomConfig

if TYPE_CHECKING:
    from armgs_server.directory import Principal
    from armgs_server.xmpp.xeps.xep_0357_push import Notice

MUC = "http://jabber.org/protocol/muc"
USER = f"{MUC}#user"
ADMIN = f"{MUC}#admin"
OWNER = f"{MUC}#owner"
OCCUPANT_ID = "urn:xmpp:occupant-id:0"  # XEP-0421


class Affiliation(IntEnum):
    """§5.2, in the order of power."""

    OUTCAST = 0
    NONE = 1
    MEMBER = 2
    ADMIN = 3
    OWNER = 4

    @property
    def text(self) -> str:
        return self.name.lower()


class Role(IntEnum):
    """§5.1, in the order of power."""

    NONE = 0
    VISITOR = 1
    PARTICIPANT = 2
    MODERATOR = 3

    @property
    def text(self) -> str:
        return self.name.lower()


@dataclass(slots=True, eq=False)
class Seat:
    """One session in the room; `to` is its full JID, escaped, ready to stand in an attribute."""

    jid: JID
    occupant: Occupant
    presence: bytes  # the children of the last presence, without what the room adds
    to: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.to = quote(self.jid.full).encode()


@dataclass(slots=True, eq=False)
class Occupant:
    """Whoever is behind a nick."""

    nick: str
    bare: JID
    role: Role
    occupant_id: str
    address: JID  # room@host/nick
    seats: dict[str, Seat] = field(default_factory=dict)
    hats: bytes = b""  # XEP-0317
    # The occupant's presence as others get it, by whether they see its real address: kept until it changes.
    tails: dict[bool, bytes] = field(default_factory=dict)

    @property
    def seat(self) -> Seat:
        """The seat that spoke last: its presence is the occupant's."""
        return next(reversed(self.seats.values()))


@dataclass(frozen=True, slots=True)
class Place:
    """What a room stands for in the structure (xep_0045_structure); `unit` 0 is the whole department."""

    department: int
    unit: int
    is_news: bool


@dataclass(frozen=True, slots=True)
class Past:
    """A message that who enters is shown; `tail` follows `to` in its start tag (Stanza.tail)."""

    sent: int
    from_: JID
    tail: bytes
    number: int = 0  # archive id


class Room:
    """See the head of this file. `owner` is 0 until the room is unlocked and kept (§10.1)."""

    def __init__(self, address: JID, owner: int, config: RoomConfig, secret: bytes, history: int) -> None:
        self.address = address
        self.owner = owner
        self.config = config
        self.affiliations: dict[
            str, Affiliation
        ] = {}  # bare JID, or a domain that is banned → other than none
        self.nicks: dict[str, str] = {}  # §7.12: bare JID → the nick that is reserved for it
        self.reasons: dict[str, str] = {}  # §9.2: bare JID → why it is banned
        self.place: Place | None = None
        self.standing: Mapping[str, Affiliation] = {}  # what follows from the place
        self.occupants: dict[str, Occupant] = {}  # by nick
        self.seats: dict[str, Seat] = {}  # by full JID
        self.left: dict[str, int] = {}  # bare JID → when it left, until that is noted (xmpp.missed)
        self.notice: Notice | None = None  # what those who sleep are about to hear of (xep_0045_waking)
        self.people: Sequence[Principal] = ()  # who belongs here, as it was known at a time
        self.people_until = 0
        self.history: deque[Past] = deque(maxlen=history)
        self.subject = b""  # the tail of the last subject message
        self.is_destroyed = False
        self.keeper = Keeper(self)
        self.lease: Lease | None = None  # that the room lives in this process, where several serve
        self._secret = secret

    async def check_home(self, tx: Tx) -> None:
        """First in each transaction that changes the room: Conflict where it lives elsewhere by now."""
        if self.lease is not None:
            await leases.check(tx, self.lease)

    @property
    def is_locked(self) -> bool:
        """§10.1.1: nobody but its creator knows it yet."""
        return self.owner == 0

    def affiliation(self, jid: JID) -> Affiliation:
        """§9.2: what is said of the bare JID goes before what is said of its domain."""
        found = self.affiliations.get(jid.bare)
        return self.affiliations.get(jid.domain, Affiliation.NONE) if found is None else found

    def affiliation_of(self, occupant: Occupant) -> Affiliation:
        return self.affiliation(occupant.bare)

    def set_affiliation(self, bare: str, affiliation: Affiliation, nick: str = "", reason: str = "") -> None:
        self.people_until = 0
        if affiliation is Affiliation.NONE:
            affiliation = self.standing.get(bare, Affiliation.NONE)
        if affiliation is Affiliation.NONE:
            self.affiliations.pop(bare, None)
        else:
            self.affiliations[bare] = affiliation
        for kept, value in ((self.nicks, nick), (self.reasons, reason)):
            if value:
                kept[bare] = value
            else:
                kept.pop(bare, None)

    def take_standing(self, standing: Mapping[str, Affiliation]) -> dict[str, Affiliation]:
        """The structure says who belongs here, but for who is banned; those who stand otherwise now."""
        banned = {bare for bare, each in self.affiliations.items() if each is Affiliation.OUTCAST}
        after = {bare: each for bare, each in standing.items() if bare not in banned}
        before = {bare: each for bare, each in self.affiliations.items() if bare not in banned}
        self.people_until = 0
        self.standing = standing
        self.affiliations = after | dict.fromkeys(banned, Affiliation.OUTCAST)
        self.nicks = {bare: nick for bare, nick in self.nicks.items() if bare in after}
        return {
            bare: after.get(bare, Affiliation.NONE)
            for bare in before.keys() | after.keys()
            if before.get(bare) is not after.get(bare)
        }

    def reserved_for(self, nick: str) -> str:
        """§7.12: the bare JID that alone may have the nick; empty where anybody may."""
        return next((bare for bare, reserved in self.nicks.items() if reserved == nick), "")

    def occupants_of(self, bare: str) -> list[Occupant]:
        """Those of a bare JID; of a domain, those who have no affiliation of their own."""
        return [
            occupant
            for occupant in self.occupants.values()
            if occupant.bare.full == bare
            or (occupant.bare.domain == bare and occupant.bare.full not in self.affiliations)
        ]

    def with_affiliation(self, affiliation: Affiliation) -> list[str]:
        """The bare JIDs that have it."""
        return sorted(bare for bare, each in self.affiliations.items() if each is affiliation)

    def default_role(self, affiliation: Affiliation) -> Role:
        """§5.1.2, table 4: the role on entering."""
        if affiliation >= Affiliation.ADMIN:
            return Role.MODERATOR
        if affiliation is Affiliation.MEMBER:
            is_reader = self.place is not None and self.place.is_news
            return Role.VISITOR if is_reader else Role.PARTICIPANT
        if affiliation is Affiliation.OUTCAST:
            return Role.NONE
        return Role.VISITOR if self.config.is_moderated else Role.PARTICIPANT

    def enter(self, jid: JID, nick: str, presence: bytes) -> Seat:
        """A session takes its seat; the nick is free, or has sessions of the same person."""
        occupant = self.occupants.get(nick)
        if occupant is None:
            role = self.default_role(self.affiliation(jid))
            address = JID(self.address.local, self.address.domain, nick)
            occupant = Occupant(nick, jid.to_bare(), role, self.occupant_id(jid), address)
            self.occupants[nick] = occupant
        assert occupant.bare == jid.to_bare(), "a nick belongs to one person"
        seat = Seat(jid, occupant, presence)
        occupant.seats[jid.full] = seat
        self.seats[jid.full] = seat
        return seat

    def leave(self, seat: Seat) -> bool:
        """A session leaves; whether it was the occupant's last one."""
        occupant = seat.occupant
        del self.seats[seat.jid.full]
        del occupant.seats[seat.jid.full]
        if not occupant.seats:
            del self.occupants[occupant.nick]
            self.left[occupant.bare.full] = clock.now()
        return not occupant.seats

    def rename(self, occupant: Occupant, nick: str) -> None:
        """§7.6: all sessions of the occupant go along."""
        del self.occupants[occupant.nick]
        occupant.nick = nick
        occupant.address = JID(self.address.local, self.address.domain, nick)
        self.occupants[nick] = occupant

    def shows(self, role: Role) -> bool:
        """§7.2.2: whether the presence of those who have the role is told to the others."""
        return role.text in self.config.presence_broadcast

    def sees_addresses(self, occupant: Occupant) -> bool:
        """§4.2: whether an occupant may know the others' real JIDs."""
        return self.config.is_non_anonymous or occupant.role is Role.MODERATOR

    def occupant_id(self, jid: JID) -> str:
        """XEP-0421 §3: stable for one person in one room, telling nothing about either."""
        message = f"{self.address.bare}\0{jid.bare}".encode()
        return base64.urlsafe_b64encode(hmac.digest(self._secret, message, "sha256")[:18]).decode()
