# SPDX-License-Identifier: Apache-2.0
"""Plain HTTP requests with Basic authentication, for tests that speak WebDAV by hand (http.client)."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from tests.world import HOST, PASSWORD, World

LOCK = b"""<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>
<D:locktype><D:write/></D:locktype><D:owner>test</D:owner></D:lockinfo>"""
TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """One person's requests, a connection each."""

    def __init__(self, world: World, user: str, password: str = PASSWORD) -> None:
        self._port = world.ports["http"]
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}"}

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=TIMEOUT)
        try:
            connection.request(method, quote(path), body or None, {**self._headers, **(headers or {})})
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()
