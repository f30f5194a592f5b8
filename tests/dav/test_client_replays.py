# SPDX-License-Identifier: Apache-2.0
"""Whole conversations of clients that cannot run in the tests, request by request.

LibreOffice's was recorded from version 7.4.7 against this server. Those of Windows' Mini-Redirector and of
Microsoft Office follow MS-WDV and reports on other servers; they were not recorded here.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.dav.client import Answer, Client
from tests.dav.conftest import FILES, Site

SHARED = "/dav/files/shared"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
OPENOFFICE = "http://ucb.openoffice.org/dav/props/"


def ask(*names: str) -> str:
    inside = "".join(f"<{name}/>" for name in names)
    return f'{XML}<propfind xmlns="DAV:"><prop>{inside}</prop></propfind>'


async def libreoffice(client: Client, method: str, path: str, body: str = "", **more: str) -> Answer:
    headers: dict[str, str] = {
        "User-Agent": "LibreOffice 7.4.7.2",
        "Accept-Encoding": "deflate, gzip, br, zstd",
    }
    if body:
        headers |= {"Content-Type": "application/xml", "Depth": "0", "Expect": "100-continue"}
    return await client.request(
        method, path, body, headers | {k.replace("_", "-"): v for k, v in more.items()}
    )


async def test_libreoffice_opens_changes_saves_and_closes(site: Site) -> None:
    writer, colleague = site.ivanov, site.petrova
    document = f"{SHARED}/x.odt"
    await writer.request("PUT", document, b"PK old")
    kind = ask(
        'resourcetype xmlns="DAV:"', f'IsReadOnly xmlns="{OPENOFFICE}"', "getcontenttype", "supportedlock"
    )
    assert (await libreoffice(writer, "OPTIONS", document)).headers["dav"].startswith("1, 2")
    seen = await libreoffice(writer, "PROPFIND", document, kind)
    assert len(seen.find("//D:supportedlock/D:lockentry")) == 2
    assert seen.prop(document, "D:getcontenttype") == "application/vnd.oasis.opendocument.text"
    for name in ("IsReadOnly", "BaseURI", "ObjectId"):
        seen = await libreoffice(writer, "PROPFIND", document, ask(f'{name} xmlns="{OPENOFFICE}"'))
        assert seen.texts("//D:status") == ["HTTP/1.1 404 Not Found"]
    assert (await libreoffice(writer, "HEAD", document)).status == 200
    assert (await libreoffice(writer, "GET", document)).body == b"PK old"
    info = (
        f'{XML}<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype>'
        "<owner>LibreOffice - </owner></lockinfo>"
    )
    locked = await libreoffice(writer, "LOCK", document, info, Timeout="Second-180")
    assert locked.status == 200
    token = locked.headers["lock-token"]
    assert (await colleague.request("PUT", document, b"PK hers")).status == 423
    folder = f"{SHARED}/"
    assert (await libreoffice(writer, "OPTIONS", folder)).status == 200
    seen = await libreoffice(writer, "PROPFIND", folder, ask(f'CreatableContentsInfo xmlns="{OPENOFFICE}"'))
    assert seen.status == 207
    assert (await libreoffice(writer, "HEAD", folder)).status == 200
    assert (await libreoffice(writer, "GET", folder, Range="bytes=0-0")).status == 200
    saved = await writer.request("PUT", document, b"PK new", {"If": f"({token})", "Expect": "100-continue"})
    assert saved.status == 204
    names = f'{XML}<propfind xmlns="DAV:"><propname/></propfind>'
    assert (await libreoffice(writer, "PROPFIND", document, names)).status == 207
    assert (await libreoffice(writer, "UNLOCK", document, Lock_Token=token)).status == 204
    assert (await colleague.request("GET", document)).body == b"PK new"
    assert (await colleague.request("PUT", document, b"PK hers")).status == 204


REDIRECTOR: Mapping[str, str] = {
    "User-Agent": "Microsoft-WebDAV-MiniRedir/10.0.19045",
    "Connection": "Keep-Alive",
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
    "translate": "f",
}


async def windows(client: Client, method: str, path: str, body: bytes | str = b"", **more: str) -> Answer:
    headers = {**REDIRECTOR, "Content-Length": str(len(body)), **more}
    return await client.request(method, path, body, headers)


async def test_the_mini_redirector_mounts_and_copies_a_file(site: Site) -> None:
    client = site.ivanov
    for path in ("/", "/dav", "/dav/files", FILES):
        options = await windows(client, "OPTIONS", path)
        assert options.status == 200 and "PROPFIND" in options.headers["allow"]
        assert options.headers["ms-author-via"] == "DAV"
        seen = await windows(client, "PROPFIND", path, Depth="0")
        assert seen.status == 207
        assert seen.find("//D:resourcetype/D:collection")
    for name in ("desktop.ini", "new.txt"):
        assert (await windows(client, "PROPFIND", f"{FILES}/{name}", Depth="0")).status == 404
    # A new file: an empty PUT, a lock, attributes, the bytes under the lock, attributes again, unlock.
    path = f"{FILES}/new.txt"
    assert (await windows(client, "PUT", path)).status == 201
    info = (
        f'{XML}<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
        "<D:locktype><D:write/></D:locktype><D:owner><D:href>DIGITAL\\ivanov</D:href></D:owner></D:lockinfo>"
    )
    locked = await windows(client, "LOCK", path, info, Timeout="Second-3600", Depth="0")
    assert locked.status == 200
    token = locked.headers["lock-token"]
    attributes = (
        f'{XML}<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:">'
        "<D:set><D:prop><Z:Win32CreationTime>Sun, 22 Nov 2026 10:00:00 GMT</Z:Win32CreationTime>"
        "<Z:Win32FileAttributes>00000000</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>"
    )
    patched = await windows(client, "PROPPATCH", path, attributes, If=f"({token})")
    assert patched.texts("//D:status") == ["HTTP/1.1 200 OK"]
    assert (await windows(client, "PUT", path, b"hello", If=f"({token})")).status == 204
    refreshed = await windows(client, "LOCK", path, If=f"({token})", Timeout="Second-3600")
    assert refreshed.status == 200 and refreshed.texts("//D:locktoken/D:href") == [token.strip("<>")]
    assert (await client.request("UNLOCK", path, headers={**REDIRECTOR, "Lock-Token": token})).status == 204
    listed = await windows(client, "PROPFIND", FILES, Depth="1")
    assert listed.prop(path, "D:getcontentlength") == "5"
    assert (await site.ivanov.request("GET", path)).body == b"hello"


async def test_office_opens_with_an_empty_lock(site: Site) -> None:
    client = site.ivanov
    await client.request("PUT", f"{FILES}/a.docx", b"x")
    office = {
        "User-Agent": "Microsoft Office Word 2019",
        "X-Office-Major-Version": "16",
        "Content-Length": "0",
    }
    stale = {"If": "(<opaquelocktoken:{00000000-0000-0000-0000-000000000000}>)", **office}
    assert (await client.request("LOCK", f"{FILES}/a.docx", headers=stale)).status == 412
    assert (await client.request("LOCK", f"{FILES}/a.docx", headers=office)).status == 412
    assert (await client.request("HEAD", f"{FILES}/a.docx", headers=office)).status == 200


async def test_temporary_files_are_files_like_others(site: Site) -> None:
    client = site.ivanov
    for name in (".~lock.x.odt%23", "~$a.docx", "._a.txt", "Thumbs.db", "desktop.ini"):
        assert (await client.request("PUT", f"{FILES}/{name}", b"x")).status == 201
        assert (await client.request("DELETE", f"{FILES}/{name}")).status == 204
