# SPDX-License-Identifier: Apache-2.0
"""rules/sieve/extensions: what scripts want done."""

from __future__ import annotations

from pathlib import Path

from armgs_server.rules.sieve.actions import INBOX, FileInto, Notify, Redirect, Reject, Vacation
from armgs_server.storage import clock, collections, mail_metadata, sieve, traces
from armgs_server.storage.tx import Tx
from tests.rules.office import keep_script
from tests.rules.sieve.running import Office, filed, only

PLAIN = "From: a@sender.example\r\nTo: petrova@digital.example\r\nSubject: Hi\r\n\r\nHello\r\n"


async def test_what_is_not_cancelled_is_kept(office: Office) -> None:
    """RFC 5228 §2.10.2"""
    assert (await office.outcome("")).keeps
    assert (await office.outcome("keep;")).keeps is False
    assert filed(await office.outcome("keep;")) == {INBOX: ()}
    assert (await office.outcome("discard;")).actions == []
    assert not (await office.outcome("discard;")).keeps
    outcome = await office.outcome('require ["fileinto", "copy"]; fileinto :copy "A"; fileinto :copy "B";')
    assert outcome.keeps
    assert list(filed(outcome)) == ["A", "B"]


async def test_a_mailbox_has_one_copy(office: Office) -> None:
    """RFC 5228 §2.10.3"""
    outcome = await office.outcome('require "fileinto"; fileinto "A"; fileinto "A"; keep; keep;')
    assert sorted(filed(outcome)) == ["A", INBOX]


async def test_redirect_goes_to_addresses_only(office: Office) -> None:
    action = only(await office.outcome('redirect "Someone@Else.Example";'))
    assert isinstance(action, Redirect)
    assert action.address == "Someone@Else.Example"
    twice = await office.outcome('redirect "a@b.example"; redirect "A@b.example";')
    assert len(twice.actions) == 1
    assert "not a mail address" in await office.error(
        'require "variables"; set "a" "nobody"; redirect "${a}";'
    )
    many = " ".join(f'redirect "a{number}@b.example";' for number in range(5))
    assert "too many redirections" in await office.error(many)


async def test_flags(office: Office) -> None:
    """RFC 5232"""
    script = """require ["imap4flags", "fileinto", "variables"];
        setflag ["\\\\Seen", "work urgent"]; addflag "\\\\SEEN"; removeflag "URGENT"; addflag "a\\"b";
        fileinto "A";
        fileinto :flags "\\\\Flagged" "B";
        setflag "mine" "one two"; addflag "mine" "three";
        if hasflag :contains "mine" "thr" { fileinto :flags "${mine}" "C"; }
        if hasflag :count "ge" "mine" "3" { discard; }
        keep;"""
    script = script.replace('"variables"', '"variables", "relational"')
    assert filed(await office.outcome(script)) == {
        "A": ("\\Seen", "work"),
        "B": ("\\Flagged",),
        "C": ("one", "two", "three"),
        INBOX: ("\\Seen", "work"),
    }
    outcome = await office.outcome('require "imap4flags"; addflag "\\\\Answered";')
    assert (outcome.keeps, outcome.keep_flags) == (True, ("\\Answered",))


async def test_variables_and_their_modifiers(office: Office) -> None:
    """RFC 5229 §4.1: in the order of their precedence, whatever the order in the script."""
    script = """require ["variables", "fileinto", "enotify", "regex"];
        set "a" "juMBlEd lETteRS";
        set :length "b" "${a}"; set :lower "c" "${a}"; set :upperfirst :lower "d" "${a}";
        set :quotewildcard "e" "a*b?c\\\\"; set :encodeurl "f" "a b/ж"; set :lowerfirst :upper "g" "${a}";
        set :quoteregex "h" "1+1";
        fileinto "${b}|${c}|${d}|${e}|${f}|${g}|${h}";"""
    [name] = filed(await office.outcome(script))
    assert name == (r"15|jumbled letters|Jumbled letters|a\*b\?c\\|a%20b%2F%D0%B6|jUMBLED LETTERS|1\+1")


async def test_a_variable_is_cut_and_counted(tmp_path: Path) -> None:
    office = await Office.open(tmp_path, variable_size=4000, variables=128)
    doubled = 'set "a" "xxxxxxxxxx";' + 'set "a" "${a}${a}";' * 12
    script = f'require ["variables", "fileinto"]; {doubled} set :length "b" "${{a}}"; fileinto "${{b}}";'
    assert list(filed(await office.outcome(script))) == ["4000"]
    many = " ".join(f'set "v{number}" "x";' for number in range(129))
    assert "too many variables" in await office.error(f'require "variables"; {many}')
    await office.close()


