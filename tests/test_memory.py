# SPDX-License-Identifier: Apache-2.0
"""What was freed between what stays goes back to the system, once it is worth while."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from armgs_server.memory import Trimmer

# In a process of its own: what other tests have left free would be found and filled first.
_FREES = """
import asyncio
from armgs_server.memory import GROWTH, Trimmer, resident

PIECE = 8192

async def main():
    trimmer = Trimmer()
    trimmer.start()
    pieces = [bytes([number % 251]) * PIECE for number in range(8 * GROWTH // PIECE)]
    grown = resident()
    # every fifth stays, so the end of the heap does not come down by itself
    del pieces[1::5], pieces[1::4], pieces[1::3], pieces[1::2]
    assert trimmer.look(), "nothing was given back"
    assert resident() < grown - GROWTH, (resident(), grown)
    assert not trimmer.look(), "nothing has grown since"
    assert pieces
    trimmer.stop()

asyncio.run(main())
"""


def test_room_between_what_stays_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", _FREES], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


async def test_it_ends_with_its_owner() -> None:
    trimmer = Trimmer()
    trimmer.start()
    trimmer.stop()
    trimmer.stop()
    await asyncio.sleep(0)
    assert not trimmer.look()
