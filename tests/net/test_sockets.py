# SPDX-License-Identifier: Apache-2.0
"""Listening sockets: bound by configuration, found by port."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from armgs_server.config import Config, ServerSettings
from armgs_server.errors import Temporary
from armgs_server.net.sockets import bind, bind_all, by_port


def free_offset(port: int) -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1]) - port


def config(offset: int, *listen: str) -> Config:
    return Config(Path("."), server=ServerSettings(port_offset=offset, listen=listen))


def test_every_address_and_what_is_not_there(tmp_path: Path) -> None:
    bound = bind_all(config(free_offset(143), "127.0.0.1", "192.0.2.1"), [143])
    assert [sock.getsockname()[0] for sock in bound[143]] == ["127.0.0.1"]
    for sock in bound[143]:
        sock.close()


def test_port_in_use_leaves_nothing_open() -> None:
    offset = free_offset(143)
    with bind("127.0.0.1", 143 + offset):
        with pytest.raises(Temporary, match=f"cannot listen on 127.0.0.1 port {143 + offset}"):
            bind_all(config(offset, "127.0.0.1"), [25, 143])
        with bind("127.0.0.1", 25 + offset) as again:
            assert again.getsockname()[1] == 25 + offset


def test_address_that_is_not_there_and_the_only_one() -> None:
    with pytest.raises(Temporary, match=r"cannot listen on 192\.0\.2\.1"):
        bind_all(config(free_offset(143), "192.0.2.1"), [143])


def test_given_sockets_are_told_by_their_port() -> None:
    offset = free_offset(993)
    with bind("127.0.0.1", 993 + offset) as sock:
        assert by_port([("armgs", sock)], config(offset, "127.0.0.1")) == {993: [sock]}


def test_shared_sockets_stand_side_by_side() -> None:
    with bind("127.0.0.1", 0, shared=True) as first:
        port = first.getsockname()[1]
        with bind("127.0.0.1", port, shared=True) as second:
            assert second.getsockname()[1] == port
