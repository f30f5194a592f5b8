# SPDX-License-Identifier: Apache-2.0
"""Messages that a command brings: RFC 3501 §6.3.11, MULTIAPPEND (RFC 3502), CATENATE (RFC 4469), UTF8
(RFC 6855 §4), literal8 (RFC 4466 §6).

A message goes to the blob store as it comes; it is never in memory whole unless it is small.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.errors import TooLarge
from armgs_server.formats.mime import MessageIndex
from armgs_server.imap import events as framing
from armgs_server.imap.commands.store import join_keywords
from armgs_server.imap.commands.url_content import copy_url
from armgs_server.imap.flag_rights import permitted
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import bad, no
from armgs_server.storage import mail
from armgs_server.storage.blobs import BlobRef, BlobWriter
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# The next piece of a message must come within this time.
DATA_TIMEOUT = 300.0
# Messages of one command, which become one transaction; and pieces of one message.
MAX_MESSAGES = 100
MAX_PIECES = 1000


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that has come whole."""

    ref: BlobRef
    index: MessageIndex
    flags: int
    keywords: str
    created: int | None

    async def append(self, tx: Tx, collection: Collection) -> Item:
        return await mail.append(
            tx,
            collection,
            self.ref,
            self.index,
            flags=self.flags,
            keywords=self.keywords,
            created=self.created,
        )


class MessageInput:
    """Reads append-message after append-message; `cursor` is behind the mailbox, or behind a literal."""

    def __init__(self, session: Session, cursor: Cursor) -> None:
        self._session = session
        self._cursor = cursor
        self._size = None if session.message is None else session.message.size  # of the literal that waits

    async def read(
        self, name: str, rights: Rights, limit: int = MAX_MESSAGES
    ) -> tuple[Collection, list[Incoming]]:
        """The mailbox, which the first message's literal is refused without (TRYCREATE), and all messages."""
        collection: Collection | None = None
        held = Rights(0)
        found: list[Incoming] = []
        while collection is None or not self._is_at_end():
            self._cursor.space()
            flags, keywords, created = self._options()
            if collection is None:
                self._check_syntax()
                # TRYCREATE: the client may make the mailbox and try again (RFC 3501 §6.3.11)
                collection = await self._session.reach.find(name, rights, missing="TRYCREATE")
                held = await self._session.reach.rights(collection)
            if len(found) == limit:
                raise no(f"more than {limit} messages in one command", "LIMIT")
            ref = await self._message()
            index = await mail.read_index(self._session.core.store.blobs, ref)
            flags, keywords = permitted(held, flags, keywords)
            found.append(Incoming(ref, index, flags, keywords, created))
        self._session.message = None
        return collection, found

    def _is_at_end(self) -> bool:
        return self._size is None and self._cursor.is_at_end()

    def _options(self) -> tuple[int, str, int | None]:
        """append-opts = [SP flag-list] [SP date-time]"""
        cursor = self._cursor
        flags, keywords, created = 0, "", None
        if cursor.peek() == b"(":
            flags, names = cursor.flag_list()
            keywords = join_keywords(names)
            cursor.space()
        if cursor.peek() == b'"':
            created = cursor.date_time()
            cursor.space()
        return flags, keywords, created

    def _check_syntax(self) -> None:
        """Before a mailbox is looked for: that a message stands here at all."""
        if self._size is None and self._cursor.is_at_end():
            raise bad("message literal expected")

    async def _message(self) -> BlobRef:
        """append-data = literal / literal8 / append-data-ext: "UTF8 (" literal8 ")", "CATENATE (" … ")" """
        writer = self._session.core.store.blobs.writer(self._session.settings.message_size)
        try:
            if self._cursor.take_word("CATENATE"):
                self._cursor.space()
                await self._catenate(writer)
            elif self._cursor.take_word("UTF8"):
                self._cursor.space()
                self._cursor.expect(b"(")
                await self._literal(writer)
                self._cursor.expect(b")")
            else:
                await self._literal(writer)
            if not self._is_at_end() and self._cursor.peek() != b" ":
                raise bad("end of line expected behind the message")
            if not writer.size:
                raise TooLarge("an empty message is no message")  # RFC 3502 §6.3.11 cancels so
            return await writer.finish()
        except BaseException:
            writer.abort()
            raise

    async def _catenate(self, writer: BlobWriter) -> None:
        """cat-part = "TEXT" SP literal / "URL" SP astring (RFC 4469 §6)"""
        cursor = self._cursor
        cursor.expect(b"(")
        for _ in range(MAX_PIECES):
            if self._cursor.take_word("TEXT"):
                self._cursor.space()
                await self._literal(writer)
            elif self._cursor.take_word("URL"):
                self._cursor.space()
                await copy_url(self._session, await self._url(), writer)
            else:
                raise bad("TEXT or URL expected")
            if self._cursor.take(b")"):
                return
            self._cursor.space()
        raise no(f"more than {MAX_PIECES} pieces in one message", "LIMIT")

    async def _url(self) -> bytes:
        if self._size is None or not self._cursor.is_at_end():
            return self._cursor.astring()
        if self._size > self._session.settings.line_length:
            raise no("URL too long", "LIMIT")
        pieces: list[bytes] = []
        async for data in self._octets():
            pieces.append(data)
        return b"".join(pieces)

    async def _literal(self, writer: BlobWriter) -> None:
        """The literal that waits, streamed into the blob store."""
        limit = self._session.settings.message_size
        if self._size is None or not self._cursor.is_at_end():
            raise bad("message literal expected")
        if writer.size + self._size > limit:
            raise no(f"messages here have at most {limit} octets", "TOOBIG")
        async for data in self._octets():
            await writer.write(data)

    async def _octets(self) -> AsyncIterator[bytes]:
        session = self._session
        session.protocol.accept_message()
        while isinstance(event := await session.next_event(DATA_TIMEOUT), framing.MessageData):
            yield event.data
        if not isinstance(event, framing.MessageEnd):
            raise bad("end of line expected behind the message")
        self._size = event.size
        if event.size is None:
            session.message = None  # nothing of the command is still on its way
        rest = event.rest.rstrip(b" ") if event.size is None else event.rest
        self._cursor = Cursor((rest,), utf8=session.utf8)
