# SPDX-License-Identifier: Apache-2.0
"""`armgs export`: what comes out is what went in, and another workplace takes it."""

from __future__ import annotations

import mailbox
from pathlib import Path

from armgs_server.cli.export_calendar import merge
from armgs_server.cli.workplace import Workplace
from armgs_server.formats import icalendar_split, xmltree
from armgs_server.storage import archive, documents, offline, pubsub, roster
from armgs_server.storage.roster import RosterItem
from armgs_server.storage.tx import Tx
from tests.cli.conftest import IVANOV, Armgs
from tests.cli.test_import_objects import CARDS, MANY, ONE

MAIL = [b"Subject: one\r\n\r\nFrom me\r\n>From you\r\n", b"Subject: two\n\nbare LF\n"]
STANZA = (
    b"<message xmlns='jabber:client' from='petrova@digital.example/a' to='ivanov@digital.example'"
    b" type='chat' id='m1'><body>&lt;hello&gt;</body></message>"
)


def fill(armgs: Armgs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "files" / "Папка").mkdir(parents=True)
    (source / "files" / "Папка" / "a.txt").write_text("text")
    (source / "one.ics").write_bytes(ONE)
    (source / "many.ics").write_text(MANY)
    (source / "cards.vcf").write_text(CARDS)
    for number, data in enumerate(MAIL):
        (source / f"{number}.eml").write_bytes(data)
        assert armgs("import", "mail", IVANOV, source / f"{number}.eml", "--folder", "INBOX").code == 0
    armgs("import", "mail", IVANOV, source / "0.eml", "--folder", "Old/2020")
    armgs("import", "calendar", IVANOV, source / "one.ics", source / "many.ics")
    armgs("import", "contacts", IVANOV, source / "cards.vcf")
    armgs("import", "files", IVANOV, source / "files")

    async def chat(workplace: Workplace) -> None:
        owner = (await workplace.principal(IVANOV)).id

        async def work(tx: Tx) -> None:
            await archive.append(tx, owner, "petrova@digital.example", "m1", STANZA, 1795077000_000000)
            await offline.append(tx, owner, STANZA, limit=10)
            await documents.put(tx, owner, "private urn:x a", b"<a xmlns='urn:x'/>")
            await documents.put(tx, owner, "vcard-temp", b"<vCard xmlns='vcard-temp'><FN>I</FN></vCard>")
            await pubsub.configure(tx, owner, "urn:n", {"access_model": "open"})
            await pubsub.publish(tx, owner, "urn:n", "1", b"<item id='1'><n xmlns='urn:n'/></item>", 10)
            await roster.put(
                tx, owner, RosterItem("a&b@c.example", name="A & B", subscription="both", groups=("G",))
            )

        await workplace.store.write(work)

    armgs.work(chat)


def test_everything(armgs: Armgs, tmp_path: Path) -> None:
    fill(armgs, tmp_path)
    out = tmp_path / "out"
    done = armgs("export", IVANOV, out, "--json")
    assert done.code == 0, done.err
    counts = {name: value for name, value in done.json.items() if isinstance(value, int)}
    assert counts == {"messages": 3, "calendar_objects": 3, "contacts": 1, "files": 1, "chat_messages": 1}
    assert out.stat().st_mode & 0o077 == 0
    assert (out / "files" / "Папка" / "a.txt").read_text() == "text"
    assert [message["Subject"] for message in mailbox.mbox(out / "mail" / "INBOX.mbox")] == ["one", "two"]
    assert len(mailbox.mbox(out / "mail" / "Old" / "2020.mbox")) == 1


