# SPDX-License-Identifier: Apache-2.0
"""One morning of two colleagues, over the wire with real client libraries, on both engines.

Mail to a group seen by two idling clients, a chat whose phone drops and resumes, a meeting found by sync,
a locked file; then kill -9 in the middle of writing, and everything acknowledged is there.
"""

from __future__ import annotations

import asyncio
import smtplib
import threading
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import caldav
import pytest
from imapclient import IMAPClient

from armgs_server.directory import Directory
from armgs_server.directory.access import Rights, put_grant
from armgs_server.storage import Store, collections
from armgs_server.storage.tx import Tx
from tests import dav_requests
from tests.chat_client import ChatClient
from tests.world import HOST, IVANOV, PASSWORD, PETROVA, SIDOROV, World

GROUP = "project@digital.example"
WAIT = 20.0
MEETING = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example//story//RU
BEGIN:VEVENT
UID:meeting-1@digital.example
DTSTAMP:20261122T080000Z
DTSTART:20261123T090000Z
DTEND:20261123T100000Z
SUMMARY:Совещание по проекту
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture
async def world(tmp_path: Path, store_url: str) -> AsyncIterator[World]:
    async with World(tmp_path, process=True, store_url=store_url) as world:
        await prepare(world)
        yield world


async def prepare(world: World) -> None:
    """What an administrator did the day before: a group, and a calendar that petrova may read."""
    config = world.config
    store = await Store.open(config.store.url, config.data_dir, visiting=True)
    directory = await Directory.open(store, config)
    people = [await directory.by_address(address) for address in (PETROVA, SIDOROV)]
    await directory.create_group(GROUP, "Проект", [person.id for person in people if person])
    ivanov = await directory.by_address(IVANOV)
    assert ivanov is not None and people[0] is not None

    async def share(tx: Tx, owner: int = ivanov.id, grantee: int = people[0].id) -> None:
        calendar = await collections.by_role(tx, owner, "calendar", "default")
        assert calendar is not None
        await put_grant(tx, calendar, grantee, Rights.LOOKUP | Rights.READ)

    await store.write(share)
    await directory.close()
    await store.close()


