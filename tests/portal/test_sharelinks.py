# SPDX-License-Identifier: Apache-2.0
"""Files by link: who has it reads, until it is over, revoked, or the file is gone; and nobody learns more."""

from __future__ import annotations

import base64
import re
from urllib.parse import urlencode, urlsplit

from armgs_server.storage import clock, collections, items, trash
from armgs_server.storage.tx import Tx
from tests.portal.browser import Browser
from tests.portal.client import Answer, get, without_number
from tests.world import IVANOV, PASSWORD, PETROVA, World

TEXT = bytes(range(256)) * 1024
NAME = "отчёт 1.txt"


def basic(address: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{address}:{password}".encode()).decode()}


async def put_file(world: World, address: str = IVANOV) -> None:
    """A file in the folder 2026."""
    owner = await world.directory.by_address(address)
    assert owner is not None
    ref = await world.store.blobs.put(TEXT)

    async def work(tx: Tx) -> None:
        root = await collections.by_role(tx, owner.id, "files", "root")
        assert root is not None
        folder = await collections.create(tx, owner.id, "files", "2026", parent=root.id)
        await items.add(tx, folder, ref, name=NAME, content_type="text/html")

    await world.store.write(work)


async def desk(world: World, headers: dict[str, str] | None = None, **form: str) -> Answer:
    fields = {**basic(IVANOV), "Accept-Language": "en", **(headers or {})}
    return await get(world, "/links", fields, method="POST", body=urlencode(form).encode())


async def make(world: World, **form: str) -> str:
    """The path of a new link."""
    answer = await desk(world, path=f"/2026/{NAME}", **form)
    assert answer.status == 200, answer.text
    found = re.search(r"<code>(https://[^<]+)</code>", answer.text)
    assert found is not None
    url = urlsplit(found[1])
    assert url.port == world.ports["https"]
    return url.path


async def submit(world: World, path: str, **form: str) -> Answer:
    return await get(world, path, method="POST", body=urlencode(form).encode() or b"x=")


async def test_who_has_the_link_reads_the_file(world: World) -> None:
    await put_file(world)
    path = await make(world)
    page = await get(world, path, {"Accept-Language": "ru"})
    assert page.status == 200
    assert f"<h1>{NAME}</h1>" in page.text and "256.0 KiB" in page.text and "Иванов Иван" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'; ")
    for answer in (await submit(world, path), await get(world, f"{path}/x")):
        assert (answer.status, answer.body) == (200, TEXT)
        assert answer.headers["content-security-policy"] == "sandbox"
        assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%D0%BE")
    part = await get(world, f"{path}/x", {"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, TEXT[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(TEXT)}"
    assert (await get(world, f"{path}/x", {"Range": "bytes=9999999-"})).status == 416
    head = await get(world, f"{path}/x", method="HEAD")
    assert (head.headers["content-length"], head.body) == (str(len(TEXT)), b"")
    assert (await get(world, path, method="DELETE")).status == 405
    listed = await get(world, "/links", basic(IVANOV))
    assert f"{NAME} (256.0 KiB)</td>" in listed.text and "<td>2</td>" in listed.text


async def test_a_password(world: World) -> None:
    await put_file(world)
    path = await make(world, password="open sesame")
    assert 'type="password"' in (await get(world, path)).text
    assert (await get(world, f"{path}/x")).headers["content-type"].startswith("text/html; charset")
    wrong = await submit(world, path, password="wrong")
    assert (wrong.status, 'role="alert"' in wrong.text) == (403, True)
    assert (await submit(world, path, password="open sesame")).body == TEXT


async def test_guessing_is_throttled(world: World) -> None:
    await put_file(world)
    path = await make(world, password="open sesame")
    tries = world.config.security.login_failures + 1
    answers = [(await submit(world, path, password=f"wrong {number}")).status for number in range(tries)]
    assert set(answers) <= {403, 429}
    assert (await submit(world, path, password="open sesame")).status == 429
    other = await make(world, password="another")  # every link is counted by itself
    assert (await submit(world, other, password="another")).status == 200


async def test_a_link_ends(world: World) -> None:
    await put_file(world)
    path, other, third = [await make(world) for _ in range(3)]
    id_ = re.search(r'name="revoke" value="(\w+)"', (await get(world, "/links", basic(IVANOV))).text)
    assert id_ is not None
    # what is another's cannot be revoked
    await desk(world, basic(PETROVA), revoke=id_[1])
    assert (await get(world, path)).status == 200
    await desk(world, revoke=id_[1])
    assert (await get(world, path)).status == 404
    token = "WHERE token = (SELECT MIN(token) FROM link)"
    await world.store.write(lambda tx: tx.execute(f"UPDATE link SET expires = ? {token}", clock.now() - 1))
    assert sorted([(await get(world, other)).status, (await get(world, third)).status]) == [200, 404]
    owner = await world.directory.by_address(IVANOV)
    assert owner is not None
    await world.directory.disable(owner.id)
    assert [(await get(world, each)).status for each in (other, third)] == [404, 404]
    nothing, ended = (await get(world, "/link/nothing")).text, (await get(world, path)).text
    assert without_number(nothing) == without_number(ended)


async def test_a_file_that_is_deleted_has_no_link(world: World) -> None:
    await put_file(world)
    path = await make(world)
    owner = await world.directory.by_address(IVANOV)
    assert owner is not None

    async def work(tx: Tx) -> None:
        folder = next(each for each in await collections.all_of(tx, owner.id, "files") if each.name == "2026")
        [item] = await items.scan(tx, owner.id, folder.id)
        await trash.throw_item(tx, folder, item)

    await world.store.write(work)
    assert (await get(world, path)).status == 404


async def test_on_the_page(world: World) -> None:
    await put_file(world)
    browser = Browser(world)
    await browser.sign_in(IVANOV, target="/links")
    assert browser.path == "/links"
    page = await browser.submit("/links", {"path": ""}, path=f"/2026/{NAME}")
    assert "The link is ready." in page.text
    [id_] = re.findall(r'name="revoke" value="(\w+)"', page.text)
    assert (await browser.post("/links", {"revoke": id_})).status == 403
    page = await browser.get("/links")
    page = await browser.submit("/links", {"revoke": id_})
    assert 'name="revoke"' not in page.text
    assert (await browser.submit("/links", {"path": ""}, path="/nothing")).status == 400


async def test_who_may_make_links(world: World) -> None:
    await put_file(world)
    assert (await get(world, "/links")).headers["location"] == "/signin?next=%2Flinks"
    assert [(await get(world, path)).status for path in ("/linksx", "/links/x", "/link/", "/link")] == [
        404
    ] * 4
    assert (await get(world, "/links", basic(IVANOV, "wrong"))).status == 401
    foreign = await desk(world, {"Origin": "https://evil.example"}, path=f"/2026/{NAME}")
    assert foreign.status == 403
    assert (await desk(world, basic(PETROVA), path=f"/2026/{NAME}")).status == 400
    assert (await desk(world, path="/")).status == 400
    assert (await desk(world, path=f"/2026/{NAME}", days="x")).status == 400
    assert (await desk(world, **{f"f{number}": "x" for number in range(21)})).status == 400
    assert (await desk(world, path="/x" * 20_000)).status == 413
    url = f"https://localhost/dav/files/{IVANOV}/2026/{NAME.replace(' ', '%20')}"
    assert (await desk(world, path=url, days="99999")).status == 200
    links = await world.store.read(lambda tx: tx.rows("SELECT expires - created FROM link"))
    assert links == [(30 * clock.DAY,)]
