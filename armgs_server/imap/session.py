# SPDX-License-Identifier: Apache-2.0
"""One connection: states, the command table, and how errors become answers (RFC 3501 §3, §7.1).

Invariants:
- One command at a time, answered in order; its tagged line is the last of its lines.
- Nothing is written from within a store transaction.
- What others changed is told before each tagged line, and at once during IDLE; the bus only says when to
  look (`updates`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from armgs_server import log
from armgs_server.directory import Principal
from armgs_server.errors import DomainError
from armgs_server.imap import events as framing
from armgs_server.imap.command import Ok, State
from armgs_server.imap.commands import COMMANDS, offered
from armgs_server.imap.commands.compress import Deflate
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.mailbox_names import encode_mailbox
from armgs_server.imap.protocol import ImapProtocol
from armgs_server.imap.reach import Reach
from armgs_server.imap.responses import ImapError, astring, bad, defined_flags, from_domain, no, status
from armgs_server.imap.updates import OWN_CHANGES, Updates
from armgs_server.imap.view import View
from armgs_server.net.identity import address_of
from armgs_server.net.stream import Stream
from armgs_server.service import Core
from armgs_server.storage.collections import Collection

if TYPE_CHECKING:
    from armgs_server.imap.service import ImapService

_log = log.get("imap")


class Session:
    """See the module's docstring."""

    def __init__(self, service: ImapService, stream: Stream) -> None:
        self.service = service
        self.core: Core = service.core
        self.settings = service.core.config.imap
        self.stream = stream
        self.protocol = ImapProtocol(self.settings.line_length, self.settings.literal_size)
        self.state = State.NOT_AUTHENTICATED
        self.principal: Principal | None = None
        self.collection: Collection | None = None
        self.view: View | None = None
        self.read_only = False
        self.enabled: set[str] = set()
        self.is_ended = False
        self.message: framing.MessageStart | None = None  # of the APPEND being handled
        self.updates = Updates(self)
        self.reach = Reach(self)
        self.tag = b"*"  # of the command being handled
        self.deflate: Deflate | None = None  # where the connection is compressed
        self._errors = 0
        self._login_deadline = asyncio.get_running_loop().time() + self.core.config.security.login_timeout

    # The life of a connection.

    async def run(self) -> None:
        """Serves the connection until it ends."""
        self.write(status(b"*", b"OK", "ready", f"CAPABILITY {self.capabilities()}"))
        try:
            while not self.is_ended:
                await self._handle(await self.updates.rest(self.next_event(self._patience())))
        except TimeoutError:
            self.bye("silent for too long")
        except ImapError as error:
            self.bye(error.text)  # outside a command: what came was no deflate stream
        except EOFError:
            pass  # the client has hung up, with or without LOGOUT
        except OSError:  # the connection is gone
            raise
        except Exception:
            self.bye("internal error")
            raise  # the server logs it
        finally:
            await self.leave()
            await self.updates.close()
            self.stream.close()

    def _patience(self) -> float:
        if self.state is State.NOT_AUTHENTICATED:
            return max(self._login_deadline - asyncio.get_running_loop().time(), 0.01)
        return self.settings.idle_timeout

    def bye(self, text: str) -> None:
        """Ends the connection with an untagged BYE (RFC 3501 §7.1.5)."""
        if not self.is_ended:
            self.is_ended = True
            self.write(status(b"*", b"BYE", text))
        self.stream.close()

    def write(self, data: bytes) -> None:
        if self.deflate is not None and data:
            data = self.deflate.compress(data)
        self.stream.write(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        if self.deflate is not None:
            self.write(b"".join(lines))
        else:
            self.stream.writelines(lines)

    async def next_event(self, timeout: float) -> framing.Event:
        """The next thing the client says. EOFError when it has hung up, TimeoutError when it is silent."""
        while True:
            event = next(self.protocol.events(), None)
            self.writelines(self.protocol.data_to_send())
            if event is not None:
                return event
            if self.deflate is not None and (data := self.deflate.take()):
                self.protocol.receive_data(data)
                continue
            await self.stream.drain()
            data = await self.stream.read(timeout)
            if not data:
                self.protocol.receive_eof()
                raise EOFError
            if self.deflate is not None:
                self.deflate.feed(data)
            else:
                self.protocol.receive_data(data)

    async def next_line(self, prompt: bytes, timeout: float) -> bytes:
        """Sends a continuation request and waits for the line it asks for."""
        self.protocol.expect_line()
        self.write(b"+ %b\r\n" % prompt)
        event = await self.next_event(timeout)
        if isinstance(event, framing.Line):
            return event.data
        assert isinstance(event, framing.Fault)
        raise bad(event.text)

    # Commands.

    async def _handle(self, event: framing.Event) -> None:
        if isinstance(event, framing.Fault):
            self._failed(event.tag, ImapError(b"BAD", event.text, event.code))
            return
        command = event.command if isinstance(event, framing.MessageStart) else event
        assert isinstance(command, framing.Command)
        self.message = event if isinstance(event, framing.MessageStart) else None
        self.tag = command.tag
        spec = COMMANDS.get(command.name)
        try:
            if spec is None:
                raise bad(f"no such command: {command.name}")
            spec.check(command.name, self.state, self.enabled)
            if await self.reach.has_lost_selected():
                self.bye("the selected mailbox is not yours to read any more")
                return
            cursor = Cursor(command.parts, command.position, utf8=self.utf8)
            answer = await spec.run(command.name, self, cursor)
        except (ImapError, DomainError) as error:
            self._refuse_message()
            _log.debug("refused", command=command.name, error=error.text, connection=self.stream.id)
            await self.updates.tell(may_expunge=spec is None or spec.may_expunge)
            self._failed(command.tag, from_domain(error) if isinstance(error, DomainError) else error)
        else:
            await self.updates.tell(may_expunge=spec.may_expunge, is_own=command.name in OWN_CHANGES)
            self._errors = 0
            if answer is not None:
                self.write(status(command.tag, b"OK", answer.text, answer.code))

    def _refuse_message(self) -> None:
        """An APPEND that failed before or within its message: the rest of it is no command."""
        if self.message is not None:
            self.protocol.refuse_message()
            self.message = None

    def _failed(self, tag: bytes, error: ImapError) -> None:
        self.write(error.line(tag))
        if error.condition == b"BAD":
            self._errors += 1
            if self._errors >= self.settings.errors:
                self.bye("too many errors")

    def capabilities(self) -> str:
        """capability-data for the state the connection is in, from the table (RFC 3501 §6.1.1)."""
        names = dict.fromkeys(offered(self.state))
        if self.state is State.NOT_AUTHENTICATED:
            if self.stream.can_start_tls:
                names["STARTTLS"] = None
            if not self.may_login:
                names["LOGINDISABLED"] = None
            names |= dict.fromkeys(f"AUTH={name}" for name in self.mechanisms())
        else:
            names[f"APPENDLIMIT={self.settings.message_size}"] = None
            if self.settings.message_limit:
                names[f"MESSAGELIMIT={self.settings.message_limit}"] = None
        return " ".join(names)

    @property
    def may_login(self) -> bool:
        return self.stream.is_tls or self.core.config.security.allow_plaintext

    def mechanisms(self) -> tuple[str, ...]:
        auth, stream = self.core.directory.auth, self.stream
        certificate = address_of(stream.tls)
        return auth.mechanisms(stream.is_tls, stream.channel_binding, service="imap", certificate=certificate)

    def note_client(self, fields: Sequence[bytes | None]) -> None:
        """What a client says about itself (RFC 2971) helps to find its faults."""
        shown = " ".join((field or b"-").decode("utf-8", "replace")[:100] for field in fields)
        _log.info("client", id=shown, connection=self.stream.id)

    def authenticated(self, principal: Principal) -> Ok:
        """The client is who it says it is."""
        self.principal = principal
        self.state = State.AUTHENTICATED
        self.service.logged_in(self)
        self.stream.account = principal.address
        self.stream.trace("=", f"authenticated {principal.address}")
        return Ok("logged in", f"CAPABILITY {self.capabilities()}")

    async def unauthenticated(self) -> None:
        """RFC 8437: the connection is as it was before the log-in, but for TLS and compression."""
        await self.leave()
        await self.updates.close()
        self.service.logged_out(self)
        self.principal = None
        self.enabled.clear()
        self.state = State.NOT_AUTHENTICATED
        self._login_deadline = asyncio.get_running_loop().time() + self.core.config.security.login_timeout

    @property
    def person(self) -> Principal:
        """Who is logged in."""
        assert self.principal is not None
        return self.principal

    @property
    def owner(self) -> int:
        """Whose mailboxes are meant by a name without a namespace."""
        return self.person.id

    @property
    def is_rev2(self) -> bool:
        """Whether the client speaks IMAP4rev2 (RFC 9051 §6.3.1)."""
        return "IMAP4REV2" in self.enabled

    @property
    def utf8(self) -> bool:
        """Whether names are UTF-8, in both directions (RFC 9051 §5.1, RFC 6855 §3)."""
        return "IMAP4REV2" in self.enabled or "UTF8=ACCEPT" in self.enabled

    def name(self, mailbox: str) -> bytes:
        """A mailbox name as this client reads it."""
        if self.utf8 and not mailbox.isascii():
            escaped = mailbox.replace("\\", "\\\\").replace('"', '\\"')
            return b'"%b"' % escaped.encode("utf-8")
        return astring(mailbox.encode("ascii") if self.utf8 else encode_mailbox(mailbox))

    # The selected mailbox.

    def selected(self) -> tuple[Collection, View]:
        """The selected mailbox; commands that need one are allowed in that state only."""
        assert self.collection is not None and self.view is not None
        return self.collection, self.view

    def writable(self) -> tuple[Collection, View]:
        """The same, for commands that change it (RFC 3501 §6.3.2)."""
        if self.read_only:
            raise no("the mailbox is open read-only", "READ-ONLY")
        return self.selected()

    def tell_keywords(self, keywords: Iterable[str]) -> None:
        """RFC 3501 §7.2.6: no keyword goes out before FLAGS has named it."""
        _, view = self.selected()
        if view.learn(keywords):
            self.write(b"* FLAGS (%b)\r\n" % defined_flags(view.keywords.values()))

    def enable_condstore(self) -> None:
        """RFC 7162 §3.1: from now on MODSEQ is told; the first time also where the mailbox stands."""
        if "CONDSTORE" not in self.enabled:
            self.enabled.add("CONDSTORE")
            if self.view is not None:
                self.write(b"* OK [HIGHESTMODSEQ %d] highest\r\n" % self.view.modseq)

    def enter(self, collection: Collection, view: View, *, read_only: bool) -> None:
        """Selects a mailbox and begins to hear of its changes."""
        self.collection, self.view, self.read_only = collection, view, read_only
        self.state = State.SELECTED
        self.updates.begin(collection)

    async def leave(self) -> None:
        """Closes the selected mailbox, without expunging (RFC 3691)."""
        await self.updates.end()
        self.collection = self.view = None
        if self.state is State.SELECTED:
            self.state = State.AUTHENTICATED
