# SPDX-License-Identifier: Apache-2.0
"""Another server's calendars, address books and files, read over WebDAV (RFC 4918, 4791, 6352).

Only GET and PROPFIND are sent, so nothing there is changed. The password goes to the host of the URL and to
no other, wherever the server redirects to.
"""

from __future__ import annotations

import base64
import http.client
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from lxml import etree

from armgs_server.errors import Denied, Invalid, NotFound, Temporary, TooLarge
from armgs_server.formats import xmltree

TIMEOUT = 60.0  # seconds without a byte
LISTING = 256 * 1024 * 1024  # bytes of one PROPFIND answer: 500,000 members
REDIRECTS = 5
CHUNK = 512 * 1024
_BEGIN = '<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop>'
_END = "</D:prop></D:propfind>"


@dataclass(frozen=True, slots=True)
class Found:
    """One DAV:response: the path, and the properties that are there."""

    path: str
    properties: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The last segment."""
        return unquote(self.path.rstrip("/").rpartition("/")[2])

    def text(self, name: str) -> str:
        element = self.properties.get(name)
        return "" if element is None else "".join(element.itertext()).strip()

    def is_a(self, kind: str) -> bool:
        """Whether DAV:resourcetype holds the element."""
        types = self.properties.get("{DAV:}resourcetype")
        return types is not None and types.find(kind) is not None

    def hrefs(self, name: str) -> list[str]:
        """The paths in a property such as calendar-home-set."""
        element = self.properties.get(name)
        found = [] if element is None else element.findall("{DAV:}href")
        return [(each.text or "").strip() for each in found]


class Source:
    """One connection, kept alive. Everything here waits: call it in a thread."""

    def __init__(self, url: str, user: str, password: str, ca: Path | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise Invalid(f"{url} is no http or https URL, or has a password in it")
        self.path = parts.path or "/"
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._headers = {"User-Agent": "armgs_server"}
        if user:
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=str(ca) if ca else None)
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=TIMEOUT, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)

    def close(self) -> None:
        self._connection.close()

    def propfind(self, path: str, depth: int, names: tuple[str, ...]) -> list[Found]:
        """What is at a path, and with depth 1 what lies in it. NotFound, Denied, Temporary, Invalid."""
        asked = "".join(
            f'<X:{etree.QName(each).localname} xmlns:X="{etree.QName(each).namespace}"/>' for each in names
        )
        headers = {"Depth": str(depth), "Content-Type": "application/xml; charset=utf-8"}
        answer = self._request("PROPFIND", path, (_BEGIN + asked + _END).encode(), headers)
        root = xmltree.parse(_read(answer, LISTING), max_size=LISTING)
        return [self._response(each) for each in root.findall("{DAV:}response")]

    def get(self, path: str, limit: int) -> bytes:
        """The bytes of a resource. TooLarge."""
        return _read(self._request("GET", path), limit)

    def chunks(self, path: str) -> Iterator[bytes]:
        """The same in pieces."""
        answer = self._request("GET", path)
        while part := answer.read(CHUNK):
            yield part

    def _response(self, response: Any) -> Found:
        properties = {
            str(each.tag): each
            for stat in response.findall("{DAV:}propstat")
            if " 200" in (stat.findtext("{DAV:}status") or "")
            for each in (stat.find("{DAV:}prop") if stat.find("{DAV:}prop") is not None else ())
        }
        return Found(urlsplit((response.findtext("{DAV:}href") or "").strip()).path, properties)

    def _request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        for _ in range(REDIRECTS):
            answer = self._send(method, path, body, {**self._headers, **(headers or {})})
            if answer.status in (301, 302, 303, 307, 308):
                answer.read()
                target = urljoin(self._origin + path, answer.headers.get("Location", ""))
                if not target.startswith(f"{self._origin}/"):
                    raise Denied(f"{path} leads to another server: {target}")
                path = target[len(self._origin) :]
                continue
            return _checked(answer, path)
        raise Invalid(f"{path} leads from one place to the next")

    def _send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        try:
            try:
                self._connection.request(method, path, body or None, dict(headers))
                return self._connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionError, http.client.CannotSendRequest):
                self._connection.close()  # kept alive for too long: once more on a new connection
                self._connection.request(method, path, body or None, dict(headers))
                return self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Temporary(f"{self._origin} does not answer: {error}") from error


def _checked(answer: http.client.HTTPResponse, path: str) -> http.client.HTTPResponse:
    if answer.status in (200, 207):
        return answer
    answer.read()
    if answer.status in (401, 403):
        raise Denied(f"{path}: the other server wants another user or password ({answer.status})")
    if answer.status in (404, 410):
        raise NotFound(f"{path} is not there")
    raise Temporary(f"{path}: the other server answered {answer.status}")


def _read(answer: http.client.HTTPResponse, limit: int) -> bytes:
    try:
        data = answer.read(limit + 1)
        if len(data) > limit:
            answer.close()
            raise TooLarge(f"larger than {limit} bytes")
        answer.read()
        return data
    except (OSError, http.client.HTTPException) as error:
        raise Temporary(f"the other server stopped in the middle: {error}") from error
