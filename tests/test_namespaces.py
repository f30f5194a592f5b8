# SPDX-License-Identifier: Apache-2.0
"""Hosts in network namespaces: a host that is cut off from the services, and comes back."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator

import pytest
from imapclient import IMAPClient

from tests import cluster
from tests.namespaces import reason_against
from tests.world import free_offset

USER = "ivanov@digital.example"
WAIT = 30.0
OFFSET = free_offset()


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, debian: Callable[..., None]
) -> Iterator[cluster.Cluster]:
    debian("iproute2")
    reason = reason_against()
    if reason:
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("cluster")
    with cluster.running(directory, 2, port_offset=OFFSET, namespaces=True) as found:
        yield found


def inbox(host: cluster.Host) -> IMAPClient:
    client = IMAPClient(host.address, 143 + OFFSET, ssl=False, timeout=WAIT)
    client.login(USER, cluster.PASSWORD)
    client.select_folder("INBOX")
    return client


@pytest.mark.postgres
def test_a_host_without_its_cable_catches_up_when_it_is_back(running: cluster.Cluster) -> None:
    here, there = running.hosts
    assert there.network is not None
    idler, writer = inbox(there), inbox(here)
    idler.idle()
    there.network.pull()
    try:
        writer.append("INBOX", b"Subject: parted\r\n\r\nx\r\n")
        assert idler.idle_check(timeout=1) == []
        connection = http.client.HTTPConnection(there.address, 80 + OFFSET, timeout=WAIT)
        connection.request("GET", "/")  # its clients still reach it
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        there.network.plug()
    deadline = time.monotonic() + WAIT
    while not any(b"EXISTS" in each for each in idler.idle_check(timeout=1)):
        assert time.monotonic() < deadline
    idler.idle_done()
    idler.logout()
    writer.logout()
