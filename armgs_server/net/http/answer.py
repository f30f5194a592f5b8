# SPDX-License-Identifier: Apache-2.0
"""Answers as bytes: status lines, header fields, and the answers to what went wrong."""

import time
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus

from armgs_server import errors
from armgs_server.net.http.body import BodyTimeout
from armgs_server.net.http.message import Response
from armgs_server.trace_id import TraceId

_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
    for status in (member.value for member in HTTPStatus)
}
REQUEST_ID = "X-Request-Id"
_NO_BODY = (204, 304)  # and 1xx: RFC 9110 §6.4.1

STATUS_OF: tuple[tuple[type[Exception], int], ...] = (
    (errors.NotFound, 404),
    (errors.Denied, 403),
    (errors.AlreadyExists, 409),
    (errors.Conflict, 409),
    (errors.TooLarge, 413),
    (errors.OverQuota, 507),
    (errors.Throttled, 429),
    (errors.Temporary, 503),
    (errors.Invalid, 400),
    (BodyTimeout, 408),
    (TimeoutError, 503),
)


class Clock:
    """The Date field, made once a second."""

    __slots__ = ("_line", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._line = ""

    def line(self) -> str:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._line = f"Server: armgs_server\r\nDate: {formatdate(now, usegmt=True)}\r\n"
        return self._line


def serialise_head(clock: Clock, response: Response, length: int | None, close: bool, chunked: bool) -> bytes:
    """Status line and header fields. ValueError on a field that would split the answer."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in response.headers])
    if fields.count("\n") != len(response.headers) or fields.count("\r") != len(response.headers):
        raise ValueError("a line break in a header field")
    if chunked:
        framing = "Transfer-Encoding: chunked\r\n"
    elif response.status in _NO_BODY or length is None:
        framing = ""
    else:
        framing = f"Content-Length: {length}\r\n"
    line = _STATUS_LINES.get(response.status) or f"HTTP/1.1 {response.status} \r\n"
    end = "Connection: close\r\n\r\n" if close else "\r\n"
    return f"{line}{clock.line()}{fields}{framing}{end}".encode("latin-1")


def has_body(method: str, status: int) -> bool:
    """Whether a body may follow this answer's header (RFC 9112 §6.3)."""
    return method != "HEAD" and status not in _NO_BODY and status >= 200


def plain(status: int, text: str = "") -> Response:
    """A short answer for people."""
    content = text or HTTPStatus(status).phrase
    return Response(status, [("Content-Type", "text/plain; charset=utf-8")], content.encode() + b"\n")


def named(response: Response, trace: TraceId) -> Response:
    """With the request's id where somebody may ask for it: what went wrong, what the log or a queue knows.

    The answer itself may be one that others get, too.
    """
    if response.status < 400 and not trace.is_drawn:
        return response
    return replace(response, headers=[*response.headers, (REQUEST_ID, str(trace))])


def of_error(error: Exception) -> Response | None:
    """The answer to an error a handler let through; None when it is a fault of ours."""
    for kind, status in STATUS_OF:
        if isinstance(error, kind):
            response = plain(status, getattr(error, "text", ""))
            if status in (429, 503):
                response.headers.append(("Retry-After", "30"))
            return response
    return None
