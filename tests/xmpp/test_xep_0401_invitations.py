# SPDX-License-Identifier: Apache-2.0
"""Somebody is invited, and becomes a contact or registers (XEP-0401, 0379, 0445, 0077)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from tests.portal.client import get
from tests.world import IVANOV, PETROVA, SIDOROV, World
from tests.xmpp.client import NAMESPACES, Client, error_of, find, text
from tests.xmpp.commands import appoint, command, submit
from tests.xmpp.conftest import LogIn
from tests.xmpp.sasl2_client import Modern

DOMAIN = "digital.example"
INVITE, CREATE = "urn:xmpp:invite#invite", "urn:xmpp:invite#create-account"
NAMESPACES.update(
    register="jabber:iq:register", data="jabber:x:data", command="http://jabber.org/protocol/commands"
)
NEWCOMER = "orlov@digital.example"
NEW_PASSWORD = "a-new-password"


def fields(answer: Element) -> dict[str, str]:
    """What a completed command has in its form."""
    found = find(answer, "command:command/data:x").findall("data:field", NAMESPACES)
    return {each.get("var", ""): each.findtext("data:value", "", NAMESPACES) for each in found}


def token_of(answer: Element) -> str:
    return fields(answer)["uri"].partition("preauth=")[2].partition(";")[0]


async def invite(client: Client, **form: str) -> Element:
    """Runs the command with a form where one is given."""
    if not form:
        return await client.iq(command(INVITE), "set", DOMAIN)
    asked = await client.iq(command(CREATE), "set", DOMAIN)
    if asked.get("type") == "error":
        return asked
    session = asked[0].get("sessionid", "")
    return await client.iq(command(CREATE, session=session, inner=submit(**form)), "set", DOMAIN)


async def show(client: Client, token: str) -> Element:
    return await client.iq(f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>", "set", DOMAIN)


async def register(client: Client, name: str, password: str = NEW_PASSWORD) -> Element:
    inner = f"<username>{name}</username><password>{password}</password>"
    return await client.iq(f"<query xmlns='jabber:iq:register'>{inner}</query>", "set", DOMAIN)


@pytest.fixture
async def stranger(world: World) -> AsyncIterator[Client]:
    """A stream on which nobody has logged in."""
    async with Client(world, NEWCOMER) as client:
        await client.connect()
        yield client


async def allow(world: World, policy: str = "people") -> None:
    await world.directory.invitations.set_policy(DOMAIN, policy)


async def test_off_unless_the_department_allows_it(world: World, log_in: LogIn, stranger: Client) -> None:
    ivanov = await log_in(IVANOV)
    assert error_of(await invite(ivanov, username="orlov")) == "forbidden"
    shown = fields(await invite(ivanov))
    assert shown["uri"].startswith(f"xmpp:{IVANOV}?roster;preauth=") and "ibr" not in shown["uri"]
    features = await stranger.open()
    assert [each.tag for each in features if each.tag.endswith("}register")] == []
    token = token_of(await invite(ivanov))
    stranger.send(f"<iq type='set' id='1'><preauth xmlns='urn:xmpp:pars:0' token='{token}'/></iq>")
    await stranger.receive("stream:error")


async def test_a_newcomer_registers_once(world: World, log_in: LogIn, stranger: Client) -> None:
    await allow(world)
    ivanov = await log_in(IVANOV, "desk")
    await ivanov.iq("<query xmlns='jabber:iq:roster'/>")
    answer = await invite(ivanov)
    assert fields(answer)["uri"].endswith(";ibr=y")
    assert fields(answer)["expire"].endswith("Z")
    token = token_of(answer)

    features = await stranger.open()
    assert {each.tag for each in features if each.tag.endswith("}register")} == {
        "{urn:xmpp:ibr-token:0}register",
        "{http://jabber.org/features/iq-register}register",
    }
    # without a token nothing is told
    asked = await stranger.iq("<query xmlns='jabber:iq:register'/>", to=DOMAIN)
    assert error_of(asked) == "forbidden"
    assert error_of(await register(stranger, "orlov")) == "forbidden"
    assert (await show(stranger, token)).get("type") == "result"
    form = await stranger.iq("<query xmlns='jabber:iq:register'/>", to=DOMAIN)
    assert find(form, "register:query/register:username") is not None
    for name, password, condition in (
        ("petrova", NEW_PASSWORD, "conflict"),
        ("postmaster", NEW_PASSWORD, "conflict"),
        ("orlov", "short", "not-acceptable"),
        ("a b", NEW_PASSWORD, "not-acceptable"),
        ("", NEW_PASSWORD, "bad-request"),
    ):
        assert error_of(await register(stranger, name, password)) == condition, name
    assert (await register(stranger, "orlov")).get("type") == "result"

    # the inviter is told, and the newcomer logs in on the same stream
    push = await ivanov.receive("c:iq", lambda stanza: stanza.find("roster:query", NAMESPACES) is not None)
    item = find(push, "roster:query/roster:item")
    assert (item.get("jid"), item.get("subscription")) == (NEWCOMER, "both")
    await stranger.authenticate(NEW_PASSWORD)
    await stranger.open()
    await stranger.bind()
    roster = await stranger.iq("<query xmlns='jabber:iq:roster'/>")
    assert {each.get("jid"): each.get("subscription") for each in find(roster, "roster:query")}[
        IVANOV
    ] == "both"
    made = await world.directory.by_address(NEWCOMER)
    inviter = await world.directory.by_address(IVANOV)
    assert made is not None and inviter is not None
    assert (made.department, made.data["invited_by"]) == (inviter.department, inviter.id)

    async with await Client(world, NEWCOMER).connect() as other:
        await other.open()
        assert error_of(await show(other, token)) == "item-not-found"


async def test_two_at_once_with_one_token(world: World, log_in: LogIn, stranger: Client) -> None:
    await allow(world)
    token = token_of(await invite(await log_in(IVANOV)))
    async with await Client(world, NEWCOMER).connect() as other:
        for client in (stranger, other):
            await client.open()
            assert (await show(client, token)).get("type") == "result"
        assert (await register(stranger, "orlov")).get("type") == "result"
        assert error_of(await register(other, "orlova")) == "item-not-found"
    assert await world.directory.by_address("orlova@digital.example") is None


async def test_an_account_with_a_name(world: World, log_in: LogIn, stranger: Client) -> None:
    await allow(world, "administrators")
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await appoint(world, IVANOV)
    assert error_of(await invite(petrova, username="orlov")) == "forbidden"
    form = {"username": "Orlov", "roster__subscription": "0"}
    shown = fields(await invite(ivanov, **form))
    assert shown["uri"].startswith("xmpp:Orlov@digital.example?register;preauth=")
    token = shown["uri"].partition("preauth=")[2]
    # XEP-0401 §7.2: the name is reserved
    assert error_of(await invite(ivanov, username="orlov")) == "conflict"
    assert error_of(await invite(ivanov, username="petrova")) == "conflict"
    assert error_of(await invite(ivanov, username="a b")) == "bad-request"
    second = token_of(await invite(ivanov, username=""))
    await stranger.open()
    await show(stranger, second)
    assert error_of(await register(stranger, "orlov")) == "conflict"
    await show(stranger, token)
    asked = await stranger.iq("<query xmlns='jabber:iq:register'/>", to=DOMAIN)
    assert text(asked, "register:query/register:username") == "orlov"
    assert error_of(await register(stranger, "somebody")) == "not-allowed"
    assert (await register(stranger, "orlov")).get("type") == "result"
    # no contacts but those that the directory computes
    assert await world.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM roster")) == 0


async def test_who_may_no_longer_invite(world: World, log_in: LogIn, stranger: Client) -> None:
    await allow(world)
    token = token_of(await invite(await log_in(IVANOV)))
    await stranger.open()
    await show(stranger, token)
    await allow(world, "administrators")
    assert error_of(await register(stranger, "orlov")) == "not-allowed"
    assert error_of(await show(stranger, token)) == "item-not-found"


async def test_a_token_of_another_domain_or_for_a_contact_alone(
    world: World, log_in: LogIn, stranger: Client
) -> None:
    await allow(world)
    sidorov = await log_in(SIDOROV)
    contact = token_of(await sidorov.iq(command(INVITE), "set", "finance.example"))
    await world.directory.invitations.set_policy("finance.example", "people")
    account = token_of(await sidorov.iq(command(INVITE), "set", "finance.example"))
    await stranger.open()
    for token in (contact, account, "", "x" * 5000):
        assert error_of(await show(stranger, token)) == "item-not-found"


async def test_guesses_end_the_stream(world: World, stranger: Client) -> None:
    await allow(world)
    await stranger.open()
    for _ in range(5):
        assert error_of(await show(stranger, "guess")) == "item-not-found"
    await stranger.receive("stream:error")


async def test_invitations_expire_and_are_bounded(tmp_path: Path) -> None:
    settings = {"security": {"invitations": 2}}
    async with World(tmp_path, settings=settings) as world, Client(world, IVANOV) as ivanov:
        await allow(world)
        await ivanov.log_in()
        token = token_of(await invite(ivanov))
        await invite(ivanov)
        assert error_of(await invite(ivanov)) == "resource-constraint"
        await world.store.write(lambda tx: tx.execute("UPDATE invite SET expires = 1"))
        assert await world.directory.invitations.find(token) is None
        assert "uri" in fields(await invite(ivanov))


async def test_a_contact_without_waiting(world: World, log_in: LogIn) -> None:
    """XEP-0379 §3.4: sidorov of another department has ivanov's token, petrova only heard of it."""
    ivanov, sidorov = await log_in(IVANOV, "desk"), await log_in(SIDOROV, "desk")
    token = token_of(await invite(ivanov))
    assert token_of(await invite(ivanov)) != token
    wrong = (
        "<presence to='ivanov@digital.example' type='subscribe'>"
        "<preauth xmlns='urn:xmpp:pars:0' token='x'/></presence>"
    )
    sidorov.send(wrong)
    assert (await ivanov.presence_of(SIDOROV, "subscribe")) is not None
    sidorov.send(wrong.replace("'x'", f"'{token}'"))
    await sidorov.presence_of(IVANOV, "subscribed")
    await sidorov.presence_of(ivanov.full)
    rows = await world.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM invite"))
    assert rows == 1  # used


