# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §7.2.13, §7.2.14: how much of the past who enters is shown."""

from __future__ import annotations

import pytest

from tests.world import IVANOV, PETROVA
from tests.xmpp.client import NAMESPACES
from tests.xmpp.conftest import LogIn
from tests.xmpp.rooms import ROOM, create, enter, say


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ("", ["1", "2", "3"]),
        ("<history maxstanzas='2'/>", ["2", "3"]),
        ("<history maxstanzas='0'/>", []),
        ("<history maxchars='0'/>", []),
        ("<history maxchars='100000'/>", ["1", "2", "3"]),
        ("<history seconds='3600'/>", ["1", "2", "3"]),
        ("<history since='2000-01-01T00:00:00Z'/>", ["1", "2", "3"]),
        ("<history since='2100-01-01T00:00:00Z'/>", []),
    ],
)
async def test_history_is_shown_as_asked_for(log_in: LogIn, history: str, expected: list[str]) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    ivanov.send(say("1") + say("2") + say("3"))
    state = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    ivanov.send(f"<message type='groupchat' to='{ROOM}'>{state}</message>")  # nothing that lasts
    await ivanov.message("3")
    await enter(petrova, "petrova", history)
    seen = [stanza.findtext("c:body", None, NAMESPACES) for stanza in await petrova.settle()]
    assert [body for body in seen if body] == expected
