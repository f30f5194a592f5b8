# SPDX-License-Identifier: Apache-2.0
"""XMPP with the clients Debian has: go-sendxmpp, profanity and mcabber in a terminal, nbxmpp of Gajim."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.world import HOSTNAME, IVANOV, PASSWORD, PETROVA, World
from tests.xmpp.client import Client, chat

pytestmark = pytest.mark.peer

TIMEOUT = 30.0
ROOM = "otdel@conference.digital.example"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


@pytest.fixture
async def petrova(world: World) -> AsyncIterator[Client]:
    async with Client(world, PETROVA, "watcher") as client:
        await client.log_in()
        yield await client.go_online()


async def run(*command: str, cwd: Path, env: dict[str, str], stdin: str = "") -> str:
    """What it printed; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(cwd), **env},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(stdin.encode()), TIMEOUT)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    text = output.decode(errors="replace")
    assert process.returncode == 0, text
    return text


class Terminal:
    """A program in a tmux of its own."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.env = env
        self.socket = str(folder / "tmux")

    async def tmux(self, *arguments: str) -> str:
        return await run("tmux", "-S", self.socket, *arguments, cwd=self.folder, env=self.env)

    async def start(self, command: str) -> None:
        await self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "50", command)

    async def type(self, line: str) -> None:
        await self.tmux("send-keys", "-l", line)
        await self.tmux("send-keys", "Enter")

    async def screen(self) -> str:
        return await self.tmux("capture-pane", "-p")

    async def shows(self, text: str) -> None:
        """Returns when the screen shows it."""
        screen = ""
        try:
            async with asyncio.timeout(TIMEOUT):
                while text not in (screen := await self.screen()):
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"{text!r} is not shown on\n{screen}") from None

    async def stop(self) -> None:
        """Ends the program, unless it has ended by itself and tmux with it."""
        command = ("tmux", "-S", self.socket, "kill-server")
        quiet = asyncio.subprocess.DEVNULL
        ending = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
        await asyncio.wait_for(ending.wait(), TIMEOUT)


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    folder = tmp_path / "home"
    folder.mkdir()
    names = {"XDG_CONFIG_HOME": "config", "XDG_DATA_HOME": "data", "XDG_CACHE_HOME": "cache"}
    terminal = Terminal(folder, {name: str(folder / path) for name, path in names.items()})
    yield terminal
    await terminal.stop()


def send_xmpp(world: World, jid: str, *arguments: str, direct: bool = False) -> list[str]:
    port = world.ports["xmpps" if direct else "xmpp"]
    tls = ["--tls"] if direct else []
    return ["go-sendxmpp", "-u", jid, "-p", PASSWORD, "-j", f"{HOSTNAME}:{port}", *tls, *arguments]


@pytest.mark.parametrize("direct", [False, True])
async def test_go_sendxmpp_sends(
    debian: Callable[..., None], world: World, petrova: Client, tmp_path: Path, direct: bool
) -> None:
    debian("go-sendxmpp")
    command = send_xmpp(world, IVANOV, PETROVA, direct=direct)
    await run(*command, cwd=tmp_path, env={"SSL_CERT_FILE": str(world.ca)}, stdin="Отчёт готов\n")
    message = await petrova.message()
    assert (message.findtext("{jabber:client}body") or "").strip() == "Отчёт готов"
    assert message.get("from", "").startswith(f"{IVANOV}/")


async def test_go_sendxmpp_refuses_a_certificate_nobody_signed(
    debian: Callable[..., None], world: World, petrova: Client, tmp_path: Path
) -> None:
    debian("go-sendxmpp")
    with pytest.raises(AssertionError, match="certificate"):
        await run(*send_xmpp(world, IVANOV, PETROVA), cwd=tmp_path, env={}, stdin="secret\n")
    assert not [stanza for stanza in await petrova.settle() if stanza.tag.endswith("message")]


async def test_go_sendxmpp_listens(debian: Callable[..., None], world: World, petrova: Client) -> None:
    debian("go-sendxmpp")
    process = await asyncio.create_subprocess_exec(
        *send_xmpp(world, IVANOV, "-l"),
        env={**os.environ, "SSL_CERT_FILE": str(world.ca), "HOME": str(world.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        await petrova.receive("c:presence", lambda each: each.get("from", "").startswith(IVANOV))
        petrova.send(chat(IVANOV, "слышно?"))
        line = await asyncio.wait_for(process.stdout.readline(), TIMEOUT)
        assert "слышно?" in line.decode()
    finally:
        process.kill()
        await process.wait()


async def test_go_sendxmpp_speaks_in_a_room(
    debian: Callable[..., None], world: World, petrova: Client, tmp_path: Path
) -> None:
    debian("go-sendxmpp")
    await open_room(petrova)
    command = send_xmpp(world, IVANOV, "-c", "-a", "bot", ROOM)
    await run(*command, cwd=tmp_path, env={"SSL_CERT_FILE": str(world.ca)}, stdin="Сборка прошла\n")
    message = await petrova.receive("c:message", lambda each: each.get("from") == f"{ROOM}/bot")
    assert (message.findtext("{jabber:client}body") or "").strip() == "Сборка прошла"


async def open_room(client: Client) -> None:
    """Makes the room and unlocks it with the default configuration."""
    client.send(f"<presence to='{ROOM}/Анна'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    await client.presence_of(f"{ROOM}/Анна")
    form = "<x xmlns='jabber:x:data' type='submit'/>"
    query = f"<query xmlns='http://jabber.org/protocol/muc#owner'>{form}</query>"
    assert (await client.iq(query, "set", to=ROOM)).get("type") == "result"


def profanity_account(world: World, terminal: Terminal) -> None:
    folder = terminal.folder / "data" / "profanity"
    folder.mkdir(parents=True)
    (folder / "accounts").write_text(
        f"[{IVANOV}]\nenabled=true\njid={IVANOV}\nserver={HOSTNAME}\nport={world.ports['xmpp']}\n"
        f"password={PASSWORD}\ntls.policy=trust\nresource=profanity\nmuc.nick=Иванов\n"
    )
    config = terminal.folder / "config" / "profanity"
    config.mkdir(parents=True)
    (config / "profrc").write_text("[ui]\nsplash=false\n[logging]\nrotate=false\n")


async def test_profanity(
    debian: Callable[..., None], world: World, petrova: Client, terminal: Terminal
) -> None:
    debian("profanity", "tmux")
    profanity_account(world, terminal)
    await terminal.start(f"profanity -a {IVANOV}")
    await petrova.presence_of(f"{IVANOV}/profanity")
    await terminal.type(f"/msg {PETROVA} Привет из терминала")
    message = await petrova.message("Привет из терминала")
    assert message.get("from") == f"{IVANOV}/profanity"
    petrova.send(chat(message.get("from", ""), "И тебе"))
    await terminal.shows("И тебе")
    await open_room(petrova)
    await terminal.type(f"/join {ROOM}")
    await petrova.presence_of(f"{ROOM}/Иванов")
    await terminal.type("слышно ли меня в комнате")
    await petrova.message("слышно ли меня в комнате")
    petrova.send(f"<message to='{ROOM}' type='groupchat'><body>слышно</body></message>")
    await terminal.shows("слышно")
    await terminal.type("/quit")
    await petrova.presence_of(f"{IVANOV}/profanity", "unavailable")


async def test_mcabber(
    debian: Callable[..., None], world: World, petrova: Client, terminal: Terminal
) -> None:
    debian("mcabber", "tmux")
    rc = terminal.folder / "mcabberrc"
    rc.write_text(
        f"set jid = {IVANOV}\nset password = {PASSWORD}\nset server = {HOSTNAME}\n"
        f"set port = {world.ports['xmpp']}\nset resource = mcabber\nset tls = 1\nset ssl_ignore_checks = 1\n"
        f"set default_channel = {ROOM}\nset nickname = mc\n"
    )
    rc.chmod(0o600)
    await terminal.start(f"mcabber -f {rc}")
    # mcabber adds a random part to the resource.
    await petrova.receive("c:presence", lambda each: each.get("from", "").startswith(f"{IVANOV}/mcabber."))
    await terminal.type(f"/say_to {PETROVA} hello from mcabber")
    message = await petrova.message("hello from mcabber")
    assert message.get("type") == "chat"
    petrova.send(chat(message.get("from", ""), "seen"))
    await terminal.shows("Петрова")


async def test_gajims_engine(
    debian: Callable[..., None], world: World, petrova: Client, tmp_path: Path
) -> None:
    debian("python3-nbxmpp")
    script = Path(__file__).with_name("nbxmpp_client.py")
    command = ["/usr/bin/python3", str(script), IVANOV, PASSWORD, str(world.ports["xmpp"]), PETROVA]
    running = asyncio.ensure_future(run(*command, cwd=tmp_path, env={}))
    message = await petrova.message("Привет от nbxmpp")
    petrova.send(chat(message.get("from", ""), "И тебе"))
    lines = (await running).splitlines()
    assert "connected True True" in lines
    assert f"roster {PETROVA}:both" in lines
    assert "archive True events True" in lines
    assert lines[-1] == "message И тебе"
