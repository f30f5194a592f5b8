# SPDX-License-Identifier: Apache-2.0
"""`armgs dns`: records, a zone that a name server accepts, and what a resolver says of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dns.rdatatype
import dns.zone
import pytest

from armgs_server.cli.app import main
from tests.cli.conftest import Armgs
from tests.name_server import name_server

DOMAIN = "digital.example"


def host(armgs: Armgs, hostname: str = "mail.digital.example", more: str = "") -> None:
    file = armgs.path / "armgs.toml"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("hostname")]
    at = lines.index("[server]") + 1
    file.write_text("\n".join([*lines[:at], f'hostname = "{hostname}"', *lines[at:], more, ""]))


def test_records(armgs: Armgs) -> None:
    host(armgs, more='[smtp]\nsts_mode = "enforce"\n[federation]\nenabled = true\n')
    assert armgs("dkim", "key", DOMAIN, "--selector", "s").code == 0
    said = armgs(
        "dns", "records", DOMAIN, "--address", "10.1.2.3", "--authority", "ca.example", "--json"
    ).json
    found = {(one["name"], one["type"], one["value"]): one["need"] for one in said}
    mail = "mail.digital.example."
    for name, kind, value, need in (
        (mail, "A", "10.1.2.3", "needed"),
        (mail, "CAA", '0 issue "ca.example"', "wanted"),
        ("digital.example.", "MX", f"10 {mail}", "needed"),
        ("digital.example.", "TXT", '"v=spf1 mx -all"', "wanted"),
        ("_imaps._tcp.digital.example.", "SRV", f"0 1 993 {mail}", "wanted"),
        ("_imap._tcp.digital.example.", "SRV", f"10 1 143 {mail}", "wanted"),
        ("_submissions._tcp.digital.example.", "SRV", f"0 1 465 {mail}", "wanted"),
        ("_pop3s._tcp.digital.example.", "SRV", f"0 1 995 {mail}", "wanted"),
        ("_sieve._tcp.digital.example.", "SRV", f"0 1 4190 {mail}", "wanted"),
        ("_caldavs._tcp.digital.example.", "SRV", f"0 1 443 {mail}", "wanted"),
        ("_ldap._tcp.digital.example.", "SRV", f"10 1 389 {mail}", "wanted"),
        ("_caldavs._tcp.digital.example.", "TXT", '"path=/dav/"', "wanted"),
        ("_caldav._tcp.digital.example.", "SRV", "0 0 0 .", "wanted"),
        ("_xmpp-client._tcp.digital.example.", "SRV", f"10 1 5222 {mail}", "needed"),
        ("_xmpps-client._tcp.digital.example.", "SRV", f"5 1 443 {mail}", "wanted"),
        ("_xmpp-server._tcp.conference.digital.example.", "SRV", f"10 1 5269 {mail}", "needed"),
        ("autoconfig.digital.example.", "CNAME", mail, "wanted"),
        ("ua-auto-config.digital.example.", "CNAME", mail, "wanted"),
        ("mta-sts.digital.example.", "CNAME", mail, "wanted"),
    ):
        assert found[name, kind, value] == need
    texts = {name: value for name, kind, value in found if kind == "TXT"}
    assert texts["_dmarc.digital.example."].startswith('"v=DMARC1; p=quarantine; rua=mailto:postmaster@')
    assert texts["_smtp._tls.digital.example."].startswith('"v=TLSRPTv1; rua=mailto:postmaster@')
    assert texts["_ua-auto-config.digital.example."].startswith('"v=UAAC1; a=sha256; d=')
    assert texts["_mta-sts.digital.example."].startswith('"v=STSv1; id=')
    assert texts["se._domainkey.digital.example."].startswith('"v=DKIM1; k=ed25519; p=')
    assert texts["sr._domainkey.digital.example."].count('"') == 4


def test_pop3_that_is_off_is_said_to_be(armgs: Armgs) -> None:
    host(armgs, more="[pop3]\nenabled = false\n")
    said = armgs("dns", "records", DOMAIN, "--json").json
    assert [one["value"] for one in said if one["name"].startswith("_pop3s.")] == ["0 0 0 ."]
    assert not any("_mta-sts" in one["name"] or "_xmpp-server" in one["name"] for one in said)


def test_a_zone_for_a_closed_network(armgs: Armgs) -> None:
    host(armgs)
    made = armgs("dns", "zone", "--address", "10.1.2.3", "--address", "fd00::5")
    assert made.code == 0
    zone = dns.zone.from_text(made.out, "digital.example.")
    assert [each.to_text() for each in zone.find_rdataset("mail", "AAAA")] == ["fd00::5"]
    assert [each.to_text() for each in zone.find_rdataset("@", "MX")] == ["10 mail"]
    assert len(zone.find_rdataset("_xmpps-client._tcp", "SRV")) == 2


def test_arguments(armgs: Armgs) -> None:
    assert armgs("dns", "records", "elsewhere.example").code == 3
    assert armgs("dns", "records", "--address", "mail").code == 5


def test_a_domain_in_cyrillic_is_ascii_there(run: Armgs) -> None:
    run("init", run.path, "--domain", "минцифры.рф", "--hostname", "mail.example.org")
    names = {one["name"] for one in run("dns", "records", "--json").json}
    assert "_imaps._tcp.xn--h1aafcjh2av7e.xn--p1ai." in names or any("xn--" in name for name in names)
    assert all(name.isascii() for name in names)


async def test_what_is_published(armgs: Armgs, capsys: pytest.CaptureFixture[str]) -> None:
    """All that is there, something missing, something else, and a resolver that fails."""
    host(armgs)
    wanted = await asyncio.to_thread(armgs, "dns", "records", DOMAIN, "--address", "10.1.2.3", "--json")
    records: dict[tuple[str, str], list[str]] = {}
    for one in wanted.json:
        if one["name"] != "upload.digital.example.":
            records.setdefault((one["name"], one["type"]), []).append(one["value"])
    records["upload.digital.example.", "A"] = ["10.1.2.3"]  # as good as an alias
    async with name_server(records) as server:
        arguments = ["dns", "check", DOMAIN, "--address", "10.1.2.3", "--server", server, "--json"]

        async def check() -> tuple[int, dict[tuple[str, str], tuple[str, str]]]:
            seen = await asyncio.to_thread(armgs, *arguments)
            return seen.code, {
                (one["name"], one["type"]): (one["published"], one["found"]) for one in seen.json
            }

        code, found = await check()
        assert code == 0
        assert {published for published, _ in found.values()} == {"yes"}

        records["digital.example.", "MX"] = ["10 old.digital.example."]
        records["digital.example.", "TXT"] = ['"v=spf1 a -all"', '"another-purpose=1"']
        records["_dmarc.digital.example.", "SERVFAIL"] = []
        del records["_dmarc.digital.example.", "TXT"], records["_imaps._tcp.digital.example.", "SRV"]
        code, found = await check()
        assert code == 9
        assert found["digital.example.", "MX"] == ("other", "10 old.digital.example.")
        assert found["digital.example.", "TXT"] == ("other", '"v=spf1 a -all"')
        assert found["_imaps._tcp.digital.example.", "SRV"] == ("no", "")
        assert found["_dmarc.digital.example.", "TXT"][0] == "no answer"


def test_the_command_is_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["dns", "check", "--config", str(tmp_path)]) == 3
    assert "armgs init" in capsys.readouterr().err
