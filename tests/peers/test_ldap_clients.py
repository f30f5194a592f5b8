# SPDX-License-Identifier: Apache-2.0
"""The directory asked by programs that people use: OpenLDAP's tools, and Apache letting people in by it."""

from __future__ import annotations

import asyncio
import base64
import urllib.error
import urllib.request
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from armgs_server.net.certificates import make_certificates
from tests.ldap.conftest import populate
from tests.peers.apache import Apache
from tests.peers.apache import apache as apache
from tests.peers.test_imap_clients import Debian, run
from tests.world import HOST, IVANOV, PASSWORD, PETROVA, World

pytestmark = [pytest.mark.peer, pytest.mark.asyncio(loop_scope="module")]
BASE = "dc=digital,dc=example"
IVANOV_DN = f"uid={IVANOV},ou=people,{BASE}"
SMIRNOVA = "smirnova@digital.example"
BOOKS = f"uid=books@digital.example,ou=groups,{BASE}"
LOGGED_IN = ("-x", "-D", IVANOV_DN, "-w", PASSWORD)


class NumberedWorld(World):
    """Its certificate is for the address: OpenLDAP's library takes `localhost` for the machine's own name."""

    def certify(self) -> None:
        make_certificates(self.path / "tls", HOST, self.domains)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """As in real life: nobody logs in without TLS."""
    settings = {"security": {"allow_plaintext": False}}
    async with NumberedWorld(tmp_path_factory.mktemp("ldap"), settings=settings) as world:
        await populate(world)
        (world.path / "ldaprc").write_text(f"TLS_CACERT {world.ca}\nTLS_REQCERT demand\n")
        yield world


async def tool(world: World, name: str, *arguments: str, service: str = "ldaps") -> str:
    """Runs one of the tools; what it printed, in LDIF with long lines."""
    uri = f"{service}://{HOST}:{world.ports[service]}"
    output = await run(name, "-o", "ldif-wrap=no", "-H", uri, *arguments, directory=world.path)
    return output.decode()


def values(ldif: str, attribute: str) -> list[str]:
    """The values of an attribute in the order of the LDIF."""
    found = []
    for line in ldif.splitlines():
        name, _, value = line.partition(": ")
        if name == attribute:
            found.append(value)
        elif name == f"{attribute}:":
            found.append(base64.b64decode(value).decode())
    return found


async def test_ldapsearch(debian: Debian, world: World) -> None:
    debian("ldap-utils")
    found = await tool(world, "ldapsearch", *LOGGED_IN, "-LLL", "-b", BASE, "(cn=*бух*)", "cn", "member")
    assert values(found, "cn") == ["Бухгалтерия", "Бухгалтеры"]
    assert values(found, "member")[:1] == [f"uid=kuznetsov@digital.example,ou=people,{BASE}"]
    found = await tool(
        world, "ldapsearch", *LOGGED_IN, "-ZZ", "-LLL", "-b", BASE, "(sn=смирнова)", service="ldap"
    )
    assert values(found, "dn") == [f"uid={SMIRNOVA},ou=people,{BASE}"]
    assert values(found, "mail") == [SMIRNOVA]


async def test_ldapsearch_page_by_page(debian: Debian, world: World) -> None:
    debian("ldap-utils")
    everything = await tool(world, "ldapsearch", *LOGGED_IN, "-LLL", "-b", BASE, "1.1")
    paged = await tool(
        world, "ldapsearch", *LOGGED_IN, "-LLL", "-E", "pr=3/noprompt", "-b", BASE, "(objectClass=*)", "1.1"
    )
    assert values(paged, "dn") == values(everything, "dn")
    assert len(values(paged, "dn")) > 10