def test_another_account_takes_it(armgs: Armgs, tmp_path: Path) -> None:
    fill(armgs, tmp_path)
    out, back = tmp_path / "out", tmp_path / "back"
    armgs("export", IVANOV, out)
    petrova = "petrova@digital.example"
    armgs("user", "add", petrova)
    for kind, part in (
        ("mail", "mail"),
        ("calendar", "calendars"),
        ("contacts", "contacts"),
        ("files", "files"),
    ):
        assert armgs("import", kind, petrova, out / part).code == 0
    assert armgs("export", petrova, back).code == 0
    before, after = contents(out), contents(back)
    assert len(before) > 5
    del before[Path("chat.xml")], after[Path("chat.xml")]
    assert after == before


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_chat_is_xep_0227(armgs: Armgs, tmp_path: Path) -> None:
    fill(armgs, tmp_path)
    armgs("export", IVANOV, tmp_path / "out")
    root = xmltree.parse((tmp_path / "out" / "chat.xml").read_bytes())
    pie, mam = "{urn:xmpp:pie:0}", "{urn:xmpp:mam:2}"
    assert root.tag == f"{pie}server-data"
    (host,) = root
    (user,) = host
    assert (host.get("jid"), user.get("name")) == ("digital.example", "ivanov")
    contact = user.find("{jabber:iq:roster}query/{jabber:iq:roster}item")
    assert contact is not None
    assert (contact.get("jid"), contact.get("name"), contact.get("subscription")) == (
        *("a&b@c.example", "A & B", "both"),
    )
    assert user.find("{jabber:iq:private}query/{urn:x}a") is not None
    assert user.findtext("{vcard-temp}vCard/{vcard-temp}FN") == "I"
    pubsub_ = "{http://jabber.org/protocol/pubsub}"
    configure = user.find(f"{pubsub_[:-1]}#owner}}pubsub/{pubsub_[:-1]}#owner}}configure")
    assert configure is not None
    model = "{jabber:x:data}field[@var='pubsub#access_model']/{jabber:x:data}value"
    assert configure.findtext(f".//{model}") == "open"
    assert user.find(f"{pubsub_}pubsub/{pubsub_}items/{pubsub_}item/{{urn:n}}n") is not None
    assert len(user.findall(f"{pie}offline-messages/{{jabber:client}}message")) == 1
    (result,) = user.findall(f"{{urn:xmpp:pie:0#mam}}archive/{mam}result")
    (forwarded,) = result
    delay, message = forwarded
    assert delay.get("stamp") == "2026-11-19T08:30:00.000Z"
    assert message.findtext("{jabber:client}body") == "<hello>"


def test_flags_where_asked(armgs: Armgs, tmp_path: Path) -> None:
    mail = tmp_path / "one.eml"
    mail.write_bytes(MAIL[0])
    armgs("import", "mail", IVANOV, mail)
    armgs("export", IVANOV, tmp_path / "exact")
    armgs("export", IVANOV, tmp_path / "status", "--status")
    assert b"Status:" not in (tmp_path / "exact" / "mail" / "INBOX.mbox").read_bytes()
    (message,) = mailbox.mbox(tmp_path / "status" / "mail" / "INBOX.mbox")
    assert message.get_flags() == "RO"  # type: ignore[attr-defined]


def test_refusals(armgs: Armgs, tmp_path: Path) -> None:
    assert armgs("export", "nobody@digital.example", tmp_path / "a").code == 3
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "precious").write_text("x")
    assert armgs("export", IVANOV, tmp_path / "b").code == 4
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["precious"]


def test_merge_keeps_zones_of_one_name_apart() -> None:
    def event(uid: str, offset: str) -> bytes:
        return (
            f"BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nTZID:Z\r\nX-OFFSET:{offset}\r\nEND:VTIMEZONE\r\n"
            f"BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART;TZID=Z:20261120T090000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        ).encode()

    merged = merge([event("1", "+01"), event("2", "+01"), event("3", "+02")])
    assert merged.count(b"BEGIN:VCALENDAR") == 2
    assert merged.count(b"BEGIN:VTIMEZONE") == 2
    assert [part.object.uid for part in icalendar_split.split(merged).parts] == ["1", "2", "3"]
    assert icalendar_split.split(merge([])).parts == []