def send(world: World, sender: str, recipients: list[str], subject: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ", ".join(recipients), subject
    message.set_content("Добрый день!")
    with smtplib.SMTP(HOST, world.ports["submission"], timeout=WAIT) as client:
        client.login(sender, PASSWORD)
        client.send_message(message)


def inbox(world: World, user: str) -> IMAPClient:
    client = IMAPClient(HOST, world.ports["imap"], ssl=False, timeout=WAIT)
    client.login(user, PASSWORD)
    client.select_folder("INBOX")
    return client


class Idler:
    """A client that idles in a thread until it hears a given untagged response."""

    def __init__(self, client: IMAPClient, response: bytes) -> None:
        self.heard = threading.Event()
        self._client = client
        client.idle()
        self._thread = threading.Thread(target=self._listen, args=(response,), daemon=True)
        self._thread.start()

    def _listen(self, response: bytes) -> None:
        for _ in range(int(WAIT)):
            if any(response in each for each in self._client.idle_check(timeout=1)):
                self.heard.set()
                return

    def wait(self) -> None:
        self._thread.join(WAIT + 5)
        assert self.heard.is_set()
        self._client.idle_done()


def read_mail(world: World) -> None:
    """ivanov mails petrova and the group; she idles on two connections and moves the mail on one."""
    phone, desktop = inbox(world, PETROVA), inbox(world, PETROVA)
    idlers = [Idler(phone, b"EXISTS"), Idler(desktop, b"EXISTS")]
    send(world, IVANOV, [PETROVA, GROUP], "План на неделю")
    for idler in idlers:
        idler.wait()
    [message] = phone.search(["SUBJECT", "План"], "UTF-8")
    moving = Idler(desktop, b"EXPUNGE")
    phone.move([message], "Archive")
    moving.wait()
    assert desktop.search("ALL") == [] and phone.select_folder("Archive")[b"EXISTS"] == 1
    colleague = inbox(world, SIDOROV)
    assert len(colleague.search("ALL")) == 1  # by way of the group
    for client in (phone, desktop, colleague):
        client.logout()


async def chat(world: World) -> None:
    """petrova writes to ivanov on two devices; one drops, misses nothing and sends nothing twice."""
    phone, desktop, petrova = (
        ChatClient(world, f"{IVANOV}/phone"),
        ChatClient(world, f"{IVANOV}/desktop"),
        ChatClient(world, f"{PETROVA}/desk"),
    )
    for client in (phone, desktop, petrova):
        await client.online()
    petrova.say(IVANOV, "первое")
    await phone.hears("первое")
    await desktop.hears("первое")
    phone.drop()
    petrova.say(IVANOV, "второе")
    await desktop.hears("второе")
    await phone.resume()
    petrova.say(IVANOV, "третье")
    await phone.hears("третье")
    await desktop.hears("третье")
    assert phone.heard == ["первое", "второе", "третье"] == desktop.heard
    for client in (phone, desktop, petrova):
        await client.offline()


def calendar_of(world: World, user: str) -> caldav.Calendar:
    client = caldav.DAVClient(world.url("/dav/"), username=user, password=PASSWORD, timeout=WAIT)
    return client.calendar(url=world.url(f"/dav/calendars/{IVANOV}/default/"))


def meet(world: World) -> None:
    """ivanov puts a meeting; petrova's client, which knew the calendar, finds it by sync-collection."""
    seen = calendar_of(world, PETROVA).objects_by_sync_token(load_objects=True)
    assert list(seen) == []
    calendar_of(world, IVANOV).save_event(MEETING)
    updated, deleted = seen.sync()
    assert [each.icalendar_component["SUMMARY"] for each in updated] == ["Совещание по проекту"]
    assert list(deleted) == []
    with pytest.raises(caldav.lib.error.AuthorizationError):
        calendar_of(world, PETROVA).save_event(MEETING.replace("meeting-1", "meeting-2"))


def share_file(world: World) -> None:
    """A file in the department's folder: petrova locks it, ivanov's overwrite is refused."""
    ivanov, petrova = dav_requests.Client(world, IVANOV), dav_requests.Client(world, PETROVA)
    path = "/dav/files/shared/plan.txt"
    assert ivanov.request("PUT", path, b"one").status == 201
    assert petrova.request("GET", path).body == b"one"
    locked = petrova.request("LOCK", path, dav_requests.LOCK)
    assert locked.status == 200
    assert ivanov.request("PUT", path, b"two").status == 423
    token = locked.headers["lock-token"]
    assert petrova.request("PUT", path, b"three", {"If": f"({token})"}).status == 204
    assert petrova.request("UNLOCK", path, headers={"Lock-Token": token}).status == 204
    assert ivanov.request("PUT", path, b"four").status == 204
    assert dav_requests.Client(world, SIDOROV).request("GET", path).status == 404  # not his department


async def test_a_morning(world: World) -> None:
    await asyncio.to_thread(read_mail, world)
    await chat(world)
    await asyncio.to_thread(meet, world)
    await asyncio.to_thread(share_file, world)


class Writers:
    """Writes over every protocol until the server dies; remembers what was acknowledged."""

    def __init__(self, world: World, round_: int) -> None:
        self.world = world
        self.round = round_
        self.acknowledged: dict[str, list[str]] = {"smtp": [], "imap": [], "dav": [], "caldav": []}

    def start(self) -> list[threading.Thread]:
        threads = [
            threading.Thread(target=self._until_dead, args=(write,), daemon=True)
            for write in (self._smtp, self._imap, self._dav, self._caldav)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _until_dead(self, write: Any) -> None:
        try:
            for number in range(100_000):
                write(f"{self.round}-{number}")
        except (OSError, smtplib.SMTPException, IMAPClient.Error):
            return

    def _smtp(self, name: str) -> None:
        send(self.world, IVANOV, [PETROVA], f"smtp-{name}")
        self.acknowledged["smtp"].append(name)

    def _imap(self, name: str) -> None:
        client = IMAPClient(HOST, self.world.ports["imap"], ssl=False, timeout=WAIT)
        client.login(PETROVA, PASSWORD)
        for part in range(20):
            client.append("Drafts", f"Subject: imap-{name}-{part}\r\n\r\nx\r\n".encode())
            self.acknowledged["imap"].append(f"{name}-{part}")

    def _dav(self, name: str) -> None:
        answer = dav_requests.Client(self.world, IVANOV).request(
            "PUT", f"/dav/files/{IVANOV}/{name}.txt", name.encode() * 1000
        )
        if answer.status == 201:
            self.acknowledged["dav"].append(name)

    def _caldav(self, name: str) -> None:
        event = MEETING.replace("meeting-1", f"event-{name}").replace("\n", "\r\n").encode()
        answer = dav_requests.Client(self.world, IVANOV).request(
            "PUT", f"/dav/calendars/{IVANOV}/default/{name}.ics", event, {"Content-Type": "text/calendar"}
        )
        if answer.status == 201:
            self.acknowledged["caldav"].append(name)


def subjects(world: World, folder: str) -> set[str]:
    client = IMAPClient(HOST, world.ports["imap"], ssl=False, timeout=WAIT)
    client.login(PETROVA, PASSWORD)
    client.select_folder(folder)
    fetched = client.fetch(client.search("ALL"), ["ENVELOPE", "BODY[]"])
    client.logout()
    assert all(each[b"BODY[]"].startswith((b"Subject:", b"Return-Path:")) for each in fetched.values())
    return {each[b"ENVELOPE"].subject.decode() for each in fetched.values()}


def check_survivors(world: World, writers: Writers) -> None:
    assert {f"smtp-{name}" for name in writers.acknowledged["smtp"]} <= subjects(world, "INBOX")
    assert {f"imap-{name}" for name in writers.acknowledged["imap"]} <= subjects(world, "Drafts")
    client = dav_requests.Client(world, IVANOV)
    for name in writers.acknowledged["dav"]:
        assert client.request("GET", f"/dav/files/{IVANOV}/{name}.txt").body == name.encode() * 1000
    for name in writers.acknowledged["caldav"]:
        assert client.request("GET", f"/dav/calendars/{IVANOV}/default/{name}.ics").status == 200


async def test_kill_9_in_the_middle_of_writing_loses_nothing_acknowledged(world: World) -> None:
    said: list[str] = []
    for round_ in range(3):
        before = len(said)
        writers = Writers(world, round_)
        threads = writers.start()
        petrova = ChatClient(world, f"{PETROVA}/desk")
        await petrova.online()
        async with asyncio.timeout(WAIT):
            while len(said) < before + 3 or any(len(done) < 5 for done in writers.acknowledged.values()):
                text = f"chat-{round_}-{len(said)}"
                petrova.say(IVANOV, text)
                if await petrova.acknowledged():
                    said.append(text)
        await world.restart()
        for thread in threads:
            await asyncio.to_thread(thread.join, WAIT)
        petrova.drop()
        await asyncio.to_thread(check_survivors, world, writers)
    reader = ChatClient(world, f"{IVANOV}/desk")
    await reader.online()
    archived = await reader.archive(PETROVA)
    assert said and set(said) <= set(archived) and len(archived) == len(set(archived))
    await reader.offline()