async def test_the_schema_as_openldap_reads_it(debian: Debian, world: World) -> None:
    debian("ldap-utils")
    found = await tool(world, "ldapsearch", "-x", "-LLL", "-s", "base", "-b", "cn=subschema", "+")
    assert any("NAME 'inetOrgPerson'" in each for each in values(found, "objectClasses"))
    root = await tool(world, "ldapsearch", "-x", "-LLL", "-s", "base", "-b", "", "namingContexts")
    assert values(root, "namingContexts") == [BASE, "dc=finance,dc=example"]


async def test_whoami_and_compare(debian: Debian, world: World) -> None:
    debian("ldap-utils")
    assert (await tool(world, "ldapwhoami", *LOGGED_IN)).strip() == f"dn:{IVANOV_DN}"
    assert (await tool(world, "ldapwhoami", "-x")).strip() == "anonymous"
    with pytest.raises(AssertionError, match="TRUE"):  # its exit status is the result code, 6
        await tool(world, "ldapcompare", *LOGGED_IN, IVANOV_DN, f"mail:{IVANOV}")
    with pytest.raises(AssertionError, match="Invalid credentials"):
        await tool(world, "ldapwhoami", "-x", "-D", IVANOV_DN, "-w", "wrong")
    with pytest.raises(AssertionError, match="Confidentiality required"):
        await tool(world, "ldapwhoami", *LOGGED_IN, service="ldap")


async def test_nothing_can_be_changed(debian: Debian, world: World) -> None:
    debian("ldap-utils")
    with pytest.raises(AssertionError, match="Server is unwilling to perform"):
        await tool(world, "ldapdelete", *LOGGED_IN, IVANOV_DN)


async def test_sasl(debian: Debian, world: World) -> None:
    """SCRAM, its channel bound or not, by the libraries of Cyrus."""
    debian("ldap-utils", "libsasl2-modules")
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"):
        answer = await tool(world, "ldapwhoami", "-Q", "-Y", mechanism, "-U", IVANOV, "-w", PASSWORD)
        assert answer.strip() == f"dn:{IVANOV_DN}", mechanism


APACHE = """
LDAPTrustedGlobalCert CA_BASE64 {home}/ca.crt
<Location />
    AuthType Basic
    AuthName "books"
    AuthBasicProvider ldap
    AuthLDAPURL "ldaps://{host}:{ldaps}/{base}?uid?sub?(objectClass=inetOrgPerson)"
    AuthLDAPBindDN "{bind_dn}"
    AuthLDAPBindPassword "{password}"
    Require ldap-group {group}
</Location>
"""


def status(url: str, user: str, password: str) -> int:
    request = urllib.request.Request(url)
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    request.add_header("Authorization", f"Basic {credentials}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.read() == b"the books\n"
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


async def test_apache_lets_in_by_the_directory(debian: Debian, world: World, apache: Apache) -> None:
    """By address or local part, members of a group of groups only; with a password for a device, too."""
    debian("apache2")
    petrova, smirnova = [await world.directory.by_address(each) for each in (PETROVA, SMIRNOVA)]
    assert petrova is not None
    assert smirnova is not None
    secret = await world.directory.add_app_password(petrova.id, "apache")
    device = await world.directory.add_app_password(smirnova.id, "browser")
    (apache.home / "www" / "index.txt").write_text("the books\n")
    configuration = APACHE.format(
        home=apache.home,
        host=HOST,
        ldaps=world.ports["ldaps"],
        base=BASE,
        bind_dn=f"uid={PETROVA},ou=people,{BASE}",
        password=secret,
        group=BOOKS,
    )
    async with apache.serving(world, ("auth_basic", "ldap", "authnz_ldap"), configuration):
        url = f"{apache.url}/index.txt"
        for user, password, expected in (
            (SMIRNOVA, PASSWORD, 200),
            ("smirnova", PASSWORD, 200),
            ("smirnova", device, 200),
            ("smirnova", "wrong", 401),
            ("ivanov", PASSWORD, 401),  # a colleague, but not of the group
            ("gone", PASSWORD, 401),
            ("nobody", PASSWORD, 401),
        ):
            assert await asyncio.to_thread(status, url, user, password) == expected, (user, password)
