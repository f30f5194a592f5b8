# SPDX-License-Identifier: Apache-2.0
"""Uploads that are resumed where they broke off (draft-ietf-httpbis-resumable-upload-12), for PUT of a file.

A PUT with Upload-Complete gets an upload resource, /resume/ID, of its own person's. What has come is kept in
the store piece by piece; when the last piece is there, the PUT is done as if it had come whole, with its own
conditions, locks and quota, and the answer is the PUT's.

Only one request at a time adds to an upload: a new one ends the one before, whose connection may have died
without a word (§4.6), and what that had received counts.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable

from armgs_server.dav import structured
from armgs_server.dav.call import Call
from armgs_server.dav.engine import Engine
from armgs_server.dav.errors import DavError, from_domain
from armgs_server.dav.methods.put import target_of
from armgs_server.dav.paths import parse_target
from armgs_server.dav.pieces import Pieces
from armgs_server.directory.model import Principal
from armgs_server.errors import DomainError, NotFound, Temporary, TooLarge
from armgs_server.net.http import Request, Response
from armgs_server.net.http.body import BodyTimeout, ClientGone
from armgs_server.storage import clock, partial_uploads
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.partial_uploads import UNKNOWN, Partial

PREFIX = "/resume/"
MEDIA_TYPE = "application/partial-upload"
INTEROP_VERSION = 8  # "Draft Version Identification": without it in the request there is no 104
# What a PUT is in the end, beside its body.
_KEPT = (
    "host",
    "content-type",
    "if",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "prefer",
    "user-agent",
)
_PROBLEM = "https://iana.org/assignments/http-problem-types#"
_NO_STORE = ("Cache-Control", "no-store")
Dispatch = Callable[[Request, Principal], Awaitable[Response]]


class Resumable:
    """PUT with Upload-Complete, and everything below /resume/. One for a process."""

    def __init__(self, engine: Engine, dispatch: Dispatch) -> None:
        self._engine = engine
        self._dispatch = dispatch
        self._coming: dict[tuple[int, str], _Coming] = {}

    def is_wanted(self, request: Request) -> bool:
        """Whether this PUT is to be one that can be resumed."""
        return (
            request.method == "PUT"
            and request.path.startswith("/dav/files/")
            and structured.boolean(request.header("upload-complete")) is not None
            and self._engine.config.dav.upload_hours > 0
        )

    # Upload creation, §4.2

    async def create(self, request: Request, person: Principal) -> Response:
        """The answer of the PUT where all of it came; else 201 with where to send the rest."""
        is_whole = structured.boolean(request.header("upload-complete")) is True
        length = request.content_length
        # Who could not understand the interim answer would never know where to resume.
        is_told = structured.integer(request.header("upload-draft-interop-version")) == INTEROP_VERSION
        is_small = length is not None and length <= self._engine.config.store.inline_limit
        if is_whole and (is_small or not is_told):
            response = await self._dispatch(request, person)
            response.headers.append(("Upload-Complete", "?1"))
            return response
        size = self._size(request, 0, UNKNOWN, is_whole=is_whole)
        await self._check_target(request, person)
        partial = self._new(request, person, size)
        limit = self._engine.config.dav.uploads
        await self._engine.store.write(lambda tx: partial_uploads.add(tx, partial, limit))
        place = [("Location", f"{PREFIX}{partial.id}"), ("Upload-Limit", self._limits(partial))]
        if is_told:
            request.inform(104, [*place, ("Upload-Draft-Interop-Version", str(INTEROP_VERSION))])
        partial, is_all = await self._receive(request, partial, size)
        if is_whole and is_all:
            return await self._finish(partial, person)
        fields = [*place, ("Upload-Complete", "?0"), ("Upload-Offset", str(partial.received)), _NO_STORE]
        return Response(201, fields)

    def _new(self, request: Request, person: Principal, size: int) -> Partial:
        headers = {name: value for name in _KEPT if (value := request.header(name)) is not None}
        expires = clock.now() + self._engine.config.dav.upload_hours * clock.HOUR
        token = secrets.token_urlsafe(18)
        return Partial(person.id, token, request.target, json.dumps(headers), size, 0, 0, 0, "", expires)

    async def _check_target(self, request: Request, person: Principal) -> None:
        """Refuses what the PUT would be refused for whatever its body is."""
        path = parse_target(request.target)
        place, resource = await self._engine.locate_place(person, path.segments)
        target_of(Call(self._engine, request, person, path, place, resource), resource)

    # The upload resource

    async def handle(self, request: Request, person: Principal) -> Response:
        """A request about one upload; nobody but its maker has it."""
        key = (person.id, request.path.removeprefix(PREFIX))
        if request.method not in ("HEAD", "GET", "PATCH", "DELETE"):
            return Response(405, [("Allow", "HEAD, GET, PATCH, DELETE")])
        await self._interrupt(key)
        partial = await self._engine.store.write(lambda tx: partial_uploads.begin(tx, *key))
        if partial is None:
            raise NotFound()
        if request.method == "PATCH":
            return await self._append(request, person, partial)
        if request.method == "DELETE":
            await self._engine.store.write(lambda tx: partial_uploads.remove(tx, *key))
            return Response(204)
        return Response(204, [*self._state(partial), ("Upload-Limit", self._limits(partial)), _NO_STORE])

    async def _append(self, request: Request, person: Principal, partial: Partial) -> Response:
        """§4.4."""
        if (request.header("content-type") or "").partition(";")[0].strip().lower() != MEDIA_TYPE:
            return Response(415, [("Accept-Patch", MEDIA_TYPE)])
        offset = structured.integer(request.header("upload-offset"))
        is_whole = structured.boolean(request.header("upload-complete"))
        if offset is None or is_whole is None:
            raise DavError(400, "Upload-Offset and Upload-Complete are needed.")
        if offset != partial.received:
            return _mismatch(partial, offset)
        if partial.status:  # the answer was lost on its way
            return self._answer_again(request, partial)
        size = self._size(request, offset, partial.size, is_whole=is_whole)
        partial, is_all = await self._receive(request, partial, size)
        if is_whole and is_all:
            return await self._finish(partial, person)
        return Response(204, [*self._state(partial), _NO_STORE])

    def _answer_again(self, request: Request, partial: Partial) -> Response:
        if request.content_length != 0:
            return Response(400, [("Upload-Complete", "?0")])
        etag = [("ETag", partial.etag)] if partial.etag else []
        return Response(partial.status, [*etag, ("Upload-Complete", "?1")])

    def _size(self, request: Request, offset: int, known: int, *, is_whole: bool) -> int:
        """How long the whole is, by all that says so (§4.1.3); 400 where that is not one length."""
        said = structured.integer(request.header("upload-length"))
        lengths = {each for each in (said, None if known == UNKNOWN else known) if each is not None}
        if is_whole and request.content_length is not None:
            lengths.add(offset + request.content_length)
        if len(lengths) > 1:
            raise _inconsistent()
        size = lengths.pop() if lengths else UNKNOWN
        if size > self._engine.config.dav.file_size:
            raise TooLarge()
        return size

    # What comes

    async def _receive(self, request: Request, partial: Partial, size: int) -> tuple[Partial, bool]:
        """Adds the content to the upload, as far as it comes; whether all of it came."""
        key = (partial.owner, partial.id)
        room = (self._engine.config.dav.file_size if size == UNKNOWN else size) - partial.received
        coming = _Coming(asyncio.ensure_future(self._content(request, room)))
        self._coming[key] = coming
        try:
            ref, is_all = await coming.task
            partial = await self._engine.store.write(
                lambda tx: partial_uploads.append(tx, partial, ref, size)
            )
        except TooLarge:  # §4.4: "marking the upload resource invalid"
            await self._engine.store.write(lambda tx: partial_uploads.remove(tx, *key))
            raise
        finally:
            coming.is_kept.set()
            if self._coming.get(key) is coming:
                del self._coming[key]
        return partial, is_all

    async def _content(self, request: Request, room: int) -> tuple[BlobRef, bool]:
        """What comes of the request's content until it ends, breaks off, or another request is there."""
        writer = self._engine.store.blobs.writer(room)
        try:
            try:
                async for chunk in request.chunks():
                    await writer.write(chunk)
                is_all = True
            except (ClientGone, BodyTimeout, asyncio.CancelledError):
                is_all = False  # §4.4: what has come counts
            return await writer.finish(), is_all
        finally:
            writer.abort()  # harmless after finish

    async def _interrupt(self, key: tuple[int, str]) -> None:
        """§4.6: ends a request that still adds to the upload, and waits until what it had is kept."""
        coming = self._coming.get(key)
        if coming is not None:
            coming.task.cancel()
            await coming.is_kept.wait()

    # The whole

    async def _finish(self, partial: Partial, person: Principal) -> Response:
        """Does the PUT with all the pieces for its body."""
        if partial.size not in (UNKNOWN, partial.received):
            raise _inconsistent()
        found = await self._engine.store.read(lambda tx: partial_uploads.pieces(tx, partial))
        whole = Request(
            "PUT",
            partial.target,
            [(name.encode(), value.encode("latin-1")) for name, value in json.loads(partial.headers).items()],
            peer="",
            is_tls=True,
            content_length=partial.received,
            body=Pieces(self._engine.store.blobs, [each for each, _ in found]),
        )
        try:
            response = await self._dispatch(whole, person)
        except DavError as error:
            error.headers += (("Upload-Complete", "?1"),)
            await self._end(partial, error.status, "")
            raise
        except Temporary:
            raise  # the pieces stay: the last request may be sent again
        except DomainError as error:
            refusal = from_domain(error)
            refusal.headers += (("Upload-Complete", "?1"),)
            await self._end(partial, refusal.status, "")
            raise refusal from error
        etag = next((value for name, value in response.headers if name == "ETag"), "")
        await self._end(partial, response.status, etag)
        response.headers.append(("Upload-Complete", "?1"))
        return response

    async def _end(self, partial: Partial, status: int, etag: str) -> None:
        await self._engine.store.write(lambda tx: partial_uploads.finish(tx, partial, status, etag))

    def _state(self, partial: Partial) -> list[tuple[str, str]]:
        size = [("Upload-Length", str(partial.size))] if partial.size != UNKNOWN else []
        return [
            ("Upload-Complete", "?1" if partial.status else "?0"),
            ("Upload-Offset", str(partial.received)),
            *size,
        ]

    def _limits(self, partial: Partial) -> str:
        seconds = max(0, partial.expires - clock.now()) // clock.SECOND
        return f"{limits(self._engine)}, max-age={seconds}"


def limits(engine: Engine) -> str:
    """Upload-Limit (§4.1.4) before there is an upload."""
    return f"max-size={engine.config.dav.file_size}"


class _Coming:
    """A request whose content is being received; `is_kept` when what came of it is in the store."""

    def __init__(self, task: asyncio.Task[tuple[BlobRef, bool]]) -> None:
        self.task = task
        self.is_kept = asyncio.Event()


def _mismatch(partial: Partial, offset: int) -> Response:
    """§7.1."""
    problem = {
        "type": f"{_PROBLEM}mismatching-upload-offset",
        "title": "the offset of the request is not the offset of the upload",
        "expected-offset": partial.received,
        "provided-offset": offset,
    }
    fields = [
        ("Content-Type", "application/problem+json"),
        ("Upload-Complete", "?0"),
        ("Upload-Offset", str(partial.received)),
    ]
    return Response(409, fields, json.dumps(problem).encode())


def _inconsistent() -> DavError:
    return DavError(400, "The lengths given for the upload differ.", headers=(("Upload-Complete", "?0"),))
