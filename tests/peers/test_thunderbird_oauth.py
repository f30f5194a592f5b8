# SPDX-License-Identifier: Apache-2.0
"""Thunderbird logs in by OAuth 2.0: the desktop's browser asks the person, IMAP and SMTP take the token."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.peers.test_imap_clients import Mailboxes
from tests.peers.test_thunderbird import SEND
from tests.portal.browser import Browser
from tests.thunderbird import PACKAGES, Thunderbird
from tests.world import IVANOV, PASSWORD, PETROVA, World

pytestmark = pytest.mark.peer

# What an organisation's policy or extension tells it of the provider; all else it finds by the address.
SET_UP = """
    const [address, name, issuer] = args;
    const { OAuth2Providers } = ChromeUtils.importESModule("resource:///modules/OAuth2Providers.sys.mjs");
    Services.prefs.setBoolPref("mailnews.oauth.useExternalBrowser", true);
    OAuth2Providers.registerProvider({
        name: "localhost",
        clientId: "thunderbird",
        issuerIdentifier: issuer,
        authorizationEndpoint: issuer + "/oauth/authorize",
        tokenEndpoint: issuer + "/oauth/token",
        usePKCE: true,
        useExternalBrowser: true,
    }, ["localhost."], "mail offline_access");
    const load = path => ChromeUtils.importESModule("resource:///modules/accountcreation/" + path);
    const { FindConfig } = load("FindConfig.sys.mjs");
    const { AccountConfig } = load("AccountConfig.sys.mjs");
    const { ConfigVerifier } = load("ConfigVerifier.sys.mjs");
    const { CreateInBackend } = load("CreateInBackend.sys.mjs");
    const signal = new AbortController().signal;
    const search = FindConfig.parallelAutoDiscovery(address.split("@")[1], address, signal, "");
    const config = (await search.next()).value;
    AccountConfig.replaceVariables(config, name, address, "");
    // It knows providers by names with a dot in them.
    config.incoming.hostname = config.outgoing.hostname = "localhost.";
    config.incoming.auth = config.outgoing.auth = Ci.nsMsgAuthMethod.OAuth2;
    await new ConfigVerifier(null, signal).verifyConfig(config, false);
    const account = await CreateInBackend.createAccountInBackend(config);
    const stored = await Services.logins.searchLoginsAsync({ origin: "oauth://localhost" });
    return [account.incomingServer.authMethod == Ci.nsMsgAuthMethod.OAuth2, stored.length];
"""
# The desktop's default browser: it writes down what it is to open, and the test is the person before it.
_DESKTOP = "[Desktop Entry]\nType=Application\nName=Browser\nExec={} %u\nMimeType=x-scheme-handler/https;\n"
_DEFAULTS = "[Default Applications]\nx-scheme-handler/https=browser.desktop\n"


def install_browser(home: Path) -> Path:
    """The file in which the address will be."""
    opened, script = home / "opened", home / "browser"
    applications = home / ".local" / "share" / "applications"
    applications.mkdir(parents=True)
    (home / ".config").mkdir()
    script.write_text(f'#!/bin/sh\nprintf "%s" "$1" > {opened}.new && mv {opened}.new {opened}\n')
    os.chmod(script, 0o755)
    (applications / "browser.desktop").write_text(_DESKTOP.format(script))
    (home / ".config" / "mimeapps.list").write_text(_DEFAULTS)
    return opened


async def agree(world: World, opened: Path) -> None:
    """The person: signs in, agrees, and the browser follows to where Thunderbird listens."""
    async with asyncio.timeout(80):
        while not opened.exists():
            await asyncio.sleep(0.1)
    asked = urlsplit(opened.read_text())
    browser = Browser(world)
    page = await browser.sign_in(IVANOV, PASSWORD, f"{asked.path}?{asked.query}")
    assert "Thunderbird" in page.text
    answer = await browser.submit("/oauth/authorize", {"answer": "allow"})
    place = urlsplit(answer.headers["location"])
    assert place.hostname == "localhost" and place.port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
    writer.write(f"GET {place.path}?{place.query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    async with asyncio.timeout(20):
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_thunderbird_logs_in_by_a_token(debian: Callable[..., None], tmp_path: Path) -> None:
    debian(*PACKAGES)
    home = tmp_path / "thunderbird"
    home.mkdir()
    opened = install_browser(home)
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        async with Thunderbird(home, world.ports["http"], world.ca) as thunderbird:
            issuer = world.url("", secure=True)
            found, _ = await asyncio.gather(
                thunderbird.run(SET_UP, IVANOV, "Иванов Иван", issuer), agree(world, opened)
            )
            assert found == [True, 1]
            await thunderbird.run(SEND, PETROVA, "By a token", "Hello\r\n")
            petrova = await Mailboxes.of(world, PETROVA)
            assert len(await petrova.messages("INBOX")) == 1
        person = await world.directory.by_address(IVANOV)
        assert person is not None
        [grant] = await world.directory.auth.oauth.grants(person.id)
        assert (grant.name, grant.scope) == ("Thunderbird", "mail offline_access")
