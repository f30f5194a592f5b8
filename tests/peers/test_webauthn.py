# SPDX-License-Identifier: Apache-2.0
"""Security keys in Debian's Chromium with its virtual authenticators: registered, used beside the password,
used alone, and removed, under the Content-Security-Policy that the pages have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from armgs_server.directory import Principal
from armgs_server.directory.webauthn import SecurityKeys
from armgs_server.storage import logins
from tests.chromium import Chromium, Page
from tests.world import HOSTNAME, IVANOV, PASSWORD, World

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

CREATE = 'form[data-webauthn="create"]'
GET = 'form[data-webauthn="get"]'
VISIBLE = "(form => !!form && !form.hidden)(document.querySelector('{}'))"


@pytest.fixture
async def world(tmp_path: Path, debian: Callable[..., None]) -> AsyncIterator[World]:
    debian("chromium")
    async with World(tmp_path) as world:
        yield world


@pytest.fixture
async def browser(world: World, tmp_path: Path) -> AsyncIterator[Chromium]:
    async with Chromium(tmp_path, trusted=world.path / "tls" / "server.crt") as browser:
        yield browser


async def go(page: Page, world: World, target: str) -> None:
    await page.call("Page.navigate", url=f"https://{HOSTNAME}:{world.ports['https']}{target}")
    path = target.partition("?")[0]
    await page.until(f"location.pathname == {path!r} && document.readyState == 'complete'")


async def opened(world: World, browser: Chromium, path: str, host: str = HOSTNAME) -> Page:
    return await browser.open(f"https://{host}:{world.ports['https']}{path}?lang=en")


async def plug_in(page: Page, **changes: Any) -> str:
    """An authenticator of this page alone; without changes a phone or laptop that knows its owner."""
    await page.call("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "ctap2Version": "ctap2_1",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
        **changes,
    }
    answer = await page.call("WebAuthn.addVirtualAuthenticator", options=options)
    return str(answer["authenticatorId"])


async def credentials(page: Page, authenticator: str) -> list[dict[str, Any]]:
    answer = await page.call("WebAuthn.getCredentials", authenticatorId=authenticator)
    return list(answer["credentials"])


async def press(page: Page, form: str) -> None:
    await page.until(VISIBLE.format(form))
    await page.click(f"{form} button")


async def sign_in(page: Page) -> None:
    await page.type("#address", IVANOV)
    await page.type("#password", PASSWORD)
    await page.press_enter()


async def add(page: Page, name: str) -> None:
    """A first key, from the page of a person who is signed in."""
    await page.until("location.pathname == '/me/keys' && document.readyState == 'complete'")
    await page.type("#password", PASSWORD)
    await page.press_enter()
    await page.type("#name", name)
    await press(page, CREATE)
    await page.until(
        f"[...document.querySelectorAll('th[scope=row]')].some(each => each.innerText == '{name}')"
    )


async def sign_out(page: Page) -> None:
    await page.click("form[action='/signout'] button")
    await page.until("location.pathname == '/' && document.readyState == 'complete'")


async def ivanov(world: World) -> Principal:
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    return person


async def test_a_passkey_from_the_first_to_the_last_day(world: World, browser: Chromium) -> None:
    page = await opened(world, browser, "/me/keys")
    authenticator = await plug_in(page)
    await sign_in(page)
    await add(page, "laptop")
    [made] = await credentials(page, authenticator)
    assert (made["isResidentCredential"], made["rpId"]) == (True, "localhost")
    codes = await page.run("[...document.querySelectorAll('main code')].map(each => each.innerText)")
    assert len(codes) == 10
    await sign_out(page)

    # Alone: no address, no password.
    await go(page, world, "/signin?next=/me/logins")
    await press(page, GET)
    await page.until("location.pathname == '/me/logins'")
    [kept] = await SecurityKeys(world.directory).of(await ivanov(world))
    assert kept.last_used > kept.created and kept.name == "laptop"
    await sign_out(page)

    # Beside the password.
    await go(page, world, "/signin")
    await sign_in(page)
    await page.until("location.pathname == '/signin/code'")
    await press(page, GET)
    await page.until("location.pathname == '/me'")

    # Removed, which takes the key once more.
    await go(page, world, "/me/keys")
    await press(page, GET)
    await page.click("form:has(input[value=remove]) button")
    await page.until("!document.querySelector('th[scope=row]')")
    assert await SecurityKeys(world.directory).of(await ivanov(world)) == []
    assert not page.errors

    await world.directory.auth.logins.flush()
    found = await world.store.read(lambda tx: logins.of(tx, kept.principal, 100))
    told = {(each.mechanism, each.admitted) for each in found if each.service == "web"}
    assert told == {("password", 1), ("passkey", 1), ("security key", 1)}


async def test_a_token_without_a_pin_is_for_beside_the_password(world: World, browser: Chromium) -> None:
    """A key of the old kind (U2F): it has neither memory nor a way to know its owner."""
    page = await opened(world, browser, "/me/keys")
    authenticator = await plug_in(
        page, protocol="u2f", transport="usb", hasResidentKey=False, hasUserVerification=False
    )
    await sign_in(page)
    await add(page, "token")
    [made] = await credentials(page, authenticator)
    assert made["isResidentCredential"] is False
    await sign_out(page)
    await go(page, world, "/signin")
    await sign_in(page)
    await page.until("location.pathname == '/signin/code'")
    await press(page, GET)
    await page.until("location.pathname == '/me'")
    assert not page.errors


async def test_a_key_that_was_copied(world: World, browser: Chromium) -> None:
    page = await opened(world, browser, "/me/keys")
    authenticator = await plug_in(page)
    await sign_in(page)
    await add(page, "laptop")
    await sign_out(page)
    await go(page, world, "/signin")
    [original] = await credentials(page, authenticator)
    await press(page, GET)
    await page.until("location.pathname == '/me'")
    await sign_out(page)
    await page.call(
        "WebAuthn.removeCredential", authenticatorId=authenticator, credentialId=original["credentialId"]
    )
    await page.call("WebAuthn.addCredential", authenticatorId=authenticator, credential=original)
    await go(page, world, "/signin")
    await press(page, GET)
    await page.until("document.body?.innerText.includes('This key could not sign in')")
    await page.call("Page.navigate", url=f"https://{HOSTNAME}:{world.ports['https']}/me")
    await page.until("location.pathname == '/signin'")


async def test_whoever_gives_up_is_told(tmp_path: Path, debian: Callable[..., None]) -> None:
    """No key answers in time: the page says so, and asks anew; the password works as ever."""
    debian("chromium")
    async with (
        World(tmp_path, settings={"webauthn": {"timeout": 30.0}}) as world,
        Chromium(tmp_path, trusted=world.path / "tls" / "server.crt") as browser,
    ):
        page = await opened(world, browser, "/signin")
        authenticator = await plug_in(page, automaticPresenceSimulation=False)
        await page.run("window.asked = 1")
        await press(page, GET)
        await page.until(f"!document.querySelector('{GET} [role=alert]').hidden")
        assert await credentials(page, authenticator) == []
        await press(page, GET)  # by now the page's question is over
        await page.until("window.asked === undefined && document.readyState == 'complete'")
        await page.until(VISIBLE.format(GET))
        await sign_in(page)
        await page.until("location.pathname == '/me'")


async def test_at_another_name_there_is_no_button(world: World, browser: Chromium) -> None:
    page = await opened(world, browser, "/signin", host="127.0.0.1")
    await page.until("document.readyState == 'complete'")
    assert await page.run(f"document.querySelector('{GET}').hidden")
