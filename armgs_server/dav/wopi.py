# SPDX-License-Identifier: Apache-2.0
"""WOPI (MS-WOPI §3.3.5): what an office editor in the browser asks of the host of its files.

    GET  /wopi/files/ID             CheckFileInfo        POST /wopi/files/ID           by X-WOPI-Override
    GET  /wopi/files/ID/contents    GetFile              POST /wopi/files/ID/contents  PutFile

The editor is trusted with nothing but the access tokens that people bring it: each is for one person and one
file. Where its discovery names a proof key, a request without its signature is refused, too.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from armgs_server import log
from armgs_server.dav import wopi_files, wopi_locks, wopi_tokens
from armgs_server.dav.engine import Engine
from armgs_server.dav.errors import from_domain
from armgs_server.dav.methods.get import SAFETY
from armgs_server.dav.wopi_files import Document, InvalidName, StaleSave
from armgs_server.dav.wopi_locks import Mismatch
from armgs_server.dav.wopi_proof import Signed, is_proven
from armgs_server.dav.wopi_tokens import Claim
from armgs_server.directory.passwords import load_secret
from armgs_server.errors import DomainError, Invalid
from armgs_server.net.http import Request, Response
from armgs_server.storage import clock, locks
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

PREFIX = "/wopi/files/"
# Collabora Online's answer for "the document was changed in storage": it asks its users what to do.
_CHANGED = {"COOLStatusCode": 1010, "LOOLStatusCode": 1010}

_log = log.get("wopi")


class Wopi:
    """The handler of everything below /wopi/."""

    def __init__(self, engine: Engine, base_url: str) -> None:
        self._engine = engine
        self._base_url = base_url
        self._known_secret: bytes | None = None

    def url(self, claim: Claim) -> str:
        """WOPISrc: by which an editor knows the file."""
        return f"{self._base_url}{PREFIX}{claim.file_id}"

    async def token(self, claim: Claim) -> str:
        """The access token of a claim."""
        return wopi_tokens.serialise(claim, await self._secret())

    async def _secret(self) -> bytes:
        """The store's for tokens; made when the first document is opened."""
        if self._known_secret is None:
            work = partial(load_secret, name=wopi_tokens.SECRET)
            self._known_secret = await self._engine.store.write(work)
        return self._known_secret

    async def handle(self, request: Request) -> Response:
        """Any request of an editor."""
        try:
            return await self._answer(request)
        except Mismatch as error:
            return Response(409, [("X-WOPI-Lock", error.current)])
        except StaleSave:
            return _json(_CHANGED, 409)
        except InvalidName as error:
            return Response(400, [("X-WOPI-InvalidFileNameError", str(error) or "not a name")])
        except DomainError as error:
            refusal = from_domain(error)
            _log.debug("refused", path=request.path, status=refusal.status)
            return Response(refusal.status, list(refusal.headers))

    async def _answer(self, request: Request) -> Response:
        file_id, _, rest = request.path.removeprefix(PREFIX).partition("/")
        token = _token_of(request)
        if not self._engine.editor.is_there:
            return Response(401)
        claim = wopi_tokens.parse(token, await self._secret(), clock.now())
        if claim is None:
            return Response(401)
        if claim.file_id != file_id or rest not in ("", "contents"):
            return Response(404)
        if not await self._is_proven(request, token):
            _log.warning("a request that the editor has not signed", peer=request.peer, path=request.path)
            return Response(500)  # MS-WOPI §2.2.1: what a host answers then
        document = await wopi_files.find(self._engine, claim)
        if rest:
            handlers: Mapping[str, Operation] = {"GET": self._get, "POST": self._put}
            operation = handlers.get(request.method)
        elif request.method == "GET":
            operation = self._check_file_info
        else:
            override = (request.header("x-wopi-override") or "").upper()
            operation = self._operations().get(override) if request.method == "POST" else None
            if operation is None and request.method == "POST":
                return Response(501)
        if operation is None:
            return Response(405, [("Allow", "GET, POST")])
        return await operation(request, document)

    def _operations(self) -> Mapping[str, Operation]:
        """By X-WOPI-Override; COBALT, ADD_ACTIVITIES and the like are answered with 501."""
        return {
            "LOCK": self._lock,
            "GET_LOCK": self._get_lock,
            "REFRESH_LOCK": self._refresh_lock,
            "UNLOCK": self._unlock,
            "PUT_RELATIVE": self._put_relative,
            "RENAME_FILE": self._rename,
        }

    async def _is_proven(self, request: Request, token: str) -> bool:
        if not self._engine.config.dav.editor_proof:
            return True
        signed = Signed(
            token,
            self._base_url + request.target,
            request.header("x-wopi-timestamp") or "",
            request.header("x-wopi-proof") or "",
            request.header("x-wopi-proofold") or "",
        )
        for is_doubted in (False, True):
            keys = (await self._engine.editor.discovery(is_doubted=is_doubted)).proof_keys
            if keys is None or is_proven(keys, signed, clock.now()):
                return True
        return False

    # The file

    async def _check_file_info(self, request: Request, document: Document) -> Response:
        url = f"{self._base_url}{await wopi_files.href(document, document.item.name or '')}"
        return _json(wopi_files.info(document, self._base_url, url))

    async def _get(self, request: Request, document: Document) -> Response:
        """§3.3.5.3.1 GetFile."""
        item = document.item
        most = request.header("x-wopi-maxexpectedsize") or ""
        if most.isascii() and most.isdigit() and item.size > int(most[:19]):
            return Response(412)
        fields = [
            ("Content-Type", "application/octet-stream"),
            ("X-WOPI-ItemVersion", wopi_files.version_of(item)),
            ("Cache-Control", "private, no-store"),
            *SAFETY,
        ]
        body = self._engine.store.blobs.stream(item.blob, 0, item.size)
        return Response(200, fields, body, length=item.size)

    async def _put(self, request: Request, document: Document) -> Response:
        if (request.header("x-wopi-override") or "PUT").upper() != "PUT":
            return Response(501)
        if not document.may_write:
            return Response(404)  # "File unknown or user not authorised": WOPI has one status for both
        # COMPAT: Collabora's extension against writing over what somebody else has written meanwhile.
        loaded = request.header("x-cool-wopi-timestamp") or request.header("x-lool-wopi-timestamp") or ""
        ref = await self._receive(request)
        item = await wopi_files.put(document, ref, _lock_id(request), loaded.strip())
        return _json({"LastModifiedTime": wopi_files.modified_of(item)}, item=item)

    async def _put_relative(self, request: Request, document: Document) -> Response:
        suggested = _utf7(request.header("x-wopi-suggestedtarget"))
        relative = _utf7(request.header("x-wopi-relativetarget"))
        if bool(suggested) == bool(relative):
            return Response(501 if suggested else 400)  # they exclude each other
        if not document.may_add:
            return Response(404)
        ref = await self._receive(request)
        may_overwrite = (request.header("x-wopi-overwriterelativetarget") or "").lower() == "true"
        made = await wopi_files.put_relative(
            document,
            ref,
            suggested or relative,
            is_suggested=bool(suggested),
            may_overwrite=may_overwrite and document.may_write,
        )
        return _json(await self._named(document, made), item=made)

    async def _rename(self, request: Request, document: Document) -> Response:
        if not document.may_rename:
            return Response(404)
        wanted = _utf7(request.header("x-wopi-requestedname"))
        name = await wopi_files.rename(document, wanted, _lock_id(request))
        stem = name.rpartition(".")[0] if "." in name[1:] else name
        return _json({**await self._named(document, document.item), "Name": stem})

    async def _named(self, document: Document, item: Item) -> dict[str, str]:
        """A file's name, and its WOPI URL with a token for who has it open now."""
        claim = document.claim._replace(collection=item.collection, uid=item.uid, may_write=True)
        return {"Name": item.name or "", "Url": f"{self.url(claim)}?access_token={await self.token(claim)}"}

    async def _receive(self, request: Request) -> BlobRef:
        """The body as a blob; TooLarge."""
        writer = self._engine.store.blobs.writer(self._engine.config.dav.file_size)
        try:
            async for chunk in request.chunks():
                await writer.write(chunk)
            return await writer.finish()
        finally:
            writer.abort()  # harmless after finish

    # Its lock

    async def _lock(self, request: Request, document: Document) -> Response:
        """§3.3.5.1.14 Lock; with X-WOPI-OldLock §3.3.5.1.23 UnlockAndRelock."""
        lock_id, old_id = _lock_id(request), request.header("x-wopi-oldlock")
        if not wopi_locks.is_id(lock_id):
            return Response(400)
        if not document.may_write:
            return Response(404)
        root = await wopi_files.href(document, document.item.name or "")

        async def work(tx: Tx, item: Item) -> Item:
            if old_id is not None:
                await locks.release(tx, await wopi_locks.require(tx, document.chain, item, old_id))
            await wopi_locks.take(tx, document.chain, item, document.person, lock_id, root)
            return item

        return _locked(await wopi_files.on_file(document, work))

    async def _refresh_lock(self, request: Request, document: Document) -> Response:
        """§3.3.5.1.17."""
        lock_id = _lock_id(request)
        if not wopi_locks.is_id(lock_id):
            return Response(400)
        if not document.may_write:
            return Response(404)

        async def work(tx: Tx, item: Item) -> Item:
            there = await wopi_locks.require(tx, document.chain, item, lock_id)
            await locks.refresh(tx, there, clock.now() + wopi_locks.LIFETIME)
            return item

        return _locked(await wopi_files.on_file(document, work))

    async def _unlock(self, request: Request, document: Document) -> Response:
        """§3.3.5.1.22."""
        lock_id = _lock_id(request)
        if not wopi_locks.is_id(lock_id):
            return Response(400)
        if not document.may_write:
            return Response(404)

        async def work(tx: Tx, item: Item) -> Item:
            await locks.release(tx, await wopi_locks.require(tx, document.chain, item, lock_id))
            return item

        return _locked(await wopi_files.on_file(document, work))

    async def _get_lock(self, request: Request, document: Document) -> Response:
        """§3.3.5.1.10."""

        async def work(tx: Tx) -> str:
            return wopi_locks.current(await wopi_locks.covering(tx, document.chain, document.item))

        return Response(200, [("X-WOPI-Lock", await self._engine.store.read(work))])


Operation = Callable[[Request, Document], Awaitable[Response]]


def _token_of(request: Request) -> str:
    """RFC 6750 §2.1, or as MS-WOPI has it in the query."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return parse_qs(request.query).get("access_token", [""])[0]


def _lock_id(request: Request) -> str:
    return request.header("x-wopi-lock") or ""


def _utf7(header: str | None) -> str:
    """Names come in UTF-7 (RFC 2152); Invalid."""
    try:
        text = (header or "").encode("ascii").decode("utf-7")
        text.encode()  # no half of a pair
        return text
    except (UnicodeEncodeError, UnicodeDecodeError) as error:
        raise Invalid("a name must be in UTF-7") from error


def _locked(item: Item) -> Response:
    return Response(200, [("X-WOPI-ItemVersion", wopi_files.version_of(item))])


def _json(value: Mapping[str, Any], status: int = 200, item: Item | None = None) -> Response:
    fields = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    if item is not None:
        fields.append(("X-WOPI-ItemVersion", wopi_files.version_of(item)))
    return Response(status, fields, json.dumps(value).encode())
