# SPDX-License-Identifier: Apache-2.0
"""`armgs import chat`: what one installation exports another takes, and what other servers write."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.cli import portable
from armgs_server.cli.portable import PortablePart, PortableUser
from armgs_server.cli.workplace import Workplace
from armgs_server.directory.scram import make_keys
from armgs_server.errors import Denied, DomainError, Invalid
from armgs_server.storage import archive, documents, offline, pubsub, pubsub_members, roster
from armgs_server.storage.archive import ArchiveQuery
from armgs_server.storage.roster import RosterItem
from armgs_server.storage.tx import Tx
from tests.cli.conftest import IVANOV, PASSWORD, SECURITY, Armgs
from tests.cli.test_export import fill

OLGA = "olga@digital.example"


def keys(password: str = "olgas-password") -> str:
    made = make_keys("sha1", password.encode(), b"salt-salt-salt", 4096)
    salt, server, stored = (
        base64.b64encode(part).decode() for part in (made.salt, made.server_key, made.stored_key)
    )
    return (
        "<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'>"
        f"<iter-count>4096</iter-count><salt>{salt}</salt><server-key>{server}</server-key>"
        f"<stored-key>{stored}</stored-key></scram-credentials>"
    )


def message(number: int, stamp: str, extra: str = "") -> str:
    return (
        f"<result xmlns='urn:xmpp:mam:2' id='{number}'><forwarded xmlns='urn:xmpp:forward:0'>"
        f"<delay xmlns='urn:xmpp:delay' stamp='{stamp}'/><message xmlns='jabber:client' type='chat'"
        f" from='{OLGA}/a' to='friend@other.example/b'{extra}><body>{number}</body></message>"
        "</forwarded></result>"
    )


# The parts as prosody writes them: default namespaces, forms of type form, whole JIDs.
USER = f"""<user name='olga' xmlns='urn:xmpp:pie:0'>
{keys()}
<query xmlns='jabber:iq:roster' version='7'>
  <item jid='friend@other.example' name='Друг' subscription='both'><group>Друзья</group></item>
  <item jid='asked@other.example' subscription='none' ask='subscribe'/>
  <item jid='a b@other.example' subscription='both'/>
</query>
<vCard xmlns='vcard-temp'><FN>Ольга</FN></vCard>
<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'><defaultnick>O</defaultnick></exodus></query>
<query xmlns='jabber:iq:privacy'><default name='public'/>
  <list name='public'><item type='jid' value='tybalt@example.com' action='deny' order='1'/>
  <item action='allow' order='2'/></list></query>
<blocklist xmlns='urn:xmpp:blocking'><item jid='spam.example'/></blocklist>
<presence xmlns='jabber:client' type='subscribe' from='romeo@montague.example' id='x'/>
<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>
  <configure node='urn:xmpp:bookmarks:1'><x xmlns='jabber:x:data' type='form'>
    <field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#node_config</value></field>
    <field var='pubsub#access_model'><value>whitelist</value></field>
    <field var='pubsub#max_items'><value>99999999</value></field>
    <field var='prosody#unknown'><value>1</value></field></x></configure>
  <affiliations node='urn:xmpp:bookmarks:1'>
    <affiliation jid='friend@other.example' affiliation='member'/></affiliations>
  <configure node='secret'><x xmlns='jabber:x:data' type='form'>
    <field var='pubsub#access_model'><value>unheard-of</value></field></x></configure>
</pubsub>
<pubsub xmlns='http://jabber.org/protocol/pubsub'>
  <items node='urn:xmpp:bookmarks:1'><item id='room@conference.other.example'>
    <conference xmlns='urn:xmpp:bookmarks:1' name='Room' autojoin='true'/></item></items>
  <items node='secret'><item id='1'><s xmlns='s'/></item></items>
</pubsub>
<offline-messages><message xmlns='jabber:client' from='friend@other.example/b' to='{OLGA}' type='chat'>
  <body>later</body><delay xmlns='urn:xmpp:delay' from='digital.example' stamp='2026-01-02T00:00:00Z'/>
