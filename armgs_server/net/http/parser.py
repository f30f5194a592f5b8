# SPDX-License-Identifier: Apache-2.0
"""From bytes to requests: httptools' callbacks, the limits of a header, and what is refused.

httptools (llhttp, strict) refuses a message with both Content-Length and Transfer-Encoding, two
Content-Lengths, line folding, bare LF and a space before the colon (RFC 9112 §5, §6.3, §11.2).
"""

from collections.abc import Callable
from typing import Any

import httptools

from armgs_server.config import HttpSettings
from armgs_server.errors import Invalid
from armgs_server.net.http.body import Body
from armgs_server.net.http.message import Request

_ONCE = (b"host", b"content-length")  # RFC 9112 §3.2, §6.3


class Refused(Exception):
    """This message cannot be answered otherwise, and nothing after it can be understood."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class RequestParser:
    """Fed with bytes; calls `on_request(request, body)` for each header, then fills the body."""

    __slots__ = (
        "_header_size",
        "_headers",
        "_held",
        "_in_header",
        "_index",
        "_is_silent",
        "_is_tls",
        "_make_body",
        "_on_request",
        "_parser",
        "_peer",
        "_settings",
        "_target",
        "body",
    )

    def __init__(
        self,
        settings: HttpSettings,
        peer: str,
        is_tls: bool,
        make_body: Callable[[], Body],
        on_request: Callable[[Request, Body | None], None],
    ) -> None:
        self.body: Body | None = None  # the one being filled
        self._settings = settings
        self._peer = peer
        self._is_tls = is_tls
        self._make_body = make_body
        self._on_request = on_request
        self._parser: Any = httptools.HttpRequestParser(self)
        self._in_header = False
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._index: dict[bytes, bytes] = {}
        self._header_size = 0
        self._is_silent = False  # no callback came out of the last bytes
        self._held = 0  # how many such bytes in a row

    @property
    def in_header(self) -> bool:
        """Whether a request has begun whose header is not whole."""
        return self._in_header

    def feed(self, data: "bytes | memoryview") -> None:
        """Takes bytes; Refused when they are no HTTP, or above a limit."""
        self._is_silent = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # RFC 9110 §7.8: an Upgrade we do not know is ignored; what follows is HTTP as before.
            self._parser = httptools.HttpRequestParser(self)
            offset = int(upgrade.args[0])
            if offset < len(data):
                self.feed(data[offset:])
        except httptools.HttpParserInvalidMethodError as error:
            raise Refused(501) from error
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, Refused):
                raise error.__context__ from None
            raise
        except httptools.HttpParserError as error:
            raise Refused(400, str(error)) from error
        if self._is_silent:
            # httptools holds a field until it is whole, so what it may hold is bounded from outside.
            self._held += len(data)
            if self._held > self._settings.header_size:
                raise Refused(431)
        else:
            self._held = 0

    # httptools' callbacks.

    def on_message_begin(self) -> None:
        self._in_header = True
        self._is_silent = False
        self._target = b""
        self._headers = []
        self._index = {}
        self._header_size = 0

    def on_url(self, data: bytes) -> None:
        self._is_silent = False
        self._target += data
        if len(self._target) > self._settings.line_length:
            raise Refused(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._is_silent = False
        self._header_size += len(name) + len(value) + 4
        if self._header_size > self._settings.header_size:
            raise Refused(431)
        if not self._in_header:
            return  # a trailer field, which nobody asked for: RFC 9110 §6.5.1
        name = name.lower()
        value = value.rstrip(b" \t")  # RFC 9112 §5.1
        self._headers.append((name, value))
        index = self._index
        if name in index:
            if name in _ONCE:
                raise Refused(400, f"{name.decode('latin-1')} must be given once")
            value = index[name] + b", " + value
        index[name] = value
        if len(self._headers) > self._settings.header_count:
            raise Refused(431)

    def on_headers_complete(self) -> None:
        self._in_header = False
        self._header_size = 0
        version = self._parser.get_http_version()
        content_length = self._check_fields(version)
        body = None if content_length == 0 else self._make_body()
        try:
            request = Request(
                self._parser.get_method().decode("ascii"),
                self._target.decode("latin-1"),
                self._headers,
                peer=self._peer,
                is_tls=self._is_tls,
                version=version,
                keep_alive=self._parser.should_keep_alive(),
                content_length=content_length,
                body=body,
                index=self._index,
            )
        except Invalid as error:
            raise Refused(400, error.text) from error
        self.body = body
        self._on_request(request, body)

    def on_body(self, data: bytes) -> None:
        self._is_silent = False
        if self.body is not None:
            self.body.feed(data)

    def on_message_complete(self) -> None:
        self._is_silent = False
        if self.body is not None:
            self.body.complete()
            self.body = None

    def _check_fields(self, version: str) -> int | None:
        """Framing fields and Host; the length of the body, None when it is chunked."""
        if version not in ("1.1", "1.0"):
            raise Refused(505)
        index = self._index
        if version == "1.1" and b"host" not in index:
            raise Refused(400, "Host must be given once")  # RFC 9112 §3.2
        coding = index.get(b"transfer-encoding")
        if coding is None:
            return int(index.get(b"content-length", b"0"))
        if coding.lower() != b"chunked" or version == "1.0":
            raise Refused(501 if version == "1.1" else 400, "transfer coding")  # RFC 9112 §6.1
        return None
