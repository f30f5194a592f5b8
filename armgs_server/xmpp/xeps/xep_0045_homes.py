# SPDX-License-Identifier: Apache-2.0
"""Which process a room lives in, where several serve: the one that holds the lease `room:ADDRESS`.

A stanza for a room that lives elsewhere goes there on the bus, topic `rooms:PROCESS`, and the sender waits
until it has been handled: what it does is durable by then, and a client's stanzas keep their order. The
frame is `KIND NUL NUMBER NUL ASKER NUL ORIGIN NUL STANZA`; a done is sent back with the number and the error
reply, if it was refused, or, by a process that has stopped and let its rooms go meanwhile, the word to look
again where the room lives. The bus may lose either: the sender asks again and again, and the home answers
again what it has handled already. Where one process serves alone, nothing of this happens.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from armgs_server.errors import DomainError, Temporary
from armgs_server.storage import clock, leases
from armgs_server.storage.bus import RemoteBus
from armgs_server.storage.leases import LIFETIME, Lease
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.stanza import CLIENT, Stanza, StanzaError, error_reply, from_domain_error
from armgs_server.xmpp.xeps.xep_0045_history import send

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

ASK: Final = b"?"
CLOSED: Final = "rooms-closed"  # topic: no room lives any more in the process named
DONE: Final = b"!"
AGAIN: Final = b"~"
TIMEOUT: Final = 10.0  # seconds another process has for one stanza
CLOSING: Final = 2.0  # seconds that stanzas being handled have at the stop
LOOK: Final = 1.0  # seconds without an answer until it is asked again, if it is still the home
SERVED: Final = 10_000  # answers remembered for who asks again
# For how long it is believed that a room lives where it did, without looking at the lease.
BELIEVED: Final = 5 * clock.SECOND
BELIEFS: Final = 10_000

# RFC 6120 §8.3.1, RFC 6121 §4.5: no error in answer to these.
_UNANSWERED: Final = frozenset({"error", "result", "unavailable"})


class Homes:
    """`take` handles a stanza for a room that lives here; `on_lost` hears of one that no longer does."""

    def __init__(
        self,
        server: Server,
        take: Callable[[Stanza, JID], Awaitable[None]],
        on_lost: Callable[[str], None],
    ) -> None:
        self._server = server
        self._take = take
        self._on_lost = on_lost
        self._name = server.process
        self._leases: dict[str, Lease] = {}  # by the room's address
        # Address → process, and until when that is believed.
        self._elsewhere: dict[str, tuple[str, int]] = {}
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[tuple[bytes, bytes]]] = {}
        # By asker and number: the answer, b"" while there is none yet.
        self._served: dict[tuple[bytes, bytes], bytes] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._renewal: asyncio.Task[None] | None = None  # there while a lease is held
        self._is_closing = False
        self._is_closed = asyncio.Event()  # no room lives here any more
        if not server.is_alone:
            server.store.bus.subscribe(f"rooms:{self._name}", self._on_bus)
            server.store.bus.subscribe(CLOSED, self._on_closed)

    async def is_here(self, address: str) -> bool:
        """Whether the room lives in this process; one that lives nowhere does from now on."""
        if self._server.is_alone or address in self._leases:
            return True
        process, until = self._elsewhere.get(address, ("", 0))
        if process and until > clock.now():
            return False
        lease, holder = await self._server.store.write(lambda tx: self._claim(tx, address))
        if lease is None:
            if len(self._elsewhere) >= BELIEFS:
                self._elsewhere.clear()
            self._elsewhere[address] = (holder, clock.now() + BELIEVED)
            return False
        self._elsewhere.pop(address, None)
        self._leases[address] = lease
        if self._renewal is None:
            self._renewal = asyncio.get_running_loop().create_task(self._renew(), name="room-leases")
        return True

    def lease(self, address: str) -> Lease | None:
        """What a room that lives here shows in its transactions; None where one process serves alone."""
        return self._leases.get(address)

    async def let_go(self, address: str) -> None:
        """The room is not in memory any more; another process may take it."""
        lease = self._leases.pop(address, None)
        if lease is None:
            return
        if not self._leases and self._renewal is not None:
            self._renewal.cancel()
            self._renewal = None
        await self._server.store.write(lambda tx: leases.release(tx, lease))

    async def close(self) -> None:
        """The process stops: what others send from here on waits until `closed`."""
        self._is_closing = True
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=CLOSING)

    def closed(self) -> None:
        """All rooms have been let go, which the others are told."""
        self._is_closed.set()
        self._server.store.bus.publish(CLOSED, self._name.encode())

    async def forward(self, stanza: Stanza, origin: JID, address: str) -> bool:
        """Has the room's home handle the stanza; its answers go straight to `origin`.

        False: it lives there no more, so nothing was done.
        """
        bus, (process, _) = self._server.store.bus, self._elsewhere[address]
        if isinstance(bus, RemoteBus) and not bus.is_linked():
            raise Temporary("the room cannot be reached now")
        name = f"room:{address}"
        number = next(self._numbers)
        done: asyncio.Future[tuple[bytes, bytes]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = done
        data = stanza.forward(origin.full, stanza.to, xmlns=CLIENT)
        frame = b"\0".join((ASK, b"%d" % number, self._name.encode(), origin.full.encode(), data))
        bus.publish(f"rooms:{process}", frame)
        try:
            async with asyncio.timeout(TIMEOUT):
                is_held = True
                while not (await asyncio.wait({done}, timeout=LOOK))[0]:
                    if not is_held:  # nor has it said, as one that stops does, that it let go of the room
                        raise TimeoutError
                    is_held = await self._server.store.read(lambda tx: leases.is_held(tx, name, process))
                    bus.publish(f"rooms:{process}", frame)
            kind, refusal = done.result()
        except (TimeoutError, Temporary) as error:  # it may have been done
            self._elsewhere.pop(address, None)
            raise StanzaError("remote-server-timeout", "the room cannot be reached now") from error
        finally:
            del self._waiting[number]
        if refusal:
            send(self._server, origin, refusal)
        if kind != DONE:
            self._elsewhere.pop(address, None)
        return kind == DONE

    async def _claim(self, tx: Tx, address: str) -> tuple[Lease | None, str]:
        name = f"room:{address}"
        lease = await leases.acquire(tx, name, self._name)
        if lease is not None:
            return lease, self._name
        return None, str(await tx.value("SELECT holder FROM lease WHERE name = ?", name))

    async def _renew(self) -> None:
        """Keeps the leases while rooms are in memory; a room whose lease has passed on is lost."""
        while True:
            await asyncio.sleep(LIFETIME / 3 / clock.SECOND)
            for address, lease in tuple(self._leases.items()):
                try:
                    renewed, _ = await self._server.store.write(
                        lambda tx, address=address: self._claim(tx, address)  # type: ignore[misc]
                    )
                except Temporary:
                    continue  # two more chances before it runs out; the lease guards what is written
                if renewed != lease and self._leases.get(address) is lease:
                    del self._leases[address]
                    self._on_lost(address)

    def _on_bus(self, message: bytes) -> None:
        kind, number, rest = message.split(b"\0", 2)
        if kind != ASK:
            waiting = self._waiting.get(int(number))
            if waiting is not None and not waiting.done():
                waiting.set_result((kind, rest))
            return
        key = (rest.partition(b"\0")[0], number)
        if key in self._served:
            self._answer(key)
            return
        while len(self._served) >= SERVED:
            del self._served[next(iter(self._served))]
        self._served[key] = b""
        task = asyncio.get_running_loop().create_task(self._serve(number, rest), name="room-stanza")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_closed(self, message: bytes) -> None:
        gone = message.decode()
        for address in [each for each, (process, _) in self._elsewhere.items() if process == gone]:
            del self._elsewhere[address]

    async def _serve(self, number: bytes, rest: bytes) -> None:
        """Handles what another process has forwarded."""
        asker, from_, data = rest.split(b"\0", 2)
        if self._is_closing:
            await self._is_closed.wait()
            self._answer((asker, number), AGAIN)
            return
        stanza, origin = parse_stanza(data), jids.parse(from_.decode())
        self._elsewhere.pop(jids.parse(stanza.to).bare, None)  # the asker may know better: look anew
        refusal = b""
        try:
            await self._take(stanza, origin)
        except DomainError as error:
            if stanza.type not in _UNANSWERED:
                refusal = error_reply(stanza, from_domain_error(error))
        self._answer((asker, number), DONE, refusal)

    def _answer(self, key: tuple[bytes, bytes], kind: bytes = b"", refusal: bytes = b"") -> None:
        """Says it, or says again what there is to say by now."""
        asker, number = key
        if kind:
            self._served[key] = b"\0".join((kind, number, refusal))
        if self._served[key]:
            self._server.store.bus.publish(f"rooms:{asker.decode()}", self._served[key])
