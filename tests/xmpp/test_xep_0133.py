# SPDX-License-Identifier: Apache-2.0
"""XEP-0133: a department administered by chat; others see what it does to them, and no command."""

from __future__ import annotations

import base64
import logging

import pytest

from armgs_server.directory.administrators import administered, set_administrators
from armgs_server.storage import acts
from tests.world import PASSWORD, World
from tests.xmpp.client import Client, error_of, find
from tests.xmpp.commands import ADMIN, COMMANDS, X, appoint, command, conditions, is_done, run, submit, told
from tests.xmpp.conftest import LogIn

IVANOV, PETROVA, SIDOROV = "ivanov@digital.example", "petrova@digital.example", "sidorov@finance.example"
DOMAIN = "digital.example"
NEW = "smirnova@digital.example"
REPEATED = {"password": "new-password-1", "password__verify": "new-password-1"}


@pytest.fixture(autouse=True)
async def administrator(world: World) -> None:
    await appoint(world, IVANOV)


async def logged_in(world: World, address: str, password: str = PASSWORD) -> str:
    """ "success", or the condition of the failure."""
    async with Client(world, address) as client:
        await client.connect()
        await client.open()
        initial = base64.b64encode(f"\0{address}\0{password}".encode()).decode()
        client.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{initial}</auth>")
        outcome = await client.receive_any("sasl:success", "sasl:failure")
        return outcome[0].tag.rpartition("}")[2] if len(outcome) else "success"


async def test_a_person_is_added_and_deleted(
    world: World, log_in: LogIn, caplog: pytest.LogCaptureFixture
) -> None:
    ivanov = await log_in(IVANOV)
    form = await ivanov.iq(command(f"{ADMIN}#add-user"), "set", DOMAIN)
    assert form[0].find(
        f"{X}x/{X}field[@var='password']/{{http://jabber.org/protocol/xdata-validate}}validate"
    )
    with caplog.at_level(logging.INFO):
        added = await run(
            ivanov, "add-user", DOMAIN, accountjid=NEW, given_name="Анна", surname="Смирнова", **REPEATED
        )
    assert is_done(added)
    assert "new-password-1" not in caplog.text
    person = await world.directory.by_address(NEW)
    assert person is not None and person.name == "Смирнова Анна" and person.data["family"] == "Смирнова"
    assert await logged_in(world, NEW, "new-password-1") == "success"
    again = await run(ivanov, "add-user", DOMAIN, accountjid=NEW, **REPEATED)
    assert error_of(again) == "conflict"
    smirnova = await log_in_with(world, NEW, "new-password-1")
    assert is_done(await run(ivanov, "delete-user", DOMAIN, accountjids=[NEW]))
    await smirnova.wait_end()
    assert await world.directory.by_address(NEW) is None
    owner = world.directory.domains[DOMAIN]
    told_of = await world.store.read(lambda tx: acts.latest(tx, owner, 0, 2))
    assert [(each.actor, each.arguments) for each in told_of] == [
        (IVANOV, f'{{"did": "{did}", "to": "{NEW}"}}') for did in ("delete", "add")
    ]


async def test_commands_are_found_at_the_administrators_own_account(world: World, log_in: LogIn) -> None:
    """XEP-0050 §2.2: some clients look nowhere else; nobody else finds them there."""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    listing = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>"
    found = {each.get("node") for each in (await ivanov.iq(listing, to=IVANOV))[0]}
    assert {f"{ADMIN}#add-user", f"{ADMIN}#edit-motd", f"{ADMIN}#get-online-users-num"} <= found
    assert is_done(await run(ivanov, "add-user", IVANOV, accountjid=NEW, **REPEATED))
    assert await logged_in(world, NEW, "new-password-1") == "success"
    others = {each.get("node") for each in (await petrova.iq(listing, to=PETROVA))[0]}
    assert not {each for each in others if each is not None and each.startswith(ADMIN)}
    refused = await petrova.iq(command(f"{ADMIN}#add-user"), "set", PETROVA)
    assert error_of(refused) == "forbidden"
    assert error_of(await petrova.iq(command(f"{ADMIN}#add-user"), "set", IVANOV)) == "service-unavailable"


async def log_in_with(world: World, address: str, password: str) -> Client:
    client = Client(world, address)
    await client.connect()
    await client.open()
    await client.authenticate(password)
    await client.open()
    await client.bind()
    return client


