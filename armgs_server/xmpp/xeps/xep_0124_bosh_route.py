# SPDX-License-Identifier: Apache-2.0
"""XEP-0124: the HTTP path of BOSH, the sessions of this process, and the way to those of other processes.

A session lives in the process that got its first request. Its `sid` begins with that process's name, so a
request that the kernel deals to another worker is passed on over the bus, and the answer comes back the same
way. What must always hold: a page of another site gets nothing unless `[xmpp] web_origins` lets it in.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from armgs_server.errors import DomainError, TooLarge
from armgs_server.net.http import Request, Response
from armgs_server.net.http.origin import is_welcome
from armgs_server.storage import sessions
from armgs_server.xmpp.transport import Transport
from armgs_server.xmpp.xeps.xep_0124_bosh import BoshSession, refusal
from armgs_server.xmpp.xeps.xep_0124_bosh_body import Body, parse_body

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

PATH = "/http-bind"
QUESTION = "bosh"  # what other processes are asked
_SECURE, _IN_CLEAR = b"t", b"c"  # how a request that is passed on has come
_OVERHEAD = 16 * 1024  # of a request beside its largest stanza
_GRACE = 5.0  # seconds beyond `wait` that another process has for its answer
_LOOK = 2.0  # seconds after which it is looked at whether that process still serves
_SID = re.compile(r"([0-9a-f]{8})\.[\w-]{24}")
_CONTENT_TYPE = ("Content-Type", "text/xml; charset=utf-8")  # §7.1; another one asked for is not given:
# a page of ours must not be made of what a client sends


class BoshRoute:
    """See the head of this file."""

    def __init__(self, server: Server, serve: Callable[[Transport], Coroutine[Any, Any, None]]) -> None:
        self._server = server
        self._serve = serve
        self._sessions: dict[str, BoshSession] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        if server.processes is not None:
            server.processes.answerers[QUESTION] = self._answer_other

    async def stop(self) -> None:
        """After all XMPP sessions have ended: clients that had none are told, too."""
        for session in list(self._sessions.values()):
            session.close()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for session in list(self._sessions.values()):
            session.abort()

    async def answer(self, request: Request) -> Response:
        if not is_welcome(request, self._server.config.xmpp.web_origins):
            return Response(403, [("Content-Type", "text/plain")], b"This site may not connect here\n")
        headers = _cors(request)
        if request.method == "OPTIONS":
            return Response(204, headers)
        if request.method != "POST":
            return Response(405, [*headers, ("Allow", "POST, OPTIONS")])
        return Response(200, [*headers, _CONTENT_TYPE], await self._answer(request))

    async def _answer(self, request: Request) -> bytes:
        limit = self._server.config.xmpp.stanza_size + _OVERHEAD
        try:
            data = await request.read(limit)
            body = parse_body(data, limit)
        except TooLarge:
            return refusal("policy-violation")
        except DomainError:
            return refusal("bad-request")
        if not body.sid:
            return await self._create(body, request)
        match = _SID.fullmatch(body.sid)
        if match is None:
            return refusal("item-not-found")
        if match[1] != self._server.process:
            return await self._ask_other(match[1], data, is_tls=request.is_tls)
        return await self._take(body, is_tls=request.is_tls)

    async def _create(self, body: Body, request: Request) -> bytes:
        """§7."""
        server = self._server
        if not body.to:
            return refusal("improper-addressing")
        if not server.is_local(body.to.lower()):
            return refusal("host-unknown")
        if server.is_stopping:
            return refusal("system-shutdown")
        if len(self._sessions) >= server.config.xmpp.bosh_sessions:
            return refusal("internal-server-error")
        sid = f"{server.process}.{secrets.token_urlsafe(18)}"
        session = BoshSession(
            sid,
            body,
            request.peer,
            request.is_tls,
            server.config.xmpp,
            server.config.limits,
            lambda: self._forget(sid),
        )
        self._sessions[sid] = session
        task = asyncio.get_running_loop().create_task(self._run(session), name="xmpp-bosh")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await session.take(body)

    async def _run(self, session: BoshSession) -> None:
        try:
            await self._serve(session)
        finally:
            session.close()

    def _forget(self, sid: str) -> None:
        self._sessions.pop(sid, None)

    async def _take(self, body: Body, *, is_tls: bool) -> bytes:
        session = self._sessions.get(body.sid)
        if session is None or (session.is_tls and not is_tls):  # §19.1
            return refusal("item-not-found")
        await session.room()
        return await session.take(body)

    # Other processes

    async def _ask_other(self, process: str, data: bytes, *, is_tls: bool) -> bytes:
        processes = self._server.processes
        if processes is None or not await self._is_alive(process):
            return refusal("item-not-found")
        timeout = self._server.config.xmpp.bosh_wait + _GRACE
        question = (_SECURE if is_tls else _IN_CLEAR) + data
        asking = asyncio.ensure_future(processes.ask(process, QUESTION, question, timeout))
        try:
            while not (await asyncio.wait([asking], timeout=_LOOK))[0]:
                if not await self._is_alive(process):
                    return refusal("item-not-found")
            return asking.result() or refusal("item-not-found")
        finally:
            asking.cancel()

    async def _is_alive(self, process: str) -> bool:
        return await self._server.store.read(lambda tx: sessions.is_alive(tx, process))

    async def _answer_other(self, data: bytes) -> bytes:
        """The other side of `_ask_other`."""
        body = parse_body(data[1:], self._server.config.xmpp.stanza_size + _OVERHEAD)
        return await self._take(body, is_tls=data[:1] == _SECURE)


def _cors(request: Request) -> list[tuple[str, str]]:
    """What lets the pages of a welcome site read the answer."""
    origin = request.header("origin")
    if origin is None:
        return []
    return [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Methods", "POST, OPTIONS"),
        ("Access-Control-Allow-Headers", "Content-Type"),
        ("Access-Control-Max-Age", "7200"),
        ("Vary", "Origin"),
    ]
