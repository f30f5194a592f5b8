# SPDX-License-Identifier: Apache-2.0
"""The same LDAP searches of ours and of OpenLDAP's slapd (back-mdb, indexes on every attribute asked)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from armgs_server.ldap.ber import BOOLEAN, ENUMERATED, SEQUENCE, element, integer, parse_header, string
from armgs_server.ldap.client import any_of, equals
from armgs_server.ldap.results import SEARCH_DONE, SEARCH_ENTRY, message
from bench import peers
from bench.common import HOST, PASSWORD, Measured, Row, address, timed
from bench.directory_people import COMMON, PEOPLE, write_ldif

SUFFIX = "dc=digital,dc=example"
ATTRIBUTES = ("cn", "mail", "title", "telephoneNumber", "ou")
ASKED = ("mail", "cn", "givenName", "sn")  # by Thunderbird for what is typed
SEARCHES = 300
_CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {home}/pid
sizelimit unlimited
database mdb
suffix {suffix}
rootdn cn=admin,{suffix}
rootpw {password}
directory {home}/data
maxsize 4294967296
index mail,cn,givenName,sn,telephoneNumber eq,sub
index uid,objectClass eq
access to * by users read by * auth
"""


class Connection:
    """One log-in; searches one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._last = 0

    @classmethod
    async def connect(cls, port: int, name: str) -> Connection:
        """Simple bind."""
        made = cls(*await asyncio.open_connection(HOST, port))
        request = integer(3) + string(name) + string(PASSWORD, 0x80)
        assert await made._ask(element(0x60, request), 0x61) == 0
        return made

    async def search(self, wanted: bytes, limit: int) -> int:
        """How many entries came."""
        selection = element(SEQUENCE, b"".join(map(string, ATTRIBUTES)))
        head = string(SUFFIX) + integer(2, ENUMERATED) + integer(0, ENUMERATED) + integer(limit) + integer(0)
        return await self._ask(
            element(0x63, head + element(BOOLEAN, b"\0") + wanted + selection), SEARCH_DONE
        )

    async def _ask(self, operation: bytes, last: int) -> int:
        self._last += 1
        self._writer.write(message(self._last, operation))
        count = 0
        while True:
            head = await self._reader.readexactly(2)
            if head[1] & 0x80:
                head += await self._reader.readexactly(head[1] & 0x7F)
            header = parse_header(head, 0, len(head))
            assert header is not None
            body = await self._reader.readexactly(header[1])
            tag = body[2 + body[1]]
            if tag == last:
                return count
            assert tag == SEARCH_ENTRY, body[:80]
            count += 1


def contains(text: str) -> bytes:
    """Thunderbird's filter: in one of the attributes."""
    part = element(SEQUENCE, string(text, 0x81))
    return any_of(*(element(0xA4, string(name) + part) for name in ASKED))


async def measure(bench: Measured, whose: str, port: int, name: str) -> list[Row]:
    """The rows of one server."""
    connection = await Connection.connect(port, name)
    rows = []
    numbers = iter(range(10**9))

    async def search(kind: str, limit: int) -> None:
        number = next(numbers) * 7919 % PEOPLE
        if kind == "part":
            assert await connection.search(contains(f"{address(number)[:-1]}"), limit) >= 1
        elif kind == "nobody":
            assert await connection.search(contains(f"щю{number}"), limit) == 0
        elif kind == "mail":
            assert await connection.search(equals("mail", address(number)), limit) == 1
        else:
            assert await connection.search(contains(COMMON), limit) == limit

    for title, kind, limit in (
        ("a part that one has", "part", 100),
        ("a part that nobody has", "nobody", 100),
        ("(mail=…)", "mail", 100),
        ("20 of a third of all", "common", 20),
        ("100 of a third of all", "common", 100),
    ):
        count = SEARCHES if limit == 100 and kind != "common" else SEARCHES // 4
        operation = [lambda kind=kind, limit=limit: search(kind, limit)]
        await timed(bench, "", "search", 5, operation)
        rows.append(await timed(bench, f"LDAP{whose}: {title}", "search", count, operation))
    return rows


class Slapd:
    """The peer, to be measured."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def cpu(self) -> float:
        return peers.tree_cpu(self._pid)

    def memory(self) -> float:
        return peers.tree_memory(self._pid)

    @staticmethod
    def store() -> float:
        return 0.0


@asynccontextmanager
async def slapd(home: Path) -> AsyncIterator[tuple[Slapd, int]]:
    """slapd with the same people, and its port. Missing."""
    peers.need("slapd")
    (home / "data").mkdir()
    (home / "conf").write_text(_CONFIGURATION.format(home=home, suffix=SUFFIX, password=PASSWORD))
    write_ldif(home / "ldif", SUFFIX)
    command = ("/usr/sbin/slapadd", "-q", "-f", str(home / "conf"), "-l", str(home / "ldif"))
    loading = await asyncio.create_subprocess_exec(*command)
    assert await loading.wait() == 0
    (port,) = peers.free_ports(1)
    serving = ("/usr/sbin/slapd", "-d", "0", "-f", str(home / "conf"), "-h", f"ldap://{HOST}:{port}")
    async with peers.running(home, port, serving) as pid:
        yield Slapd(pid), port
