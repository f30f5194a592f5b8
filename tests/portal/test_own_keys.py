# SPDX-License-Identifier: Apache-2.0
"""Security keys on the pages: registered, used beside the password and alone, taken away; without script all
is as before. The browser's part is done by an authenticator in software."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from armgs_server.directory import Principal
from armgs_server.directory.second_factor import SecondFactor
from armgs_server.portal.safety import SCRIPT_POLICY
from armgs_server.storage import clock, logins
from tests.authenticator import Authenticator
from tests.portal.browser import Browser
from tests.portal.client import Answer, get
from tests.world import IVANOV, PASSWORD, PETROVA, World

DESK, STEP, PASSKEY = "/me/keys", "/signin/code", "/signin/passkey"
COOKIE = "__Host-armgs"
_QUESTION = re.compile(
    r'<form method="post" action="([^"]+)" data-webauthn="(\w+)" data-origin="([^"]+)"'
    r' data-options="([^"]+)" hidden>'
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"security": {"login_failures": 4, "login_wait": 60.0}}) as world:
        yield world


async def person(world: World, address: str = IVANOV) -> Principal:
    found = await world.directory.by_address(address)
    assert found is not None
    return found


def new_key(world: World, **given: Any) -> Authenticator:
    return Authenticator(f"https://localhost:{world.ports['https']}", **given)


def asked(browser: Browser, ceremony: str = "get") -> dict[str, Any]:
    """What the page asks the browser for; there is one such question on it."""
    assert browser.page is not None
    assert ("Content-Security-Policy", browser.page.headers["content-security-policy"]) == SCRIPT_POLICY
    [(_, kind, _, options)] = _QUESTION.findall(browser.text)
    assert kind == ceremony
    found: dict[str, Any] = json.loads(html.unescape(options))
    return found


async def show(browser: Browser, action: str, document: dict[str, Any], **fields: str) -> Answer:
    return await browser.submit(action, {"answer": ""}, **{**fields, "answer": json.dumps(document)})


async def prove(browser: Browser, **fields: str) -> Answer:
    await browser.get(DESK)
    return await browser.submit(DESK, {"do": "prove"}, **fields)


async def registered(browser: Browser, key: Authenticator, name: str = "token") -> list[str]:
    """A first key, in a browser that is signed in; the recovery codes."""
    await prove(browser, password=PASSWORD)
    page = await show(browser, DESK, key.create(asked(browser, "create")), name=name)
    assert page.status == 200, page.text
    return re.findall(r"<code>([a-z2-7-]{19})</code>", page.text)


async def first_step(world: World, target: str = "") -> Browser:
    browser = Browser(world)
    await browser.sign_in(IVANOV, target=target)
    assert browser.path == STEP
    return browser


async def test_a_key_beside_the_password(world: World) -> None:
    browser, elsewhere, key = Browser(world), Browser(world), new_key(world)
    await elsewhere.sign_in(IVANOV)
    await browser.sign_in(IVANOV)
    codes = await registered(browser, key)
    assert len(codes) == 10 and '<th scope="row">token</th>' in browser.text
    await elsewhere.get("/me")  # what began by the password alone has ended
    assert elsewhere.path == "/signin"
    await browser.get("/me")
    assert browser.path == "/me"

    second = await first_step(world, "/me/logins")
    before = second.cookies[COOKIE]
    page = await show(second, STEP, key.get(asked(second)))
    assert (page.status, second.path) == (200, "/me/logins") and second.cookies[COOKIE] != before
    page = await second.get(DESK)
    assert "never" not in page.text  # its last use is shown

    third = await first_step(world)  # without script, or without the key
    page = await third.submit(STEP, {"code": ""}, code=codes[0])
    assert third.path == "/me"


async def test_a_passkey_alone_signs_in(world: World) -> None:
    browser, key = Browser(world), new_key(world)
    await browser.sign_in(IVANOV)
    await registered(browser, key)
    other = Browser(world)
    await other.get("/me/logins")
    assert other.path == "/signin"
    document = key.get(asked(other))
    page = await show(other, PASSKEY, document)
    assert (page.status, other.path) == (200, "/me/logins")
    await world.directory.auth.logins.flush()
    ivanov = await person(world)
    found = await world.store.read(lambda tx: logins.of(tx, ivanov.id, 100))
    assert ("web", "passkey", 1) in {(each.service, each.mechanism, each.admitted) for each in found}
    page = await other.get("/me/logins")
    assert "passkey" in page.text

    # Played back in another browser, and in a page that was asked anew.
    thief = Browser(world)
    await thief.get("/signin")
    page = await show(thief, PASSKEY, document)
    assert (page.status, thief.path) == (403, PASSKEY) and "could not sign in" in page.text
    assert COOKIE not in thief.cookies
    # The page shows the form again, with another question.
    page = await show(thief, PASSKEY, key.get(asked(thief)))
    assert thief.path == "/me"


async def test_wrong_keys_and_pages(world: World) -> None:
    browser, key, foreign = Browser(world), new_key(world), new_key(world)
    await browser.sign_in(IVANOV)
    await registered(browser, key)
    petrova = Browser(world)
    await petrova.sign_in(PETROVA)
    await registered(petrova, foreign)

    second = await first_step(world)
    question = asked(second)
    foreign.credentials[0].id, mine = key.credentials[0].id, foreign.credentials[0].id
    page = await show(second, STEP, foreign.get(question))  # the right name, the wrong key
    assert page.status == 403 and "The key was not right." in page.text and second.path == STEP
    foreign.credentials[0].id = mine
    page = await show(second, STEP, {"id": "x"})
    assert page.status == 403
    await second.get("/me")
    assert second.path == "/signin"

    another = Authenticator("https://localhost.evil.example", credentials=key.credentials)
    phished = Browser(world)
    await phished.get("/signin")
    page = await show(phished, PASSKEY, another.get(asked(phished)))
    assert page.status == 403 and COOKIE not in phished.cookies

    form = browser.form(DESK, do="remove")
    for token in ("", "0" * 32):
        answer = await browser.post(DESK, {**form.fields, "token": token})
        assert answer.status == 403 and "out of date" in answer.text
    assert (await get(world, PASSKEY)).status == 404
    stranger = await get(world, PASSKEY, method="POST", body=b"answer=%7B%7D")
    assert stranger.status == 403  # without the cookie of the form
    assert (
        await get(world, PASSKEY, {"Origin": "https://evil.example"}, method="POST", body=b"x=")
    ).status == 403


async def test_too_many_guesses_wait(world: World) -> None:
    browser, key = Browser(world), new_key(world)
    await browser.sign_in(IVANOV)
    codes = await registered(browser, key)
    second = await first_step(world)
    for _ in range(4):
        assert (await show(second, STEP, {"id": "x"})).status in (403, 429)
    page = await show(second, STEP, key.get(asked(second)))
    assert page.status == 429 and page.headers["retry-after"] == "60"
    await second.submit(STEP, {"code": ""}, code=codes[0])
    assert second.path == STEP  # codes are counted with them


async def test_the_page_says_the_same_for_everybody(world: World) -> None:
    """No address is asked before a key, so none can be tried out."""
    browser = Browser(world)
    await browser.get(f"/signin?address={IVANOV}")
    before = asked(browser)
    owner = Browser(world)
    await owner.sign_in(IVANOV)
    await registered(owner, new_key(world))
    await browser.get(f"/signin?address={IVANOV}")
    after = asked(browser)
    assert {**before, "challenge": ""} == {**after, "challenge": ""}
    assert before["challenge"] != after["challenge"]
    assert (after["allowCredentials"], after["userVerification"]) == ([], "required")
    wrong = Browser(world)
    await wrong.sign_in(IVANOV, "a wrong password")
    assert wrong.path == "/signin" and "The address or the password is wrong." in wrong.text


async def test_changing_takes_a_proof(world: World) -> None:
    browser, key = Browser(world), new_key(world)
    await browser.sign_in(IVANOV)
    page = await browser.get(DESK)
    assert 'data-webauthn="create"' not in page.text
    page = await prove(browser, password="wrong")
    assert page.status == 403 and 'data-webauthn="create"' not in page.text
    app = await world.directory.add_app_password((await person(world)).id, "Phone")
    assert (await prove(browser, password=app)).status == 403
    codes = await registered(browser, key)

    page = await prove(browser, password=PASSWORD)  # no longer enough
    assert page.status == 403
    page = await prove(browser, code=codes[0])
    assert page.status == 200 and 'data-webauthn="create"' in page.text
    await browser.get(DESK)
    page = await show(browser, DESK, key.get(asked(browser)))
    assert page.status == 200
    proof = browser.form(DESK, do="renew").fields["proof"]
    page = await browser.submit(DESK, {"do": "renew"})
    assert len(set(re.findall(r"<code>([a-z2-7-]{19})</code>", page.text)) - set(codes)) == 10

    form = browser.form(DESK, do="remove").fields
    for wrong in ("", "x.y", f"{clock.now()}.{proof.partition('.')[2]}", "9" * 30 + ".x", "²." + "0" * 64):
        page = await browser.post(DESK, {**form, "proof": wrong})
        assert page.status == 403 and "Show again" in page.text, wrong
    old = str(clock.now() - int(world.config.webauthn.timeout * clock.SECOND))
    keyed = world.directory.auth.passwords.keyed(b"page proof", f"{old} {form['token']}".encode()).hex()
    assert (await browser.post(DESK, {**form, "proof": f"{old}.{keyed}"})).status == 403
    other = Browser(world)
    await other.sign_in(PETROVA)
    await other.get(DESK)
    token = other.form(DESK, do="prove").fields["token"]
    page = await other.post(DESK, {**form, "token": token})  # the proof of another browser
    assert page.status == 403 and await SecondFactor(world.directory).is_on(await person(world))


async def test_the_last_key_that_goes_turns_it_off(world: World) -> None:
    browser, key, second = Browser(world), new_key(world), new_key(world)
    await browser.sign_in(IVANOV)
    await registered(browser, key, "first <key>")
    assert "first &lt;key&gt;" in browser.text
    page = await show(browser, DESK, second.create(asked(browser, "create")), name="first <key>")
    assert page.status == 409
    page = await show(browser, DESK, second.create(asked(browser, "create")), name="second")
    assert page.status == 200 and "Recovery codes. Each" not in page.text
    page = await show(browser, DESK, {"id": "x"}, name="third")
    assert page.status == 400
    form = browser.form(DESK, do="remove").fields
    page = await browser.submit(DESK, {"do": "remove", "key": form["key"]})
    assert page.status == 200 and page.text.count('<th scope="row">') == 1
    assert (await browser.post(DESK, {**form, "key": "!"})).status == 400
    assert (await browser.post(DESK, form)).status == 200  # it is gone already
    page = await browser.submit(DESK, {"do": "remove"})
    assert '<th scope="row">' not in page.text
    third = Browser(world)
    await third.sign_in(IVANOV)
    assert third.path == "/me"


async def test_an_app_beside_the_keys(world: World) -> None:
    """Where there is a key, the password alone begins nothing."""
    browser, key = Browser(world), new_key(world)
    await browser.sign_in(IVANOV)
    codes = await registered(browser, key)
    page = await browser.get("/me/second-factor")
    assert 'name="password"' not in page.text
    token = browser.form("/signout").fields["token"]
    await browser.post("/me/second-factor", {"token": token, "do": "begin", "password": PASSWORD})
    assert browser.path == DESK
    assert await SecondFactor(world.directory).pending(await person(world)) is None
    await prove(browser, code=codes[0])
    page = await browser.submit("/me/second-factor", {"do": "begin"})
    assert await SecondFactor(world.directory).pending(await person(world)) is not None
    assert page.status == 200 and "<svg" in page.text


async def test_an_app_password_turns_nothing_on(world: World) -> None:
    browser = Browser(world)
    await browser.sign_in(IVANOV, target="/me/second-factor")
    app = await world.directory.add_app_password((await person(world)).id, "Phone")
    page = await browser.submit("/me/second-factor", {"do": "begin"}, password=app)
    assert page.status == 403 and "The password is wrong." in page.text


async def test_no_button_where_it_could_not_work(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"webauthn": {"passwordless": False, "keys": 0}}) as world:
        browser = Browser(world)
        page = await browser.get("/signin")
        assert "data-webauthn" not in page.text and "<script" not in page.text
        await browser.sign_in(IVANOV)
        page = await prove(browser, password=PASSWORD)
        assert page.status == 200 and 'data-webauthn="create"' not in page.text


async def test_a_server_without_a_name_has_no_keys(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"server": {"hostname": "127.0.0.1"}}) as world:
        browser = Browser(world)
        assert "data-webauthn" not in (await browser.get("/signin")).text
        await browser.sign_in(IVANOV)
        page = await browser.get(DESK)
        assert "The server has no name" in page.text
        assert "data-webauthn=" not in (await prove(browser, password=PASSWORD)).text


async def test_the_script(world: World) -> None:
    script = await get(world, "/webauthn.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert len(script.body) < 4096 and "SPDX" in script.text.splitlines()[0]
    browser = Browser(world, "ru")
    page = await browser.get("/signin")
    [(action, _, origin, _)] = _QUESTION.findall(page.text)
    assert (action, urlsplit(origin).port) == (PASSKEY, world.ports["https"])
    assert "Войти ключом доступа" in page.text and "onclick" not in page.text
