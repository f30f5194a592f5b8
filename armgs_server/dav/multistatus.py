# SPDX-License-Identifier: Apache-2.0
"""Answers as XML: 207 documents (RFC 4918 §13) sent in slices while they are made, so memory stays flat.

Text is put together from ready pieces; no tree is built.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from armgs_server.dav.errors import DavError, status_line
from armgs_server.dav.names import DECLARATIONS
from armgs_server.dav.resources import Resource
from armgs_server.dav.view import View
from armgs_server.net.http import Response

XML = ("Content-Type", "application/xml; charset=utf-8")
# Resources rendered before the loop may do something else: about two milliseconds.
SLICE = 200

HEAD = f'<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus {DECLARATIONS}>\n'
TAIL = "</D:multistatus>\n"


def status_response(href: str, status: int, error: str = "") -> str:
    """A DAV:response that gives a status for the whole resource."""
    inside = f"<D:error>{error}</D:error>" if error else ""
    return (
        f"<D:response><D:href>{href}</D:href><D:status>{status_line(status)}</D:status>{inside}</D:response>"
    )


def refusal(href: str, error: DavError) -> str:
    """A DAV:response for one resource that was refused."""
    return status_response(href, error.status, error.error_element())


def multistatus(
    responses: Iterable[str], tail: str = "", headers: Iterable[tuple[str, str]] = ()
) -> Response:
    """A 207 of few responses; `tail` stands behind them (DAV:sync-token)."""
    body = f"{HEAD}{''.join(responses)}{tail}{TAIL}".encode()
    return Response(207, [XML, *headers], body)


def stream(
    view: View,
    slices: AsyncIterator[Sequence[Resource]],
    *,
    tail: Callable[[], str] = str,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """A 207 of many resources, rendered and sent slice by slice; `tail` is asked at the end."""

    async def texts() -> AsyncIterator[Sequence[str]]:
        async for resources in slices:
            yield await view.responses(resources)

    return stream_texts(texts(), tail=tail, headers=headers)


def stream_texts(
    slices: AsyncIterator[Sequence[str]],
    *,
    tail: Callable[[], str] = str,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """A 207 of many DAV:response elements, sent slice by slice."""

    async def body() -> AsyncIterator[bytes]:
        begin = HEAD
        async for texts in slices:
            yield f"{begin}{''.join(texts)}".encode()
            begin = ""
            await asyncio.sleep(0)  # others' turn
        yield f"{begin}{tail()}{TAIL}".encode()

    return Response(207, [XML, *headers], body())


def document(name: str, content: str, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """Any other XML answer; `name` is written with its prefix."""
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<{name} {DECLARATIONS}>{content}</{name}>\n'
    return Response(status, [XML, *headers], text.encode())
