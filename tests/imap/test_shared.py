# SPDX-License-Identifier: Apache-2.0
"""Mailboxes of groups and departments (RFC 2342, shared namespace): administrators make them, members work
in them."""

from __future__ import annotations

from armgs_server.directory.administrators import set_administrators
from tests.imap.client import DOMAIN, IVANOV, PETROVA, Client, Office

POST = f"post@{DOMAIN}"
MAILBOX = f"Shared/{POST}/Letters"


async def prepare(office: Office) -> tuple[Client, Client]:
    """ivanov administers the department, petrova is in the group."""
    directory = office.directory
    ivanov, petrova = await directory.by_address(IVANOV), await directory.by_address(PETROVA)
    department = await directory.by_address(DOMAIN)
    assert ivanov is not None and petrova is not None and department is not None
    await set_administrators(directory, department, [ivanov.id])
    await directory.create_group(POST, "Post", [petrova.id])
    return await office.login(IVANOV), await office.login(PETROVA)


async def test_a_group_has_a_mailbox(office: Office) -> None:
    administrator, member = await prepare(office)
    assert (await member.no(f"CREATE {MAILBOX}")).startswith(b"NO [NOPERM]")
    await administrator.ok(f"CREATE {MAILBOX}")
    assert (await administrator.no(f"CREATE {MAILBOX}")).startswith(b"NO [ALREADYEXISTS]")
    listed = await member.ok('LIST "" "Shared/*"')
    assert listed[-1] == f'* LIST (\\HasNoChildren) "/" {MAILBOX}'.encode()
    assert await member.ok(f"MYRIGHTS {MAILBOX}") == [f"* MYRIGHTS {MAILBOX} lrswikxtecd".encode()]
    assert b"APPENDUID" in await member.append(b"Subject: x\r\n\r\n", MAILBOX)
    await administrator.ok(f"SELECT {MAILBOX}")
    tag = await administrator.idle()
    assert b"APPENDUID" in await member.append(b"Subject: y\r\n\r\n", MAILBOX)
    assert await administrator.line() == b"* 2 EXISTS"
    await administrator.done(tag)
    assert (await member.no(f"SETACL {MAILBOX} anyone lr")).startswith(b"NO [NOPERM]")
    assert f"* QUOTAROOT {MAILBOX} {POST}".encode() in await member.ok(f"GETQUOTAROOT {MAILBOX}")


async def test_the_right_goes_with_the_membership(office: Office) -> None:
    administrator, member = await prepare(office)
    await administrator.ok(f"CREATE {MAILBOX}")
    await member.ok(f"STATUS {MAILBOX} (MESSAGES)")
    group, petrova = await office.directory.by_address(POST), await office.directory.by_address(PETROVA)
    assert group is not None and petrova is not None
    await office.directory.remove_members(group, [petrova.id])
    assert (await member.no(f"STATUS {MAILBOX} (MESSAGES)")).startswith(b"NO [NONEXISTENT]")
    assert await member.ok('LIST "" "Shared/*"') == []


async def test_administrators_set_quotas(office: Office) -> None:
    administrator, member = await prepare(office)
    assert await administrator.ok(f"SETQUOTA {PETROVA} (STORAGE 2048)") == [
        f"* QUOTA {PETROVA} (STORAGE 0 2048)".encode()
    ]
    assert await member.ok('GETQUOTA ""') == [b'* QUOTA "" (STORAGE 0 2048)']
    assert (await administrator.no(f"SETQUOTA {PETROVA} (MESSAGE 5)")).startswith(b"BAD")
    assert await administrator.ok(f"SETQUOTA {PETROVA} ()") == [f"* QUOTA {PETROVA} ()".encode()]
