# SPDX-License-Identifier: Apache-2.0
"""PROPPATCH: all or none, any XML, and what Windows writes."""

from __future__ import annotations

from tests.dav.client import Answer, Client
from tests.dav.conftest import FILES, IVANOV, Site

MISSING = ["HTTP/1.1 404 Not Found"]


async def patch(client: Client, path: str, sets: str = "", removes: str = "") -> Answer:
    body = '<D:propertyupdate xmlns:D="DAV:">'
    body += f"<D:set><D:prop>{sets}</D:prop></D:set>" if sets else ""
    body += f"<D:remove><D:prop>{removes}</D:prop></D:remove>" if removes else ""
    return await client.request("PROPPATCH", path, f"{body}</D:propertyupdate>")


async def ask(client: Client, path: str, props: str) -> Answer:
    body = f'<D:propfind xmlns:D="DAV:"><D:prop>{props}</D:prop></D:propfind>'
    return await client.request("PROPFIND", path, body, {"Depth": "0"})


async def test_any_xml_comes_back(both_sites: Site) -> None:
    ivanov, phone = both_sites.ivanov, both_sites.ivanov
    value = (
        '<x:note xmlns:x="u:&amp;" xml:lang="ru"><i a="1">смета &lt;2&gt;</i><j xmlns="v:"/> tail</x:note>'
    )
    await ivanov.request("PUT", f"{FILES}/a", b"")
    for path in (f"{FILES}/a", f"{FILES}/"):
        answer = await patch(ivanov, path, value + '<y xmlns="w:">1</y>')
        assert answer.texts("//D:status") == ["HTTP/1.1 200 OK"]
        seen = await ask(phone, path, '<note xmlns="u:&amp;"/>')
        note = seen.find("//*[local-name()='note']")[0]
        assert note.get("{http://www.w3.org/XML/1998/namespace}lang") == "ru"
        assert [child.tag for child in note] == ["i", "{v:}j"]
        assert "".join(note.itertext()) == "смета <2> tail"
        whole = await phone.request("PROPFIND", path, headers={"Depth": "0"})
        assert whole.prop(path, "*[local-name()='y']") == "1"
        await patch(ivanov, path, removes='<y xmlns="w:"/><never xmlns="w:"/>')
        assert (await ask(phone, path, '<y xmlns="w:"/>')).texts("//D:status") == MISSING


async def test_all_or_none(site: Site) -> None:
    ivanov = site.ivanov
    await ivanov.request("PUT", f"{FILES}/a", b"")
    answer = await patch(
        ivanov, f"{FILES}/a", '<y xmlns="w:">1</y><D:getcontentlength>9</D:getcontentlength>'
    )
    assert answer.texts("//D:status") == ["HTTP/1.1 424 Failed Dependency", "HTTP/1.1 403 Forbidden"]
    assert answer.find("//D:error/D:cannot-modify-protected-property")
    assert (await ask(ivanov, f"{FILES}/a", '<y xmlns="w:"/>')).texts("//D:status") == [
        "HTTP/1.1 404 Not Found"
    ]


async def test_the_last_of_two_instructions_counts(site: Site) -> None:
    ivanov = site.ivanov
    await ivanov.request("PUT", f"{FILES}/a", b"")
    await patch(ivanov, f"{FILES}/a", '<y xmlns="w:">1</y>', '<y xmlns="w:"/>')
    assert (await ask(ivanov, f"{FILES}/a", '<y xmlns="w:"/>')).texts("//D:status") == [
        "HTTP/1.1 404 Not Found"
    ]


async def test_displayname_of_folders_and_files(site: Site) -> None:
    ivanov = site.ivanov
    await ivanov.request("PUT", f"{FILES}/a", b"")
    await ivanov.request("MKCOL", f"{FILES}/d")
    for path, default in ((f"{FILES}/a", "a"), (f"{FILES}/d/", "d")):
        assert (await ask(ivanov, path, "<D:displayname/>")).prop(path, "D:displayname") == default
        await patch(ivanov, path, "<D:displayname>Имя</D:displayname>")
        assert (await ask(ivanov, path, "<D:displayname/>")).prop(path, "D:displayname") == "Имя"
        await patch(ivanov, path, removes="<D:displayname/>")
        assert (await ask(ivanov, path, "<D:displayname/>")).prop(path, "D:displayname") == default


