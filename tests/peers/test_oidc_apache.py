# SPDX-License-Identifier: Apache-2.0
"""Apache with mod_auth_openidc: another service, which people sign in to with their account here."""

from __future__ import annotations

import asyncio
import http.client
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.peers.apache import Apache
from tests.peers.apache import apache as apache
from tests.peers.test_imap_clients import Debian
from tests.portal.browser import Browser
from tests.world import HOST, IVANOV, PASSWORD, PETROVA, World

pytestmark = pytest.mark.peer

CONFIGURATION = """
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCCABundlePath {home}/ca.crt
OIDCClientID wiki
OIDCClientSecret {secret}
OIDCRedirectURI {place}
OIDCCryptoPassphrase a-passphrase-of-the-test
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCIDTokenSignedResponseAlg ES256
OIDCRemoteUserClaim email
<Location />
    AuthType openid-connect
    Require user {person}
</Location>
"""


class Visitor:
    """The same browser at Apache: keeps its cookies, follows nothing."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookies: dict[str, str] = {}

    def get(self, target: str) -> tuple[int, str, bytes]:
        """Status, Location and body."""
        connection = http.client.HTTPConnection(HOST, self._port, timeout=30)
        fields = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        connection.request("GET", target, headers={"Cookie": fields, "Accept": "text/html"})
        answer = connection.getresponse()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self._cookies[key] = rest.partition(";")[0]
        found = (answer.status, answer.getheader("Location") or "", answer.read())
        connection.close()
        return found


async def sign_in(world: World, visitor: Visitor, address: str) -> tuple[int, bytes]:
    """From the page one wants to see, by way of the account, and back to it."""
    status, location, _ = await asyncio.to_thread(visitor.get, "/page.txt")
    asked = urlsplit(location)
    assert (status, asked.port) == (302, world.ports["https"])
    browser = Browser(world)
    page = await browser.sign_in(address, PASSWORD, f"{asked.path}?{asked.query}")
    assert "Our wiki" in page.text and "learn your address" in page.text
    answer = await browser.submit("/oauth/authorize", {"answer": "allow"})
    back = urlsplit(answer.headers["location"])
    status, location, body = await asyncio.to_thread(visitor.get, f"{back.path}?{back.query}")
    assert (status, urlsplit(location).path) == (302, "/page.txt"), body
    status, _, body = await asyncio.to_thread(visitor.get, "/page.txt")
    return status, body


async def test_apache_signs_people_in(debian: Debian, apache: Apache, tmp_path: Path) -> None:
    debian("apache2", "libapache2-mod-auth-openidc")
    (apache.home / "www" / "page.txt").write_text("the wiki\n")
    async with World(tmp_path) as world:
        clients = world.directory.auth.oauth.clients
        place = f"{apache.url}/callback"
        _, secret = await clients.enter("wiki", "Our wiki", [place], is_confidential=True)
        configuration = CONFIGURATION.format(
            home=apache.home, issuer=world.url("", secure=True), secret=secret, place=place, person=IVANOV
        )
        async with apache.serving(world, ("authz_user", "auth_openidc"), configuration):
            assert await sign_in(world, Visitor(apache.port), IVANOV) == (200, b"the wiki\n")
            status, body = await sign_in(world, Visitor(apache.port), PETROVA)
            assert status in (401, 403) and b"the wiki" not in body