</message></offline-messages>
<archive xmlns='urn:xmpp:pie:0#mam'>
{message(1, "2026-01-01T00:00:00Z")}
{message(2, "2026-01-01T00:00:00Z", " id='second'")}
{message(3, "2026-01-01T00:00:01.5Z")}
{message(4, "yesterday")}
</archive>
<novelty xmlns='urn:other'/>
</user>"""
DOCUMENT = (
    "<?xml version='1.0'?><server-data xmlns='urn:xmpp:pie:0'>"
    f"<host jid='digital.example'>{USER}</host>"
    "<host jid='elsewhere.example'><user name='nobody'><vCard xmlns='vcard-temp'/></user></host>"
    "</server-data>"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prosody.xml"
    path.write_text(DOCUMENT)
    return path


def test_an_export_of_another_server(armgs: Armgs, file: Path) -> None:
    done = armgs("import", "chat", file, "--json")
    assert done.code == 10 or done.json["refused"], done.err
    told = [(one["line"] > 0, one["reason"]) for one in done.json["refused"]]
    assert [reason for _, reason in told if "domain of this server" in reason]
    assert [reason for _, reason in told if reason.startswith("secret:")]
    assert [reason for _, reason in told if "without its time" in reason]
    assert len(told) == 5
    assert [name for name in done.json["ignored"] if "{urn:other}novelty" in name]
    # One person, keys, two contacts, vCard, private, two who are blocked, a request, a node and its item,
    # a waiting message, three of the archive.
    assert done.json["accepted"] == 15

    async def look(workplace: Workplace) -> None:
        owner = (await workplace.principal(OLGA, "person")).id

        async def work(tx: Tx) -> None:
            contacts = {each.jid: each for each in await roster.load(tx, owner)}
            assert set(contacts) == {"friend@other.example", "asked@other.example", "romeo@montague.example"}
            friend = contacts["friend@other.example"]
            assert (friend.name, friend.subscription, friend.groups) == ("Друг", "both", ("Друзья",))
            assert contacts["asked@other.example"].ask
            assert contacts["romeo@montague.example"].pending is not None
            assert b"<FN>" in (await documents.get(tx, owner, "vcard-temp") or b"")
            assert await documents.get(tx, owner, "private exodus:prefs exodus")
            assert await documents.get(tx, owner, "blocklist") == b"spam.example\ntybalt@example.com"
            config = await pubsub.config(tx, owner, "urn:xmpp:bookmarks:1")
            assert config is not None and config["access_model"] == "whitelist"
            standings = await pubsub_members.affiliations(tx, owner, "urn:xmpp:bookmarks:1")
            assert standings == {"friend@other.example": "member"}
            (item,) = await pubsub.items(tx, owner, "urn:xmpp:bookmarks:1")
            assert item.id == "room@conference.other.example" and b"autojoin" in item.payload
            assert await pubsub.config(tx, owner, "secret") is None
            (waiting,) = await offline.waiting(tx, owner)
            assert waiting.stanza.startswith(b"<message") and waiting.sent == 1767312000_000000
            page = await archive.page(tx, owner, ArchiveQuery())
            assert [message.peer for message in page.messages] == ["friend@other.example"] * 3
            assert [b"<body>%d</body>" % n in m.stanza for n, m in enumerate(page.messages, 1)] == [True] * 3
            assert page.messages[2].sent == 1767225601_500000

        await workplace.store.read(work)

    armgs.work(look)


def test_again_changes_nothing(armgs: Armgs, file: Path) -> None:
    armgs("import", "chat", file)
    again = armgs("import", "chat", file, "--json").json
    assert (again["accepted"], again["unchanged"]) == (0, 14)


def test_the_password_is_the_one_from_before(armgs: Armgs, file: Path) -> None:
    armgs("import", "chat", file)

    async def log_in(workplace: Workplace) -> None:
        auth = workplace.directory.auth
        with pytest.raises(Denied):
            await auth.login("imap", "192.0.2.1", True, OLGA, "another")
        await auth.login("imap", "192.0.2.1", True, OLGA, "olgas-password")
        person = await workplace.principal(OLGA)
        rows = await workplace.store.read(
            lambda tx: tx.rows("SELECT kind, value FROM credential WHERE principal = ?", person.id)
        )
        kinds: dict[str, str] = dict(rows)
        assert set(kinds) == {"argon2", "scram-sha-1", "scram-sha-256"}
        assert kinds["argon2"].startswith("$argon2id$")  # from the first use on
        await auth.login("imap", "192.0.2.1", True, OLGA, "olgas-password")

    armgs.work(log_in)


def test_a_password_that_is_there_stays(armgs: Armgs, tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    user = f"<user name='ivanov' password='plain-password'>{keys()}</user>"
    file.write_text(
        f"<server-data xmlns='urn:xmpp:pie:0'><host jid='digital.example'>{user}</host></server-data>"
    )
    assert armgs("import", "chat", file, "--json").json["unchanged"] == 1

    async def log_in(workplace: Workplace) -> None:
        await workplace.directory.auth.login("imap", "192.0.2.1", True, IVANOV, PASSWORD)

    armgs.work(log_in)


def test_one_installation_takes_what_another_has(
    armgs: Armgs, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(armgs, tmp_path)

    async def more(workplace: Workplace) -> None:
        owner = (await workplace.principal(IVANOV)).id

        async def work(tx: Tx) -> None:
            await documents.put(tx, owner, "blocklist", b"spam.example")
            await pubsub_members.set_affiliation(tx, owner, "urn:n", "friend@other.example", "member")
            asked = b"<presence xmlns='jabber:client' type='subscribe' from='romeo@montague.example'/>"
            await roster.forget(tx, owner, "a&b@c.example")  # an address that is none
            await roster.put(
                tx, owner, RosterItem("b@c.example", "A & B", subscription="both", groups=("G",))
            )
            await roster.put(tx, owner, RosterItem("romeo@montague.example", pending=asked))

        await workplace.store.write(work)

    armgs.work(more)
    armgs("export", IVANOV, tmp_path / "out", "--credentials")
    there = Armgs(tmp_path / "there", capsys, monkeypatch)
    made = there("init", there.path, "--domain", "digital.example")
    assert made.code == 0, made.err
    settings = there.path / "armgs.toml"
    settings.write_text(settings.read_text() + SECURITY)
    done = there("import", "chat", tmp_path / "out" / "chat.xml", "--json")
    assert done.code == 0 and done.json["refused"] == [], done.out
    there("export", IVANOV, tmp_path / "back", "--credentials")
    before, after = ((tmp_path / name / "chat.xml").read_bytes() for name in ("out", "back"))
    assert without_ids(after) == without_ids(before)
    assert b"scram-credentials" in after

    async def log_in(workplace: Workplace) -> None:
        await workplace.directory.auth.login("imap", "192.0.2.1", True, IVANOV, PASSWORD)

    there.work(log_in)
    armgs("export", IVANOV, tmp_path / "plain")
    assert b"scram" not in (tmp_path / "plain" / "chat.xml").read_bytes()


def without_ids(data: bytes) -> list[bytes]:
    """The lines without the ids that each archive draws for itself, and without the style of quotes."""
    return [line.partition(b"<forwarded")[2] or line for line in data.replace(b"'", b'"').split(b"\n")]


# The reader


def pieces(file: Path) -> list[str]:
    found = []
    for piece in portable.read(file):
        if isinstance(piece, PortableUser):
            found.append(piece.address)
        else:
            found.append(str(piece.element.tag).rpartition("}")[2])
    return found


def test_includes_are_followed(tmp_path: Path) -> None:
    """XEP-0227 §5.1, its own layout; one inside of a part is somebody's data."""
    xi = "xmlns:xi='http://www.w3.org/2001/XInclude'"
    (tmp_path / "capulet.example").mkdir()
    (tmp_path / "main.xml").write_text(
        f"<server-data xmlns='urn:xmpp:pie:0' {xi}><xi:include href='capulet.example.xml'/></server-data>"
    )
    (tmp_path / "capulet.example.xml").write_text(
        f"<host xmlns='urn:xmpp:pie:0' {xi} jid='capulet.example'>"
        "<xi:include href='capulet.example/juliet%20x.xml'/><user name='nurse'/></host>"
    )
    (tmp_path / "capulet.example" / "juliet x.xml").write_text(
        f"<user xmlns='urn:xmpp:pie:0' {xi} name='juliet'><vCard xmlns='vcard-temp'>"
        "<xi:include href='/etc/passwd'/></vCard><xi:include href='roster.xml'/></user>"
    )
    (tmp_path / "capulet.example" / "roster.xml").write_text("<query xmlns='jabber:iq:roster'/>")
    assert pieces(tmp_path / "main.xml") == [
        *("juliet@capulet.example", "vCard", "query", "nurse@capulet.example"),
    ]