@pytest.mark.parametrize(
    "fields",
    [
        {"accountjid": NEW, "password": "new-password-1", "password__verify": "another-password"},
        {"accountjid": NEW, "password": "short", "password__verify": "short"},
        {
            "accountjid": "x@finance.example",
            "password": "new-password-1",
            "password__verify": "new-password-1",
        },
        {"accountjid": "x@other.example", "password": "new-password-1", "password__verify": "new-password-1"},
        {"accountjid": DOMAIN, "password": "new-password-1", "password__verify": "new-password-1"},
        {"password": "new-password-1", "password__verify": "new-password-1"},
    ],
)
async def test_who_cannot_be_added(world: World, log_in: LogIn, fields: dict[str, str]) -> None:
    ivanov = await log_in(IVANOV)
    assert conditions(await run(ivanov, "add-user", DOMAIN, **fields)) >= {"bad-request", "bad-payload"}
    assert await world.directory.by_address(NEW) is None


async def test_a_form_is_corrected_and_sent_again(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    asked = await ivanov.iq(command(f"{ADMIN}#disable-user"), "set", DOMAIN)
    session = asked[0].get("sessionid", "")
    for address, answer in (("a b@c", "error"), (PETROVA, "result")):
        inner = submit(accountjids=address)
        got = await ivanov.iq(command(f"{ADMIN}#disable-user", session=session, inner=inner), "set", DOMAIN)
        assert got.get("type") == answer


async def test_shut_out_and_let_in(world: World, log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    assert is_done(await run(ivanov, "disable-user", DOMAIN, accountjids=[PETROVA]))
    await petrova.wait_end()
    assert await logged_in(world, PETROVA) == "account-disabled"
    assert is_done(await run(ivanov, "reenable-user", DOMAIN, accountjids=[PETROVA]))
    assert await logged_in(world, PETROVA) == "success"
    for node in ("disable-user", "delete-user"):
        assert "bad-payload" in conditions(await run(ivanov, node, DOMAIN, accountjids=[IVANOV]))


async def test_who_was_shut_out_since_the_log_in_gets_no_session(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    async with Client(world, PETROVA) as petrova:
        await petrova.connect()
        await petrova.open()
        await petrova.authenticate()
        await petrova.open()
        assert is_done(await run(ivanov, "disable-user", DOMAIN, accountjids=[PETROVA]))
        bound = await petrova.iq("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>", "set")
        assert error_of(bound) == "not-allowed"


async def test_a_password_is_changed_and_never_told(world: World, log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    changed = await run(
        ivanov, "change-user-password", DOMAIN, accountjid=PETROVA, password="another-password"
    )
    assert is_done(changed)
    await petrova.wait_end()
    assert await logged_in(world, PETROVA) == "not-authorized"
    assert await logged_in(world, PETROVA, "another-password") == "success"
    refused = await run(ivanov, "change-user-password", DOMAIN, accountjid=PETROVA, password="short")
    assert "bad-payload" in conditions(refused)
    assert error_of(await run(ivanov, "get-user-password", DOMAIN)) == "item-not-found"


async def test_sessions_are_ended(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    first, second = await log_in(PETROVA, "first"), await log_in(PETROVA, "second")
    assert is_done(await run(ivanov, "end-user-session", DOMAIN, accountjids=[f"{PETROVA}/first"]))
    assert find(await first.receive("stream:error"), "streams:policy-violation") is not None
    await ivanov.presence_of(f"{PETROVA}/first", "unavailable")
    assert await second.settle() is not None
    assert is_done(await run(ivanov, "end-user-session", DOMAIN, accountjids=[PETROVA, IVANOV]))
    await second.wait_end()
    await ivanov.wait_end()


async def test_what_is_known_of_a_person(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    never = told(await run(ivanov, "get-user-lastlogin", DOMAIN, accountjids=[PETROVA]))
    assert never == {"FORM_TYPE": [ADMIN], "accountjids": [PETROVA], "lastlogin": [""]}
    petrova = await log_in(PETROVA, "desk")
    online = told(await run(ivanov, "get-user-lastlogin", DOMAIN, accountjids=[PETROVA, IVANOV]))
    assert len(online["lastlogin"]) == 2 and all(time.endswith("Z") for time in online["lastlogin"])
    await petrova.iq(
        "<query xmlns='jabber:iq:roster'><item jid='friend@other.example' name='F'/></query>", "set"
    )
    statistics = told(await run(ivanov, "user-stats", DOMAIN, accountjid=PETROVA))
    assert (statistics["rostersize"], statistics["onlineresources"]) == (["2"], ["desk"])
    roster = await run(ivanov, "get-user-roster", DOMAIN, accountjids=[PETROVA])
    query = roster[0].find(f"{X}x/{{jabber:iq:roster}}query")
    assert query is not None
    assert {item.get("jid") for item in query} == {IVANOV, "friend@other.example"}
    await petrova.close()
    await ivanov.presence_of(f"{PETROVA}/desk", "unavailable")
    while True:  # it is written down by and by
        gone = told(await run(ivanov, "get-user-lastlogin", DOMAIN, accountjids=[PETROVA]))
        if gone["lastlogin"] != [""]:
            break
    assert gone["lastlogin"] == [online["lastlogin"][0]]


async def test_the_time_of_leaving_is_told(world: World, log_in: LogIn) -> None:
    """XEP-0012 §4"""
    ivanov, last = await log_in(IVANOV), "<query xmlns='jabber:iq:last'/>"
    assert error_of(await ivanov.iq(last, to=PETROVA)) == "item-not-found"
    petrova = await log_in(PETROVA, "desk")
    assert find(await ivanov.iq(last, to=PETROVA), "last:query").get("seconds") == "0"
    await petrova.close()
    await ivanov.presence_of(f"{PETROVA}/desk", "unavailable")
    while (answer := await ivanov.iq(last, to=PETROVA)).get("type") == "error":
        assert error_of(answer) == "item-not-found"
    assert int(find(answer, "last:query").get("seconds", "")) < 60
    sidorov = await log_in(SIDOROV)
    assert error_of(await sidorov.iq(last, to=PETROVA)) == "forbidden"


async def test_counts_and_lists(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await log_in(SIDOROV)
    await world.directory.create_person(NEW)
    person = await world.directory.by_address(NEW)
    assert person is not None
    await world.directory.disable(person.id)
    petrova = await log_in(PETROVA, "desk", online=False)
    await petrova.go_online(
        "<presence><idle xmlns='urn:xmpp:idle:1' since='2026-01-01T00:00:00Z'/></presence>"
    )

    async def count(name: str) -> str:
        return told(await run(ivanov, f"get-{name}-users-num", DOMAIN))[f"{name}usersnum"][0]

    names = ("registered", "disabled", "online", "active", "idle")
    assert [await count(name) for name in names] == ["3", "1", "2", "1", "1"]
    petrova.send("<presence><show>away</show></presence>")
    await ivanov.presence_of(f"{PETROVA}/desk")
    assert await count("idle") == "1"
    phone = await log_in(PETROVA, "phone")
    assert [await count(name) for name in names] == ["3", "1", "2", "2", "0"]
    await phone.close()

    async def listed(node: str, field: str, most: str = "none") -> list[str]:
        return told(await run(ivanov, node, DOMAIN, max_items=most))[field]

    assert await listed("get-registered-users-list", "registereduserjids") == [IVANOV, PETROVA, NEW]
    assert await listed("get-registered-users-list", "registereduserjids", "2") == [IVANOV, PETROVA]
    assert await listed("get-disabled-users-list", "disableduserjids") == [NEW]
    assert await listed("get-online-users-list", "onlineuserjids") == [IVANOV, PETROVA]
    await ivanov.presence_of(f"{PETROVA}/phone", "unavailable")
    assert await listed("get-active-users", "activeuserjids") == [IVANOV]
    assert await listed("get-idle-users", "activeuserjids") == [PETROVA]
    for most in ("0", "-1", "many", "100001"):
        answer = await run(ivanov, "get-online-users-list", DOMAIN, max_items=most)
        assert "bad-payload" in conditions(answer)


async def test_an_announcement_reaches_who_is_online(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    text = ["Работы на сервере", "с 18:00"]
    assert is_done(await run(ivanov, "announce", DOMAIN, announcement=text))
    for client in (ivanov, petrova):
        message = await client.message("Работы на сервере\nс 18:00")
        assert message.get("from") == DOMAIN
    assert not [each for each in await sidorov.settle() if each.tag.endswith("message")]
    for wrong in ([""], ["x" * 10_001]):
        assert "bad-payload" in conditions(await run(ivanov, "announce", DOMAIN, announcement=wrong))


async def test_the_message_of_the_day_is_shown_once(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA, "desk")
    assert is_done(await run(ivanov, "set-motd", DOMAIN, motd="Сегодня пятница"))
    await petrova.message("Сегодня пятница")
    await ivanov.message("Сегодня пятница")
    phone = await log_in(PETROVA, "phone")
    assert not await bodies(phone)
    edit = await ivanov.iq(command(f"{ADMIN}#edit-motd"), "set", DOMAIN)
    assert edit[0].findtext(f"{X}x/{X}field[@var='motd']/{X}value") == "Сегодня пятница"
    assert is_done(await run(ivanov, "edit-motd", DOMAIN, motd="Сегодня суббота"))
    assert not await bodies(await log_in(PETROVA, "tablet"))
    await petrova.close()
    assert is_done(await run(ivanov, "set-motd", DOMAIN, motd="Понедельник"))
    await phone.message("Понедельник")
    assert not await bodies(await log_in(PETROVA, "other"))
    assert is_done(await run(ivanov, "delete-motd", DOMAIN))
    assert not await bodies(await log_in(IVANOV, "last"))


async def test_who_was_away_gets_the_message_of_the_day_later(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    assert is_done(await run(ivanov, "set-motd", DOMAIN, motd="Сегодня пятница"))
    assert await bodies(await log_in(PETROVA, "a")) == ["Сегодня пятница"]
    assert await bodies(await log_in(PETROVA, "b")) == []
    assert await bodies(await log_in(SIDOROV)) == []


async def bodies(client: Client) -> list[str]:
    """Texts of messages that have come so far."""
    found = (each.findtext("{jabber:client}body") for each in await client.settle())
    return [body for body in found if body]


async def test_newcomers_are_welcomed(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    before = await log_in(PETROVA, "desk")
    await before.close()
    await ivanov.presence_of(f"{PETROVA}/desk", "unavailable")
    last = "<query xmlns='jabber:iq:last'/>"
    while (await ivanov.iq(last, to=PETROVA)).get("type") == "error":
        pass
    assert is_done(await run(ivanov, "set-welcome", DOMAIN, welcome="Добро пожаловать"))
    assert await bodies(await log_in(PETROVA)) == []
    await world.directory.create_person(NEW, password=PASSWORD)
    assert await bodies(await log_in(NEW, "a")) == ["Добро пожаловать"]
    assert await bodies(await log_in(NEW, "b")) == []
    assert is_done(await run(ivanov, "delete-welcome", DOMAIN))


async def test_administrators_are_edited(world: World, log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    form = await ivanov.iq(command(f"{ADMIN}#edit-admin"), "set", DOMAIN)
    assert form[0].findtext(f"{X}x/{X}field[@var='adminjids']/{X}value") == IVANOV
    for wrong in ([], ["nobody@digital.example"]):
        assert "bad-payload" in conditions(await run(ivanov, "edit-admin", DOMAIN, adminjids=wrong))
    assert is_done(await run(ivanov, "edit-admin", DOMAIN, adminjids=[PETROVA]))
    assert error_of(await run(ivanov, "get-online-users-num", DOMAIN)) == "forbidden"
    assert is_done(await run(petrova, "get-online-users-num", DOMAIN))
    person = await world.directory.by_address(PETROVA)
    assert person is not None and len(await administered(world.directory, person)) == 1


async def listed(client: Client, to: str) -> list[str]:
    """The commands of XEP-0133 that are told of."""
    items = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>"
    found = find(await client.iq(items, to=to), "items:query")
    return [each.get("node", "") for each in found if each.get("node", "").startswith(ADMIN)]


async def test_another_departments_domain_is_out_of_reach(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    assert len(await listed(ivanov, DOMAIN)) == 26
    assert await listed(ivanov, "finance.example") == await listed(petrova, DOMAIN) == []
    for node in ("get-registered-users-num", "set-motd", "add-user"):
        assert error_of(await run(ivanov, node, "finance.example")) == "forbidden"
        assert error_of(await run(petrova, node, DOMAIN)) == "forbidden"


async def test_nobody_gets_at_who_administers_more(world: World, log_in: LogIn) -> None:
    """Whoever could set the password of an administrator of another department would be one there."""
    finance = await world.directory.by_id(world.directory.domains["finance.example"])
    petrova = await world.directory.by_address(PETROVA)
    assert finance is not None and petrova is not None
    await set_administrators(world.directory, finance, [petrova.id])
    ivanov = await log_in(IVANOV)
    refused = await run(ivanov, "change-user-password", DOMAIN, accountjid=PETROVA, password="new-password-1")
    assert error_of(refused) == "bad-request"
    assert await logged_in(world, PETROVA) == "success"
