# SPDX-License-Identifier: Apache-2.0
"""The pages of people in Debian's Chromium: signing in, forms, codes; without script, in light and dark."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from armgs_server.directory import news
from tests.chromium import Chromium, Page
from tests.world import HOSTNAME, IVANOV, PASSWORD, World

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

FORMS = '[pass]\ntitle = "Pass"\nfields = [{name = "guest", title = "Guest"}]\n'
# WCAG 2.1 §1.4.3: the contrast of each text to what is behind it, the least of the page.
CONTRAST = """(() => {
  const parse = color => color.match(/[\\d.]+/g).map(Number);
  const light = color => {
    const [r, g, b] = color.map(value => value / 255).map(
      value => value <= 0.03928 ? value / 12.92 : Math.pow((value + 0.055) / 1.055, 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const found = parse(getComputedStyle(each).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found.slice(0, 3);
    }
    return [255, 255, 255];
  };
  let least = 21;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('.unseen, .skip')) continue;
    const [one, two] = [light(parse(getComputedStyle(element).color).slice(0, 3)), light(behind(element))];
    least = Math.min(least, (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05));
  }
  return least;
})()"""
# Every field and button has a name for who does not see it.
UNNAMED = """[...document.querySelectorAll(
  'input:not([type=hidden]), textarea, select, button, a, img')].filter(
  each => !(each.labels && each.labels.length) && !each.textContent.trim() && !each.alt
    && each.getAttribute('aria-label') === null).map(each => each.outerHTML)"""


@pytest.fixture
async def world(tmp_path: Path, debian: Callable[..., None]) -> AsyncIterator[World]:
    debian("chromium")
    async with World(tmp_path, settings={"http": {"forms": "forms.toml"}}) as world:
        (world.path / "forms.toml").write_text(FORMS)
        department, author = [await world.directory.by_address(each) for each in ("digital.example", IVANOV)]
        assert department is not None and author is not None
        await news.write(world.store, world.config, department, author, "A day off", "On Friday.", must=True)
        yield world


@pytest.fixture
async def browser(world: World, tmp_path: Path) -> AsyncIterator[Chromium]:
    async with Chromium(tmp_path, trusted=world.path / "tls" / "server.crt") as browser:
        yield browser


async def shows(page: Page, text: str) -> None:
    await page.until(f"document.body && document.body.innerText.includes({text!r})")


async def go(page: Page, world: World, path: str) -> None:
    await page.call("Page.navigate", url=f"https://{HOSTNAME}:{world.ports['https']}{path}")
    await page.until(f"location.pathname == {path!r} && document.readyState == 'complete'")


async def test_a_colleague_on_the_pages(world: World, browser: Chromium) -> None:
    page = await browser.open(f"https://{HOSTNAME}:{world.ports['https']}/?lang=en")
    await shows(page, "Connect to your workplace")
    assert await page.run("document.querySelector('details[open] summary').innerText.includes('Linux')")
    await page.click("a[href='/signin']")
    await page.type("#address", IVANOV)
    await page.type("#password", "wrong")
    await page.press_enter()
    await shows(page, "The address or the password is wrong.")
    await page.type("#password", PASSWORD)
    await page.press_enter()
    await shows(page, "What is connected")
    assert await page.run("document.cookie") == ""  # not for scripts
    await go(page, world, "/")
    await page.run("document.querySelectorAll('img').forEach(each => each.loading = 'eager')")
    await page.until("[...document.images].every(each => each.naturalWidth > 0) && document.images.length")
    # Forms of ours are taken, with what a browser says of where they come from.
    await go(page, world, "/me/devices")
    await page.type("#program", "phone")
    await page.press_enter()
    await page.until("!!document.querySelector('.secret')")
    await go(page, world, "/forms/pass")
    await page.type("[name=guest]", "Guest")
    await page.press_enter()
    await shows(page, "granted")
    await go(page, world, "/news")
    await page.click("article a")
    await page.click("form[action='/news'] button")
    await shows(page, "Read:")
    await page.click("form[action='/signout'] button")
    await shows(page, "Connect to your workplace")
    await page.call("Page.navigate", url=f"https://{HOSTNAME}:{world.ports['https']}/me")
    await shows(page, "Sign in")
    assert {each for each in page.errors if " 403 " not in each} == set()


async def test_light_and_dark_and_for_who_does_not_see(world: World, browser: Chromium) -> None:
    page = await browser.open(f"https://{HOSTNAME}:{world.ports['https']}/signin")
    await page.type("#address", IVANOV)
    await page.type("#password", PASSWORD)
    await page.press_enter()
    await page.until("location.pathname == '/me'")
    paths = (
        "/",
        "/me",
        "/me/devices",
        "/me/password",
        "/me/second-factor",
        "/me/keys",
        "/me/absence",
        "/me/space",
        "/me/logins",
        "/me/rights",
        "/links",
        "/news",
        "/forms",
        "/forms/pass",
        "/people",
        "/rooms",
    )
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        await page.call("Emulation.setEmulatedMedia", features=[feature])
        for path in paths:
            await go(page, world, path)
            assert await page.run(CONTRAST) >= 4.5, (scheme, path)
            assert await page.run(UNNAMED) == [], path
            assert await page.run("document.querySelectorAll('h1').length") == 1, path
            width = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            assert await page.run(width), path
