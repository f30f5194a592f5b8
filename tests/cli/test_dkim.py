# SPDX-License-Identifier: Apache-2.0
"""`armgs dkim`: keys made, shown, taken into use once the DNS has them, and removed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.message
import dns.rrset
import pytest

from tests.cli.conftest import Armgs

DOMAIN = "digital.example"


@contextmanager
def published(armgs: Armgs, records: list[str]) -> Iterator[None]:
    """A DNS that answers with these records, in a thread: the command runs on a loop of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(30)

        def serve() -> None:
            while (request := sock.recvfrom(4096))[0]:
                query = dns.message.from_wire(request[0])
                answer = dns.message.make_response(query)
                name = query.question[0].name.to_text()
                for record in records:
                    owner, kind, data = record.split(" ", 2)
                    if owner == name:
                        answer.answer.append(dns.rrset.from_text(owner, 60, "IN", kind, data))
                sock.sendto(answer.to_wire(), request[1])

        port = sock.getsockname()[1]
        thread = threading.Thread(target=serve)
        thread.start()
        file = armgs.path / "armgs.toml"
        before = file.read_text()
        file.write_text(f'{before}\n[smtp]\ndns_servers = ["127.0.0.1:{port}"]\n')
        try:
            yield
        finally:
            file.write_text(before)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", ("127.0.0.1", port))
            thread.join()


def test_keys_are_made_and_shown(armgs: Armgs) -> None:
    made = armgs("dkim", "key", DOMAIN, "--selector", "s1", "--json").json
    assert [(key["selector"], key["algorithm"], key["used"]) for key in made] == [
        ("s1r", "rsa-sha256", False),
        ("s1e", "ed25519-sha256", False),
    ]
    assert made[1]["record"].startswith('s1e._domainkey.digital.example. TXT "v=DKIM1; k=ed25519; p=')
    assert made[0]["record"].count('"') == 4  # two strings: none longer than 255
    shown = armgs("dkim", "show", "--no-check")
    assert "s1r._domainkey.digital.example. TXT" in shown.out
    assert "PRIVATE" not in shown.out + armgs("dkim", "show", DOMAIN, "--no-check", "--json").out


def test_keys_are_used_when_they_are_published(armgs: Armgs) -> None:
    made = armgs("dkim", "key", DOMAIN, "--selector", "s1", "--json").json
    with published(armgs, []):
        refused = armgs("dkim", "use", DOMAIN)
        assert refused.code != 0 and "is not in the DNS" in refused.err
        assert [key["published"] for key in armgs("dkim", "show", "--json").json] == ["no", "no"]
    with published(armgs, [key["record"] for key in made]):
        assert armgs("dkim", "use", DOMAIN, "--json").json["selectors"] == ["s1r", "s1e"]
        shown = armgs("dkim", "show", DOMAIN, "--json").json
    assert [(key["published"], key["used"]) for key in shown] == [("yes", True), ("yes", True)]


def test_newer_keys_replace_older_ones(armgs: Armgs) -> None:
    armgs("dkim", "key", DOMAIN, "--selector", "s1", "--use")
    armgs("dkim", "key", DOMAIN, "--selector", "s2")
    used = {key["selector"]: key["used"] for key in armgs("dkim", "show", "--no-check", "--json").json}
    assert used == {"s1e": True, "s1r": True, "s2e": False, "s2r": False}
    assert armgs("dkim", "use", DOMAIN, "--force").code == 0
    used = {key["selector"]: key["used"] for key in armgs("dkim", "show", "--no-check", "--json").json}
    assert used == {"s1e": False, "s1r": False, "s2e": True, "s2r": True}
    assert armgs("dkim", "remove", DOMAIN, "s1e").code == 0
    assert len(armgs("dkim", "show", "--no-check", "--json").json) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("key", "other.example"),
        ("show", "other.example"),
        ("use", DOMAIN),
        ("use", DOMAIN, "s9", "--force"),
        ("remove", DOMAIN, "s9"),
        ("key", DOMAIN, "--selector", "no name"),
    ],
)
def test_refusals(armgs: Armgs, arguments: tuple[str, ...]) -> None:
    refused = armgs("dkim", *arguments)
    assert refused.code != 0
    assert refused.err.startswith("armgs: ")
    assert armgs("dkim", "show", "--no-check", "--json").json == []


def test_a_selector_is_there_once(armgs: Armgs) -> None:
    assert armgs("dkim", "key", DOMAIN, "--selector", "s1").code == 0
    assert armgs("dkim", "key", DOMAIN, "--selector", "s1").code != 0