async def test_vacation_answers_people_who_wrote_to_the_owner(office: Office) -> None:
    """RFC 5230 §4.5, §4.6"""
    script = 'require "vacation"; vacation :days 3 :subject "Away" :handle "h" "I am away";'
    action = only(await office.outcome(script, letter=PLAIN))
    assert action == Vacation("I am away", "Away", "", "h", 3 * 86400)
    for field in (
        "Auto-Submitted: auto-replied",
        "Precedence: bulk",
        "List-Id: <x.example>",
        "X-Auto-Response-Suppress: All",
    ):
        assert (await office.outcome(script, letter=f"{field}\r\n{PLAIN}")).actions == []
    for sender in ("", "MAILER-DAEMON@x.example", "list-request@x.example", "petrova@digital.example"):
        assert (await office.outcome(script, letter=PLAIN, sender=sender)).actions == []
    elsewhere = PLAIN.replace("petrova@", "all@")
    assert (await office.outcome(script, letter=elsewhere)).actions == []
    also = script.replace(":days 3", ':days 0 :addresses "all@digital.example"')
    again = only(await office.outcome(also, letter=elsewhere))
    assert isinstance(again, Vacation)
    assert again.seconds == 86400  # RFC 5230 §4.1
    assert "one vacation" in await office.error(
        f"{script} vacation :handle 'x' \"y\";".replace("'", '"'), letter=PLAIN
    )


async def test_vacation_seconds(office: Office) -> None:
    """RFC 6131"""
    action = only(await office.outcome('require "vacation-seconds"; vacation :seconds 60 "x";', letter=PLAIN))
    assert isinstance(action, Vacation)
    assert action.seconds == 60


async def test_reject_is_alone(office: Office) -> None:
    """RFC 5429 §2"""
    assert only(await office.outcome('require "reject"; reject "No";')) == Reject("No", is_extended=False)
    assert only(await office.outcome('require "ereject"; ereject "No";')) == Reject("No", is_extended=True)
    for other in ("keep;", 'redirect "a@b.example";', 'reject "again";'):
        await office.error(f'require "reject"; {other} reject "No";')
        await office.error(f'require "reject"; reject "No"; {other}')


async def test_header_fields_are_edited(office: Office) -> None:
    """RFC 5293: what was done before keeps the header it had."""
    script = """require ["editheader", "fileinto", "copy", "variables"];
        fileinto "Before";
        deleteheader :matches "Subject" "H*"; addheader "X-New" "Привет"; addheader :last "X-Last" "end";
        deleteheader "Received"; addheader "Auto-Submitted" "no";
        if header "x-new" "Привет" { fileinto "After"; }"""
    outcome = await office.outcome(script, letter="Received: x\r\n" + PLAIN)
    before, after = outcome.actions
    assert isinstance(before, FileInto) and isinstance(after, FileInto)
    assert before.version.is_original
    assert b"".join(after.version.chunks()).decode() == (
        "X-New: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\nReceived: x\r\nFrom: a@sender.example\r\n"
        "To: petrova@digital.example\r\nX-Last: end\r\n\r\nHello\r\n"
    )


async def test_fields_are_deleted_by_their_number(office: Office) -> None:
    letter = "X: 1\r\nX: 2\r\nX: 3\r\n" + PLAIN
    for command, left in (
        ('deleteheader "x"', []),
        ('deleteheader :index 2 "x"', ["1", "3"]),
        ('deleteheader :index 1 :last "x"', ["1", "2"]),
        ('deleteheader :index 9 "x"', ["1", "2", "3"]),
        ('deleteheader :is "x" ["1", "3"]', ["2"]),
    ):
        _, changed = await office.run(f'require "editheader"; {command};', letter=letter)
        assert changed.values("x") == left


async def test_duplicates(office: Office) -> None:
    """RFC 7352: the second message with an id is one, as long as the id is remembered."""
    script = 'require ["duplicate", "variables"]; if duplicate :seconds 100 { discard; }'
    outcome = await office.outcome(script)
    assert outcome.keeps
    [remembered] = outcome.remembered.values()
    assert remembered.seconds == 100
    now = clock.now()
    await office.store.write(
        lambda tx: traces.leave(tx, office.owner.id, "duplicate", remembered.key, now + 10**9, now)
    )
    assert not (await office.outcome(script)).keeps
    for other in (':handle "x"', ':uniqueid "y"', ':header "X-Number"'):
        assert (await office.outcome(script.replace(":seconds 100", other))).keeps
    assert (await office.outcome(script, letter=PLAIN)).remembered == {}  # no Message-ID:


async def test_scripts_include_scripts(office: Office) -> None:
    """RFC 6609"""
    owner, department = office.owner.id, office.owner.department
    world = office  # keep_script asks for the store alone
    await keep_script(
        world, 'require ["include", "variables"]; global "a"; set "a" "${a}+"; return; stop;', owner, "p"
    )
    await keep_script(
        world, 'require ["include", "variables"]; set "local" "x"; set "global.b" "B";', department, "g"
    )
    await keep_script(world, 'require "include"; include "loop";', owner, "loop")
    script = """require ["include", "variables", "fileinto"]; global ["a", "b"]; set "a" "A";
        include "p"; include :once "p"; include :optional "missing"; include :global "g";
        fileinto "${a}${b}${local}|${global.b}";"""
    assert list(filed(await office.outcome(script))) == ["A+B|B"]
    assert "no personal script 'missing'" in await office.error('require "include"; include "missing";')
    assert "too many" in await office.error('require "include"; include "loop";')


async def test_notify(office: Office) -> None:
    """RFC 5435"""
    script = 'require "enotify"; notify :importance "1" :message "m" "xmpp:a@b.example";'
    outcome = await office.outcome(script)
    assert outcome.keeps
    assert only(outcome) == Notify("xmpp:a@b.example", "", "1", (), "m")
    many = 'notify "mailto:a@b.example";' * 9
    assert "too many notifications" in await office.error(f'require "enotify"; {many}')


async def test_every_part_once(office: Office) -> None:
    """RFC 5703 §3: the message itself, then its parts, with what lies within."""
    script = """require ["foreverypart", "mime", "variables", "fileinto", "extracttext"]; set "t" "";
        foreverypart {
            if header :mime :contenttype :matches "Content-Type" "*/*" { set "t" "${t},${2}"; }
            if header :mime :subtype "Content-Type" "plain" { extracttext :first 6 "x"; }
            if header :mime :subtype "Content-Type" "html" { break; }
        }
        fileinto "${t} ${x}";"""
    assert list(filed(await office.outcome(script))) == [",mixed,alternative,plain,html Добрый"]
    assert "no foreverypart" in await office.error('require "foreverypart"; break;')


async def test_parts_are_replaced(office: Office) -> None:
    """RFC 5703 §5: an attachment goes, a note stays; the rest of the message is as it was."""
    script = """require ["foreverypart", "mime", "replace"];
        foreverypart { if header :mime :subtype "Content-Type" "pdf" { replace "Taken out"; } }"""
    _, changed = await office.run(script)
    text = b"".join(changed.version.chunks()).decode()
    assert "JVBERi0xLjQ=" not in text and "VGFrZW4gb3V0" in text
    assert "Content-Type: text/html" in text
    assert text.startswith("Return-Path: <author+list@sender.example>\r\n")
    _, whole = await office.run('require "replace"; replace :subject "New" "All new";', letter=PLAIN)
    assert whole.values("subject") == ["New"]
    assert whole.values("original-subject") == ["Hi"]
    assert b"".join(whole.version.chunks()).endswith(b"QWxsIG5ldw==\r\n")


async def test_a_message_is_enclosed(office: Office) -> None:
    """RFC 5703 §6"""
    script = 'require "enclose"; enclose :subject "Look" :headers "X-A: b" "See below";'
    _, changed = await office.run(script, letter=PLAIN)
    assert changed.values("subject") == ["Look"]
    assert changed.values("x-a") == ["b"]
    text = b"".join(changed.version.chunks())
    assert b"Content-Type: message/rfc822\r\n\r\n" + PLAIN.encode() in text


async def test_annotations(office: Office) -> None:
    """RFC 5490"""
    owner = office.owner.id

    async def work(tx: Tx) -> None:
        inbox = await collections.by_role(tx, owner, "mail", "inbox")
        assert inbox is not None
        await mail_metadata.change(tx, owner, inbox.id, owner, {"/comment": b"mine"}, 9)
        await mail_metadata.change(tx, owner, 0, 0, {"/admin": b"all"}, 9)

    await office.store.write(work)
    script = """require ["mboxmetadata", "servermetadata"];
        if not metadata :is "INBOX" "/private/comment" "mine" { stop; }
        if not metadataexists "INBOX" ["/private/comment"] { stop; }
        if metadataexists "INBOX" ["/private/comment", "/shared/comment"] { stop; }
        if metadata :contains "Nowhere" "/private/comment" "" { stop; }
        if not servermetadata :is "/shared/admin" "all" { stop; }
        if not servermetadataexists "/shared/admin" { stop; }
        discard;"""
    assert not (await office.outcome(script)).keeps