@pytest.mark.parametrize(
    "href", ["/etc/passwd", "../secret.xml", "file:///etc/passwd", "https://other.example/a", "", "main.xml"]
)
def test_includes_stay_in_the_folder(tmp_path: Path, href: str) -> None:
    (tmp_path / "secret.xml").write_text("<host xmlns='urn:xmpp:pie:0' jid='a'/>")
    folder = tmp_path / "data"
    folder.mkdir()
    file = folder / "main.xml"
    file.write_text(
        "<server-data xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'>"
        f"<xi:include href='{href}'/></server-data>"
    )
    with pytest.raises(Invalid):
        pieces(file)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<server-data xmlns='urn:xmpp:pie:0'>",
        "<server-data xmlns='urn:xmpp:pie:0'><host></server-data>",
        "<other/>",
        "<server-data xmlns='urn:xmpp:pie:0'><user name='a'/></server-data>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><server-data xmlns='urn:xmpp:pie:0'>&b;</server-data>",
        "<server-data xmlns='urn:xmpp:pie:0'>&b;</server-data>",
    ],
)
def test_broken_files(armgs: Armgs, tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.xml"
    file.write_text(text)
    with pytest.raises(DomainError):
        pieces(file)
    assert armgs("import", "chat", file).code != 0
    assert armgs("import", "chat", tmp_path / "missing.xml").code == 3


def test_a_prefix_is_taken_off(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_text(
        "<server-data xmlns='urn:xmpp:pie:0'><host jid='a'><user name='b'>"
        "<c:presence xmlns:c='jabber:client' type='subscribe'>x<c:a/></c:presence>"
        "</user></host></server-data>"
    )
    written = [
        portable.plain(piece.element) for piece in portable.read(file) if isinstance(piece, PortablePart)
    ]
    (presence,) = written
    assert presence.startswith(b'<presence xmlns="jabber:client" type="subscribe">x<')
    assert presence.endswith(b"</presence>")


def test_stanzas_in_the_namespace_of_the_file(armgs: Armgs, tmp_path: Path) -> None:
    """As prosody writes them."""
    file = tmp_path / "a.xml"
    file.write_text(
        "<server-data xmlns='urn:xmpp:pie:0'><host jid='digital.example'><user name='ivanov'>"
        "<presence type='subscribe' from='romeo@montague.example'/><offline-messages>"
        "<message type='chat' from='friend@other.example'><body>xmlns=\"urn:xmpp:pie:0\"</body></message>"
        "</offline-messages></user></host></server-data>"
    )
    assert armgs("import", "chat", file, "--json").json["accepted"] == 2

    async def look(workplace: Workplace) -> None:
        owner = (await workplace.principal(IVANOV)).id

        async def work(tx: Tx) -> None:
            (asked,) = await roster.load(tx, owner)
            assert asked.pending is not None
            assert asked.pending.startswith(b'<presence xmlns="jabber:client" type="subscribe"')
            (waiting,) = await offline.waiting(tx, owner)
            assert waiting.stanza.startswith(b'<message xmlns="jabber:client" type="chat"')
            assert b'<body>xmlns="urn:xmpp:pie:0"</body>' in waiting.stanza

        await workplace.store.read(work)

    armgs.work(look)


@given(st.binary(max_size=300) | st.text(alphabet="<>/ &;'=abuserhostdata-:", max_size=200).map(str.encode))
def test_any_file_is_pieces_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "a.xml"
    beginning = b"<server-data xmlns='urn:xmpp:pie:0'><host jid='a'><user name='b'>"
    for content in (data, beginning + data, beginning + data + b"</user></host></server-data>"):
        file.write_bytes(content)
        try:
            found = pieces(file)
        except Invalid:
            continue
        assert found == [] or found[0] == "b@a"