async def test_the_page(world: World, log_in: LogIn) -> None:
    await allow(world)
    token = token_of(await invite(await log_in(IVANOV)))
    for language, word in (("ru", "Приглашение"), ("en", "Invitation")):
        answer = await get(world, f"/invite/{token}?lang={language}")
        page = answer.body.decode()
        assert answer.status == 200 and word in page and "Иванов Иван" in page and "<svg" in page
        assert f"xmpp:{IVANOV}?roster;preauth={token};ibr=y" in page and "<script" not in page
    for wrong in ("x", "", f"{token}/"):
        assert (await get(world, f"/invite/{wrong}")).status == 404


# One's own password


def new_password(name: str, password: str = NEW_PASSWORD) -> str:
    inner = f"<username>{name}</username><password>{password}</password>"
    return f"<query xmlns='jabber:iq:register'>{inner}</query>"


async def test_the_password_is_changed(world: World, log_in: LogIn) -> None:
    ivanov, desk = await log_in(IVANOV, "phone"), await log_in(IVANOV, "desk")
    told = await ivanov.iq("<query xmlns='jabber:iq:register'/>", to=DOMAIN)
    assert text(told, "register:query/register:username") == "ivanov"
    for name, password, condition in (
        ("petrova", NEW_PASSWORD, "not-allowed"),
        ("ivanov", "short", "not-acceptable"),
        ("ivanov", "", "bad-request"),
    ):
        assert error_of(await ivanov.iq(new_password(name, password), "set", DOMAIN)) == condition
    answer = await ivanov.iq(new_password("ivanov"), "set", DOMAIN)
    assert answer.get("type") == "result"
    await desk.receive("stream:error")  # whoever else is logged in must do so again
    assert (await ivanov.iq("<ping xmlns='urn:xmpp:ping'/>")).get("type") == "result"
    again = Client(world, IVANOV)
    await again.connect()
    await again.open()
    await again.authenticate(NEW_PASSWORD)
    await again.disconnect()


async def test_accounts_are_not_removed(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    answer = await ivanov.iq("<query xmlns='jabber:iq:register'><remove/></query>", "set", DOMAIN)
    assert error_of(answer) == "not-allowed"


async def test_a_token_does_not_change_the_password(world: World) -> None:
    phone = Modern(world, IVANOV)
    await phone.log_in()
    client, _ = await phone.return_()
    assert error_of(await client.iq(new_password("ivanov"), "set", DOMAIN)) == "not-allowed"
    client, _ = await phone.log_in()
    assert (await client.iq(new_password("ivanov"), "set", DOMAIN)).get("type") == "result"
    await phone.close()


async def test_where_passwords_are_not_changed_in_band(tmp_path: Path) -> None:
    settings = {"security": {"change_password": False}}
    async with World(tmp_path, settings=settings) as world, Client(world, IVANOV) as ivanov:
        await ivanov.log_in()
        assert error_of(await ivanov.iq(new_password("ivanov"), "set", DOMAIN)) == "not-allowed"
