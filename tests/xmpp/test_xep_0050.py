# SPDX-License-Identifier: Apache-2.0
"""XEP-0050: commands found, run, gone back in, cancelled; who may not run them sees none."""

from __future__ import annotations

import pytest

from armgs_server.xmpp.xeps.xep_0050_commands import RUNS_AT_ONCE, Run, Runs
from tests.world import World
from tests.xmpp.client import find
from tests.xmpp.commands import COMMANDS, C, X, appoint, command, conditions, submit
from tests.xmpp.conftest import LogIn

IVANOV, PETROVA, SIDOROV = "ivanov@digital.example", "petrova@digital.example", "sidorov@finance.example"
DOMAIN = "digital.example"
DISABLE = "http://jabber.org/protocol/admin#disable-user"


@pytest.fixture
async def administrator(world: World) -> None:
    """Ivanov administers the department of digital.example."""
    await appoint(world, IVANOV)


async def test_a_command_is_found_and_run(world: World, log_in: LogIn, administrator: None) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    listed = await ivanov.iq(
        f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>", to=DOMAIN
    )
    assert DISABLE in {each.get("node") for each in find(listed, "items:query")}
    told = await ivanov.iq(
        f"<query xmlns='http://jabber.org/protocol/disco#info' node='{DISABLE}'/>", to=DOMAIN
    )
    assert find(told, "disco:query/disco:identity").get("type") == "command-node"
    asked = await ivanov.iq(command(DISABLE), "set", DOMAIN)
    step = asked[0]
    assert step.get("status") == "executing"
    actions = step.find(f"{C}actions")
    assert actions is not None and actions.get("execute") == "complete"
    form = step.find(f"{X}x")
    assert form is not None and form.find(f"{X}field[@var='accountjids']/{X}required") is not None
    session = step.get("sessionid", "")
    done = await ivanov.iq(
        command(DISABLE, session=session, inner=submit(accountjids=PETROVA)), "set", DOMAIN
    )
    assert done[0].get("status") == "completed"
    await petrova.wait_end()
    again = await ivanov.iq(
        command(DISABLE, session=session, inner=submit(accountjids=PETROVA)), "set", DOMAIN
    )
    assert conditions(again) >= {"not-allowed", "session-expired"}


async def test_who_administers_nothing_sees_nothing_of_it(
    world: World, log_in: LogIn, administrator: None
) -> None:
    petrova = await log_in(PETROVA)
    listed = await petrova.iq(
        f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>", to=DOMAIN
    )
    # what everybody may do: invite a contact (XEP-0401)
    assert [each.get("node") for each in find(listed, "items:query")] == ["urn:xmpp:invite#invite"]
    assert "forbidden" in conditions(await petrova.iq(command(DISABLE), "set", DOMAIN))
    told = await petrova.iq(
        f"<query xmlns='http://jabber.org/protocol/disco#info' node='{DISABLE}'/>", to=DOMAIN
    )
    assert "forbidden" in conditions(told)
    assert "item-not-found" in conditions(await petrova.iq(command("none"), "set", DOMAIN))


async def test_another_department_is_out_of_reach(world: World, log_in: LogIn, administrator: None) -> None:
    ivanov, sidorov = await log_in(IVANOV), await log_in(SIDOROV)
    asked = await ivanov.iq(command(DISABLE), "set", DOMAIN)
    session = asked[0].get("sessionid", "")
    for address in (SIDOROV, "nobody@digital.example"):
        answer = await ivanov.iq(
            command(DISABLE, session=session, inner=submit(accountjids=address)), "set", DOMAIN
        )
        assert conditions(answer) >= {"bad-request", "bad-payload"}
    assert await sidorov.settle() is not None
    done = await ivanov.iq(
        command(DISABLE, session=session, inner=submit(accountjids=PETROVA)), "set", DOMAIN
    )
    assert done[0].get("status") == "completed"


async def test_actions_that_do_not_fit_are_refused(log_in: LogIn, administrator: None) -> None:
    ivanov = await log_in(IVANOV)

    async def said(node: str = DISABLE, session: str = "", action: str = "", inner: str = "") -> set[str]:
        return conditions(
            await ivanov.iq(command(node, session=session, action=action, inner=inner), "set", DOMAIN)
        )

    assert await said(action="dance") >= {"bad-request", "malformed-action"}
    assert await said(action="next") >= {"bad-request", "bad-action"}
    assert await said(session="unknown") >= {"not-allowed", "session-expired"}
    session = (await ivanov.iq(command(DISABLE), "set", DOMAIN))[0].get("sessionid", "")
    assert await said(session=session, action="prev") >= {"bad-request", "bad-action"}
    assert await said(session=session, action="next", inner=submit()) >= {"bad-request", "bad-action"}
    assert await said(session=session) >= {"bad-request", "bad-payload"}
    other = "http://jabber.org/protocol/admin#reenable-user"
    assert await said(other, session, inner=submit()) >= {"bad-request", "bad-sessionid"}
    cancelled = await ivanov.iq(command(DISABLE, session=session, action="cancel"), "set", DOMAIN)
    assert cancelled[0].get("status") == "canceled"
    assert await said(session=session, action="cancel") >= {"not-allowed", "session-expired"}


async def test_the_language_is_the_askers(log_in: LogIn, administrator: None) -> None:
    titles = {}
    for lang in ("en", "ru"):
        ivanov = await log_in(IVANOV, lang, lang=lang)
        listed = await ivanov.iq(
            f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>", to=DOMAIN
        )
        titles[lang] = {each.get("node"): each.get("name") for each in find(listed, "items:query")}
    assert titles["en"][DISABLE] == "Disable Users"
    assert titles["ru"][DISABLE] == "Отключить пользователей"


def test_runs_are_bounded_and_end() -> None:
    runs, forever = Runs(), 1 << 62
    for number in range(RUNS_AT_ONCE + 1):
        runs.add("ivanov@digital.example/a", str(number), Run("node", forever))
    assert runs.take("ivanov@digital.example/a", "0") is None
    assert runs.take("petrova@digital.example/a", "1") is None
    assert runs.take("ivanov@digital.example/a", "1") is not None
    assert runs.take("ivanov@digital.example/a", "1") is None
    runs.add("ivanov@digital.example/a", "old", Run("node", 1))
    assert runs.take("ivanov@digital.example/a", "old") is None