async def test_spam_and_virus_scores(office: Office) -> None:
    """RFC 5235"""
    script = 'require ["spamtestplus", "virustest"]; if {} {{ discard; }}'
    for field, test in (
        ("X-Spam-Score: 5.0 / 15.0", 'spamtest :is "4"'),
        ("X-Spam-Score: 99", 'spamtest :is "10"'),
        ("X-Spam-Score: -3", 'spamtest :is "1"'),
        ("X-Spam-Score: 7.5 / 15", 'spamtest :percent :is "50"'),
        ("X-Virus-Status: Infected (Eicar)", 'virustest :is "5"'),
        ("X-Virus-Status: Clean", 'virustest :is "1"'),
    ):
        letter = f"{field}\r\n{PLAIN}"
        assert not (await office.outcome(script.format(test), letter=letter)).keeps, field


async def test_a_department_goes_before_its_people(office: Office) -> None:
    """What it takes away or files, a person's script does not see; what it keeps, it does."""
    own = 'require "fileinto"; fileinto "Own";'
    for before, left in (
        ("stop;", ["Own"]),
        ('require ["fileinto", "copy"]; fileinto :copy "Before";', ["Before", "Own"]),
        ('require "fileinto"; fileinto "Before";', ["Before"]),
        ("discard;", []),
        ("keep;", [INBOX, "Own"]),
    ):
        outcome, _ = await office.run(before, own)
        assert list(filed(outcome)) == left, before


async def test_a_script_that_fails_keeps_the_message(office: Office) -> None:
    """RFC 5228 §2.10.6: nothing else becomes of it."""
    text = await office.error('require ["ihave", "fileinto"]; fileinto "A"; discard;\r\nerror "Oh dear";')
    assert text == "line 2: Oh dear"


async def test_limits(tmp_path: Path) -> None:
    office = await Office.open(tmp_path, instructions=100, actions=4)
    assert "too many steps" in await office.error("if true { } " * 60)
    many = " ".join(f'fileinto "A{number}";' for number in range(5))
    assert "too many actions" in await office.error(f'require "fileinto"; {many}')
    await office.close()


async def test_computing_is_bounded(tmp_path: Path) -> None:
    """A script cannot keep the loop: what it may compute is little."""
    office = await Office.open(tmp_path, cpu_time=0.01, instructions=10_000_000)
    test = 'if body :raw :contains "no such thing" { discard; }\r\n'
    letter = PLAIN + "x" * 60_000
    script = 'require "body";\r\n' + test * 1500
    assert "takes too long" in await office.error(script, letter=letter)
    await office.close()


async def test_the_address_book(office: Office) -> None:
    """RFC 6134: who stands in it is known."""
    from armgs_server.formats import vcard
    from armgs_server.storage import cards, items

    card = (
        b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:1\r\nFN:A\r\nN:A;;;;\r\nEMAIL:Friend@x.example\r\nEND:VCARD\r\n"
    )

    async def work(tx: Tx) -> None:
        book = await collections.by_role(tx, office.owner.id, "addressbook", "default")
        assert book is not None
        item = await items.add(tx, book, office.store.blobs.small(card), name="1.vcf")
        await cards.put(tx, item, vcard.check(card))

    await office.store.write(work)
    letter = PLAIN.replace("a@sender.example", "friend@X.example")
    book = "urn:ietf:params:sieve:addrbook:default"
    script = f'require ["extlists", "fileinto"]; if address :list "from" "{book}" {{ fileinto "Friends"; }}'
    assert list(filed(await office.outcome(script, letter=letter))) == ["Friends"]
    assert list(filed(await office.outcome(script, letter=PLAIN))) == []
    outcome = await office.outcome(f'require "extlists"; redirect :list "{book}";')
    assert [action.address for action in outcome.actions if isinstance(action, Redirect)] == [
        "friend@x.example"
    ]
    assert "there is no list" in await office.error(
        'require "extlists"; if header :list "from" "x:y" { keep; }'
    )


async def test_the_store_keeps_one_active_script(office: Office) -> None:
    owner = office.owner.id
    for name in ("a", "b"):
        await keep_script(office, "keep;", owner, name)
        await office.store.write(lambda tx, name=name: sieve.activate(tx, owner, name))
    listed = await office.store.read(lambda tx: sieve.listed(tx, owner))
    assert [(each.name, each.is_active, each.size) for each in listed] == [("a", False, 5), ("b", True, 5)]
