# SPDX-License-Identifier: Apache-2.0
"""XEP-0220 on a stream that came in: §2.2.1 as the receiving server, §2.2.2 as the authoritative one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from armgs_server import log
from armgs_server.errors import DomainError, Invalid
from armgs_server.xmpp.faults import Fault
from armgs_server.xmpp.federation.opening import TIMEOUT, Opening, Unreachable, close
from armgs_server.xmpp.jid import parse_domain
from armgs_server.xmpp.protocol import StreamEnd
from armgs_server.xmpp.stanza import Stanza
from armgs_server.xmpp.stream_errors import StreamError
from armgs_server.xmpp.xeps import xep_0220_dialback as protocol

if TYPE_CHECKING:
    from armgs_server.xmpp.federation.abroad import Abroad
    from armgs_server.xmpp.federation.wire import Wire

LOG = log.get("federation")
_AT_ONCE = 10  # keys of one stream being verified


class Dialback:
    """One stream's keys. `admit` is asked once a domain pair has proved itself; False: not wanted."""

    def __init__(self, abroad: Abroad, wire: Wire, admit: Callable[[str, str], bool]) -> None:
        self._abroad = abroad
        self._wire = wire
        self._admit = admit
        self._tasks: set[asyncio.Task[None]] = set()
        self.stream_id = ""

    async def handle(self, nonza: Stanza, is_certified: Callable[[str], bool]) -> None:
        """`<db:result/>` or `<db:verify/>`; answers to questions that we do not ask here are passed over."""
        if "type" in nonza.attributes:
            return
        try:
            theirs, ours = parse_domain(nonza.from_), parse_domain(nonza.to)
        except Invalid as error:
            raise StreamError("improper-addressing") from error
        key = nonza.tree().text or ""
        if nonza.name == "verify":
            await self._answer_verify(theirs, ours, nonza.id, key)
        elif nonza.name == "result":
            self._take_result(theirs, ours, key, is_certified=is_certified(theirs))
        else:
            raise StreamError("unsupported-stanza-type")

    async def stop(self) -> None:
        """The stream has ended: nobody waits for answers any more."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _answer_verify(self, theirs: str, ours: str, stream_id: str, key: str) -> None:
        """§2.2.2: is this a key that we, on another stream, have sent to that server?"""
        error, is_valid = "", False
        if not self._abroad.is_ours(ours):
            error = "item-not-found"  # §2.4.3
        else:
            secret = await self._abroad.dialback_secret()
            is_valid = protocol.is_key(secret, theirs, ours, stream_id, key)
        self._wire.write(
            protocol.answer("verify", ours, theirs, is_valid=is_valid, error=error, stream_id=stream_id)
        )

    def _take_result(self, theirs: str, ours: str, key: str, *, is_certified: bool) -> None:
        """§2.2.1, with the checks that need nobody else first."""
        error = ""
        if not self._abroad.is_ours(ours):
            error = "item-not-found"
        elif self._abroad.is_ours(theirs) or not self._abroad.may_talk(ours, theirs):
            error = "policy-violation"
        elif is_certified:
            self._conclude(theirs, ours, is_valid=True)  # the certificate says it: no dialling back
            return
        elif (
            len(self._tasks) >= _AT_ONCE
            or self._abroad.verifying >= self._abroad.config.federation.verifications
        ):
            error = "resource-constraint"
        if error:
            self._wire.write(protocol.answer("result", ours, theirs, error=error))
            return
        task = asyncio.get_running_loop().create_task(self._verify(theirs, ours, key), name="dialback")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _verify(self, theirs: str, ours: str, key: str) -> None:
        self._abroad.verifying += 1
        try:
            async with asyncio.timeout(self._abroad.config.federation.connect_timeout):
                is_valid = await _ask(self._abroad, theirs, ours, self.stream_id, key)
        except Unreachable as error:
            self._wire.write(protocol.answer("result", ours, theirs, error=error.condition))
        except (OSError, DomainError) as error:  # a TimeoutError is an OSError
            LOG.info("key not verified", theirs=theirs, error=str(error) or "no answer in time")
            self._wire.write(protocol.answer("result", ours, theirs, error=TIMEOUT))
        else:
            self._conclude(theirs, ours, is_valid=is_valid)
        finally:
            self._abroad.verifying -= 1

    def _conclude(self, theirs: str, ours: str, *, is_valid: bool) -> None:
        if is_valid and not self._admit(theirs, ours):
            self._wire.write(protocol.answer("result", ours, theirs, error="resource-constraint"))
            return
        if not is_valid:
            LOG.warning("wrong dialback key", theirs=theirs, ours=ours)
        self._wire.write(protocol.answer("result", ours, theirs, is_valid=is_valid))


async def _ask(abroad: Abroad, theirs: str, ours: str, stream_id: str, key: str) -> bool:
    """§2.1.2: asks the domain's own server, on a stream of its own; Unreachable, OSError."""
    wire = await Opening(abroad, ours, theirs).for_keys()
    try:
        wire.write(protocol.verify(ours, theirs, stream_id, key))
        while True:
            event = await wire.next(abroad.config.federation.connect_timeout)
            if isinstance(event, StreamEnd | Fault):
                raise ConnectionResetError("the authoritative server has closed the stream")
            if isinstance(event, Stanza) and (event.xmlns, event.name) == (protocol.NAMESPACE, "verify"):
                pair = parse_domain(event.from_), parse_domain(event.to)
                return (*pair, event.id, event.type) == (theirs, ours, stream_id, "valid")
    finally:
        await close(wire)
