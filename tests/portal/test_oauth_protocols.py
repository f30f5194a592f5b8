# SPDX-License-Identifier: Apache-2.0
"""One token, every protocol: OAUTHBEARER (RFC 7628) and XOAUTH2, and what is told where it is not good."""

from __future__ import annotations

import asyncio
import base64
import json

from tests.portal import oauth_client as program
from tests.portal.client import get
from tests.portal.oauth_client import bearer
from tests.world import IVANOV, PASSWORD, World
from tests.xmpp.client import Client

TIMEOUT = 20.0
EVENT = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//EN\r\nBEGIN:VEVENT\r\nUID:x\r\n"
    b"DTSTAMP:20261101T000000Z\r\nDTSTART:20261101T120000Z\r\nSUMMARY:Meeting\r\n"
    b"END:VEVENT\r\nEND:VCALENDAR\r\n"
)
SEARCH = (
    b'<D:searchrequest xmlns:D="DAV:"><D:basicsearch><D:select><D:prop><D:displayname/></D:prop></D:select>'
    b"<D:from><D:scope><D:href>%s</D:href><D:depth>infinity</D:depth></D:scope></D:from>"
    b"</D:basicsearch></D:searchrequest>"
)


class Talk:
    """Lines over TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, world: World, service: str, *, secure: bool = True) -> Talk:
        return cls(*await world.connect(service, secure=secure))

    async def line(self) -> str:
        async with asyncio.timeout(TIMEOUT):
            return (await self._reader.readline()).decode().rstrip("\r\n")

    async def until(self, start: str) -> str:
        """The first line that begins so."""
        while not (line := await self.line()).startswith(start):
            assert line, f"the connection ended before {start}"
        return line

    async def say(self, line: str) -> str:
        self._writer.write(f"{line}\r\n".encode())
        return await self.line()

    def close(self) -> None:
        self._writer.close()


def old(token: str) -> str:
    """The message of XOAUTH2."""
    return base64.b64encode(f"user={IVANOV}\1auth=Bearer {token}\1\1".encode()).decode()


def told(world: World, challenge: str, status: str, scope: str) -> None:
    """RFC 7628 §3.2.2."""
    assert json.loads(base64.b64decode(challenge)) == {
        "status": status,
        "scope": scope,
        "openid-configuration": world.url("/.well-known/openid-configuration", secure=True),
    }


async def test_a_token_for_mail(world: World) -> None:
    client = await program.register(world)
    token = (await program.tokens(world, client, scope="urn:ietf:params:oauth:scope:mail"))["access_token"]
    await imap(world, token)
    await smtp(world, token)
    await pop3(world, token)
    await sieve(world, token)
    chat = await Talk.to(world, "xmpps")
    chat.close()
    await xmpp(world, token, is_good=False)
    await xmpp(world, (await program.tokens(world, client, scope="chat"))["access_token"], is_good=True)


async def imap(world: World, token: str) -> None:
    talk = await Talk.to(world, "imaps")
    assert "AUTH=OAUTHBEARER AUTH=XOAUTH2" in await talk.line()
    told(world, (await talk.say(f"a AUTHENTICATE OAUTHBEARER {bearer('7.x')}"))[2:], "invalid_token", "mail")
    assert (await talk.say("AQ==")).startswith("a NO [AUTHENTICATIONFAILED]")
    assert (await talk.say(f"b AUTHENTICATE OAUTHBEARER {bearer(token)}")).startswith("b OK ")
    talk.close()
    talk = await Talk.to(world, "imaps")
    await talk.line()
    assert await talk.say("a AUTHENTICATE XOAUTH2") == "+ "
    assert json.loads(base64.b64decode((await talk.say(old("7.x")))[2:]))["status"] == "401"
    assert (await talk.say("")).startswith("a NO [AUTHENTICATIONFAILED]")
    assert (await talk.say(f"b AUTHENTICATE XOAUTH2 {old(token)}")).startswith("b OK ")
    talk.close()


async def smtp(world: World, token: str) -> None:
    talk = await Talk.to(world, "submissions")
    await talk.line()
    await talk.say("EHLO laptop.example")
    await talk.until("250 ")
    told(world, (await talk.say(f"AUTH OAUTHBEARER {bearer('7.x')}"))[4:], "invalid_token", "mail")
    assert (await talk.say("AQ==")).startswith("535 5.7.8")
    assert (await talk.say("AUTH XOAUTH2")).startswith("334")
    assert (await talk.say(old(token))).startswith("235 ")
    talk.close()


async def pop3(world: World, token: str) -> None:
    talk = await Talk.to(world, "pop3s")
    await talk.line()
    told(world, (await talk.say(f"AUTH OAUTHBEARER {bearer('7.x')}"))[2:], "invalid_token", "mail")
    assert (await talk.say("AQ==")).startswith("-ERR [AUTH]")
    assert (await talk.say(f"AUTH OAUTHBEARER {bearer(token)}")).startswith("+OK maildrop")
    talk.close()


async def sieve(world: World, token: str) -> None:
    talk = await Talk.to(world, "sieve", secure=False)
    await talk.until("OK")
    challenge = await talk.say(f'AUTHENTICATE "OAUTHBEARER" "{bearer("7.x")}"')
    if challenge.startswith("{"):
        challenge = await talk.line()
    told(world, challenge.strip('"'), "invalid_token", "mail")
    assert (await talk.say('"AQ=="')).startswith("NO")
    assert (await talk.say(f'AUTHENTICATE "OAUTHBEARER" "{bearer(token)}"')).startswith("OK")
    talk.close()


async def xmpp(world: World, token: str, *, is_good: bool) -> None:
    sasl = "urn:ietf:params:xml:ns:xmpp-sasl"
    async with Client(world, IVANOV) as client:
        await client.connect("xmpps", secure=True)
        await client.open()
        client.send(f"<auth xmlns='{sasl}' mechanism='OAUTHBEARER'>{bearer(token)}</auth>")
        if is_good:
            await client.receive("sasl:success")
            await client.open()
            await client.bind()
            assert client.full.startswith(IVANOV)
            return
        challenge = await client.receive("sasl:challenge")
        told(world, challenge.text or "", "insufficient_scope", "chat")
        client.send(f"<response xmlns='{sasl}'>AQ==</response>")
        failure = await client.receive("sasl:failure")
        assert failure.find(f"{{{sasl}}}not-authorized") is not None


async def test_files_and_calendars_by_a_token(world: World) -> None:
    """RFC 6750: DAV takes the same tokens, each tree by its scope."""
    client = await program.register(world)
    given = await program.tokens(world, client, scope="calendars")
    field = {"Authorization": f"Bearer {given['access_token']}", "Depth": "0"}
    for path, status in (
        (f"/dav/calendars/{IVANOV}/", 207),
        ("/dav/principals/", 207),
        (f"/dav/files/{IVANOV}/", 403),
        (f"/dav/addressbooks/{IVANOV}/", 403),
        (f"/edit/files/{IVANOV}/x.odt", 403),
        ("/resume/x", 403),
    ):
        answer = await get(world, path, field, method="PROPFIND")
        assert answer.status == status, path
        if status == 403:
            assert "insufficient_scope" in answer.headers["www-authenticate"]
    for path in (f"/edit/files/{IVANOV}/x.docx", "/resume/x"):  # wherever else a file can be had
        assert (await get(world, path, field)).status == 403, path
    wrong = await get(world, "/dav/", {"Authorization": "Bearer 7.x", "Depth": "0"}, method="PROPFIND")
    assert (wrong.status, "invalid_token" in wrong.headers["www-authenticate"]) == (401, True)


async def test_what_a_request_names_beside_its_path_is_in_the_scope_too(world: World) -> None:
    """The Destination of a COPY however it is written, what lies below, what a SEARCH or a report names."""
    own = {"Authorization": f"Basic {base64.b64encode(f'{IVANOV}:{PASSWORD}'.encode()).decode()}"}
    client = await program.register(world)
    given = await program.tokens(world, client, scope="calendars")
    field = {"Authorization": f"Bearer {given['access_token']}"}
    files, event = f"/dav/files/{IVANOV}/", f"/dav/calendars/{IVANOV}/default/x.ics"
    assert (await get(world, f"{files}report.txt", own, method="PUT", body=b"secret")).status == 201
    put = await get(world, event, {**field, "Content-Type": "text/calendar"}, method="PUT", body=EVENT)
    assert put.status == 201
    for there in (files, files.replace("files", "%66iles"), files.replace("/files", "//files")):
        answer = await get(
            world, event, {**field, "Destination": world.url(f"{there}x.ics", secure=True)}, method="COPY"
        )
        assert answer.status == 403, there
        assert "insufficient_scope" in answer.headers["www-authenticate"]
    search = SEARCH % files.encode()
    for fields, is_there in ((own, True), (field, False)):
        whole = await get(world, "/dav/", {**fields, "Depth": "infinity"}, method="PROPFIND")
        assert (whole.status, b"/default/x.ics" in whole.body) == (207, True)
        assert (b"report.txt" in whole.body, b"/dav/files/" in whole.body) == (is_there, is_there)
        found = await get(
            world, "/dav/", {**fields, "Content-Type": "text/xml"}, method="SEARCH", body=search
        )
        assert (found.status, b"report.txt" in found.body) == (207 if is_there else 409, is_there)
    # A password on a connection that carried a token before has all its rights.
    reader, writer = await world.connect("https", secure=True)
    for authorization, status in ((field, 403), (own, 207), (field, 403)):
        lines = f"Host: localhost\r\nDepth: 0\r\nAuthorization: {authorization['Authorization']}\r\n"
        writer.write(f"PROPFIND {files} HTTP/1.1\r\n{lines}\r\n".encode())
        async with asyncio.timeout(TIMEOUT):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length:")[2].partition("\r\n")[0])
            await reader.readexactly(length)
        assert head.startswith(f"http/1.1 {status} ")
    writer.close()
