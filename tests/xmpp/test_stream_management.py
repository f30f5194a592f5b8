# SPDX-License-Identifier: Apache-2.0
"""XEP-0198 and XEP-0352: acknowledgement, loss, resumption, and clients that ask for less."""

from __future__ import annotations

from pathlib import Path

from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import NAMESPACES, Client, chat, find, text
from tests.xmpp.conftest import LogIn


async def resume(world: World, old: Client, previous: str, handled: int) -> Client:
    """A new connection that goes on with the session of the old one."""
    client = Client(world, old.jid)
    await client.connect()
    await client.open()
    await client.authenticate()
    await client.open()
    client.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{previous}' h='{handled}'/>")
    client.full = old.full
    return client


async def test_counts_only_what_was_handled(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await ivanov.enable_sm()
    ivanov.send("<r xmlns='urn:xmpp:sm:3'/>")
    assert (await ivanov.receive("sm:a")).get("h") == "0"
    ivanov.send(chat(PETROVA, "1") + "<presence/>" + chat(PETROVA, "2") + "<r xmlns='urn:xmpp:sm:3'/>")
    assert (await ivanov.receive("sm:a")).get("h") == "3"
    await petrova.message("2")


async def test_dropped_connection_loses_nothing(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    petrova = await log_in(PETROVA, "phone")
    previous = await petrova.enable_sm()
    ivanov.send(chat(PETROVA, "seen"))
    await petrova.message("seen")
    ivanov.send(chat(PETROVA, "on its way"))
    await petrova.disconnect()
    ivanov.send(chat(PETROVA, "while away"))
    await ivanov.settle()
    async with await resume(world, petrova, previous, 1) as again:
        resumed = await again.receive("sm:resumed")
        assert resumed.get("previd") == previous
        assert [text(await again.message(), "c:body") for _ in range(2)] == ["on its way", "while away"]
        ivanov.send(chat(PETROVA, "back"))
        await again.message("back")
    # Nobody saw the phone leave.
    assert not [stanza for stanza in await ivanov.settle() if stanza.get("type") == "unavailable"]


async def test_resume_takes_the_session_from_a_stream_that_still_stands(world: World, log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA, "phone")
    previous = await petrova.enable_sm()
    petrova.send(chat(IVANOV, "1") + chat(IVANOV, "2"))
    await ivanov.message("2")
    async with await resume(world, petrova, previous, 0) as again:
        assert (await again.receive("sm:resumed")).get("h") == "2"
        error = await petrova.receive("stream:error")
        assert error.find("streams:conflict", NAMESPACES) is not None
        ivanov.send(chat(PETROVA, "to the new stream"))
        await again.message("to the new stream")


async def test_nobody_resumes_another_s_session(world: World, log_in: LogIn) -> None:
    petrova = await log_in(PETROVA)
    previous = await petrova.enable_sm()
    ivanov = await log_in(IVANOV, online=False)
    stranger = await resume(world, ivanov, previous, 0)
    failed = await stranger.receive("sm:failed")
    assert failed.find("stanzas:item-not-found", NAMESPACES) is not None
    await stranger.bind()  # the stream goes on
    await stranger.disconnect()


async def test_too_high_count_ends_the_stream(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await ivanov.enable_sm()
    ivanov.send("<a xmlns='urn:xmpp:sm:3' h='7'/>")
    error = await ivanov.receive("stream:error")
    assert find(error, "sm:handled-count-too-high").get("h") == "7"


async def test_expired_session_leaves_its_messages_to_the_next(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"xmpp": {"resume_time": 0.2}}) as world:
        ivanov, petrova = Client(world, IVANOV), Client(world, PETROVA, "phone")
        for client in (ivanov, petrova):
            await client.log_in()
            await client.go_online()
        await petrova.enable_sm()
        await petrova.disconnect()
        ivanov.send(chat(PETROVA, "kept"))
        await ivanov.presence_of(petrova.full, "unavailable")
        later = await Client(world, PETROVA, "desk").log_in()
        later.send("<presence/>")
        message = await later.message("kept")
        assert find(message, "delay:delay") is not None
        await later.disconnect()
        await ivanov.disconnect()


async def test_closed_stream_is_not_resumable(world: World, log_in: LogIn) -> None:
    petrova = await log_in(PETROVA)
    previous = await petrova.enable_sm()
    await petrova.close()
    async with await resume(world, petrova, previous, 0) as again:
        failed = await again.receive("sm:failed")
        assert failed.find("stanzas:item-not-found", NAMESPACES) is not None


async def test_inactive_client_gets_only_what_matters(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await petrova.settle()
    petrova.send("<inactive xmlns='urn:xmpp:csi:0'/>")
    await petrova.settle()
    for show in ("away", "xa", "dnd"):
        ivanov.send(f"<presence><show>{show}</show></presence>")
    state = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    ivanov.send(f"<message type='chat' to='{PETROVA}'>{state}</message>")
    await ivanov.settle()
    assert not petrova.stanzas
    ivanov.send(chat(PETROVA, "important"))
    await petrova.message("important")
    shows = [stanza.findtext("c:show", None, NAMESPACES) for stanza in petrova.stanzas]
    assert shows == ["dnd"]
    petrova.stanzas.clear()
    ivanov.send("<presence/>")
    await ivanov.settle()
    petrova.send("<active xmlns='urn:xmpp:csi:0'/>")
    await petrova.presence_of(ivanov.full)


async def test_system_shutdown_is_told(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await world.stop()
    error = await ivanov.receive("stream:error")
    assert error.find("streams:system-shutdown", NAMESPACES) is not None
