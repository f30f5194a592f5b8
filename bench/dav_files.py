# SPDX-License-Identifier: Apache-2.0
"""WebDAV on files: PUT and GET of 4 KB, PROPFIND of one and of 2,000, LOCK and UNLOCK, COPY, MOVE.

Beside it, where the development tools are installed, WsgiDAV 4 on cheroot and Apache's mod_dav with the same
files on disk: the same requests in the same run. Neither syncs to disk; armgs acknowledges what is durable.
"""

import asyncio
import base64
import itertools
import os
import re
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from armgs_server.directory import Directory
from armgs_server.storage import Store, collections, items
from armgs_server.storage.tx import Tx
from bench import dav_peers, engines
from bench.common import HOST, PASSWORD, BenchServer, Measured, Row, address, main, server, timed
from bench.peers import Missing

FOLDER = 2000  # files in one folder
DATA = os.urandom(3072) + b"x" * 1024
CONNECTIONS = 4
MIB = 1024 * 1024
LARGE = 500 * MIB
PROPFIND = (
    b'<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:prop><D:getcontentlength/><D:getlastmodified/>'
    b"<D:creationdate/><D:resourcetype/><D:getetag/><D:getcontenttype/></D:prop></D:propfind>"
)
LOCK = (
    b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    b"<D:locktype><D:write/></D:locktype><D:owner>bench</D:owner></D:lockinfo>"
)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LOCK_TOKEN = re.compile(r"\r\nlock-token: *(<[^>]*>)", re.IGNORECASE)


