# SPDX-License-Identifier: Apache-2.0
"""What the portal answers: the start page, set-up files, languages, and headers that protect a browser."""

from __future__ import annotations

import json
import plistlib
from xml.etree import ElementTree

from cryptography import x509

from tests.portal.client import get
from tests.world import IVANOV, World


async def test_start_page_shows_addresses_and_ports(world: World) -> None:
    answer = await get(world, "/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for service in ("imap", "imaps", "submission", "submissions", "xmpp", "xmpps"):
        assert f"<td>{world.ports[service]}</td>" in answer.text
    assert f"https://localhost:{world.ports['https']}/dav/" in answer.text
    assert "<script" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


async def test_language_follows_accept_language_and_choice(world: World) -> None:
    russian = await get(world, "/", {"Accept-Language": "de, ru-RU;q=0.9, en;q=0.5"})
    assert "Подключение к рабочему месту" in russian.text
    assert russian.headers["content-language"] == "ru"
    english = await get(world, "/", {"Accept-Language": "de, fr;q=0.5"})
    assert "Connect to your workplace" in english.text
    chosen = await get(world, "/?lang=en", {"Accept-Language": "ru"})
    assert "Connect to your workplace" in chosen.text


async def test_address_gives_links_and_codes(world: World) -> None:
    without = await get(world, "/")
    assert without.text.count("<img ") == 2
    answer = await get(world, f"/?address={IVANOV}")
    assert f'href="xmpp:{IVANOV}"' in answer.text
    assert f'href="davx5://ivanov%40digital.example@localhost:{world.ports["https"]}/dav/"' in answer.text
    assert answer.text.count("<img ") == 3


async def test_address_that_is_none_or_elsewhere_is_refused_and_unknown_people_are_not_told(
    world: World,
) -> None:
    assert (await get(world, "/?address=nonsense")).status == 400
    assert (await get(world, "/?address=a@elsewhere.example")).status == 400
    unknown = await get(world, "/?address=nobody@digital.example")
    assert unknown.status == 200


async def test_text_from_the_query_is_escaped(world: World) -> None:
    answer = await get(world, "/?address=%22%3E%3Cscript%3Ealert(1)%3C/script%3E@digital.example")
    assert "<script" not in answer.text


async def test_thunderbird_finds_its_configuration(world: World) -> None:
    for target in (
        f"/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress={IVANOV}",
        "/mail/config-v1.1.xml?emailaddress=EVOLUTIONUSER%40digital.example&emailmd5=0",
    ):
        answer = await get(world, target)
        assert answer.status == 200
        root = ElementTree.fromstring(answer.body)
        provider = root.find("emailProvider")
        assert provider is not None and provider.get("id") == "digital.example"
        servers = [
            (server.get("type"), server.findtext("port"), server.findtext("socketType"))
            for server in provider
            if server.tag in ("incomingServer", "outgoingServer")
        ]
        assert servers == [
            ("imap", str(world.ports["imaps"]), "SSL"),
            ("imap", str(world.ports["imap"]), "STARTTLS"),
            ("pop3", str(world.ports["pop3s"]), "SSL"),
            ("pop3", str(world.ports["pop3"]), "STARTTLS"),
            ("smtp", str(world.ports["submissions"]), "SSL"),
            ("smtp", str(world.ports["submission"]), "STARTTLS"),
        ]
        assert provider.findtext("incomingServer/username") == "%EMAILADDRESS%"


async def test_autoconfig_goes_by_host_and_refuses_other_domains(world: World) -> None:
    answer = await get(world, "/mail/config-v1.1.xml", {"Host": "autoconfig.finance.example"})
    assert b'<emailProvider id="finance.example">' in answer.body
    other = await get(world, "/mail/config-v1.1.xml?emailaddress=a@elsewhere.example")
    assert other.status == 404


async def test_host_meta_names_the_ways_of_web_clients(world: World) -> None:
    """XEP-0156 §2.1; each address answers as what it is named for."""
    port = world.ports["https"]
    websocket, bosh = f"wss://localhost:{port}/xmpp-websocket", f"https://localhost:{port}/http-bind"
    xrd = await get(world, "/.well-known/host-meta")
    assert xrd.headers["content-type"] == "application/xrd+xml"
    assert xrd.headers["access-control-allow-origin"] == "*"
    assert [(link.get("rel"), link.get("href")) for link in ElementTree.fromstring(xrd.body)] == [
        ("urn:xmpp:alt-connections:websocket", websocket),
        ("urn:xmpp:alt-connections:xbosh", bosh),
    ]
    jrd = await get(world, "/.well-known/host-meta.json")
    assert json.loads(jrd.body) == {
        "links": [
            {"rel": "urn:xmpp:alt-connections:websocket", "href": websocket},
            {"rel": "urn:xmpp:alt-connections:xbosh", "href": bosh},
        ]
    }
    assert (await get(world, "/xmpp-websocket")).status == 426
    assert (await get(world, "/http-bind")).status == 405


async def test_ca_is_offered_for_download(world: World) -> None:
    answer = await get(world, "/ca.crt", secure=False)
    assert answer.headers["content-type"] == "application/x-x509-ca-cert"
    assert x509.load_pem_x509_certificate(answer.body) == x509.load_pem_x509_certificate(
        world.ca.read_bytes()
    )


async def test_apple_profile(world: World) -> None:
    assert (await get(world, "/apple.mobileconfig")).status == 400
    answer = await get(world, f"/apple.mobileconfig?address={IVANOV}")
    assert answer.headers["content-type"] == "application/x-apple-aspen-config"
    begin, end = answer.body.index(b"<?xml"), answer.body.index(b"</plist>") + len("</plist>\n")
    document = answer.body[begin:end]
    payloads = {payload["PayloadType"]: payload for payload in plistlib.loads(document)["PayloadContent"]}
    mail = payloads["com.apple.mail.managed"]
    assert mail["IncomingMailServerPortNumber"] == world.ports["imaps"]
    assert payloads["com.apple.caldav.account"]["CalDAVPrincipalURL"] == f"/dav/principals/people/{IVANOV}/"
    assert payloads["com.apple.security.root"]["PayloadContent"] == world.ca.read_bytes()
    again = await get(world, f"/apple.mobileconfig?address={IVANOV}")
    assert document in again.body


async def test_other_paths_and_methods(world: World) -> None:
    assert (await get(world, "/nothing")).status == 404
    refused = await get(world, "/", method="POST", headers={"Content-Length": "0"})
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
    head = await get(world, "/", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) > 1000
