# SPDX-License-Identifier: Apache-2.0
"""Log-in by tokens beside log-in by password: IMAP, a request to DAV, and the renewal of a token."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json

from armgs_server.directory import Directory
from armgs_server.directory.oauth_clients import BUILT_IN
from armgs_server.directory.oauth_model import Consent, Issued
from bench.common import HOST, PASSWORD, BenchServer, Row, address, main, server, timed

PEOPLE = 50
OPERATIONS = 1000
_VERIFIER = "v" * 43
_CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(_VERIFIER.encode()).digest()).decode().rstrip("=")
_PLACE = "http://localhost"


async def prepare(directory: Directory, issued: dict[int, Issued]) -> None:
    """Everybody has let Thunderbird in."""
    oauth, client = directory.auth.oauth, BUILT_IN["thunderbird"]
    for number in range(PEOPLE):
        person = await directory.by_address(address(number))
        assert person is not None
        code = await oauth.consent(person, Consent(client, _PLACE, "mail calendars", _CHALLENGE, "", 0))
        issued[number] = await oauth.redeem(client, code, _PLACE, _VERIFIER)


async def log_in(bench: BenchServer, mechanism: str, message: str) -> None:
    """A connection to IMAP for a log-in and nothing else."""
    reader, writer = await asyncio.open_connection(HOST, bench.port(143))
    await reader.readline()
    writer.write(f"a AUTHENTICATE {mechanism} {base64.b64encode(message.encode()).decode()}\r\n".encode())
    answer = await reader.readline()
    assert answer.startswith(b"a OK"), answer
    writer.close()


class Http:
    """One connection that is kept."""

    def __init__(self, bench: BenchServer) -> None:
        self._bench = bench
        self._pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, fields: str, body: str = "") -> bytes:
        if self._pair is None:
            self._pair = await asyncio.open_connection(HOST, self._bench.port(80))
        reader, writer = self._pair
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.split(b" ", 2)[1] in (b"200", b"207"), answer
        length = next(
            int(line.partition(b":")[2])
            for line in answer.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        return await reader.readexactly(length)


async def measure() -> list[Row]:
    """By password, remembered as right, and by token."""
    issued: dict[int, Issued] = {}
    rows: list[Row] = []
    async with server(PEOPLE, prepare=lambda _, directory: prepare(directory, issued)) as bench:
        turn = itertools.count()
        connections = [Http(bench) for _ in range(8)]

        async def plain() -> None:
            await log_in(bench, "PLAIN", f"\0{address(next(turn) % PEOPLE)}\0{PASSWORD}")

        async def bearer() -> None:
            await log_in(bench, "OAUTHBEARER", f"n,,\1auth=Bearer {issued[next(turn) % PEOPLE].access}\1\1")

        async def propfind(field: str) -> None:
            number = next(turn)
            person = address(number % PEOPLE)
            basic = base64.b64encode(f"{person}:{PASSWORD}".encode()).decode()
            shown = f"Basic {basic}" if field == "Basic" else f"Bearer {issued[number % PEOPLE].access}"
            fields = f"Authorization: {shown}\r\nDepth: 0\r\n"
            await connections[number % 8].ask("PROPFIND", f"/dav/calendars/{person}/default/", fields)

        async def renew() -> None:
            number = next(turn) % PEOPLE
            form = f"grant_type=refresh_token&client_id=thunderbird&refresh_token={issued[number].refresh}"
            fields = "Content-Type: application/x-www-form-urlencoded\r\n"
            answer = json.loads(await connections[0].ask("POST", "/oauth/token", fields, form))
            issued[number] = Issued(number, answer["access_token"], answer["refresh_token"], 3600, "")

        for _ in range(PEOPLE):
            await plain()  # an argon2 for each, which is not what is measured
        rows.append(await timed(bench, "IMAP, PLAIN (remembered)", "log-in", OPERATIONS, [plain] * 4))
        rows.append(await timed(bench, "IMAP, OAUTHBEARER", "log-in", OPERATIONS, [bearer] * 4))
        for field in ("Basic", "Bearer"):
            operation = [lambda field=field: propfind(field)]
            rows.append(await timed(bench, f"PROPFIND, {field}", "request", OPERATIONS, operation))
        rows.append(await timed(bench, "renewal of a token", "request", OPERATIONS // 4, [renew]))
    return rows


if __name__ == "__main__":
    main(measure)
