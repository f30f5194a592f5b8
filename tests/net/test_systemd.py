# SPDX-License-Identifier: Apache-2.0
"""What is said to systemd; the sockets it hands over are tested in tests/test_daemon.py."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from armgs_server.net.systemd import Notifier, listen_sockets


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """systemd's end of the notify socket."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield sock


def test_states(manager: socket.socket) -> None:
    notifier = Notifier()
    notifier.ready()
    notifier.reloading()
    notifier.stopping()
    assert manager.recv(100) == b"READY=1"
    reloading, moment = manager.recv(100).split(b"\n")
    assert reloading == b"RELOADING=1"
    assert moment.startswith(b"MONOTONIC_USEC=") and int(moment.partition(b"=")[2]) > 0
    assert manager.recv(100) == b"STOPPING=1"


async def test_watchdog_is_fed_twice_an_interval(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    manager.setblocking(False)
    notifier = Notifier()
    notifier.start_watchdog()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for _ in range(3):
        assert await asyncio.wait_for(loop.sock_recv(manager, 100), 5) == b"WATCHDOG=1"
    assert loop.time() - begun >= 0.09
    notifier.close()


async def test_watchdog_of_another_process_is_not_fed(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    manager.setblocking(False)
    notifier = Notifier()
    notifier.start_watchdog()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.get_running_loop().sock_recv(manager, 100), 0.1)
    notifier.close()


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier().ready()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Notifier().ready()
    assert not (tmp_path / "gone").exists()


def test_sockets_of_another_process_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert listen_sockets() == []
