# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §8, §9, §10.3-§10.8: roles and affiliations, and who may change whose."""

from __future__ import annotations

import pytest

from tests.world import IVANOV, PETROVA, SIDOROV
from tests.xmpp.client import NAMESPACES, error_of, find, text
from tests.xmpp.conftest import LogIn
from tests.xmpp.rooms import MUC, ROOM, administer, codes, create, enter, entry, item


async def listed(client, attribute: str) -> list[str]:  # type: ignore[no-untyped-def]
    """The JIDs on one list."""
    answer = await client.iq(f"<query xmlns='{MUC}#admin'><item {attribute}/></query>", to=ROOM)
    assert answer.get("type") == "result", error_of(answer)
    return [each.get("jid", "") for each in answer.iterfind("admin:query/admin:item", NAMESPACES)]


async def test_a_kick(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    answer = await administer(ivanov, "<item nick='petrova' role='none'><reason>enough</reason></item>")
    assert answer.get("type") == "result"
    for client, expected in ((ivanov, [307]), (petrova, [110, 307])):
        gone = await client.presence_of(f"{ROOM}/petrova", "unavailable")
        assert (codes(gone), item(gone)["role"]) == (expected, "none")
        assert text(gone, "user:x/user:item/user:reason") == "enough"
        assert find(gone, "user:x/user:item/user:actor").get("nick") == "ivanov"
    await enter(petrova, "petrova")  # a kick is not for ever


async def test_a_ban_is_for_ever(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    await administer(ivanov, f"<item jid='{PETROVA}' affiliation='outcast'/>")
    gone = await petrova.presence_of(f"{ROOM}/petrova", "unavailable")
    assert (codes(gone), item(gone)["affiliation"]) == ([110, 301], "outcast")
    petrova.send(entry("petrova"))
    assert error_of(await petrova.presence_of(f"{ROOM}/petrova", "error")) == "forbidden"
    assert await listed(ivanov, "affiliation='outcast'") == [PETROVA]
    await administer(ivanov, f"<item jid='{PETROVA}' affiliation='none'/>")
    await enter(petrova, "petrova")


async def test_roles_are_given_and_taken(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    for role in ("visitor", "participant", "moderator"):
        await administer(ivanov, f"<item nick='petrova' role='{role}'/>")
        for client in (ivanov, petrova):
            seen = await client.receive(
                "c:presence",
                lambda stanza, role=role: (
                    stanza.get("from") == f"{ROOM}/petrova"  # type: ignore[misc]
                    and item(stanza)["role"] == role
                ),
            )
            assert item(seen)["affiliation"] == "none"
    assert await listed(ivanov, "role='moderator'") == [ivanov.full, petrova.full]


async def test_affiliations_bring_their_role(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov", moderatedroom="1")
    assert item(await enter(petrova, "petrova"))["role"] == "visitor"
    for affiliation, role in (("member", "participant"), ("admin", "moderator"), ("none", "visitor")):
        await administer(ivanov, f"<item nick='petrova' affiliation='{affiliation}'/>")
        seen = item(await petrova.presence_of(f"{ROOM}/petrova"))
        assert (seen["affiliation"], seen["role"]) == (affiliation, role)


async def test_who_is_no_member_any_more_leaves_a_members_room(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov", membersonly="1")
    await administer(ivanov, f"<item jid='{PETROVA}' affiliation='member'/>")
    await enter(petrova, "petrova")
    await administer(ivanov, f"<item jid='{PETROVA}' affiliation='none'/>")
    gone = await petrova.presence_of(f"{ROOM}/petrova", "unavailable")
    assert codes(gone) == [110, 321]


@pytest.mark.parametrize(
    ("affiliation", "change", "condition"),
    [
        ("none", "<item nick='sidorov' role='none'/>", "forbidden"),
        ("none", f"<item jid='{SIDOROV}' affiliation='outcast'/>", "forbidden"),
        ("member", f"<item jid='{SIDOROV}' affiliation='member'/>", "forbidden"),
        ("admin", "<item nick='ivanov' role='none'/>", "not-allowed"),
        ("admin", f"<item jid='{IVANOV}' affiliation='none'/>", "forbidden"),
        ("admin", f"<item jid='{IVANOV}' affiliation='outcast'/>", "not-allowed"),
        ("admin", "<item nick='ivanov' role='visitor'/>", "not-allowed"),
        ("admin", "<item nick='ivanov' role='participant'/>", "not-allowed"),
        ("admin", "<item nick='petrova' role='none'/>", ""),
        ("admin", f"<item jid='{SIDOROV}' affiliation='admin'/>", "forbidden"),
        ("admin", "<item nick='sidorov' role='visitor' affiliation='none'/>", "bad-request"),
        ("admin", "<item jid='finance.example' affiliation='member'/>", "bad-request"),
        ("admin", f"<item jid='{SIDOROV}' affiliation='member' nick='ivanov'/>", "conflict"),
        ("admin", f"<item jid='{PETROVA}' affiliation='outcast'/>", "conflict"),
        ("admin", "<item nick='nobody' role='none'/>", "item-not-found"),
        ("admin", "<item jid='@' affiliation='member'/>", "jid-malformed"),
        ("admin", "<item nick='sidorov' role='king'/>", "bad-request"),
        ("admin", f"<item jid='{SIDOROV}' affiliation='king'/>", "bad-request"),
        ("admin", "", "bad-request"),
        ("owner", f"<item jid='{SIDOROV}' affiliation='admin'/>", ""),
        ("admin", "<item nick='sidorov' role='moderator'/>", ""),
        ("admin", f"<item jid='{SIDOROV}' affiliation='outcast'/>", ""),
    ],
)
async def test_who_may_change_whom(log_in: LogIn, affiliation: str, change: str, condition: str) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    await enter(sidorov, "sidorov")
    await administer(ivanov, f"<item jid='{PETROVA}' affiliation='{affiliation}'/>")
    answer = await administer(petrova, change)
    if condition:
        assert error_of(answer) == condition
    else:
        assert answer.get("type") == "result"


async def test_a_moderator_of_no_standing_before_those_who_have_one(log_in: LogIn) -> None:
    """§8.2, §8.4, §9.7: who is above may not be touched; §9.6: moderators are made by admins."""
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    await enter(sidorov, "sidorov")
    for nick in ("petrova", "sidorov"):
        answer = await administer(ivanov, f"<item nick='{nick}' role='moderator'/>")
        assert answer.get("type") == "result"
    for role in ("none", "visitor", "participant"):
        refused = await administer(petrova, f"<item nick='ivanov' role='{role}'/>")
        assert error_of(refused) == "not-allowed"
    refused = await administer(petrova, "<item nick='sidorov' role='participant'/>")
    assert error_of(refused) == "forbidden"


async def test_a_room_keeps_an_owner(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov")
    alone = await administer(ivanov, f"<item jid='{IVANOV}' affiliation='none'/>")
    assert error_of(alone) == "conflict"
    handed_over = f"<item jid='{PETROVA}' affiliation='owner'/><item jid='{IVANOV}' affiliation='member'/>"
    assert (await administer(ivanov, handed_over)).get("type") == "result"
    assert await listed(ivanov, "affiliation='owner'") == [PETROVA]


async def test_lists_are_for_those_concerned(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    assert await listed(petrova, "affiliation='owner'") == [IVANOV]  # in a room where all see addresses
    for attribute in ("affiliation='outcast'", "role='visitor'"):
        answer = await petrova.iq(f"<query xmlns='{MUC}#admin'><item {attribute}/></query>", to=ROOM)
        assert error_of(answer) == "forbidden"
    answer = await sidorov.iq(f"<query xmlns='{MUC}#admin'><item affiliation='owner'/></query>", to=ROOM)
    assert error_of(answer) == "forbidden"
    for wrong in ("<item/>", "", "<item role='king'/>"):
        answer = await ivanov.iq(f"<query xmlns='{MUC}#admin'>{wrong}</query>", to=ROOM)
        assert error_of(answer) == "bad-request"


async def test_the_number_of_affiliations_is_bounded(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov")
    items = "".join(f"<item jid='p{number}@digital.example' affiliation='member'/>" for number in range(501))
    assert error_of(await administer(ivanov, items)) == "bad-request"