class Client:
    """One keep-alive connection that checks the status and nothing else."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, user: str) -> None:
        self._reader, self._writer = reader, writer
        self.host = f"localhost:{writer.get_extra_info('peername')[1]}"
        self._authorization = base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()

    async def request(
        self, method: str, path: str, expected: int, body: bytes = b"", headers: str = ""
    ) -> tuple[str, bytes]:
        """Header and body of the answer."""
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Basic {self._authorization}\r\n"
            f"Content-Length: {len(body)}\r\n{headers}\r\n".encode()
            + body
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        if int(head[9:12]) != expected:
            raise RuntimeError(f"{method} {path}: {head.decode()}")
        length = _LENGTH.search(head)
        if length:
            content = await self._reader.readexactly(int(length[1]))
        elif b"chunked" in head.lower():
            content = b"".join([chunk async for chunk in self._chunks()])
        else:
            content = b""
        return head.decode("latin-1"), content

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int(await self._reader.readline(), 16):
            yield await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)


async def _fill(store: Store, directory: Directory) -> None:
    """A folder of FOLDER files for user0."""
    person = await directory.by_address(address(0))
    assert person is not None

    async def work(tx: Tx) -> None:
        root = await collections.by_role(tx, person.id, "files", "root")
        assert root is not None
        folder = await collections.create(tx, person.id, "files", "folder", parent=root.id)
        await collections.create(tx, person.id, "files", "new", parent=root.id)
        for number in range(FOLDER):
            ref = store.blobs.small(b"%d" % number * 1000)
            await items.add(tx, folder, ref, name=f"file-{number:04}.txt", content_type="text/plain")

    await store.write(work)


async def _measure(
    bench: Measured, port: int, base: str, user: str, note: str, connections: int = CONNECTIONS
) -> list[Row]:
    clients = [Client(*await asyncio.open_connection(HOST, port), user) for _ in range(connections)]
    numbers = itertools.count()

    async def put(client: Client) -> None:
        await client.request("PUT", f"{base}/new/put-{next(numbers)}.bin", 201, DATA)

    async def get(client: Client) -> None:
        await client.request("GET", f"{base}/new/put-{next(numbers) % 500}.bin", 200)

    async def stat(client: Client) -> None:
        await client.request("PROPFIND", f"{base}/new/put-1.bin", 207, PROPFIND, "Depth: 0\r\n")

    async def listing(client: Client) -> None:
        _, body = await client.request("PROPFIND", f"{base}/folder/", 207, PROPFIND, "Depth: 1\r\n")
        # Prefixes differ between servers.
        if len(re.findall(rb"<[A-Za-z0-9]+:response[ >]", body)) != FOLDER + 1:
            raise RuntimeError("files are missing from the answer")

    async def lock(client: Client) -> None:
        path = f"{base}/new/put-{next(numbers) % 500}.bin"
        head, _ = await client.request("LOCK", path, 200, LOCK, "Depth: 0\r\nTimeout: Second-600\r\n")
        token = _LOCK_TOKEN.search(head)
        assert token is not None
        await client.request("UNLOCK", path, 204, headers=f"Lock-Token: {token[1]}\r\n")

    async def copy(client: Client) -> None:
        target = f"Destination: http://{client.host}{base}/new/copy-{next(numbers)}.bin\r\n"
        await client.request("COPY", f"{base}/new/put-1.bin", 201, headers=target)

    async def move(client: Client) -> None:
        here, there = f"{base}/new/put-2{next(numbers)}", f"{base}/new/there-{next(numbers)}"
        await client.request("PUT", here, 201, b"x")
        await client.request("MOVE", here, 201, headers=f"Destination: http://{client.host}{there}\r\n")

    async def upload(client: Client) -> None:
        await client.request("PUT", f"{base}/new/large-{next(numbers)}.bin", 201, large)

    async def download(client: Client) -> None:
        _, body = await client.request("GET", f"{base}/new/large.bin", 200)
        assert len(body) == LARGE

    rows = []
    for name, unit, operation, count in (
        ("PUT 4 KB, new file", "PUT", put, 2000),
        ("GET 4 KB", "GET", get, 4000),
        ("PROPFIND 0, six properties", "PROPFIND", stat, 4000),
        (f"PROPFIND 1 of {FOLDER:,} files", "PROPFIND", listing, 40 if not note else 8),
        ("LOCK and UNLOCK", "pair", lock, 1000),
        ("COPY 4 KB", "COPY", copy, 1000),
        ("PUT and MOVE", "pair", move, 1000),
    ):
        workers = [_bound(operation, client) for client in clients]
        rows.append(await timed(bench, f"WebDAV{note}: {name}", unit, count, workers))
    large = os.urandom(MIB) * (LARGE // MIB)
    await clients[0].request("PUT", f"{base}/new/large.bin", 201, large)
    for name, operation in (("PUT", upload), ("GET", download)):
        one = [_bound(operation, clients[0])]
        rows.append(await timed(bench, f"WebDAV{note}: {name} of {LARGE // MIB} MiB", "file", 3, one))
    return rows


def _bound(operation: Callable[[Client], Awaitable[None]], client: Client) -> Callable[[], Awaitable[None]]:
    return lambda: operation(client)


_WSGIDAV = """
import sys
from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp
root, port, user, password = sys.argv[1:]
app = WsgiDAVApp({
    "provider_mapping": {"/": root}, "verbose": 0, "logging": {"enable": False},
    "simple_dc": {"user_mapping": {"*": {user: {"password": password}}}},
    "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
    "lock_storage": True, "property_manager": True,
})
server = wsgi.Server(("127.0.0.1", int(port)), app, numthreads=8)
server.safe_start()
"""


def _fill_folder(root: Path) -> None:
    """The same files on disk; whoever serves them may write."""
    for each in ("new", "folder"):
        (root / each).mkdir()
        (root / each).chmod(0o777)
    for number in range(FOLDER):
        (root / "folder" / f"file-{number:04}.txt").write_bytes(b"%d" % number * 1000)


@asynccontextmanager
async def _wsgidav(user: str) -> AsyncIterator[BenchServer]:
    """WsgiDAV over a folder with the same files."""
    with tempfile.TemporaryDirectory(prefix="armgs-bench-wsgidav-") as name:
        root = Path(name)
        _fill_folder(root)
        with socket.create_server((HOST, 0)) as probe:
            port = probe.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _WSGIDAV, name, str(port), user, PASSWORD, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await _wait_for(port)
            yield BenchServer(root, port - 80, process)
        finally:
            process.terminate()
            await process.wait()


async def _wait_for(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            return


async def measure() -> list[Row]:
    user = address(0)
    async with server(prepare=_fill) as bench:
        rows = await _measure(bench, bench.port(80), f"/dav/files/{user}", user, "")
    if not engines.beside_peers():
        return rows
    if find_spec("wsgidav") is not None and find_spec("cheroot") is not None:
        async with _wsgidav(user) as peer:
            rows += await _measure(peer, peer.port(80), "", user, " on WsgiDAV")
    try:
        async with dav_peers.apache(user) as apache:
            _fill_folder(apache.root)
            # Its database of locks does not always find what another connection has just put there.
            rows += await _measure(apache, apache.web, "", user, " on Apache", connections=1)
    except Missing as error:
        print(f"without Apache: {error}", file=sys.stderr)
    return rows


if __name__ == "__main__":
    main(measure)
