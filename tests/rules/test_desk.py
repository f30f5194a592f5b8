# SPDX-License-Identifier: Apache-2.0
"""rules/desk.py: a plan of a message, whatever happens on the way to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from armgs_server.rules.desk import Desk
from armgs_server.rules.making import Arrival
from armgs_server.rules.sieve.actions import Envelope
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node, Program
from armgs_server.rules.standing import Standing
from armgs_server.storage import clock, mail
from tests.rules.sieve.cases import LETTER
from tests.rules.sieve.running import Office


async def fail(run: Run, node: Node) -> None:
    raise ZeroDivisionError("a mistake of ours")


@pytest.mark.parametrize("is_junk", [False, True])
async def test_a_mistake_of_ours_keeps_the_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, is_junk: bool
) -> None:
    office = await Office.open(tmp_path)
    ref = await office.store.blobs.put(LETTER.encode())
    index = await mail.read_index(office.store.blobs, ref)
    program = Program((Node("keep", 1, {}, (), (), fail),), frozenset())
    arrival = Arrival(ref, index, 0, Envelope("a@b.example", "c@d.example"), clock.now(), is_junk)
    made = await Desk(office.store, office.directory, office.config).plan(
        office.owner, Standing((program,)), arrival
    )
    [filed] = made.filed
    assert (filed.mailbox, filed.special_use, filed.ref) == ("INBOX", "\\Junk" if is_junk else "", ref)
    assert (made.sent, made.said, made.refused) == ((), (), None)
    assert "rules failed" in caplog.text
    await office.close()
