# SPDX-License-Identifier: Apache-2.0
"""/chat/ with a bundle in place: page, script, files; and nothing at all without one."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from armgs_server.errors import Invalid
from armgs_server.portal import converse, webchat
from tests.portal.client import get
from tests.world import World

SCRIPT = b"export default { initialize: () => 0 };\n"
MEMBERS = {
    "package/package.json": b"{}",
    "package/dist/converse.min.js": SCRIPT,
    "package/dist/converse.min.js.map": b"{}",
    "package/dist/converse.min.css": b"body {}",
    "package/dist/images/logo.png": b"PNG",
    "package/dist/libomemo.esm.min.js": b"0",
}


def archive(path: Path, members: dict[str, bytes]) -> Path:
    """A package in the shape of the registry's."""
    with tarfile.open(path, "w:gz") as package:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            package.addfile(entry, io.BytesIO(content))
    return path


def place(world: World) -> Path:
    folder = world.config.data_dir / webchat.FOLDER
    (folder / "images").mkdir(parents=True)
    (folder / "converse.min.js").write_bytes(SCRIPT)
    (folder / "converse.min.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "images" / "logo.png").write_bytes(b"PNG")
    (folder.parent / "secret.js").write_bytes(b"0")
    return folder


def host(world: World) -> dict[str, str]:
    return {"Host": f"localhost:{world.ports['https']}"}


async def test_without_the_program_there_is_no_page_and_no_link(world: World) -> None:
    assert (await get(world, "/chat/")).status == 404
    assert "/chat/" not in (await get(world, "/?lang=ru")).text


async def test_the_page_loads_and_reaches_this_server_only(world: World) -> None:
    place(world)
    assert 'href="/chat/?lang=ru"' in (await get(world, "/?lang=ru")).text
    page = await get(world, "/chat/?lang=ru", host(world))
    assert page.status == 200
    assert '<html lang="ru">' in page.text
    assert '<script type="module" src="/chat/start.js?lang=ru">' in page.text
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == f"'self' wss://localhost:{world.ports['https']}/xmpp-websocket"


async def test_the_script_is_configured(world: World) -> None:
    place(world)
    script = (await get(world, "/chat/start.js?lang=ru", host(world))).text
    settings = json.loads(script.partition("converse.initialize(")[2].removesuffix(");\n"))
    assert settings["websocket_url"] == f"wss://localhost:{world.ports['https']}/xmpp-websocket"
    assert settings["i18n"] == "ru"
    assert settings["muc_domain"] == "conference.digital.example"


async def test_under_another_name_the_page_leads_to_its_own(world: World) -> None:
    place(world)
    answer = await get(world, "/chat/?lang=ru", {"Host": "digital.example"})
    assert answer.status == 302
    assert answer.headers["location"] == f"https://localhost:{world.ports['https']}/chat/?lang=ru"
    assert (await get(world, "/chat")).headers["location"] == "/chat/"


async def test_files_are_served_by_their_listed_names(world: World) -> None:
    place(world)
    plain = await get(world, "/chat/dist/converse.min.js")
    assert (plain.body, plain.headers["content-type"]) == (SCRIPT, "text/javascript; charset=utf-8")
    packed = await get(world, "/chat/dist/converse.min.js", {"Accept-Encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == SCRIPT
    again = await get(world, "/chat/dist/converse.min.js", {"If-None-Match": plain.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert (await get(world, "/chat/dist/images/logo.png")).headers["content-type"] == "image/png"
    for name in ("", "images", "../secret.js", "%2e%2e/secret.js", "..%2fsecret.js", "converse.min.js.gz"):
        assert (await get(world, f"/chat/dist/{name}")).status == 404, name
    assert (await get(world, "/chat/dist/converse.min.js", method="POST")).status == 405


def test_only_the_published_package_is_unpacked(tmp_path: Path) -> None:
    package = archive(tmp_path / "converse.tgz", MEMBERS)
    folder = tmp_path / "converse"
    with pytest.raises(Invalid, match="as its makers published it"):
        converse.install(package, folder)
    with pytest.raises(Invalid, match="No such file"):
        converse.install(tmp_path / "nothing", folder)
    assert not folder.exists()


def test_of_the_package_only_what_a_browser_loads(tmp_path: Path) -> None:
    package = archive(tmp_path / "converse.tgz", MEMBERS)
    folder = tmp_path / "converse"
    assert converse.unpack(package, folder) == 3
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert names == [
        "converse.min.css",
        "converse.min.css.gz",
        "converse.min.js",
        "converse.min.js.gz",
        "images/logo.png",
    ]
    assert gzip.decompress((folder / "converse.min.js.gz").read_bytes()) == SCRIPT


def test_a_name_that_leads_out_is_refused(tmp_path: Path) -> None:
    package = archive(tmp_path / "converse.tgz", {"package/dist/../../out.js": b"0"})
    with pytest.raises(Invalid, match="not what belongs there"):
        converse.unpack(package, tmp_path / "converse")
    assert not (tmp_path / "out.js").exists()


def test_a_replaced_bundle_is_listed_anew(tmp_path: Path) -> None:
    folder = tmp_path / "converse"
    bundle = converse.Bundle(folder)
    assert bundle.find("converse.min.js") is None
    converse.unpack(archive(tmp_path / "one.tgz", MEMBERS), folder)
    found = bundle.find("converse.min.js")
    assert found is not None and bundle.is_there
    assert bundle.find("new.js") is None
    converse.unpack(archive(tmp_path / "two.tgz", MEMBERS | {"package/dist/new.js": b"1"}), folder)
    assert bundle.find("new.js") is not None
