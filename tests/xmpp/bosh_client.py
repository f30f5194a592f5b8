# SPDX-License-Identifier: Apache-2.0
"""The XMPP client of the behaviour tests over BOSH: one request waits, another brings what is sent."""

from __future__ import annotations

import asyncio
import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from armgs_server.xmpp.service import XmppService
from tests.world import HOST, World
from tests.xmpp.client import TIMEOUT, Client

HTTPBIND = "http://jabber.org/protocol/httpbind"
XBOSH = "urn:xmpp:xbosh"
_STANZA = re.compile(r"<(message|presence|iq)\b")


async def exchange(
    world: World, data: bytes, *, method: str = "POST", secure: bool = False, **fields: str
) -> tuple[int, dict[str, str], bytes]:
    """One HTTP request on a connection of its own: status, header fields, content."""
    service = "https" if secure else "http"
    reader, writer = await world.connect(service, secure=secure)
    headers = {
        "Host": f"{HOST}:{world.ports[service]}",
        "Content-Type": "text/xml; charset=utf-8",
        "Content-Length": str(len(data)),
        "Connection": "close",
        **fields,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"{method} /http-bind HTTP/1.1\r\n{lines}\r\n".encode() + data)
    try:
        answer = await reader.read()
    finally:
        writer.close()
    head, _, content = answer.partition(b"\r\n\r\n")
    status, *rest = head.decode().split("\r\n")
    given = (line.split(": ", 1) for line in rest)
    return int(status.split()[1]), {name.lower(): value for name, value in given}, content


def body(inner: str = "", **attributes: object) -> bytes:
    """One request's body; `xmpp_restart` is written `xmpp:restart`."""
    given = "".join(f" {name.replace('_', ':')}='{value}'" for name, value in attributes.items())
    return f"<body xmlns='{HTTPBIND}' xmlns:xmpp='{XBOSH}'{given}>{inner}</body>".encode()


async def post(world: World, inner: str = "", *, secure: bool = False, **attributes: object) -> Element:
    """The answer's body."""
    async with asyncio.timeout(TIMEOUT):
        status, _, data = await exchange(world, body(inner, **attributes), secure=secure)
    assert status == 200, data
    return ElementTree.fromstring(data)


async def taken(world: World, sid: str, rid: int) -> None:
    """Waits until the daemon, which runs on this loop, has got that request."""
    service = next(service for service in world.daemon._services if isinstance(service, XmppService))
    requests = service._bosh._sessions[sid]._requests
    async with asyncio.timeout(TIMEOUT):
        while requests.rid < rid and rid not in requests._early:
            await asyncio.sleep(0.01)


class BoshClient(Client):
    """Like `Client`; `attributes` are those of the session's first answer, `ended` of its last."""

    async def connect(self, service: str = "http", *, secure: bool = False) -> Client:
        self.secure = secure
        self.rid = 1000
        self.sid = ""
        self.attributes: dict[str, str] = {}
        self.ended: dict[str, str] | None = None
        self._news = asyncio.Event()
        self._requests: set[asyncio.Task[None]] = set()
        self.waiting = 0  # requests that have no answer yet
        self._turn = 1000  # answers count in the order of their requests
        self._answered: dict[int, Element] = {}
        return self

    async def open(self, to: str | None = None, lang: str = "") -> Element:
        self.stanzas.clear()
        domain = self.domain if to is None else to
        if self.sid:
            self._request("", to=domain, xmpp_restart="true")
        else:
            answer = await post(
                self.world,
                secure=self.secure,
                rid=self.rid,
                to=domain,
                wait=30,
                hold=1,
                ver="1.6",
                xmpp_version="1.0",
            )
            self.attributes = dict(answer.attrib)
            self.sid = self.attributes["sid"]
            self.rid += 1
            self._turn = self.rid
            self._take(answer)
        return await self.receive("stream:features")

    def send(self, text: str) -> None:
        self._request(_STANZA.sub(r"<\1 xmlns='jabber:client'", text, count=1))

    async def terminate(self) -> None:
        self._request("<presence xmlns='jabber:client' type='unavailable'/>", type="terminate")
        await self.wait_end()

    async def disconnect(self) -> None:
        for task in self._requests:
            task.cancel()
        if self._requests:
            await asyncio.wait(self._requests)

    def _request(self, content: str, **attributes: object) -> None:
        task = asyncio.get_running_loop().create_task(self._exchange(self.rid, content, attributes))
        self.rid += 1
        self.waiting += 1
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _exchange(self, rid: int, content: str, attributes: dict[str, object]) -> None:
        data = body(content, rid=rid, sid=self.sid, **attributes)
        try:
            _, _, answer = await exchange(self.world, data, secure=self.secure)
        finally:
            self.waiting -= 1
        self._answered[rid] = ElementTree.fromstring(answer)
        while self._turn in self._answered:
            self._take(self._answered.pop(self._turn))
            self._turn += 1
        self._news.set()

    def _take(self, answer: Element) -> None:
        self.stanzas.extend(answer)
        if answer.get("type") == "terminate":
            self.ended = dict(answer.attrib)

    async def _fill(self) -> bool:
        if self.ended is not None:
            return False
        if not self.waiting:
            self._request("")  # §10: one request always waits
        await self._news.wait()
        self._news.clear()
        return True
