# SPDX-License-Identifier: Apache-2.0
"""What this process does for others: it hands what they relay to the sessions it has (see `frame`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from armgs_server.storage import offline
from armgs_server.storage.sessions import SessionRow
from armgs_server.xmpp import frame as frames
from armgs_server.xmpp import lifecycle, roster
from armgs_server.xmpp.account import Account
from armgs_server.xmpp.frame import Frame
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.processes import Processes
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import StanzaError, error_reply, head
from armgs_server.xmpp.subscriptions import UNAVAILABLE
from armgs_server.xmpp.xeps import (
    xep_0160_offline,
    xep_0163_events,
    xep_0191_blocking,
    xep_0280_carbons,
    xep_0357_push,
)
from armgs_server.xmpp.xeps.xep_0191_blocking import is_blocked

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server


class Relayed:
    """Handlers of frames, of questions, and of the death of other processes."""

    def __init__(self, server: Server, processes: Processes) -> None:
        self._server = server
        self._processes = processes
        server.heard = {
            frames.STANZA: self._on_stanza,
            frames.MESSAGE: self._on_message,
            frames.CARBON: self._on_carbon,
            frames.IQ: self._on_iq,
            frames.OFFLINE: self._on_offline,
            frames.ROSTER: self._on_roster,
            frames.BLOCKLIST: self._on_blocklist,
            frames.EVENT: self._on_event,
            frames.PUSH: lambda frame: xep_0357_push.on_frame(server, frame),
            frames.GONE: self._on_gone,
            frames.ASK: processes.on_ask,
            frames.ANSWER: processes.on_answer,
        }
        processes.on_gap(self._after_gap)
        processes.answerers["end"] = self._end
        processes.on_gone = self._tell_gone
        processes.on_lost = self._recover
        processes.on_back = self._tell_back
        processes.on_taken = self._give_way

    # Frames

    def _on_stanza(self, frame: Frame) -> None:
        to = parse(frame.to)
        account = self._server.accounts.get(to.bare)
        if account is None or (frame.origin and account.blocks(parse(frame.origin))):
            return
        if to.resource:
            session = account.sessions.get(to.resource)
            if session is not None:
                session.send(frame.data)
            return
        is_presence = frame.data.startswith(b"<presence")
        for receiver in account.available() if is_presence else account.receivers():
            receiver.send(frame.data)

    def _on_message(self, frame: Frame) -> None:
        """RFC 6121 §8.5: to the very session, or where it has left meanwhile to all that take messages."""
        to = parse(frame.to)
        account = self._server.accounts.get(to.bare)
        session = self._server.session(to) if to.resource else None
        receivers = account.receivers() if account is not None else []
        targets = [session] if session is not None else receivers
        for target in targets:
            target.send(frame.data)
        if not targets and frame.argument == "keep":
            self._processes.spawn(self._keep(to, frame.data))

    async def _keep(self, to: JID, data: bytes) -> None:
        person = await self._server.person(to)
        if person is not None:
            limit = self._server.config.xmpp.offline_messages
            await self._server.store.write(lambda tx: offline.append(tx, person.id, data, limit=limit))

    def _on_carbon(self, frame: Frame) -> None:
        to = parse(frame.to)
        account = self._server.accounts.get(to.bare)
        if account is None:
            return
        kind, _, number = frame.argument.partition(" ")
        direction: Literal["sent", "received"] = "sent" if kind == "sent" else "received"
        has_original: list[Session] = []
        if direction == "received":
            session = account.sessions.get(to.resource)
            has_original = ([session] if session else []) if to.resource else account.receivers()
        others = [each for each in account.sessions.values() if each not in has_original]
        xep_0280_carbons.send(direction, others, frame.data, int(number))

    def _on_iq(self, frame: Frame) -> None:
        session = self._server.session(parse(frame.to))
        if session is not None:
            session.send(frame.data)
            return
        stanza = parse_stanza(frame.data)
        if stanza.type in ("get", "set"):
            error = error_reply(stanza, StanzaError("service-unavailable"))
            self._server.send(parse(frame.origin), error)

    def _on_offline(self, frame: Frame) -> None:
        account = self._server.accounts.get(frame.to)
        for receiver in account.receivers()[:1] if account is not None else ():
            self._processes.spawn(xep_0160_offline.deliver(self._server, receiver))

    def _on_roster(self, frame: Frame) -> None:
        account = self._server.accounts.get(frame.to)
        if account is not None:
            self._processes.spawn(roster.push_here(self._server, account, frame.argument))

    def _on_blocklist(self, frame: Frame) -> None:
        account = self._server.accounts.get(frame.to)
        if account is not None:
            jids = frame.data.decode().split("\n") if frame.data else []
            self._processes.spawn(self._read_blocklist(account, frame.argument, jids))

    async def _read_blocklist(self, account: Account, name: str, jids: list[str]) -> None:
        account.blocked = await xep_0191_blocking.load(self._server, account.owner)
        xep_0191_blocking.push(account, name, jids)

    def _on_event(self, frame: Frame) -> None:
        account = self._server.accounts.get(frame.to)
        if account is not None and not account.blocks(parse(frame.origin)):
            xep_0163_events.tell(frame.origin, account.available(), frame.argument, frame.data)

    # Questions

    async def _end(self, data: bytes) -> bytes:
        """RFC 6120 §7.7.2.2: another process has a newer session of the resource; or the condition told."""
        full, _, condition = data.decode().partition("\n")
        session = self._server.session(parse(full))
        if session is not None:
            lifecycle.close(session, condition or "conflict")
            await lifecycle.end(self._server, session)
        return b""

    def _give_way(self, session: Session) -> None:
        lifecycle.close(session, "conflict")
        lifecycle.give_up(self._server, session)

    # Life and death

    def _after_gap(self) -> None:
        """While the others could not be reached, what was for sessions here went to the offline store."""
        for account in self._server.accounts.values():
            for receiver in account.receivers()[:1]:
                self._processes.spawn(xep_0160_offline.deliver(self._server, receiver))

    async def _tell_gone(self, rows: list[SessionRow]) -> None:
        """RFC 6121 §4.5: sessions of a process that died are unavailable; it could not say so itself."""
        for row in rows:
            jid = parse(f"{row.address}/{row.resource}")
            self._processes.announce_gone(jid)
            await self._leave_hosts(jid)
            if row.presence is not None:
                await self._tell(row.address, row.resource, UNAVAILABLE)
        await self._recover(rows)

    async def _recover(self, rows: list[SessionRow]) -> None:
        """XEP-0198 §5: what clients of a dead process may not have got waits for their next session."""
        for row in rows:
            account = self._server.accounts.get(row.address)
            takes_messages = row.presence is not None and row.priority >= 0
            if (
                takes_messages
                and not (account is not None and account.receivers())
                and not await self._processes.receivers(row.address)
            ):
                await xep_0160_offline.recover(self._server, row.owner, row.address, row.since)

    def _on_gone(self, frame: Frame) -> None:
        self._processes.spawn(self._leave_hosts(parse(frame.to)))

    async def _leave_hosts(self, jid: JID) -> None:
        for host in self._server.hosts.values():
            await host.gone(jid)

    async def _tell_back(self, session: Session) -> None:
        if session.presence is not None:
            await self._tell(session.account.bare, session.jid.resource, session.presence)

    async def _tell(self, address: str, resource: str, tail: bytes) -> None:
        server = self._server
        jid = parse(f"{address}/{resource}")
        person = await server.person(jid)
        if person is None:
            return
        account = server.accounts.get(address) or Account(person)
        blocked = account.blocked
        if blocked is None:
            blocked = await xep_0191_blocking.load(server, person.id)
        subscribers = (await roster.contacts(server, account)).subscribers
        for bare in subscribers | {address}:
            if not (blocked and is_blocked(blocked, parse(bare))):
                server.send_to_available(parse(bare), head("presence", jid.full, bare) + tail, jid)
