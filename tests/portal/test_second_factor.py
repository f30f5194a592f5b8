# SPDX-License-Identifier: Apache-2.0
"""The second factor on the pages: on, asked for, used up, lost, off; and what programs need then."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from armgs_server.directory import Principal, totp
from armgs_server.directory.exchange import Failure
from armgs_server.directory.sasl import Challenge
from armgs_server.directory.second_factor import SecondFactor
from armgs_server.storage.tx import Tx
from tests.directory.test_exchange import Client
from tests.portal import oauth_client as program
from tests.portal.browser import Browser
from tests.world import IVANOV, PASSWORD, World

DESK = "/me/second-factor"
STEP = "/signin/code"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"security": {"login_failures": 4, "login_wait": 60.0}}) as world:
        yield world


async def ivanov(world: World) -> Principal:
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    return person


def code_now(key: bytes) -> str:
    return totp.code_of(key, totp.step_at(int(time.time())))


async def turned_on(world: World, browser: Browser) -> tuple[bytes, str, list[str]]:
    """The key, the code that turned it on, and the recovery codes."""
    await browser.sign_in(IVANOV, target=DESK)
    await browser.submit(DESK, {"do": "begin"}, password=PASSWORD)
    key = await SecondFactor(world.directory).pending(await ivanov(world))
    assert key is not None
    used = code_now(key)
    page = await browser.submit(DESK, {"do": "confirm"}, code=used)
    assert (page.status, "The second factor is on." in page.text) == (200, True)
    return key, used, re.findall(r"<code>([a-z2-7-]{19})</code>", page.text)


async def forget_step(world: World) -> None:
    """As if thirty seconds had gone by: a code of now is good again."""

    async def work(tx: Tx) -> None:
        await tx.execute("UPDATE second_factor SET last_step = 0")

    await world.store.write(work)


async def login(world: World, service: str, command: str, end: bytes) -> str:
    reader, writer = await world.connect(service, secure=True)
    async with asyncio.timeout(20):
        await reader.readline()
        writer.write(command.encode())
        line = b""
        while not line.startswith(end):
            line = await reader.readline()
            assert line
    writer.close()
    return line.decode()


async def imap(world: World, password: str) -> str:
    return await login(world, "imaps", f"a LOGIN {IVANOV} {password}\r\n", b"a ")


async def test_turning_it_on_takes_the_password_and_a_code(world: World) -> None:
    browser, elsewhere = Browser(world), Browser(world)
    await elsewhere.sign_in(IVANOV)
    page = await browser.sign_in(IVANOV, target=DESK)
    assert "app passwords" in page.text
    page = await browser.submit(DESK, {"do": "begin"}, password="wrong")
    assert (page.status, "The password is wrong." in page.text) == (403, True)
    page = await browser.submit(DESK, {"do": "begin"}, password=PASSWORD)
    key = await SecondFactor(world.directory).pending(await ivanov(world))
    assert key is not None and totp.shown(key) in page.text and "<svg" in page.text
    assert (await imap(world, PASSWORD)).startswith("a OK")  # not yet
    page = await browser.submit(DESK, {"do": "confirm"}, code="000000")
    assert (page.status, "The code is wrong." in page.text) == (403, True)
    code = code_now(key)
    page = await browser.submit(DESK, {"do": "confirm"}, code=f"{code[:3]} {code[3:]}")
    assert len(re.findall(r"<code>[a-z2-7-]{19}</code>", page.text)) == world.config.oauth.recovery_codes
    assert totp.shown(key) not in page.text
    await elsewhere.get("/me")
    assert elsewhere.path == "/signin"  # the password alone had let it in
    await browser.get("/me")
    assert browser.path == "/me"


async def test_the_sign_in_takes_a_code_once(world: World) -> None:
    browser = Browser(world)
    key, used, _ = await turned_on(world, browser)
    other = Browser(world)
    await other.sign_in(IVANOV, target="/me/programs")
    assert other.path == STEP
    for path in ("/me", "/me/programs", DESK):
        await other.get(path)
        assert other.path == "/signin"
    await other.get(STEP + "?next=/me/programs")
    answer = await other.submit(STEP, code=used)
    assert (answer.status, "The code is wrong." in answer.text) == (403, True)  # it turned it on
    await forget_step(world)
    answer = await other.submit(STEP, code=code_now(key))
    assert (answer.status, other.path) == (200, "/me/programs")
    # The step begins with the password: nobody gets to it by the address.
    nobody = Browser(world)
    await nobody.get(STEP)
    assert nobody.path == "/signin"


async def test_recovery_codes_work_once_each(world: World) -> None:
    browser = Browser(world)
    _, _, codes = await turned_on(world, browser)
    for code, status in ((codes[0], 200), (codes[0], 403), (codes[1].upper().replace("-", " "), 200)):
        other = Browser(world)
        await other.sign_in(IVANOV)
        assert (await other.submit(STEP, code=code)).status == status
    page = await browser.get(DESK)
    assert f"Recovery codes left: {len(codes) - 2}." in page.text
    page = await browser.submit(DESK, {"do": "renew"}, code=codes[2])
    assert len(re.findall(r"<code>[a-z2-7-]{19}</code>", page.text)) == len(codes)
    other = Browser(world)
    await other.sign_in(IVANOV)
    assert (await other.submit(STEP, code=codes[3])).status == 403  # void


async def test_guesses_are_counted(world: World) -> None:
    browser = Browser(world)
    key, _, codes = await turned_on(world, browser)
    await forget_step(world)
    other = Browser(world)
    await other.sign_in(IVANOV)
    seen = [(await other.submit(STEP, code=f"{number:06}")).status for number in range(5)]
    assert seen[:4] == [403] * 4 and seen[-1] == 429
    assert (await other.submit(STEP, code=code_now(key))).status == 429
    page = await browser.submit(DESK, {"do": "off"}, code=codes[0])
    assert page.status == 429


async def test_programs_need_app_passwords_or_tokens(world: World) -> None:
    browser = Browser(world)
    client = await program.register(world)
    reader, writer = await world.connect("imaps", secure=True)
    await reader.readline()
    writer.write(f"a LOGIN {IVANOV} {PASSWORD}\r\n".encode())
    assert (await reader.readline()).startswith(b"a OK")
    await turned_on(world, browser)
    async with asyncio.timeout(20):
        while await reader.readline():  # what began by the password ends
            pass
    writer.close()
    assert (await imap(world, PASSWORD)).startswith("a NO")
    assert (await imap(world, PASSWORD)).startswith("a NO")
    scram = world.directory.auth.begin(service="xmpp", peer="192.0.2.1", is_tls=True)
    client_side = Client(IVANOV, PASSWORD)
    challenge = await scram.start("SCRAM-SHA-256", client_side.first())
    assert isinstance(challenge, Challenge)  # nothing is told before the proof
    answer = await scram.respond(client_side.final(challenge.data))
    assert isinstance(answer, Failure) and answer.condition == "not-authorized"
    password = await world.directory.add_app_password((await ivanov(world)).id, "Phone")
    assert (await imap(world, password)).startswith("a OK")
    code = await program.permitted(world, client, browser)
    given = await program.redeem(world, client, code)
    assert given.status == 200
    live = world.daemon.core.config.oauth
    object.__setattr__(live, "app_passwords_only", False)
    world.directory.auth.forget_all()
    assert (await imap(world, PASSWORD)).startswith("a OK")
    object.__setattr__(live, "app_passwords_only", True)


async def test_a_new_password_keeps_it_and_off_is_off(world: World) -> None:
    browser = Browser(world)
    _, _, codes = await turned_on(world, browser)
    person = await ivanov(world)
    await world.directory.set_password(person.id, "another-password")
    other = Browser(world)
    await other.sign_in(IVANOV, "another-password", target=DESK)
    assert other.path == STEP
    await other.submit(STEP, code=codes[0])
    page = await other.submit(DESK, {"do": "off"}, code="wrong")
    assert (page.status, await SecondFactor(world.directory).is_on(person)) == (403, True)
    page = await other.submit(DESK, {"do": "off"}, code=codes[1])
    assert (page.status, await SecondFactor(world.directory).is_on(person)) == (200, False)
    assert (await imap(world, "another-password")).startswith("a OK")
    third = Browser(world)
    await third.sign_in(IVANOV, "another-password")
    assert third.path == "/me"