async def test_what_the_windows_redirector_writes(site: Site) -> None:
    # Recorded from the Mini-Redirector after a copy: all four must be answered 200.
    ivanov = site.ivanov
    await ivanov.request("PUT", f"{FILES}/a", b"")
    day = "Sun, 22 Nov 2026 10:00:00 GMT"
    values = {
        "Win32CreationTime": day,
        "Win32LastAccessTime": day,
        "Win32LastModifiedTime": day,
        "Win32FileAttributes": "00000020",
    }
    sets = "".join(
        f'<Z:{name} xmlns:Z="urn:schemas-microsoft-com:">{value}</Z:{name}>' for name, value in values.items()
    )
    answer = await patch(ivanov, f"{FILES}/a", sets)
    assert answer.texts("//D:status") == ["HTTP/1.1 200 OK"]
    seen = await ivanov.request("PROPFIND", f"{FILES}/a", headers={"Depth": "0"})
    assert seen.prop(f"{FILES}/a", "*[local-name()='Win32FileAttributes']") == "00000020"


async def test_bounds_and_refusals(site: Site) -> None:
    ivanov = site.ivanov
    await ivanov.request("PUT", f"{FILES}/a", b"")
    many = "".join(f'<p{number} xmlns="w:"/>' for number in range(201))
    assert (await patch(ivanov, f"{FILES}/a", many)).status == 413
    assert (await patch(ivanov, f"{FILES}/a")).status == 400
    assert (await patch(site.petrova, f"{FILES}/a", '<y xmlns="w:"/>')).status == 404
    assert (await patch(ivanov, "/dav/", '<y xmlns="w:"/>')).status == 405
    assert (await patch(ivanov, f"{FILES}/none", '<y xmlns="w:"/>')).status == 404


async def test_a_home_has_properties(both_sites: Site) -> None:
    # Apple's clients keep default alarms and the like on the home.
    ivanov, phone = both_sites.ivanov, both_sites.ivanov
    calendars, books = f"/dav/calendars/{IVANOV}/", f"/dav/addressbooks/{IVANOV}/"
    answer = await patch(ivanov, calendars, '<y xmlns="w:">1</y><D:displayname>Моё</D:displayname>')
    assert answer.texts("//D:status") == ["HTTP/1.1 200 OK"]
    await patch(ivanov, books, '<y xmlns="w:">2</y>')
    for path, value in ((calendars, "1"), (books, "2")):
        assert (await ask(phone, path, '<y xmlns="w:"/>')).prop(path, "*[local-name()='y']") == value
        below = await phone.request("PROPFIND", path, headers={"Depth": "1"})
        assert below.prop(path, "*[local-name()='y']") == value
    assert (await ask(phone, calendars, "<D:displayname/>")).prop(calendars, "D:displayname") == "Моё"
    protected = await patch(ivanov, calendars, "<D:resourcetype/>")
    assert protected.texts("//D:status") == ["HTTP/1.1 403 Forbidden"]
    await patch(ivanov, calendars, removes='<y xmlns="w:"/>')
    assert (await ask(phone, calendars, '<y xmlns="w:"/>')).texts("//D:status") == MISSING
    assert (await ask(phone, books, '<y xmlns="w:"/>')).prop(books, "*[local-name()='y']") == "2"


async def test_the_home_of_somebody_else(site: Site) -> None:
    path = f"/dav/calendars/{IVANOV}/"
    refused = await patch(site.petrova, path, '<y xmlns="w:">1</y>')
    assert (refused.status, refused.condition) == (403, "need-privileges")
    assert (await ask(site.ivanov, path, '<y xmlns="w:"/>')).texts("//D:status") == MISSING
    stale = await site.ivanov.request("PROPPATCH", path, b"", {"If-Match": '"x"'})
    assert stale.status == 400
