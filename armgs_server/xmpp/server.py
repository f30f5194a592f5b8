# SPDX-License-Identifier: Apache-2.0
"""The XMPP server of one process: who is connected, which hosts there are, how a stanza reaches somebody.

Other processes are reached by the bus: whoever has a session of a person subscribes to the topic
`xmpp:BARE-JID`, on which go frames (see `frame`). The sending process has served its own sessions directly
and passes over what it hears from itself.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

from armgs_server import log
from armgs_server.config import Config
from armgs_server.directory import Directory, Principal
from armgs_server.errors import DomainError
from armgs_server.net.deadlines import Deadlines
from armgs_server.storage import Store
from armgs_server.storage.bus import RemoteBus
from armgs_server.storage.clock import now
from armgs_server.xmpp import frame as frames
from armgs_server.xmpp.account import Account
from armgs_server.xmpp.departures import Departures
from armgs_server.xmpp.frame import Frame
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import Stanza
from armgs_server.xmpp.transit import Transit

if TYPE_CHECKING:
    from armgs_server.storage.push import Registration
    from armgs_server.xmpp.absent import Absent
    from armgs_server.xmpp.federation.abroad import Abroad
    from armgs_server.xmpp.handover import Handover
    from armgs_server.xmpp.keeping import Keeper
    from armgs_server.xmpp.processes import Processes
    from armgs_server.xmpp.remembered import Remembered
    from armgs_server.xmpp.roster import Colleagues
    from armgs_server.xmpp.succession import Succession
    from armgs_server.xmpp.xeps.xep_0050_commands import Runs
    from armgs_server.xmpp.xeps.xep_0441_preferences import Preferences

LOG = log.get("xmpp")


class Host(Protocol):
    """A service below each served domain: rooms at conference.DOMAIN, uploads at upload.DOMAIN."""

    name: str  # shown in the server's disco#items

    async def handle(self, stanza: Stanza, origin: JID) -> None:
        """Takes a stanza whose `to` is at the host; `from` is the sender's verified full JID, `origin`.

        A DomainError (StanzaError among them) that it raises becomes the error reply. When a session
        ends, the host gets unavailable presence to each address that had directed presence from it.
        """

    async def gone(self, origin: JID) -> None:
        """A session has ended together with its process, of which such presence cannot come any more."""


class Server:
    """What every handler gets: configuration, store, directory, sessions and hosts."""

    def __init__(self, config: Config, store: Store, directory: Directory) -> None:
        self.config = config
        self.store = store
        self.directory = directory
        self.keeper: Keeper  # set by the service
        self.accounts: dict[str, Account] = {}
        self.hosts: dict[str, Host] = {}
        self.resumable: dict[str, Session] = {}  # by XEP-0198 id
        self.colleagues: dict[
            tuple[int, tuple[int, ...], bool], Colleagues
        ] = {}  # by department, units, head
        self.offered: set[int] = set()  # people whose bookmarks have the rooms of their unit
        self.tasks: set[asyncio.Task[None]] = set()  # sessions being ended from outside
        self.process = secrets.token_hex(4)
        self.is_stopping = False
        self._others = store.bus if isinstance(store.bus, RemoteBus) else None
        self.is_alone = self._others is None  # no other process hears the bus
        self.processes: Processes | None = None  # set by the service where there are others
        self.handover: Handover | None = None  # set by the service
        self.succession: Succession | None = None
        self.abroad: Abroad | None = None  # set by the service where other servers or components are reached
        self.transit = Transit()
        self.departures = Departures(self)
        self.deadlines = Deadlines(asyncio.get_running_loop())
        self.last_number = 0  # of the frames that this process has sent
        self.before_parking: list[Callable[[], Awaitable[None]]] = []  # done at the stop, clients gone
        self.heard: dict[str, Callable[[Frame], None]] = {}  # what is done with a frame, by its kind
        self.started = now()
        self.archive_preferences: Remembered[Preferences]  # set by the service
        self.absent: Absent  # set by the service
        self.pushes: Remembered[tuple[Registration, ...]]  # XEP-0357, set by the service
        self.runs: Runs  # XEP-0050 commands under way, set by the service
        self.features: tuple[str, ...] = ()  # XEP-0030 of the server and of accounts, set by the service
        self.account_features: tuple[str, ...] = ()
        self.caps_hash = ""
        self.known_clients: dict[str, frozenset[str]] = {}  # XEP-0115 `ver` → wanted events
        self.end_sessions: Callable[[JID, str], Coroutine[Any, Any, None]]  # set by the service
        self.give_up: Callable[[Session], None]  # set by the service
        self.route: Callable[[Stanza, JID], Awaitable[None]]  # a message of ours to anybody; set by a host
        # Events of one node of one owner go out one after another.
        self.fan_outs: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()

    @property
    def settings(self) -> object:
        return self.config.xmpp

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs what nobody waits for; a failure is logged."""

        async def run() -> None:
            try:
                await work
            except DomainError as error:
                LOG.warning("work in the background has failed", error=error.text)

        task = asyncio.get_running_loop().create_task(run(), name="xmpp")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # Names

    def add_host(self, label: str, host: Host) -> None:
        """Serves `label.DOMAIN` for each domain of the directory."""
        self.hosts[label] = host

    def host_of(self, domain: str) -> Host | None:
        label, _, parent = domain.partition(".")
        return self.hosts.get(label) if self.directory.is_local(parent) else None

    def is_local(self, domain: str) -> bool:
        return self.directory.is_local(domain)

    def is_outside(self, domain: str) -> bool:
        """Neither a served domain nor a host below one: another server, or a component."""
        return not self.directory.is_local(domain) and self.host_of(domain) is None

    async def person(self, jid: JID) -> Principal | None:
        """The person with that bare JID, if there is one in use."""
        account = self.accounts.get(jid.bare)
        if account is not None:
            return account.principal
        principal = await self.directory.by_address(jid.bare) if jid.local else None
        if principal is None or principal.kind != "person" or principal.disabled:
            return None
        return principal

    # Sessions

    def session(self, jid: JID) -> Session | None:
        """The session with that full JID in this process."""
        account = self.accounts.get(jid.bare)
        return account.sessions.get(jid.resource) if account is not None else None

    def account_for(self, principal: Principal) -> Account:
        """The person's account, made for the first session."""
        account = self.accounts.get(principal.address)
        if account is None:
            account = Account(principal)
            self.accounts[principal.address] = account
            bus = self.store.bus
            account.unsubscribe = [bus.subscribe(f"changes:{account.owner}", account.on_change)]
            if not self.is_alone:
                account.unsubscribe.append(bus.subscribe(f"xmpp:{account.bare}", self.on_frame))
        return account

    def forget(self, session: Session) -> None:
        """Takes a session out of its account, and the account with the last one."""
        account = session.account
        if account.sessions.get(session.jid.resource) is session:
            del account.sessions[session.jid.resource]
        self.forget_account(account)

    def forget_account(self, account: Account) -> None:
        """Lets go of an account that nobody is in and nobody is expected in."""
        if account.sessions or self.transit.is_expected(account.bare):
            return
        if self.accounts.get(account.bare) is account:
            del self.accounts[account.bare]
            for unsubscribe in account.unsubscribe:
                unsubscribe()
            account.unsubscribe = []

    async def presences(self, bare: str) -> list[tuple[str, bytes]]:
        """Full JID and presence of each of the person's available sessions, in whichever process."""
        account = self.accounts.get(bare)
        here = account.available() if account is not None else ()
        found = [(session.jid.full, session.presence) for session in here if session.presence is not None]
        if self.processes is not None:
            for row in await self.processes.available([bare]):
                if row.presence is not None:
                    found.append((f"{row.address}/{row.resource}", row.presence))
        return found

    # Sending

    def send(self, to: JID, data: bytes) -> bool:
        """One stanza to a full JID, or to all that take messages of a bare one; False if nobody is here."""
        account = self.accounts.get(to.bare)
        if to.resource:
            session = account.sessions.get(to.resource) if account is not None else None
            if session is None:
                self.publish(to, data)
                return False
            session.send(data)
            return True
        self.publish(to, data)
        receivers = account.receivers() if account is not None else []
        for session in receivers:
            session.send(data)
        return bool(receivers)

    def send_to_available(self, to: JID, data: bytes, origin: JID | None = None) -> None:
        """Presence for all available sessions of a person, unless the person blocks `origin`."""
        account = self.accounts.get(to.bare)
        if account is not None and not (origin and account.blocks(origin)):
            for session in account.available():
                session.send(data)
        self.publish(to.to_bare(), data, origin.full if origin is not None else "")

    def publish(self, to: JID, data: bytes, origin: str = "") -> None:
        """Lets the other processes deliver the stanza to whom they have, unless `origin` is blocked.

        What is for another server or a component goes there.
        """
        if self.abroad is not None and self.is_outside(to.domain):
            self.abroad.send(data)
            return
        self.announce(to.full, frames.STANZA, data, origin=origin)

    def announce(self, to: str, kind: str, data: bytes, *, origin: str = "", argument: str = "") -> None:
        """Tells the other processes that have sessions of the person."""
        if self._others is None:
            return
        bare = to.partition("/")[0]
        topic = f"xmpp:{bare}"
        is_expected = self.transit.is_expected(bare)
        if is_expected or self._others.is_heard_elsewhere(topic):
            frame = Frame(self.process, kind, to, origin, argument, data, self.next_number())
            self._others.publish_elsewhere(topic, frame.encode())
            if is_expected:  # sessions that are here have been served directly
                self.transit.keep(frame, is_broadcast=True, has_receivers=True)

    def next_number(self) -> int:
        """The number of a new frame."""
        self.last_number += 1
        return self.last_number

    def on_frame(self, message: bytes) -> None:
        """Something another process says to all that have sessions of a person."""
        frame = frames.decode(message)
        bare = frame.to.partition("/")[0]
        account = self.accounts.get(bare)
        if account is not None and frame.process != self.process:
            account.heard[frame.process] = frame.number
            has_receivers = self.transit.is_expected(bare) and bool(account.receivers())
            if not self.transit.keep(frame, is_broadcast=True, has_receivers=has_receivers):
                self.heard[frame.kind](frame)
