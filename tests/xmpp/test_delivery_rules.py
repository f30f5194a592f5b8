# SPDX-License-Identifier: Apache-2.0
"""RFC 6121 §8.5: what becomes of each type of stanza, for each kind of address. A third person watches."""

from __future__ import annotations

import pytest

from tests.xmpp.client import Client, error_of
from tests.xmpp.conftest import LogIn

IVANOV, PETROVA, SIDOROV = "ivanov@digital.example", "petrova@digital.example", "sidorov@finance.example"
NOBODY = "nobody@digital.example"
TYPES = ("normal", "chat", "groupchat", "headline", "error")
PING = "<ping xmlns='urn:xmpp:ping'/>"
REFUSED = "service-unavailable"
INDEX = {"bare": PETROVA, "exact": f"{PETROVA}/desk", "gone": f"{PETROVA}/gone"}


def message(to: str, type_: str) -> str:
    return f"<message to='{to}' type='{type_}' id='{type_}'><body>{type_}</body></message>"


async def heard(client: Client) -> list[str]:
    """The types of messages that have come."""
    return [each.get("type", "normal") for each in await client.settle() if each.tag.endswith("message")]


async def refused(client: Client) -> dict[str, str]:
    """Type → condition of the errors that have come back."""
    found = {}
    for each in await client.settle():
        if each.tag.endswith("message") and each.get("type") == "error":
            found[each.get("id", "")] = error_of(each)
    return found


async def test_no_such_user(log_in: LogIn) -> None:
    """§8.5.1: as for who is not to be reached; presence is ignored without a word."""
    ivanov = await log_in(IVANOV)
    for to in (NOBODY, f"{NOBODY}/desk"):
        for type_ in TYPES:
            ivanov.send(message(to, type_))
        for type_ in ("", " type='unavailable'", " type='probe'", " type='subscribed'"):
            ivanov.send(f"<presence to='{to}'{type_}/>")
        expected = dict.fromkeys(TYPES[:-1], REFUSED)
        stanzas = await ivanov.settle()
        assert {
            each.get("id"): error_of(each) for each in stanzas if each.tag.endswith("message")
        } == expected
        assert not [each for each in stanzas if each.tag.endswith("presence") and each.get("type") == "error"]
        assert error_of(await ivanov.iq(PING, to=to)) == REFUSED


async def test_bare_jid_of_who_is_away(log_in: LogIn) -> None:
    """§8.5.2.2: normal and chat wait; groupchat is refused; headline and error are ignored."""
    ivanov = await log_in(IVANOV)
    for type_ in TYPES:
        ivanov.send(message(PETROVA, type_))
    assert await refused(ivanov) == {"groupchat": REFUSED}
    petrova = await log_in(PETROVA)
    assert await heard(petrova) == ["normal", "chat"]


async def test_bare_jid_of_who_is_here_but_not_available(log_in: LogIn) -> None:
    """§8.5.2: connected resources that have sent no presence are no available ones."""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA, online=False)
    for type_ in TYPES:
        ivanov.send(message(PETROVA, type_))
    assert await refused(ivanov) == {"groupchat": REFUSED}
    assert await heard(petrova) == []
    await petrova.go_online()
    assert await heard(petrova) == ["normal", "chat"]


async def test_bare_jid_with_several_resources(log_in: LogIn) -> None:
    """§8.5.2.1.1: every resource of non-negative priority gets messages; a negative one gets none."""
    ivanov, sidorov = await log_in(IVANOV), await log_in(SIDOROV)
    desk, shy = await log_in(PETROVA, "desk"), await log_in(PETROVA, "shy", online=False)
    phone = await log_in(PETROVA, "phone", online=False)
    await shy.go_online("<presence><priority>-1</priority></presence>")
    await phone.go_online("<presence><priority>10</priority></presence>")
    for type_ in TYPES:
        ivanov.send(message(PETROVA, type_))
    assert await refused(ivanov) == {"groupchat": REFUSED}
    for device in (desk, phone):
        assert await heard(device) == ["normal", "chat", "headline"]
    assert await heard(shy) == [] and await heard(sidorov) == []


