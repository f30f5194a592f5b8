# SPDX-License-Identifier: Apache-2.0
"""One's own devices: seen, and shut out (XEP-0494)."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from xml.etree.ElementTree import Element

from armgs_server.directory.oauth_model import Consent
from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import NAMESPACES, Client, error_of, find, text
from tests.xmpp.sasl2_client import BIND, LAPTOP, WANTS_TOKEN, Modern, condition, hashed, plain
from tests.xmpp.workers import SETTINGS, Workers

LIST = "<list xmlns='urn:xmpp:cam:0'/>"


async def clients_of(client: Client) -> dict[str, Element]:
    """What is listed, by the name of the device."""
    answer = await client.iq(LIST)
    each = find(answer, "cam:clients").findall("cam:client", NAMESPACES)
    return {text(one, "cam:user-agent/cam:device") + one.get("type", ""): one for one in each}


def revoke(id_: str) -> str:
    return f"<revoke xmlns='urn:xmpp:cam:0' id='{id_}'/>"


def methods(listed: Element) -> list[str]:
    return [each.tag.rpartition("}")[2] for each in find(listed, "cam:auth")]


async def app_password(world: World, name: str) -> str:
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    return await world.directory.add_app_password(person.id, name)


async def test_what_is_listed(world: World) -> None:
    await app_password(world, "Tablet")
    phone, petrova = Modern(world, IVANOV), Modern(world, PETROVA)
    await petrova.log_in()
    client, _ = await phone.log_in()
    listed = await clients_of(client)
    assert set(listed) == {"Nokiasession", "Tabletaccess"}
    mine = listed["Nokiasession"]
    assert (mine.get("connected"), text(mine, "cam:user-agent/cam:software")) == ("true", "Test")
    assert methods(mine) == ["password", "fast"]
    assert find(mine, "cam:permission").get("status") == "unrestricted"
    assert text(mine, "cam:first-seen").endswith("Z") and text(mine, "cam:last-seen").endswith("Z")
    assert methods(listed["Tabletaccess"]) == ["grant"]
    assert phone.agent is not None and phone.agent not in repr([each.attrib for each in listed.values()])
    await phone.close()
    await petrova.close()


async def test_an_app_password_is_revoked_with_its_device(world: World) -> None:
    phone, laptop = Modern(world, IVANOV), Modern(world, IVANOV, LAPTOP)
    password = await app_password(world, "phone")
    stolen, _ = await phone.log_in(password=password)
    mine, _ = await laptop.log_in()
    thief = (await clients_of(stolen))["Nokiasession"]
    found = [each for each in (await mine.iq(LIST))[0] if methods(each) == ["grant", "fast"]]
    assert [each.get("id") for each in found] != [thief.get("id")] or found[0].get("connected") == "true"
    answer = await mine.iq(revoke(found[0].get("id", "")), "set")
    assert answer.get("type") == "result"
    await stolen.receive("stream:error")
    await stolen.wait_end()
    assert condition((await phone.return_())[1]) == "not-authorized"
    assert condition((await phone.log_in(password=password))[1]) == "not-authorized"
    assert (await laptop.return_())[1].tag.endswith("}success")
    await phone.close()
    await laptop.close()


async def test_who_knows_the_password_is_not_shut_out_for_good(world: World) -> None:
    phone, laptop = Modern(world, IVANOV), Modern(world, IVANOV, LAPTOP)
    stolen, _ = await phone.log_in()
    mine, _ = await laptop.log_in()
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    devices, _ = await world.directory.auth.tokens.devices(person.id)
    id_ = next(each.id for each in devices if each.id != devices[0].id)  # the one seen first
    answer = await mine.iq(revoke(id_), "set")
    assert error_of(answer) == "service-unavailable"
    assert find(answer, "c:error/cam:password-reset-required") is not None
    await stolen.receive("stream:error")  # its sessions and tokens are gone all the same
    assert condition((await phone.return_())[1]) == "not-authorized"
    assert (await phone.log_in())[1].tag.endswith("}success")
    await phone.close()
    await laptop.close()


async def test_nobody_revokes_what_is_not_there(world: World) -> None:
    phone, petrova = Modern(world, IVANOV), Modern(world, PETROVA)
    _, _ = await phone.log_in()
    client, _ = await petrova.log_in()
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    (device,), _ = await world.directory.auth.tokens.devices(person.id)
    for id_ in (device.id, "app:Tablet", "", "x"):
        assert error_of(await client.iq(revoke(id_), "set")) == "item-not-found"
    assert error_of(await client.iq(LIST, to=IVANOV)) == "service-unavailable"
    assert (await phone.return_())[1].tag.endswith("}success")
    await phone.close()
    await petrova.close()


async def test_a_device_revokes_itself(world: World) -> None:
    phone = Modern(world, IVANOV)
    password = await app_password(world, "phone")
    client, _ = await phone.log_in(password=password)
    id_ = (await clients_of(client))["Nokiasession"].get("id", "")
    client.send(f"<iq type='set' id='r'>{revoke(id_)}</iq>")
    await client.wait_end()
    assert condition((await phone.return_())[1]) == "not-authorized"
    await phone.close()


async def test_forgotten_after_a_long_time(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"security": {"device_lifetime": 60.0}}) as world:
        phone, laptop = Modern(world, IVANOV), Modern(world, IVANOV, LAPTOP)
        await phone.log_in(BIND)
        await world.store.write(lambda tx: tx.execute("UPDATE device SET last_seen = 1"))
        client, _ = await laptop.log_in(BIND)
        assert len(find(await client.iq(LIST), "cam:clients")) == 1
        assert await world.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM device")) == 1
        await phone.close()
        await laptop.close()


async def test_on_two_workers(tmp_path: Path) -> None:
    """A device is one device, and is shut out, whichever worker it is connected to."""
    async with World(tmp_path, process=True, settings=SETTINGS) as world, Workers(world) as workers:
        here, there = workers.pids
        phone, laptop = Modern(world, IVANOV), Modern(world, IVANOV, LAPTOP)
        first = await workers.connected(here, IVANOV)
        await phone.ask(first, "PLAIN", plain(IVANOV), BIND + WANTS_TOKEN)
        second = await workers.connected(there, IVANOV)
        use = "<fast xmlns='urn:xmpp:fast:0'/>"
        await phone.ask(second, phone.mechanism, hashed(IVANOV, phone.token), use + BIND)
        assert second.full == first.full
        await first.receive("stream:error")  # its place was taken, in another process
        mine = await workers.connected(here, IVANOV)
        await laptop.ask(mine, "PLAIN", plain(IVANOV), BIND)
        listed = find(await mine.iq(LIST), "cam:clients")
        assert [each.get("connected") for each in listed] == ["true", "true"]
        thief = next(each for each in listed if "fast" in methods(each))
        await mine.iq(revoke(thief.get("id", "")), "set")
        await second.receive("stream:error")
        again = await workers.connected(there, IVANOV)
        answer = await phone.ask(again, phone.mechanism, hashed(IVANOV, phone.token), use)
        assert condition(answer) == "not-authorized"


async def test_programs_let_in_by_oauth_are_listed_and_shut_out(world: World) -> None:
    """A chat program that has logged in by a token goes with the grant, its own token for chat included."""
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    oauth = world.directory.auth.oauth
    program = oauth.clients.register({"client_name": "Web chat", "redirect_uris": ["http://127.0.0.1/"]})
    verifier, place = "v" * 43, "http://127.0.0.1:5000/"
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    code = await oauth.consent(person, Consent(program, place, "chat", challenge, "", 0))
    issued = await oauth.redeem(program, code, place, verifier)
    laptop, phone = Modern(world, IVANOV, LAPTOP), Modern(world, IVANOV)
    mine, _ = await laptop.log_in()
    listed = await clients_of(mine)
    assert methods(listed["Web chataccess"]) == ["grant"]
    shown = f"n,,\1auth=Bearer {issued.access}\1\1".encode()
    client = await phone.connect()
    answer = await phone.ask(client, "OAUTHBEARER", shown, BIND + WANTS_TOKEN)
    assert answer.tag.endswith("}success")
    assert ["grant", "fast"] in [methods(each) for each in (await mine.iq(LIST))[0]]
    id_ = (await clients_of(mine))["Web chataccess"].get("id", "")
    assert (await mine.iq(revoke(id_), "set")).get("type") == "result"
    await client.receive("stream:error")
    await client.wait_end()
    assert condition((await phone.return_())[1]) == "not-authorized"
    assert "Web chataccess" not in await clients_of(mine)
    assert error_of(await mine.iq(revoke(id_), "set")) == "item-not-found"
    await laptop.close()


async def test_a_token_got_by_an_app_password_goes_with_it(world: World) -> None:
    phone, laptop = Modern(world, IVANOV), Modern(world, IVANOV, LAPTOP)
    theirs, _ = await phone.log_in(password=await app_password(world, "phone"))
    mine, _ = await laptop.log_in()
    assert (await mine.iq(revoke("app:phone"), "set")).get("type") == "result"
    await theirs.receive("stream:error")
    await theirs.wait_end()
    assert condition((await phone.return_())[1]) == "not-authorized"
    await laptop.close()
