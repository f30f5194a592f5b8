# SPDX-License-Identifier: Apache-2.0
"""A department kept in step with OpenLDAP's slapd: tried, done, done again, and after changes over there."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from armgs_server.cli.app import main
from armgs_server.directory import Principal, lookup
from armgs_server.net.certificates import make_certificates
from armgs_server.storage.tx import Tx
from tests.peers.test_imap_clients import Debian, run
from tests.trust.filter_servers import free_port, running
from tests.world import HOST, World

pytestmark = pytest.mark.peer
BASE = "ou=ministry,dc=corp,dc=example"
ADMIN = "cn=admin,dc=corp,dc=example"
SECRET = "slapd-secret"
CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {home}/pid
TLSCACertificateFile {home}/tls/ca.crt
TLSCertificateFile {home}/tls/server.crt
TLSCertificateKeyFile {home}/tls/server.key
sizelimit 2
security tls=1
database mdb
suffix dc=corp,dc=example
rootdn {admin}
rootpw {secret}
directory {home}/data
limits users size.prtotal=unlimited size=2
access to * by users read by * auth
"""
ENTRIES = """
dn: dc=corp,dc=example
objectClass: dcObject
objectClass: organization
dc: corp
o: Corp

dn: ou=ministry,dc=corp,dc=example
objectClass: organizationalUnit
ou: ministry

dn: ou=books,ou=ministry,dc=corp,dc=example
objectClass: organizationalUnit
ou: Books

dn: ou=pay,ou=books,ou=ministry,dc=corp,dc=example
objectClass: organizationalUnit
ou: Pay

dn: ou=printers,ou=ministry,dc=corp,dc=example
objectClass: organizationalUnit
ou: Printers
"""
PERSON = """
dn: cn={name},{where}
objectClass: inetOrgPerson
cn: {name}
sn: {name}
givenName: Anna
title: Clerk
mail: {mail}
telephoneNumber: +7 495 1
"""


def entries() -> str:
    people = [("Orlova", f"ou=books,{BASE}"), ("Titova", f"ou=pay,ou=books,{BASE}"), ("Uvarov", BASE)]
    text = ENTRIES
    for name, where in people:
        text += PERSON.format(name=name, where=where, mail=f"{name.lower()}@digital.example")
    return text + PERSON.format(name="Alien", where=BASE, mail="alien@partner.example")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


@pytest.fixture
async def slapd(debian: Debian, tmp_path: Path) -> AsyncIterator[tuple[Path, str]]:
    """Its folder and its URL; it wants TLS, a log-in, and gives two entries at a time."""
    debian("slapd", "ldap-utils")
    home = tmp_path / "slapd"
    (home / "data").mkdir(parents=True)
    make_certificates(home / "tls", HOST, ("corp.example",))
    (home / "conf").write_text(CONFIGURATION.format(home=home, admin=ADMIN, secret=SECRET))
    (home / "ldif").write_text(entries())
    (home / "ldaprc").write_text(f"TLS_CACERT {home}/tls/ca.crt\n")
    await run("/usr/sbin/slapadd", "-f", str(home / "conf"), "-l", str(home / "ldif"), directory=home)
    where = f"{HOST}:{free_port()}"
    command = ("/usr/sbin/slapd", "-d", "0", "-f", str(home / "conf"), "-h", f"ldap://{where}")
    async with running(*command, ready=where):
        yield home, f"ldap://{where}"


class Command:
    """`armgs import ldap` beside the running daemon."""

    def __init__(
        self,
        world: World,
        slapd: tuple[Path, str],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.world = world
        self.home, self.url = slapd
        self.ca = ("--ca", str(self.home / "tls" / "ca.crt"))
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    async def __call__(self, *options: str, secret: str = SECRET) -> Any:
        """Its report; or what it says where it fails."""
        self._monkeypatch.setattr("sys.stdin", io.StringIO(f"{secret}\n"))
        arguments = ["import", "ldap", f"{self.url}/{BASE}", "digital.example", "--bind", ADMIN]
        arguments += ["--password-stdin", "--config", str(self.world.path), "--json", *options]
        self._capsys.readouterr()
        code = await asyncio.to_thread(main, arguments)
        output, errors = self._capsys.readouterr()
        return json.loads(output) if code == 0 else errors

    async def modify(self, ldif: str) -> None:
        """Changes something over there."""
        (self.home / "changes").write_text(ldif)
        who = ("-x", "-D", ADMIN, "-w", SECRET)
        await run("ldapmodify", "-ZZ", "-H", self.url, *who, "-f", "changes", directory=self.home)


@pytest.fixture
def sync(
    world: World,
    slapd: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    return Command(world, slapd, monkeypatch, capsys)


async def person(world: World, name: str) -> Principal | None:
    return await world.store.read(lambda tx: lookup.by_address(tx, f"{name}@digital.example"))


async def test_again_and_again(world: World, sync: Command) -> None:
    tried = await sync(*sync.ca, "--dry-run")
    assert (tried["units_added"], tried["added"]) == (2, 3)
    assert await person(world, "orlova") is None

    done = await sync(*sync.ca)
    assert done == tried
    titova = await person(world, "titova")
    assert titova is not None
    assert (titova.name, titova.post, titova.data["telephone"]) == ("Titova", "Clerk", "+7 495 1")
    pay = await world.directory.by_id(titova.unit)
    assert pay is not None
    books = await world.directory.by_id(pay.unit)
    assert books is not None
    assert (pay.name, books.name, books.unit) == ("Pay", "Books", 0)

    again = await sync(*sync.ca)
    assert (again["unchanged"], again["added"], again["changed"], again["units_changed"]) == (3, 0, 0, 0)

    await sync.modify(
        f"dn: ou=pay,ou=books,{BASE}\nchangetype: modrdn\nnewrdn: ou=Payroll\ndeleteoldrdn: 1\n\n"
        f"dn: cn=Orlova,ou=books,{BASE}\nchangetype: modify\nreplace: title\ntitle: Head\n\n"
        f"dn: cn=Uvarov,{BASE}\nchangetype: delete\n",
    )
    changed = await sync(*sync.ca)
    assert (changed["units_changed"], changed["changed"], changed["suspended"]) == (1, 1, 0)
    gone = await sync(*sync.ca, "--missing", "suspend")
    assert gone["suspended"] == 3  # ivanov and petrova are not over there either
    uvarov = await person(world, "uvarov")
    assert uvarov is not None
    assert uvarov.disabled
    renamed = await world.store.read(lambda tx: _unit(tx, pay.id))
    assert renamed == "Payroll"


async def _unit(tx: Tx, number: int) -> str:
    return str(await tx.value("SELECT name FROM principal WHERE id = ?", number))


async def test_what_goes_wrong(world: World, sync: Command) -> None:
    """Nothing is done, and nothing is said in clear text unless that is wanted."""
    assert "no TLS with" in await sync()
    assert "refuses" in await sync(*sync.ca, secret="wrong")
    assert "TLS" in await sync("--clear-text")  # slapd wants it
    assert await person(world, "orlova") is None
