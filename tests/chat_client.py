# SPDX-License-Identifier: Apache-2.0
"""A chat client on slixmpp for tests: says, hears, loses its connection, resumes, reads the archive."""

from __future__ import annotations

import asyncio
from typing import Any

import slixmpp
from slixmpp.exceptions import IqError, IqTimeout

from tests.world import HOST, PASSWORD, World

WAIT = 20.0
# The stream is gone in the middle of a question.
GONE = (IqError, IqTimeout, asyncio.CancelledError, ConnectionError, TimeoutError)


class ChatClient:
    """One device. `heard` are the texts of messages that came, in their order."""

    def __init__(self, world: World, jid: str) -> None:
        self.heard: list[str] = []
        self._news = asyncio.Event()
        self._port = world.ports["xmpp"]
        self._xmpp: Any = slixmpp.ClientXMPP(jid, PASSWORD)
        self._xmpp.enable_starttls = self._xmpp.enable_direct_tls = False
        self._xmpp.enable_plaintext = True
        for plugin in ("xep_0030", "xep_0198", "xep_0199", "xep_0280", "xep_0313", "xep_0359"):
            self._xmpp.register_plugin(plugin)
        self._xmpp.plugin["feature_mechanisms"].unencrypted_plain = True
        self._xmpp.plugin["feature_mechanisms"].unencrypted_scram = True
        self._xmpp.add_event_handler("message", self._on_message)

    async def online(self) -> None:
        """Logs in, enables carbons and stream management, sends presence."""
        started = self._once("session_start")
        self._xmpp.connect(HOST, self._port)
        await started
        await self._xmpp.plugin["xep_0280"].enable()
        self._xmpp.send_presence()
        await self._xmpp.plugin["xep_0199"].send_ping(self._xmpp.boundjid.domain, timeout=WAIT)

    async def offline(self) -> None:
        """Says goodbye."""
        await self._xmpp.disconnect()

    def drop(self) -> None:
        """The network is gone, without a goodbye."""
        self._xmpp.abort()

    async def resume(self) -> None:
        """Connects again and takes up the old stream (XEP-0198 §5)."""
        resumed = self._once("session_resumed")
        self._xmpp.connect(HOST, self._port)
        await resumed

    def say(self, to: str, text: str) -> None:
        """Sends a chat message."""
        self._xmpp.send_message(to, text, mtype="chat")

    async def hears(self, text: str) -> None:
        """Waits until a text has come."""
        async with asyncio.timeout(WAIT):
            while text not in self.heard:
                self._news.clear()
                await self._news.wait()

    async def acknowledged(self) -> bool:
        """Whether the server has answered for everything said so far: stanzas are handled in order."""
        try:
            await self._xmpp.plugin["xep_0199"].send_ping(self._xmpp.boundjid.domain, timeout=5)
        except GONE:
            return False
        return True

    async def archive(self, peer: str) -> list[str]:
        """Every text of the conversation with `peer`, oldest first (XEP-0313)."""
        texts = []
        async for found in self._xmpp.plugin["xep_0313"].iterate(with_jid=slixmpp.JID(peer)):
            texts.append(found["mam_result"]["forwarded"]["stanza"]["body"])
        return texts

    def _on_message(self, message: Any) -> None:
        if message["body"]:
            self.heard.append(message["body"])
            self._news.set()

    async def _once(self, event: str) -> None:
        done = asyncio.get_running_loop().create_future()
        self._xmpp.add_event_handler(event, lambda _: done.done() or done.set_result(None), disposable=True)
        await asyncio.wait_for(done, WAIT)
