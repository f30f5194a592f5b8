# SPDX-License-Identifier: Apache-2.0
"""Request and Response, and the request's target as a path (RFC 9110 §4, RFC 9112 §3.2)."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from armgs_server.errors import Invalid, TooLarge
from armgs_server.net.http.body import Body
from armgs_server.net.http.upgrade import Serve

_UNUSUAL = re.compile(r"%|//|/\.\.?(?:/|$)|[^\x21-\x7e]")  # a path without these is already normalised
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

INTERIM = {104: "Upload Resumption Supported"}  # draft-ietf-httpbis-resumable-upload §5

Handler = Callable[["Request"], Awaitable["Response"]]
ResponseBody = bytes | Sequence[bytes] | AsyncIterator[bytes]


class Request:
    """One request. `path` is percent-decoded and normalised; `target` is what was sent."""

    __slots__ = (
        "_body",
        "_index",
        "content_length",
        "headers",
        "is_tls",
        "keep_alive",
        "method",
        "path",
        "peer",
        "query",
        "target",
        "version",
    )

    def __init__(
        self,
        method: str,
        target: str,
        headers: list[tuple[bytes, bytes]],
        *,
        peer: str,
        is_tls: bool,
        version: str = "1.1",
        keep_alive: bool = True,
        content_length: int | None = 0,
        body: Body | None = None,
        index: dict[bytes, bytes] | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.path, self.query = split_target(target)
        self.headers = headers  # names in lower case
        self.peer = peer
        self.is_tls = is_tls
        self.version = version
        self.keep_alive = keep_alive
        self.content_length = content_length  # None: chunked
        self._body = body
        self._index = index_of(headers) if index is None else index

    def header(self, name: str) -> str | None:
        """A header field's value; several of one name are joined by commas (RFC 9110 §5.2)."""
        found = self._index.get(name.lower().encode("latin-1"))
        return found.decode("latin-1") if found is not None else None

    @property
    def expects_continue(self) -> bool:
        """RFC 9110 §10.1.1: the client waits for a 100 before it sends the body."""
        expectation = self.header("expect")
        return expectation is not None and expectation.lower() == "100-continue" and self.version == "1.1"

    async def read(self, limit: int) -> bytes:
        """The whole body; TooLarge above `limit` bytes."""
        if self.content_length is not None and self.content_length > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        if self._body is None:
            return b""
        parts: list[bytes] = []
        size = 0
        async for chunk in self._body.chunks():
            size += len(chunk)
            if size > limit:
                raise TooLarge(f"the body is larger than {limit} bytes")
            parts.append(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def inform(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """An interim answer (RFC 9110 §15.2), while the body comes and where the client's version has any."""
        if self._body is not None and self.version == "1.1":
            fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
            self._body.inform(f"HTTP/1.1 {status} {INTERIM[status]}\r\n{fields}\r\n".encode("latin-1"))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives; the client is slowed down to the pace of the reader."""
        if self._body is not None:
            async for chunk in self._body.chunks():
                yield chunk


@dataclass(slots=True)
class Response:
    """One answer. With an iterator as its body and no `length` it is sent chunked.

    `upgrade` gets the connection after a 101 (Switching Protocols).
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: ResponseBody = b""
    length: int | None = None
    upgrade: Serve | None = None


def index_of(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Values by name, those of one name joined (RFC 9110 §5.3)."""
    index: dict[bytes, bytes] = {}
    for name, value in headers:
        index[name] = index[name] + b", " + value if name in index else value
    return index


def split_target(target: str) -> tuple[str, str]:
    """The path, decoded and normalised, and the query of a request target; Invalid when it has none."""
    if not target.startswith("/"):
        if target == "*":
            return "*", ""
        scheme, separator, rest = target.partition("://")
        if not separator or scheme.lower() not in ("http", "https"):
            raise Invalid("the request target is no path")
        target = rest[rest.index("/") :] if "/" in rest else "/"  # RFC 9112 §3.2.2 absolute-form
    path, _, query = target.partition("?")
    if _UNUSUAL.search(path) is not None:
        path = _normalise(path)
    return path, query


def _normalise(path: str) -> str:
    try:
        decoded = unquote_to_bytes(path.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid("the path is not UTF-8") from error
    if _CONTROL.search(decoded) is not None:
        raise Invalid("a control character in the path")
    segments: list[str] = []
    parts = decoded.split("/")
    for part in parts:
        if part == "..":
            if segments:
                segments.pop()
        elif part not in ("", "."):
            segments.append(part)
    is_folder = parts[-1] in ("", ".", "..") and segments
    return "/" + "/".join(segments) + ("/" if is_folder else "")
