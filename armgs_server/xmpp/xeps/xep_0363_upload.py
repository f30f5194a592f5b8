# SPDX-License-Identifier: Apache-2.0
"""XEP-0363: HTTP File Upload, at upload.DOMAIN and under /upload/ over HTTP.

A file shared in chat is a file of the sender like any other: it lies in a folder of their file collection,
counts against their quota, and is gone for everybody when they delete it. Whoever has the link may read
it: the token is 192 random bits. What must always hold: nothing is put without a slot, twice, late, or
larger than announced; a browser that opens a link runs nothing from it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote

from armgs_server.errors import AlreadyExists, NotFound, OverQuota, TooLarge
from armgs_server.net.http import Request, Response
from armgs_server.net.ranges import content_range, parse_range
from armgs_server.storage import accounts, clock, collections, free_names, items, uploads
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx
from armgs_server.storage.uploads import Upload
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.numbers import whole
from armgs_server.xmpp.stanza import XML_LANG, Stanza, StanzaError, element, result, text_element
from armgs_server.xmpp.xeps import xep_0030_disco

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

NAMESPACE = "urn:xmpp:http:upload:0"
LABEL = "upload"
PREFIX = "/upload"
ROLE = "chat-uploads"
_FOLDER_NAMES = {"ru": "Файлы из чата"}
_FOLDER_NAME = "Chat uploads"
_SLOT_LIFETIME = 15 * clock.MINUTE  # to begin the PUT after the slot was given
_MAX_NAME = 200
# Shown by a browser in place; anything else is only ever saved.
_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "application/pdf"})
_SAFE_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("Referrer-Policy", "no-referrer"),
    # §8: web clients upload and show from other origins.
    ("Access-Control-Allow-Origin", "*"),
]


class UploadHost:
    """The XMPP side: tells the limits, gives slots."""

    name = "HTTP File Upload"

    def __init__(self, server: Server) -> None:
        self._server = server

    async def handle(self, stanza: Stanza, origin: JID) -> None:
        """Only IQs to the host itself mean anything here."""
        if stanza.name != "iq":
            raise StanzaError("service-unavailable")
        if stanza.type not in ("get", "set"):
            return
        names = [mark[0] for mark in stanza.marks]
        if stanza.type == "get" and names == [f"{xep_0030_disco.INFO} query"]:
            answer = self._info()
        elif stanza.type == "get" and names == [f"{xep_0030_disco.ITEMS} query"]:
            answer = element("query", {"xmlns": xep_0030_disco.ITEMS})
        elif stanza.type == "get" and names == [f"{NAMESPACE} request"]:
            answer = await self._slot(stanza, origin)
        else:
            raise StanzaError("service-unavailable")
        self._server.send(origin, result(stanza, answer))

    async def gone(self, origin: JID) -> None:
        """Nothing here depends on sessions."""

    def _info(self) -> bytes:
        """§4: with the largest size in a form."""
        info = xep_0030_disco.info(
            [("store", "file", self.name)], [xep_0030_disco.INFO, xep_0030_disco.ITEMS, NAMESPACE]
        )
        largest = str(self._server.config.xmpp.upload_size)
        fields = element("field", {"var": "FORM_TYPE", "type": "hidden"}, text_element("value", NAMESPACE))
        fields += element("field", {"var": "max-file-size"}, text_element("value", largest))
        form = element("x", {"xmlns": "jabber:x:data", "type": "result"}, fields)
        return info.removesuffix(b"</query>") + form + b"</query>"

    async def _slot(self, stanza: Stanza, origin: JID) -> bytes:
        """§5: an address to put the file to, and one to get it from."""
        request = stanza.payload()
        name = _file_name(request.get("filename") or "")
        size, limit = whole(request.get("size") or ""), self._server.config.xmpp.upload_size
        if not name or size is None:
            raise StanzaError("bad-request", "filename and size are needed")
        if size > limit:
            too_large = element(
                "file-too-large", {"xmlns": NAMESPACE}, text_element("max-file-size", str(limit))
            )
            raise StanzaError("not-acceptable", f"at most {limit} bytes", extra=too_large)
        person = await self._server.person(origin.to_bare())
        if person is None:
            raise StanzaError("forbidden")
        language = stanza.attributes.get(XML_LANG, "").partition("-")[0]
        folder_name = _FOLDER_NAMES.get(language, _FOLDER_NAME)
        type_ = _media_type(request.get("content-type") or "")
        token, owner = secrets.token_urlsafe(24), person.id

        async def work(tx: Tx) -> None:
            usage = await accounts.usage(tx, owner)
            if usage.quota and usage.bytes + size > usage.quota:
                raise OverQuota("the quota does not allow this file")
            folder = await _folder(tx, owner, folder_name)
            expires = clock.now() + _SLOT_LIFETIME
            await uploads.create(tx, Upload(token, owner, folder.id, 0, name, size, type_[:100], expires))

        await self._server.store.write(work)
        url = self._url(token, name)
        slot = element("put", {"url": url}) + element("get", {"url": url})
        return element("slot", {"xmlns": NAMESPACE}, slot)

    def _url(self, token: str, name: str) -> str:
        config = self._server.config
        port = config.port(443)
        port_part = "" if port == 443 else f":{port}"
        return f"https://{config.server.hostname}{port_part}{PREFIX}/{token}/{quote(name, safe='')}"

    # HTTP

    async def answer(self, request: Request) -> Response:
        """The handler of everything under /upload/."""
        token = request.path.removeprefix(PREFIX).strip("/").partition("/")[0]
        if request.method == "OPTIONS":
            allow = [("Access-Control-Allow-Methods", "GET, HEAD, PUT, OPTIONS")]
            allow += [("Access-Control-Allow-Headers", "Content-Type")]
            return Response(204, [*_SAFE_HEADERS, *allow])
        upload = await self._server.store.read(lambda tx: uploads.get(tx, token)) if token else None
        if upload is None:
            return Response(404, _SAFE_HEADERS)
        if request.method in ("GET", "HEAD"):
            return await self._get(request, upload)
        if request.method == "PUT":
            return await self._put(request, upload)
        return Response(405, [*_SAFE_HEADERS, ("Allow", "GET, HEAD, PUT, OPTIONS")])

    async def _put(self, request: Request, upload: Upload) -> Response:
        """§6: once, in time, and of the size that was announced."""
        if upload.uid:
            return Response(409, _SAFE_HEADERS)
        if upload.expires < clock.now():
            return Response(403, _SAFE_HEADERS)
        if request.content_length is not None and request.content_length != upload.size:
            return Response(413, _SAFE_HEADERS)
        writer = self._server.store.blobs.writer(upload.size)
        try:
            async for chunk in request.chunks():
                await writer.write(chunk)
            ref = await writer.finish()
        except TooLarge:
            return Response(413, _SAFE_HEADERS)
        finally:
            writer.abort()
        if ref.size != upload.size:
            return Response(400, _SAFE_HEADERS)
        try:
            await self._server.store.write(lambda tx: _keep(tx, upload, ref))
        except OverQuota:
            return Response(507, _SAFE_HEADERS)
        except AlreadyExists:
            return Response(409, _SAFE_HEADERS)
        except NotFound:
            return Response(404, _SAFE_HEADERS)
        return Response(201, _SAFE_HEADERS)

    async def _get(self, request: Request, upload: Upload) -> Response:
        item: Item | None = None
        if upload.uid:
            item = await self._server.store.read(
                lambda tx: items.get(tx, upload.owner, upload.collection, upload.uid)
            )
        if item is None:
            return Response(404, _SAFE_HEADERS)
        headers = [*_SAFE_HEADERS, *_content_headers(item, upload.name), ("ETag", item.etag)]
        headers += [("Accept-Ranges", "bytes"), ("Cache-Control", "private, max-age=86400")]
        if request.header("if-none-match") == item.etag:
            return Response(304, headers)
        ranges = parse_range(request.header("range"), item.size)
        start, end = ranges[0] if ranges is not None and len(ranges) == 1 else (0, item.size)
        is_partial = (start, end) != (0, item.size)
        if is_partial:
            headers.append(("Content-Range", content_range(start, end, item.size)))
        body = self._server.store.blobs.stream(item.blob, start, end)
        return Response(206 if is_partial else 200, headers, body, length=end - start)


async def _folder(tx: Tx, owner: int, name: str) -> Collection:
    """The person's folder for files from chat, wherever it was moved to and however it is called."""
    folder = await collections.by_role(tx, owner, "files", ROLE)
    if folder is not None:
        return folder
    root = await collections.by_role(tx, owner, "files", "root")
    if root is None:
        raise NotFound()
    existing = await collections.find(tx, owner, "files", name, root.id)
    if existing is not None:
        return await collections.update(tx, existing, role=ROLE)
    return await collections.create(tx, owner, "files", name, parent=root.id, role=ROLE)


