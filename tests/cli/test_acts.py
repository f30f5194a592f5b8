# SPDX-License-Identifier: Apache-2.0
"""Every command of `armgs` that changes something is in the journal of acts: who, what, and how it ended."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from armgs_server.cli import acts as command_acts
from armgs_server.cli.acts import told
from armgs_server.cli.app import armgs as root
from armgs_server.cli.workplace import Workplace
from armgs_server.errors import Conflict
from armgs_server.storage import acts, clock, queue
from armgs_server.storage.acts import Act
from armgs_server.storage.queue import Destination
from armgs_server.storage.tx import Tx
from tests.cli.conftest import IVANOV, PASSWORD, Armgs
from tests.cli.test_holds import remove
from tests.cli.test_import_chat import USER
from tests.cli.test_locks import PATH, take
from tests.cli.test_mail import file as file_mail
from tests.cli.test_oauth import permit, turn_on
from tests.world import free_offset

DOMAIN = "digital.example"
PETROVA, OLGA = f"petrova@{DOMAIN}", f"olga2@{DOMAIN}"
LIST, TEAM, ROOM, CAR = f"list@{DOMAIN}", f"team@{DOMAIN}", f"room@{DOMAIN}", f"car@{DOMAIN}"

READING = {
    *("certificate show", "contact list"),
    *("absence show", "administrator list", "backup file", "backup list", "backup trial", "backup verify"),
    *("config check", "config describe", "dkim show", "dns check", "dns records", "dns zone", "doctor"),
    *("equipment list", "export", "group list", "group show", "hold export", "hold items", "hold list"),
    *("journal acts", "journal export", "journal list", "journal verify", "link list", "lock list"),
    *("mailbox list", "mailbox shares", "mount", "news list", "news readers", "oauth client list"),
    *("oauth grants", "queue list", "queue show", "retention list", "room list", "serve", "sieve check"),
    *("sieve list", "sieve show", "top", "trace", "user list", "user show", "verbs", "who"),
}
# They change files beside the store, or nothing but the processes that run.
OUTSIDE = {"backup add", "certificate renew", "converse install", "restart"}
# Where a server stands on the other side: the tests of that command look for its act.
ELSEWHERE = {"import dav": "test_import_dav.py", "import ldap": "../peers/test_slapd.py"}


def commands(group: click.Group = root, above: str = "") -> Iterator[str]:
    """All of them, as they are typed."""
    for name, each in group.commands.items():
        full = f"{above} {name}".strip()
        if isinstance(each, click.Group):
            yield from commands(each, full)
        else:
            yield full


def changes(tmp_path: Path) -> list[tuple[str, tuple[object, ...]]]:
    """One after the other in one workplace: a command, and what it is given."""
    people = tmp_path / "people.csv"
    people.write_text(f"address,name\n{OLGA},Ольга\n")
    mail = tmp_path / "one.eml"
    mail.write_bytes(b"Subject: x\r\n\r\nbody\r\n")
    event = tmp_path / "one.ics"
    event.write_text(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\nBEGIN:VEVENT\r\nUID:1\r\n"
        "DTSTAMP:20260101T000000Z\r\nDTSTART:20260102T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    card = tmp_path / "one.vcf"
    card.write_text(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:c\r\nFN:C\r\nN:C;;;;\r\nEMAIL:c@partner.example\r\nEND:VCARD\r\n"
    )
    chat = tmp_path / "chat.xml"
    chat.write_text(f"<server-data xmlns='urn:xmpp:pie:0'><host jid='{DOMAIN}'>{USER}</host></server-data>")
    script = tmp_path / "main.sieve"
    script.write_text("keep;\n")
    partners = tmp_path / "partners.csv"
    partners.write_text("address,name\nzoe@partner.example,Zoe\n")
    backup = tmp_path / "backup"
    days = ("--from", "2030-01-01", "--until", "2030-01-02")
    return [
        ("user add", (PETROVA, "--unit", "Web")),
        ("user disable", (PETROVA,)),
        ("user enable", (PETROVA,)),
        ("user password", (PETROVA, "--password-stdin")),
        ("suspend", (PETROVA,)),
        ("do", ("people.restore", f"address={PETROVA}")),
        ("import users", (people,)),
        ("sync", (DOMAIN, "--people", people)),
        ("import mail", (IVANOV, mail)),
        ("import calendar", (IVANOV, event)),
        ("import contacts", (IVANOV, card)),
        ("import files", (IVANOV, script)),
        ("import chat", (chat,)),
        ("group add", (LIST, "--member", IVANOV)),
        ("group member-add", (LIST, PETROVA)),
        ("group member-remove", (LIST, PETROVA)),
        ("group rules", (LIST, "--moderated")),
        ("group delete", (LIST, "--yes")),
        ("mailbox open", (TEAM, "--member", IVANOV)),
        ("mailbox deputies", (TEAM, PETROVA)),
        ("mailbox share", (IVANOV, PETROVA, "read")),
        ("mailbox delegate", (IVANOV, PETROVA, "as")),
        ("mailbox close", (TEAM,)),
        ("room add", (ROOM, "--capacity", 8)),
        ("room rules", (ROOM, "--buffer", 10)),
        ("room delete", (ROOM, "--yes")),
        ("equipment add", (CAR,)),
        ("equipment rules", (CAR, "--buffer", 10)),
        ("equipment delete", (CAR, "--yes")),
        ("administrator add", (DOMAIN, IVANOV)),
        ("invitation allow", (DOMAIN, "administrators")),
        ("invitation create", (IVANOV,)),
        ("administrator remove", (DOMAIN, IVANOV)),
        ("oauth client add", ("wiki", "https://wiki.example/cb", "--name", "Wiki")),
        ("oauth client remove", ("wiki",)),
        ("oauth revoke", (IVANOV, "ID")),
        ("oauth reset-second-factor", (IVANOV,)),
        ("sieve put", (IVANOV, "main", script)),
        ("sieve activate", (IVANOV, "main")),
        ("sieve activate", (IVANOV,)),
        ("sieve delete", (IVANOV, "main")),
        ("absence set", (IVANOV, *days, "--text", "В отпуске")),
        ("absence clear", (IVANOV,)),
        ("link make", (IVANOV, "main.sieve", "--password-stdin")),
        ("link revoke", (IVANOV,)),
        ("news editors", (DOMAIN, IVANOV)),
        ("news post", (IVANOV, "A day off", "--text", "On Friday.")),
        ("news remove", (DOMAIN, "ID")),
        ("lock remove", (IVANOV, PATH)),
        ("mail language", (IVANOV, "en")),
        ("mail recall", (IVANOV, "1@x")),
        ("queue hold", ("--all",)),
        ("queue release", ("--all",)),
        ("queue retry", ("--all",)),
        ("queue cancel", ("--all",)),
        ("undelete", (IVANOV,)),
        ("hold on", (IVANOV, "--reason", "court")),
        ("hold off", (IVANOV,)),
        ("journal on", (DOMAIN,)),
        ("journal off", (DOMAIN,)),
        ("retention set", (IVANOV, "mail", "--keep", 10)),
        ("retention remove", (IVANOV, "mail")),
        ("dkim key", (DOMAIN, "--selector", "one")),
        ("dkim use", (DOMAIN, "--force")),
        ("dkim remove", (DOMAIN, "ID")),
        ("kick", (IVANOV,)),
        ("restore item", (backup, IVANOV, "files", "main.sieve")),
        ("restore collection", (backup, IVANOV, "mail", "INBOX")),
        ("restore person", (backup, IVANOV)),
        ("contact add", (DOMAIN, "bob@partner.example")),
        ("contact change", ("ID", "--post", "Director")),
        ("contact delete", ("ID", "--yes")),
        ("contact import", (DOMAIN, partners)),
        ("remove", (OLGA, "--yes")),
        ("restore department", (backup, DOMAIN)),
        ("user delete", (PETROVA, "--yes")),
    ]


# They make a store, or write another one than that of the workplace: see below.
MAKING = {"init", "quickstart", "demo", "restore all", "store copy", "check"}


def test_every_command_is_looked_at(tmp_path: Path) -> None:
    known = READING | OUTSIDE | MAKING | set(ELSEWHERE) | {name for name, _ in changes(tmp_path)}
    assert set(commands()) == known


def all_acts(armgs: Armgs) -> list[Act]:
    async def look(tx: Tx) -> list[Act]:
        return [each for owner in await acts.owners(tx) for each in await acts.page(tx, owner)]

    return armgs.work(lambda workplace: workplace.store.read(look))


async def enqueue(workplace: Workplace) -> None:
    ref = workplace.store.blobs.small(b"Subject: x\r\n\r\n")
    to = [Destination("x@other.example", "other.example", {"skip": 0, "size": 14})]
    now = clock.now()
    await workplace.store.write(
        lambda tx: queue.enqueue(tx, ref, to, owner=0, sender=IVANOV, now=now, lifetime=clock.HOUR)
    )


def prepare(armgs: Armgs, name: str, given: tuple[object, ...]) -> tuple[object, ...]:
    """What must be there first, and the arguments with what only now is known."""
    if name == "oauth revoke":
        armgs.work(permit)
        return (IVANOV, armgs("oauth", "grants", IVANOV, "--json").json[0]["id"])
    if name == "oauth reset-second-factor":
        armgs.work(turn_on)
    elif name == "news remove":
        return (DOMAIN, armgs("news", "list", DOMAIN, "--json").json[0]["id"])
    elif name == "dkim remove":
        return (DOMAIN, armgs("dkim", "show", DOMAIN, "--no-check", "--json").json[0]["selector"])
    elif name in ("contact change", "contact delete"):
        return (armgs("contact", "list", "--json").json[0]["number"], *given[1:])
    elif name == "restore item":
        done = armgs("backup", "add", given[0], "--config", armgs.path)
        assert done.code == 0, done.err
    elif name == "link revoke":
        return (IVANOV, armgs("link", "list", IVANOV, "--json").json[0]["id"])
    elif name == "lock remove":
        armgs.work(take)
    elif name == "mail recall":
        file_mail(armgs, IVANOV, "sent")
        file_mail(armgs, PETROVA, "inbox")
    elif name == "queue hold":
        armgs.work(enqueue)
    elif name == "undelete":
        armgs.work(lambda workplace: remove(workplace, keep_days=3))
    return given


def test_whatever_changes_something_is_an_act(armgs: Armgs, tmp_path: Path) -> None:
    before = all_acts(armgs)
    for name, arguments in changes(tmp_path):
        given = prepare(armgs, name, arguments)
        assert all_acts(armgs) == before, f"before {name}"
        done = armgs(*name.split(), *given, stdin="other-password\n")
        assert done.code == 0 or (name, done.code) == ("import chat", 8), (name, done.err)
        after = all_acts(armgs)
        new = [each for each in after if each not in before]
        assert new, f"no act of {name}"
        assert all(getpass.getuser() in each.actor and "(command)" in each.actor for each in new)
        if name in ("user add", "import users", "invitation create", "queue cancel", "mailbox share"):
            assert [each.verb for each in new] == [f"armgs {name}"] * 2
            assert json.loads(new[1].arguments)["began"] == new[0].id
        assert "other-password" not in "".join(each.arguments for each in new)
        before = after
    assert armgs("journal", "verify").code == 0


def test_what_only_looks_is_none(armgs: Armgs, tmp_path: Path) -> None:
    before = all_acts(armgs)
    for command in (
        ("user", "list"), ("user", "show", IVANOV), ("export", IVANOV, tmp_path / "out"),
        ("queue", "list"), ("hold", "list"), ("mailbox", "list"), ("group", "list"), ("room", "list"),
        ("journal", "acts"), ("journal", "verify"), ("backup", "file", armgs.path, tmp_path / "b.tar"),
        ("oauth", "grants", IVANOV), ("link", "list"), ("news", "list", DOMAIN), ("retention", "list"),
        ("administrator", "list"), ("dns", "records", DOMAIN), ("sieve", "list", IVANOV), ("who",),
    ):  # fmt: skip
        armgs(*command)
        assert all_acts(armgs) == before, command


def of(armgs: Armgs, verb: str) -> list[dict[str, Any]]:
    return [json.loads(each.arguments) for each in all_acts(armgs) if each.verb == verb]


def test_what_an_act_says(armgs: Armgs) -> None:
    given, ended = of(armgs, "armgs user add")
    assert given == {"address": IVANOV, "name": "Иванов Пётр", "password_stdin": True}
    assert ended == {"began": 3, "result": "done"}
    made, *_ = of(armgs, "armgs init")  # in the chains of both departments
    assert made["domains"] == [DOMAIN, "finance.example"]
    # A department reads what was done about it.
    told = armgs("journal", "acts", DOMAIN, "--json").json
    assert {each["verb"] for each in told} == {"armgs init", "armgs user add"}


def test_an_import_says_how_much_and_what_was_refused(armgs: Armgs, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text(f"address\n{PETROVA}\nbad\n{OLGA}\n")
    assert armgs("import", "users", people).code == 8
    given, ended = of(armgs, "armgs import users")
    assert given == {"file": str(people)}
    assert ended["result"] == "2 accepted, 0 unchanged, 1 refused"


def test_what_was_refused_changes_nothing_and_is_none(armgs: Armgs) -> None:
    before = all_acts(armgs)
    assert armgs("user", "add", IVANOV).code == 4
    assert armgs("user", "add", "x@other.example").code == 5
    assert all_acts(armgs) == before


def test_what_failed_halfway_says_so(armgs: Armgs, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise Conflict("no deputies today")

    monkeypatch.setattr("armgs_server.directory.directory.Directory.set_deputies", fail)
    assert armgs("mailbox", "open", TEAM).code == 6
    _, ended = of(armgs, "armgs mailbox open")
    assert ended["result"] == "no deputies today"


def test_an_act_and_its_change_are_one_transaction(armgs: Armgs, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise Conflict("the journal cannot be written")

    monkeypatch.setattr(acts, "append", fail)
    assert armgs("mailbox", "open", TEAM).code == 6
    assert armgs("group", "show", TEAM).code == 3


def test_who_makes_a_store_is_in_it(armgs: Armgs, tmp_path: Path) -> None:
    assert armgs("backup", "file", armgs.path, tmp_path / "b.tar").code == 0
    assert armgs("restore", "all", tmp_path / "b.tar", tmp_path / "back").code == 0
    back = Armgs(tmp_path / "back", armgs._capsys, armgs._monkeypatch)
    assert [each["file"] for each in of(back, "armgs restore all") if "file" in each] == [
        str(tmp_path / "b.tar")
    ]
    assert back("journal", "verify").code == 0
    target = tmp_path / "copy"
    assert armgs("init", target, "--domain", DOMAIN).code == 0
    for file in (target / "data").glob("store.db*"):
        file.unlink()
    assert armgs("store", "copy", armgs.path, target).code == 0
    assert of(Armgs(target, armgs._capsys, armgs._monkeypatch), "armgs store copy")
    armgs("check", armgs.path)
    assert len(of(armgs, "armgs check")) == 4  # a password for its log-ins is made, and taken back


def test_a_first_hour_is_in_its_journal(run: Armgs) -> None:
    given = ("--domain", DOMAIN, "--hostname", "localhost", "--yes", "--port-offset", free_offset())
    assert run("quickstart", run.path, *given).code == 0
    assert of(run, "armgs quickstart")
    demo = Armgs(run.path.with_name("demo"), run._capsys, run._monkeypatch)
    assert demo("demo", demo.path).code == 0
    assert of(demo, "armgs demo")


def test_who_has_become_another_account_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    account = getpass.getuser()
    nobody = tmp_path / "loginuid"
    nobody.write_text(str((1 << 32) - 1))
    monkeypatch.setattr(command_acts, "_LOGIN_FILE", nobody)
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert command_acts.actor() == f"{account} (command)"
    monkeypatch.setenv("SUDO_USER", "petrov")
    assert command_acts.actor() == f"petrov as {account} (command)"
    nobody.write_text("4242424")
    assert command_acts.actor() == f"#4242424 as {account} (command)"


def test_secrets_are_masked() -> None:
    assert told(
        {
            "client_secret": PASSWORD,
            "arguments": (f"password={PASSWORD}", "unit=5"),
            "url": f"https://user:{PASSWORD}@host/",
            "password_file": Path("/run/secret"),
            "empty": "",
            "config_path": Path("x"),
            "text": "x" * 5000,
        }
    ) == {
        "client_secret": "***",
        "arguments": ["password=***", "unit=5"],
        "url": "https://user:***@host/",
        "password_file": "/run/secret",
        "text": "x" * 1000,
    }
