# SPDX-License-Identifier: Apache-2.0
"""Converse.js in Debian's Chromium, as the start page offers it: log in, chat, room, upload, history."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from armgs_server.portal import converse
from armgs_server.portal.webchat import FOLDER
from tests import npm
from tests.chromium import Chromium, Page
from tests.world import HOSTNAME, IVANOV, PASSWORD, PETROVA, World
from tests.xmpp.client import Client, chat

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

ROOM = "otdel@conference.digital.example"
_TEXTS = "[...document.querySelectorAll('.chat-msg__text')].map(text => text.innerText.trim())"
# Its "About" window shows pictures from its makers' site; the policy of the page keeps them out.
_MAKERS = "conversejs.org"


@pytest.fixture
async def world(tmp_path: Path, debian: Callable[..., None]) -> AsyncIterator[World]:
    debian("chromium")
    npm.need_node(debian)
    archive = npm.pack(f"converse.js@{converse.VERSION}")
    async with World(tmp_path) as world:
        converse.install(archive, world.config.data_dir / FOLDER)
        yield world


@pytest.fixture
async def browser(world: World, tmp_path: Path) -> AsyncIterator[Chromium]:
    async with Chromium(tmp_path, trusted=world.path / "tls" / "server.crt") as browser:
        yield browser


@pytest.fixture
async def petrova(world: World) -> AsyncIterator[Client]:
    async with Client(world, PETROVA, "watcher") as client:
        await client.log_in()
        yield await client.go_online()


async def log_in(world: World, browser: Chromium) -> Page:
    """From the start page into the chat, in Russian."""
    page = await browser.open(f"https://{HOSTNAME}:{world.ports['https']}/?lang=ru")
    await page.click("a[href^='/chat/']")
    await page.type("input[name=jid]", IVANOV)
    await page.type("input[name=password]", PASSWORD)
    await page.press_enter()
    await page.until("document.body.innerText.includes('Петрова Анна')")
    return page


async def open_chat(page: Page, kind: str, jid: str) -> None:
    await page.run(f"location.hash = '#converse/{kind}?jid={jid}'")
    await page.until("!!document.querySelector('textarea.chat-textarea')")


async def say(page: Page, text: str) -> None:
    await page.type("textarea.chat-textarea", text)
    await page.press_enter()


async def test_a_person_chats_in_the_browser(world: World, browser: Chromium, petrova: Client) -> None:
    page = await log_in(world, browser)
    await petrova.receive("c:presence", lambda presence: (presence.get("from") or "").startswith(IVANOV))
    await open_chat(page, "chat", PETROVA)
    await say(page, "Добрый день")
    message = await petrova.message("Добрый день")
    petrova.send(chat(message.get("from", ""), "И Вам"))
    await page.until(_TEXTS, lambda texts: texts == ["Добрый день", "И Вам"])
    # Another browser finds it in the archive.
    other = await log_in(world, browser)
    await open_chat(other, "chat", PETROVA)
    await other.until(_TEXTS, lambda texts: texts == ["Добрый день", "И Вам"])
    assert not {error for error in page.errors | other.errors if _MAKERS not in error}


_BOSH = """
(async () => {
  const { default: converse } = await import("/chat/dist/converse.min.js");
  const { Strophe, $msg, $pres, stx } = converse.env;
  const connection = new Strophe.Connection("/http-bind");
  window.heard = [];
  await new Promise((resolve, reject) => connection.connect(%r, %r, (status) => {
    if (status === Strophe.Status.CONNECTED) resolve();
    if ([Strophe.Status.AUTHFAIL, Strophe.Status.CONNFAIL, Strophe.Status.ERROR].includes(status))
      reject(new Error(String(status)));
  }));
  connection.addHandler((message) => {
    window.heard.push(message.querySelector("body")?.textContent);
    return true;
  }, null, "message");
  connection.send($pres());
  connection.send($msg({ to: %r, type: "chat" }).c("body").t("Через BOSH"));
  window.leave = () => connection.disconnect();
  return connection._proto.constructor.name + " " + connection.jid;
})()
"""


async def test_strophe_over_bosh(world: World, browser: Chromium, petrova: Client) -> None:
    """The library in Converse.js, where something on the way does not let WebSocket through."""
    page = await browser.open(f"https://{HOSTNAME}:{world.ports['https']}/chat/")
    jid = await page.run(_BOSH % (f"{IVANOV}/bosh", PASSWORD, PETROVA))
    assert jid.endswith(f"{IVANOV}/bosh")
    message = await petrova.message("Через BOSH")
    assert message.get("from") == f"{IVANOV}/bosh"
    petrova.send(chat(f"{IVANOV}/bosh", "Слышно"))
    await page.until("window.heard", lambda heard: heard == ["Слышно"])
    await page.run("window.leave()")
    await petrova.presence_of(f"{IVANOV}/bosh", "unavailable")


async def test_a_room_and_a_file_in_the_browser(
    world: World, browser: Chromium, petrova: Client, tmp_path: Path
) -> None:
    petrova.send(f"<presence to='{ROOM}/Анна'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    await petrova.presence_of(f"{ROOM}/Анна")
    form = "<x xmlns='jabber:x:data' type='submit'/>"
    await petrova.iq(f"<query xmlns='http://jabber.org/protocol/muc#owner'>{form}</query>", "set", ROOM)
    page = await log_in(world, browser)
    await open_chat(page, "room", ROOM)
    await petrova.presence_of(f"{ROOM}/ivanov")
    await say(page, "Всем привет")
    await petrova.message("Всем привет")
    petrova.send(f"<message type='groupchat' to='{ROOM}'><body>Привет</body></message>")
    await page.until(_TEXTS, lambda texts: texts[-2:] == ["Всем привет", "Привет"])
    report = tmp_path / "report.txt"
    report.write_text("Отчёт")
    await page.choose_file("input.fileupload", report)
    shared = await petrova.receive(
        "c:message", lambda message: "/upload/" in (message.findtext("{jabber:client}body") or "")
    )
    url = shared.findtext("{jabber:client}body") or ""
    assert await page.run(f"fetch({url!r}).then(answer => answer.text())") == "Отчёт"
    assert not {error for error in page.errors if _MAKERS not in error}