async def _keep(tx: Tx, upload: Upload, ref: BlobRef) -> None:
    folder = await collections.get(tx, upload.owner, upload.collection)
    name = await free_names.find(tx, folder, upload.name)
    item = await items.add(tx, folder, ref, name=name, content_type=upload.type)
    if not await uploads.complete(tx, upload.token, item.uid):
        raise AlreadyExists()


def _file_name(text: str) -> str:
    """A name that is one path segment, without control characters."""
    name = text.replace("\\", "/").rpartition("/")[2].strip()
    name = "".join(char for char in name if char.isprintable())[-_MAX_NAME:]
    return "" if name in (".", "..") else name


def _media_type(text: str) -> str:
    """The announced type; none where it could not stand in a header field (RFC 9110 §5.5)."""
    return text if text.isascii() and text.isprintable() else ""


def _content_headers(item: Item, name: str) -> list[tuple[str, str]]:
    """A page or a script from a stranger is never shown, only saved."""
    type_ = item.content_type.partition(";")[0].strip().lower()
    is_shown = type_ in _INLINE or type_.startswith(("audio/", "video/"))
    disposition = "inline" if is_shown else "attachment"
    return [
        ("Content-Type", type_ if is_shown else "application/octet-stream"),
        ("Content-Disposition", f"{disposition}; filename*=UTF-8''{quote(name, safe='')}"),
    ]
