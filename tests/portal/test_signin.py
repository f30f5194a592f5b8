# SPDX-License-Identifier: Apache-2.0
"""Signing in on the pages: who may, who may not, what others' sites cannot do, and when it ends."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from armgs_server.net.http import Request
from armgs_server.net.http.cookies import cookie, set_cookie
from armgs_server.portal.app import Portal
from armgs_server.portal.signin import local_target
from armgs_server.storage import clock, web_sessions
from armgs_server.storage.tx import Tx
from tests.portal.browser import Browser
from tests.portal.client import get
from tests.world import IVANOV, PASSWORD, PETROVA, World

COOKIE = "__Host-armgs"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    # These tests fail to log in more often than one address may.
    async with World(tmp_path, settings={"security": {"login_failures_address": 1000}}) as world:
        yield world


async def sessions(world: World, address: str = IVANOV) -> list[web_sessions.WebSession]:
    person = await world.directory.by_address(address)
    assert person is not None
    return await world.store.read(lambda tx: web_sessions.of(tx, person.id))


async def test_sign_in_and_out(world: World) -> None:
    browser = Browser(world)
    asked = await browser.get("/me")
    assert (asked.status, browser.path) == (200, "/signin")
    assert "<h1>Sign in</h1>" in asked.text
    # It shows one button more where the browser knows passkeys; all else needs no script.
    assert re.findall("<script[^>]*>", asked.text) == ['<script src="/webauthn.js" defer>']
    inside = await browser.submit("/signin", address=IVANOV, password=PASSWORD)
    assert (inside.status, browser.path) == (200, "/me")
    assert "Иванов Иван" in inside.text
    [session] = await sessions(world)
    assert session.agent.startswith("Mozilla/5.0") and session.stage == "whole"
    assert browser.cookies[COOKIE].partition(".")[2] not in str(session)
    assert (await get(world, "/signout", method="POST", body=b"x=")).status == 303  # nobody: to the sign-in
    await browser.submit("/signout")
    assert browser.path == "/" and COOKIE not in browser.cookies
    assert await sessions(world) == []
    await browser.get("/me")
    assert browser.path == "/signin"


async def test_the_cookie_and_the_headers(world: World) -> None:
    browser = Browser(world)
    await browser.get("/signin")
    form = browser.form("/signin").fields
    answer = await get(
        world,
        "/signin",
        {"Cookie": f"__Host-armgs-form={browser.cookies['__Host-armgs-form']}"},
        method="POST",
        body=f"token={form['token']}&address={IVANOV}&password={PASSWORD}".encode(),
    )
    assert (answer.status, answer.headers["location"]) == (303, "/me")
    [own] = [each for each in answer.cookies if each.startswith(f"{COOKIE}=")]
    assert own.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure") and "Domain" not in own
    page = await browser.get("/signin")
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'; ")
    for name, value in (
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ):
        assert page.headers[name] == value
    plain = Browser(world, secure=False)
    assert (await plain.sign_in(IVANOV)).status == 200
    assert list(plain.cookies) == ["armgs"]


async def test_who_fails_learns_nothing(world: World) -> None:
    petrova = await world.directory.by_address(PETROVA)
    assert petrova is not None
    await world.directory.disable(petrova.id)
    texts = set()
    for address, password in (
        (IVANOV, "wrong"),
        ("nobody@digital.example", "wrong"),
        ("nonsense", "wrong"),
        (PETROVA, PASSWORD),
    ):
        browser = Browser(world)
        answer = await browser.sign_in(address, password)
        assert answer.status == 403 and COOKIE not in browser.cookies
        text = re.sub(r'(name="token" value="|challenge&#34;: &#34;)[\w-]+', r"\1", answer.text)
        texts.add(text.replace(f'value="{address}"', ""))
    assert len(texts) == 1
    assert "The address or the password is wrong." in texts.pop()


async def test_an_app_password_opens_no_page(world: World) -> None:
    ivanov = await world.directory.by_address(IVANOV)
    assert ivanov is not None
    password = await world.directory.add_app_password(ivanov.id, "phone")
    browser = Browser(world)
    assert (await browser.sign_in(IVANOV, password)).status == 403
    assert await sessions(world) == []


async def test_guessing_is_throttled(world: World) -> None:
    browser = Browser(world)
    for number in range(world.config.security.login_failures):
        assert (await browser.sign_in(IVANOV, f"wrong {number}")).status in (403, 429)
    answer = await browser.sign_in(IVANOV)
    assert answer.status == 429 and "Too many attempts" in answer.text
    assert answer.headers["retry-after"] == "60"


async def test_other_sites_send_no_forms(world: World) -> None:
    browser = Browser(world)
    await browser.sign_in(IVANOV)
    token = browser.form("/signout").fields["token"]
    other = Browser(world)
    await other.sign_in(PETROVA)
    for given, headers in (
        ("", {}),
        ("wrong", {}),
        (other.form("/signout").fields["token"], {}),
        (token, {"Origin": "https://evil.example"}),
        (token, {"Origin": "null"}),
    ):
        answer = await browser.post("/signout", {"token": given}, headers)
        assert answer.status == 403, (given, headers)
    assert len(await sessions(world)) == 1
    # nor can they sign somebody in as themselves
    fresh = Browser(world)
    answer = await fresh.post("/signin", {"token": token, "address": PETROVA, "password": PASSWORD})
    assert answer.status == 403 and COOKIE not in fresh.cookies
    await fresh.get("/signin")
    answer = await fresh.post("/signin", {"token": token, "address": PETROVA, "password": PASSWORD})
    assert answer.status == 403 and COOKIE not in fresh.cookies
    many = "&".join(f"f{number}=x" for number in range(500))
    assert (await browser.post(f"/signout?{many}", {f"f{n}": "x" for n in range(500)})).status == 403
    assert (await browser.post("/signout", {"token": "x" * 70_000})).status == 413


async def test_a_planted_cookie_is_of_no_use(world: World) -> None:
    mallory = Browser(world)
    await mallory.sign_in(PETROVA)
    planted = mallory.cookies[COOKIE]
    victim = Browser(world)
    victim.cookies[COOKIE] = planted
    await victim.sign_in(IVANOV)
    assert victim.cookies[COOKIE] != planted
    assert await sessions(world, PETROVA) == []  # the one that was planted has ended
    before = victim.cookies[COOKIE]
    await victim.sign_in(IVANOV)
    assert victim.cookies[COOKIE] != before and len(await sessions(world)) == 1


@pytest.mark.parametrize(
    "value", ["", ".", "1", "1.", ".x", "-1.x", "+1.x", "1_0.x", "g.x", f"{'f' * 40}.x", "٣.x", "1.é", "0.x"]
)
async def test_cookies_that_are_none(world: World, value: str) -> None:
    headers = {"Cookie": f"{COOKIE}={value}".encode().decode("latin-1")}
    answer = await get(world, "/me", headers)
    assert (answer.status, answer.headers["location"]) == (303, "/signin?next=%2Fme")


async def test_it_ends(world: World) -> None:
    ivanov = await world.directory.by_address(IVANOV)
    assert ivanov is not None

    async def is_in(browser: Browser) -> bool:
        await browser.get("/me")
        return browser.path == "/me"

    first, second, third = Browser(world), Browser(world), Browser(world)
    for browser in (first, second, third):
        await browser.sign_in(IVANOV)
    await first.post("/signout", {"token": first.form("/signout").fields["token"], "everywhere": "1"})
    assert [await is_in(each) for each in (first, second, third)] == [False, False, False]
    await first.sign_in(IVANOV)
    await world.directory.set_password(ivanov.id, "another password")
    assert not await is_in(first)
    await first.sign_in(IVANOV, "another password")
    assert await is_in(first)
    await world.directory.disable(ivanov.id)
    assert not await is_in(first)
    await world.directory.enable(ivanov.id)
    assert not await is_in(first)
    await first.sign_in(IVANOV, "another password")
    assert await is_in(first)
    idle = int((world.config.http.sign_in_idle + 1) * clock.SECOND)
    await world.store.write(lambda tx: tx.execute("UPDATE web_session SET last_seen = last_seen - ?", idle))
    assert not await is_in(first)
    await first.sign_in(IVANOV, "another password")
    now = clock.now()
    await world.store.write(lambda tx: tx.execute("UPDATE web_session SET expires = ?", now))
    assert not await is_in(first)
    await world.store.write(lambda tx: web_sessions.expire(tx, clock.now()))
    assert await sessions(world) == []
    await first.sign_in(IVANOV, "another password")
    await world.directory.delete(ivanov.id)
    assert not await is_in(first)


async def test_the_last_use_is_kept_and_the_oldest_go(world: World) -> None:
    browser = Browser(world)
    await browser.sign_in(IVANOV)
    long_ago = clock.now() - clock.HOUR
    await world.store.write(lambda tx: tx.execute("UPDATE web_session SET last_seen = ?", long_ago))
    await browser.get("/me")
    [session] = await sessions(world)
    assert session.last_seen > long_ago

    async def work(tx: Tx) -> None:
        for number in range(5):
            token, seen = bytes([number]) * 32, session.last_seen + number + 1
            await web_sessions.add(tx, session._replace(token=token, last_seen=seen), limit=3)

    await world.store.write(work)
    assert [each.token[0] for each in await sessions(world)] == [4, 3, 2]


async def test_a_second_step(world: World) -> None:
    [portal] = [each for each in world.daemon._services if isinstance(each, Portal)]

    async def second_step(person: object) -> str:
        return "/second"

    portal.sign_in.second_step = second_step
    browser = Browser(world)
    answer = await browser.sign_in(IVANOV, target="/me?x=1")
    assert answer.status == 404 and browser.path == "/second"
    await browser.get("/me")
    assert browser.path == "/signin"
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    request = Request("GET", "/", [(b"cookie", cookies.encode())], peer="", is_tls=True)
    assert await portal.sign_in.visit(request) is None
    pending = await portal.sign_in.visit(request, stage="password")
    assert pending is not None and pending.person.address == IVANOV
    response = await portal.sign_in.start(request, pending.person, "/me?x=1")
    assert response.headers[0] == ("Location", "/me?x=1")
    [session] = await sessions(world)
    assert session.stage == "whole"


def test_nobody_is_sent_elsewhere() -> None:
    for target in (
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\tevil",
        "/x\r\nSet-Cookie: a=b",
        "http:evil",
        "me",
        "",
        "///evil.example",
        "/" + "x" * 100_000,
        "//[",
    ):
        assert local_target(target) == "/me", target
    assert local_target("/me/devices?lang=ru&x=%D1%8F") == "/me/devices?lang=ru&x=%D1%8F"
    assert local_target("/люди") == "/%D0%BB%D1%8E%D0%B4%D0%B8"


def test_cookies_of_a_request() -> None:
    def request(text: str, *, is_tls: bool = True) -> Request:
        return Request("GET", "/", [(b"cookie", text.encode("latin-1"))], peer="", is_tls=is_tls)

    assert cookie(request("a=b; __Host-x=1.2;c"), "x") == "1.2"
    assert cookie(request("x=1"), "x") == ""
    assert cookie(request("x=1", is_tls=False), "x") == "1"
    assert cookie(request(f"__Host-x={'y' * 300}"), "x") == ""
    assert set_cookie(request("", is_tls=False), "x", "1") == (
        "Set-Cookie",
        "x=1; Path=/; HttpOnly; SameSite=Lax",
    )
