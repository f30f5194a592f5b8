# SPDX-License-Identifier: Apache-2.0
"""A folder in a browser."""

from __future__ import annotations

from tests.dav.conftest import FILES, IVANOV, PETROVA, Site


async def test_links_lead_to_what_is_there(site: Site) -> None:
    client = site.ivanov
    await client.request("PUT", f"{FILES}/a%20%3Cb%3E.txt", b"12345")
    await client.request("MKCOL", f"{FILES}/d")
    page = await client.request("GET", f"{FILES}/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    text = page.body.decode()
    assert f"<title>{IVANOV}</title>" in text
    assert f'<a href="{FILES}/a%20%3Cb%3E.txt">a &lt;b&gt;.txt</a><td>5<td>20' in text
    assert f'<a href="{FILES}/d/">d/</a>' in text and '<a href="../">' in text
    head = await client.request("HEAD", f"{FILES}/")
    assert (head.status, head.body) == (200, b"")


async def test_only_what_the_person_may_see(site: Site) -> None:
    assert (await site.ivanov.request("GET", f"/dav/files/{PETROVA}/")).status == 404
    page = (await site.ivanov.request("GET", "/dav/files/")).body.decode()
    assert PETROVA not in page and '<a href="/dav/files/shared/">shared/</a>' in page
