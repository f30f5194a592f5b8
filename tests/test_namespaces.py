# SPDX-License-Identifier: Apache-2.0
"""Hosts in network namespaces behind HAProxy: one that is cut off and comes back, one that is killed."""

from __future__ import annotations

import http.client
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from tests import balancer, cluster
from tests.namespaces import reason_against
from tests.world import free_offset

USER = "ivanov@digital.example"
WAIT = 30.0
OFFSET = free_offset()


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, debian: Callable[..., None]
) -> Iterator[cluster.Cluster]:
    debian("iproute2", "haproxy")
    reason = reason_against()
    if reason:
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("cluster")
    with cluster.running(directory, 2, port_offset=OFFSET, namespaces=True, balanced=True) as found:
        yield found


def inbox(address: str) -> IMAPClient:
    client = IMAPClient(address, 143 + OFFSET, ssl=False, timeout=WAIT)
    client.login(USER, cluster.PASSWORD)
    client.select_folder("INBOX")
    return client


@pytest.mark.postgres
def test_a_host_without_its_cable_catches_up_when_it_is_back(running: cluster.Cluster) -> None:
    here, there = running.hosts
    assert there.network is not None
    idler, writer = inbox(there.address), inbox(here.address)
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


@pytest.mark.postgres
def test_a_host_that_is_killed_is_taken_out_by_the_balancer(running: cluster.Cluster) -> None:
    """etc/cluster/haproxy.cfg: two failed checks, two seconds apart; until then some attempts are refused."""
    here, there = running.hosts
    for _ in range(4):  # to both in turn
        inbox(balancer.ADDRESS).logout()
    there.stop(signal.SIGKILL)
    deadline, served = time.monotonic() + WAIT, 0
    while served < 6:
        try:
            inbox(balancer.ADDRESS).logout()
            served += 1
        except (OSError, IMAPClientError):
            served = 0
            assert time.monotonic() < deadline
    assert here.process is not None and here.process.poll() is None
    there.start()
