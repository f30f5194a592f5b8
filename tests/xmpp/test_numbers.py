# SPDX-License-Identifier: Apache-2.0
"""Numbers that clients write."""

from __future__ import annotations

import pytest

from armgs_server.xmpp.numbers import LARGEST, whole
from tests.world import World
from tests.xmpp.client import Client, error_of

ROOM = "room@conference.digital.example"
FORM = "<x xmlns='jabber:x:data' type='submit'><field var='{}'><value>{}</value></field></x>"
QUERY = "<query xmlns='urn:xmpp:mam:2'>{}</query>"


@pytest.mark.parametrize("number", [0, 7, LARGEST])
def test_numbers(number: int) -> None:
    assert whole(str(number)) == number


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1_0", " 1", "1.0", "x", "٣", "²", str(LARGEST + 1), "9" * 5000]
)
def test_no_numbers(text: str) -> None:
    assert whole(text) is None


def test_smaller_numbers() -> None:
    assert (whole("999", 999), whole("1000", 999)) == (999, None)


@pytest.mark.parametrize("number", ["9" * 19, "9" * 5000])
async def test_a_number_beyond_the_store_ends_no_session(world: World, number: str) -> None:
    """It is said to be wrong, like any other that is not there."""
    async with Client(world, "ivanov@digital.example") as client:
        await client.log_in()
        await client.go_online()
        upload = f"<request xmlns='urn:xmpp:http:upload:0' filename='a' size='{number}'/>"
        answer = await client.iq(upload, to="upload.digital.example")
        assert error_of(answer) == "bad-request"
        by_id = [QUERY.format(FORM.format(var, number)) for var in ("after-id", "before-id", "ids")]
        by_page = f"<set xmlns='http://jabber.org/protocol/rsm'><after>{number}</after></set>"
        for query in (*by_id, QUERY.format(by_page)):
            assert error_of(await client.iq(query, "set")) == "item-not-found"
        known = (await client.iq("<query xmlns='jabber:iq:roster' ver=''/>"))[0].get("ver") or ""
        version = ".".join((number, known.partition(".")[2]))
        roster = await client.iq(f"<query xmlns='jabber:iq:roster' ver='{version}'/>")
        assert roster[0].get("ver") == known  # all of it
        client.send(f"<presence to='{ROOM}/i'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        client.send(
            f"<message to='{ROOM}' type='groupchat' id='r'>"
            f"<retract xmlns='urn:xmpp:message-retract:1' id='{number}'/><body>x</body></message>"
        )
        moderate = f"<moderate xmlns='urn:xmpp:message-moderate:1' id='{number}'>"
        moderate += "<retract xmlns='urn:xmpp:message-retract:1'/></moderate>"
        assert error_of(await client.iq(moderate, "set", to=ROOM)) == "item-not-found"


async def test_an_acknowledgement_of_more_than_32_bits(world: World) -> None:
    async with Client(world, "ivanov@digital.example") as client:
        await client.log_in()
        await client.enable_sm()
        client.send(f"<a xmlns='urn:xmpp:sm:3' h='{'9' * 5000}'/>")
        error = await client.receive("stream:error")
        assert error[0].tag == "{urn:ietf:params:xml:ns:xmpp-streams}bad-format"
