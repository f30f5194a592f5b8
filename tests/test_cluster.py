# SPDX-License-Identifier: Apache-2.0
"""Two hosts over PostgreSQL, NATS and S3: one workplace, whichever host is asked.

What fails in the middle of work is in tests/faults.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from tests import cluster
from tests.world import World, free_offset
from tests.xmpp.client import Client, chat

USER = "ivanov@digital.example"
WAIT = 20.0
OFFSET = free_offset()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cluster.Cluster]:
    with cluster.running(tmp_path_factory.mktemp("cluster"), 2, port_offset=OFFSET) as found:
        yield found


def inbox(host: cluster.Host) -> IMAPClient:
    client = IMAPClient(host.address, 143 + OFFSET, ssl=False, timeout=WAIT)
    client.login(USER, cluster.PASSWORD)
    client.select_folder("INBOX")
    return client


def request(host: cluster.Host, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    credentials = base64.b64encode(f"{USER}:{cluster.PASSWORD}".encode()).decode()
    connection = http.client.HTTPConnection(host.address, 80 + OFFSET, timeout=WAIT)
    try:
        connection.request(method, path, body, {"Authorization": f"Basic {credentials}"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def hears(idler: IMAPClient, response: bytes, times: int = 20) -> bool:
    return any(any(response in each for each in idler.idle_check(timeout=1)) for _ in range(times))


@pytest.mark.postgres
def test_a_message_put_on_one_host_wakes_a_client_of_the_other(running: cluster.Cluster) -> None:
    first, second = (inbox(host) for host in running.hosts)
    second.idle()
    first.append("INBOX", b"Subject: one\r\n\r\nx\r\n")
    assert hears(second, b"EXISTS")
    second.idle_done()
    first.logout()
    second.logout()


class ChatClient(Client):
    """A chat client of one of the hosts."""

    def __init__(self, host: cluster.Host, resource: str) -> None:
        super().__init__(World(host.directory), USER, resource)
        self.address = host.address

    async def connect(self, service: str = "xmpp", *, secure: bool = False) -> Client:
        self.reader, self.writer = await asyncio.open_connection(self.address, 5222 + OFFSET)
        return self

    async def authenticate(self, password: str = cluster.PASSWORD) -> None:
        await super().authenticate(password)


@pytest.mark.postgres
async def test_chat_sessions_on_two_hosts_see_each_other(running: cluster.Cluster) -> None:
    first, second = running.hosts
    async with ChatClient(first, "desk") as desk, ChatClient(second, "phone") as phone:
        for client in (desk, phone):
            await client.log_in()
            await client.go_online()
            await client.iq("<enable xmlns='urn:xmpp:carbons:2'/>", "set")
        await desk.presence_of(phone.full)
        await phone.presence_of(desk.full)
        desk.send(chat(phone.full, "to the other host"))
        await phone.message("to the other host")
        phone.send(f"<iq type='get' id='p1' to='{desk.full}'><ping xmlns='urn:xmpp:ping'/></iq>")
        asked = await desk.receive("c:iq", lambda stanza: stanza.get("id") == "p1")
        desk.send(f"<iq type='result' id='p1' to='{asked.get('from')}'/>")
        assert (await phone.receive("c:iq", lambda stanza: stanza.get("id") == "p1")).get("from") == desk.full
        async with ChatClient(first, "phone") as newer:
            await newer.log_in()
            await phone.receive("stream:error")
            await desk.presence_of(phone.full, "unavailable")


@pytest.mark.postgres
async def test_what_is_said_while_the_bus_is_lost_waits_for_it(running: cluster.Cluster) -> None:
    first, second = running.hosts
    async with ChatClient(first, "sender") as sender, ChatClient(second, "receiver") as receiver:
        await (await sender.log_in()).go_online("<presence><priority>-1</priority></presence>")
        await (await receiver.log_in()).go_online()
        await sender.presence_of(receiver.full)
        running.nats.stop()
        try:
            for number in range(20):  # the first few until the loss is noticed: those are in the archive only
                sender.send(chat(USER, f"without a bus {number}"))
                await sender.settle()
                await asyncio.sleep(0.05)
        finally:
            running.nats.start()
        assert (await receiver.message("without a bus 19")).get("from") == sender.full


@pytest.mark.postgres
def test_a_large_file_goes_to_the_bucket_and_comes_from_the_other_host(running: cluster.Cluster) -> None:
    first, second = running.hosts
    body = os.urandom(3_000_000)
    path = f"/dav/files/{USER}/large.bin"
    assert request(first, "PUT", path, body)[0] == 201
    assert request(second, "GET", path) == (200, body)
    assert not list(Path(first.directory, "data", "blobs").rglob("*-*")), "nothing is left on the host"


@pytest.mark.postgres
def test_a_lost_bus_costs_time_and_no_message(running: cluster.Cluster) -> None:
    first, second = (inbox(host) for host in running.hosts)
    second.idle()
    running.nats.stop()
    first.append("INBOX", b"Subject: two\r\n\r\nx\r\n")
    assert hears(second, b"EXISTS")
    running.nats.start()
    second.idle_done()
    first.logout()
    second.logout()


@pytest.mark.postgres
def test_a_host_that_is_killed_takes_nothing_with_it(running: cluster.Cluster) -> None:
    first, second = running.hosts
    client = inbox(first)
    before = client.select_folder("INBOX")[b"EXISTS"]
    for number in range(5):
        client.append("INBOX", b"Subject: three %d\r\n\r\nx\r\n" % number)
    first.stop(signal.SIGKILL)
    other = inbox(second)
    assert other.select_folder("INBOX")[b"EXISTS"] == before + 5
    assert request(second, "PUT", f"/dav/files/{USER}/after.txt", b"x")[0] == 201
    first.start()
    assert request(first, "GET", f"/dav/files/{USER}/after.txt") == (200, b"x")
    other.logout()


@pytest.mark.postgres
def test_without_the_bucket_large_bodies_are_refused_and_small_ones_taken(running: cluster.Cluster) -> None:
    host = running.hosts[1]
    running.bucket.kill()
    status, _ = request(host, "PUT", f"/dav/files/{USER}/late.bin", os.urandom(300_000))
    assert status == 503
    assert request(host, "GET", f"/dav/files/{USER}/late.bin")[0] == 404
    assert request(host, "PUT", f"/dav/files/{USER}/small.txt", b"x")[0] == 201
    client = inbox(host)
    with pytest.raises(IMAPClientError, match="UNAVAILABLE"):
        client.append("INBOX", b"Subject: large\r\n\r\n" + b"x" * 100_000 + b"\r\n")
    client.append("INBOX", b"Subject: small\r\n\r\nx\r\n")
    client.logout()
