# SPDX-License-Identifier: Apache-2.0
"""News of a department as items of its node `news` at pubsub.DOMAIN (XEP-0060, XEP-0472), and so as Atom.

The posts lie in the store (`storage.news`); every process that serves chat takes them from there by lease.
The node is the department's own: its people may read it, and nobody publishes there but this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from armgs_server.directory import news as directory_news
from armgs_server.storage import news
from armgs_server.storage.news import Post
from armgs_server.storage.tx import Tx
from armgs_server.storage.waiting_work import WaitingWork
from armgs_server.xmpp.stanza import element, text_element
from armgs_server.xmpp.xeps import xep_0060_notify, xep_0060_service
from armgs_server.xmpp.xeps import xep_0163_behalf as behalf
from armgs_server.xmpp.xeps.xep_0060_config import NodeConfig
from armgs_server.xmpp.xeps.xep_0060_nodes import Nodes
from armgs_server.xmpp.xeps.xep_0060_notify import Event
from armgs_server.xmpp.xeps.xep_0160_offline import timestamp
from armgs_server.xmpp.xeps.xep_0472_feed import ATOM, SOCIAL_FEED

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

NODE: Final = "news"
TITLE: Final = "Новости"
CLAIM_LIMIT: Final = 20
_SUMMARY: Final = 5000  # characters


class News:
    """From `start` to `stop`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._work = WaitingWork(server.store, news.TOPIC, "news", self._look)

    def start(self) -> None:
        self._work.start()

    async def stop(self) -> None:
        """What is not told yet stays in the store."""
        await self._work.stop()

    async def _look(self) -> None:
        while taken := await self._work.take(news.claim, CLAIM_LIMIT):
            for post in taken:
                await self._tell(post)

    async def _tell(self, post: Post) -> None:
        """Publishes it, or takes it back; subscribers hear of it once that is durable."""
        directory = self._server.directory
        department = await directory.by_id(post.owner)
        author = await directory.by_id(post.author)
        nodes = None
        if department is not None:
            address = f"{xep_0060_service.LABEL}.{department.address}"
            nodes = Nodes(self._server, department.id, address)
            name, jid = (author.name, author.address) if author is not None else (department.name, "")
            payload = _entry(post, name, jid, directory_news.url(self._server.config, post))

        async def work(tx: Tx) -> list[Event]:
            found: list[Event] = []
            if nodes is not None and post.state == "gone":
                found = await behalf.retract(tx, nodes, NODE, [_item_id(post)])
            elif nodes is not None:
                found = await behalf.publish(tx, nodes, NODE, _item_id(post), payload, _CONFIG)
            await news.finish(tx, post)
            return found

        events = await self._server.store.write(work)
        if nodes is not None:
            await xep_0060_notify.notify(nodes, events)


_CONFIG: Final = NodeConfig(title=TITLE, type=SOCIAL_FEED, access_model="presence", language="ru")


def _item_id(post: Post) -> str:
    return f"{post.id:x}"


def _entry(post: Post, author: str, jid: str, link: str) -> bytes:
    """RFC 4287 §4.1.2."""
    uri = text_element("uri", f"xmpp:{jid}") if jid else b""
    moment = timestamp(post.created)
    inner = b"".join(
        (
            text_element("id", link),
            text_element("title", post.title),
            text_element("updated", moment),
            text_element("published", moment),
            element("author", {}, text_element("name", author) + uri),
            element("link", {"rel": "alternate", "href": link}),
            text_element("content", post.text[:_SUMMARY], {"type": "text"}),
        )
    )
    return element("entry", {"xmlns": ATOM}, inner)
