# SPDX-License-Identifier: Apache-2.0
"""Fills the demonstration workplace: people first, then what they have written to one another."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from armgs_server.cli import import_files, import_objects
from armgs_server.cli.demo import calendar, chat, files, mail, news, people
from armgs_server.cli.demo.people import DemoDepartment
from armgs_server.cli.output import Bar
from armgs_server.cli.workplace import Workplace
from armgs_server.directory import Principal
from armgs_server.formats import icalendar
from armgs_server.storage import collections
from armgs_server.storage import mail as messages
from armgs_server.storage.items import Flags
from armgs_server.storage.tx import Tx

MOSCOW = timezone(timedelta(hours=3))


async def populate(workplace: Workplace, password: str) -> None:
    """Everything, as of now."""
    now = datetime.now(MOSCOW)
    with Bar("Making people and what they wrote") as bar:
        for department in people.DEPARTMENTS:
            await _people(workplace, department, password, bar)
        for department in people.DEPARTMENTS:
            await _groups(workplace, department)
        for message in mail.write_threads(now):
            await _deliver(workplace, message)
            bar.advance()
        for kind, written in (
            ("calendar", calendar.write_meetings(now)),
            ("tasks", calendar.write_tasks(now)),
        ):
            for one in written:
                await _calendar_object(workplace, kind, one)
                bar.advance()
        for file in files.FILES:
            await _file(workplace, file.owner, file.path, file.text.encode())
            bar.advance()
        await chat.write(workplace, now)
        await news.write(workplace)


async def _people(workplace: Workplace, department: DemoDepartment, password: str, bar: Bar) -> None:
    number = workplace.directory.domains[department.domain]
    units = {name: await workplace.unit(number, name) for name in ("", *department.units)}
    for person in department.people:
        await workplace.directory.create_person(
            f"{person.local}@{department.domain}",
            person.name,
            unit=units[person.unit],
            post=person.post,
            head=person.head,
            password=password,
            data={"telephone": person.telephone, **people.name_parts(person.name)},
        )
        bar.advance()
    for resource in department.resources:
        address = f"{resource.local}@{department.domain}"
        if resource.capacity:
            await workplace.directory.create_room(address, resource.name, resource.capacity)
        else:
            await workplace.directory.create_equipment(address, resource.name)


async def _groups(workplace: Workplace, department: DemoDepartment) -> None:
    for group in department.groups:
        members = [
            (await workplace.principal(member if "@" in member else f"{member}@{department.domain}")).id
            for member in group.members
        ]
        await workplace.directory.create_group(f"{group.local}@{department.domain}", group.name, members)


async def _deliver(workplace: Workplace, message: mail.Sent) -> None:
    """A copy in Sent, and one for everybody it is to, lists opened."""
    sender = await workplace.principal(message.sender)
    recipients: dict[int, Principal] = {}
    for address in message.recipients:
        for person in await workplace.directory.members(await workplace.principal(address)):
            recipients[person.id] = person
    recipients.pop(sender.id, None)
    ref = await workplace.store.blobs.put(message.data)
    index = await messages.read_index(workplace.store.blobs, ref)
    created = int(message.at.timestamp() * 1_000_000)
    read = Flags(0) if message.unread else Flags.SEEN
    if message.answered and read:
        read |= Flags.ANSWERED

    async def work(tx: Tx) -> None:
        for owner, role, flags in (
            (sender.id, "sent", Flags.SEEN),
            *((number, "inbox", read) for number in recipients),
        ):
            mailbox = await collections.by_role(tx, owner, "mail", role)
            assert mailbox is not None, "every account has these mailboxes"
            await messages.append(tx, mailbox, ref, index, flags=int(flags), created=created)

    await workplace.store.write(work)


async def _calendar_object(workplace: Workplace, kind: str, written: calendar.Written) -> None:
    owner = (await workplace.principal(written.owner)).id
    found = icalendar.check(written.data)
    resource = import_objects.calendar_resource(Path(written.name), 1, written.data, found)
    ref = await workplace.store.blobs.put(written.data)

    async def work(tx: Tx) -> None:
        target = await collections.by_role(tx, owner, kind, "default")
        assert target is not None, "every account has a default calendar"
        await import_objects.put(tx, target, resource, ref)

    await workplace.store.write(work)


async def _file(workplace: Workplace, owner: str, path: str, data: bytes) -> None:
    number = await import_files.owner_of_files(workplace, owner)
    names = tuple(path.split("/"))
    ref = await workplace.store.blobs.put(data)
    kind = import_files.content_type_of(names[-1])
    await workplace.store.write(lambda tx: import_files.put(tx, number, names, ref, kind, None))