async def test_full_jid_of_a_resource(log_in: LogIn) -> None:
    """§8.5.3.1: the very resource gets everything, whatever its priority, available or not."""
    ivanov, phone = await log_in(IVANOV), await log_in(PETROVA, "phone")
    desk = await log_in(PETROVA, "desk", online=False)
    for type_ in TYPES:
        ivanov.send(message(INDEX["exact"], type_))
    assert await refused(ivanov) == {}
    assert await heard(desk) == list(TYPES) and await heard(phone) == []
    desk.send("<presence><priority>-5</priority></presence>")
    await phone.presence_of(desk.full)
    for type_ in TYPES:
        ivanov.send(message(INDEX["exact"], type_))
    await ivanov.settle()
    assert await heard(desk) == list(TYPES) and await heard(phone) == []


async def test_full_jid_of_a_resource_that_is_not_there(log_in: LogIn) -> None:
    """§8.5.3.2.1: chat goes where it does with the bare JID; others are refused, errors ignored."""
    ivanov, phone = await log_in(IVANOV), await log_in(PETROVA, "phone")
    for type_ in TYPES:
        ivanov.send(message(INDEX["gone"], type_))
    assert await refused(ivanov) == dict.fromkeys(("normal", "groupchat", "headline"), REFUSED)
    assert await heard(phone) == ["chat"]
    await phone.close()
    for type_ in TYPES:
        ivanov.send(message(INDEX["gone"], type_))
    assert await refused(ivanov) == dict.fromkeys(("normal", "groupchat", "headline"), REFUSED)
    assert await heard(await log_in(PETROVA, "later")) == ["chat"]


async def test_presence_with_an_address(log_in: LogIn) -> None:
    """§8.5.2.1.2, §8.5.3.1, §8.5.3.2.2: to all available resources, to one, to nobody without a word."""
    sidorov, phone = await log_in(SIDOROV), await log_in(PETROVA, "phone")
    desk = await log_in(PETROVA, "desk", online=False)
    for to, status in ((PETROVA, "all"), (phone.full, "one"), (INDEX["gone"], "none")):
        sidorov.send(f"<presence to='{to}'><status>{status}</status></presence>")
    assert not await sidorov.settle()
    seen = [each.findtext("{jabber:client}status") for each in await phone.settle() if own(each.get("from"))]
    assert seen == ["all", "one"]
    assert not [each for each in await desk.settle() if own(each.get("from"))]


def own(from_: str | None) -> bool:
    return (from_ or "").startswith(SIDOROV)


@pytest.mark.parametrize(
    ("to", "condition"),
    [
        (PETROVA, REFUSED),  # §8.5.2.1.3: answered by the server for the account, which does not know it
        (f"{PETROVA}/gone", REFUSED),  # §8.5.3.2.3
        (NOBODY, REFUSED),
        ("digital.example/none", REFUSED),
        ("elsewhere.example", "remote-server-not-found"),
    ],
)
async def test_questions(log_in: LogIn, to: str, condition: str) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA, "desk")
    for type_ in ("get", "set"):
        assert error_of(await ivanov.iq("<what xmlns='urn:nobody'/>", type_, to)) == condition
    assert not [each for each in await petrova.settle() if each.tag.endswith("iq")]


async def test_a_question_to_a_resource(log_in: LogIn) -> None:
    """§8.5.3.1; RFC 6120 §8.2.3: the answer comes from the resource itself."""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA, "desk", online=False)
    ivanov.send(f"<iq type='get' id='q' to='{petrova.full}'><what xmlns='urn:somebody'/></iq>")
    question = await petrova.receive("c:iq")
    petrova.send(f"<iq type='result' id='q' to='{question.get('from')}'/>")
    answer = await ivanov.receive("c:iq")
    assert (answer.get("from"), answer.get("type"), answer.get("id")) == (petrova.full, "result", "q")


async def test_to_oneself(log_in: LogIn) -> None:
    """RFC 6120 §10.3: without an address it is for the own account."""
    ivanov, phone = await log_in(IVANOV, "desk"), await log_in(IVANOV, "phone")
    ivanov.send("<message type='chat'><body>note</body></message>")
    assert (await phone.message("note")).get("from") == ivanov.full
    await ivanov.message("note")
    assert error_of(await ivanov.iq("<what xmlns='urn:nobody'/>")) == REFUSED
