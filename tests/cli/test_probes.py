# SPDX-License-Identifier: Apache-2.0
"""The probes of `armgs check`: each tells what it saw, or at which step it failed, and never the password."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from armgs_server.cli import probes
from tests.world import IVANOV, PASSWORD, World

SEEN = {
    "submissions": "OK",
    "submission (STARTTLS)": "OK",
    "imaps": "INBOX holds 0",
    "sieve (STARTTLS)": "logged in",
    "xmpps": "SASL PLAIN, bind offered",
    "https (WebDAV)": "PROPFIND /dav/: 207",
}


async def test_right_and_wrong_passwords(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        context = probes.ClientContext.trusting(world.ca, "localhost")
        offset = world.config.server.port_offset
        for port, name, probe in probes.PROBES:
            good = probes.Target("127.0.0.1", port + offset, context, IVANOV, PASSWORD)
            assert SEEN[name] in await asyncio.to_thread(probes.run, probe, good)
            bad = probes.Target("127.0.0.1", port + offset, context, IVANOV, "secret-but-wrong")
            with pytest.raises(probes.ProbeFailed) as caught:
                await asyncio.to_thread(probes.run, probe, bad)
            assert "secret" not in str(caught.value)


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "TIMEOUT", 0.5)
    context = probes.ClientContext.trusting(None, "localhost")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for _, _, probe in probes.PROBES:
            port = silent.getsockname()[1]
            with pytest.raises(probes.ProbeFailed):
                probes.run(probe, probes.Target("127.0.0.1", port, context, IVANOV, PASSWORD))


def test_the_name_is_verified_whatever_address_is_connected_to(tmp_path: Path) -> None:
    context = probes.ClientContext.trusting(None, "mail.digital.example")
    assert context.check_hostname
    left, right = socket.socketpair()
    with left, right, context.wrap_socket(left, do_handshake_on_connect=False) as wrapped:
        assert wrapped.server_hostname == "mail.digital.example"
