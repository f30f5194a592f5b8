# SPDX-License-Identifier: Apache-2.0
"""`armgs oauth`: clients, grants, and the way back for who has lost the second factor."""

from __future__ import annotations

import base64
import hashlib
import time

from armgs_server.cli.workplace import Workplace
from armgs_server.directory import totp
from armgs_server.directory.oauth_model import Consent
from armgs_server.directory.second_factor import SecondFactor
from tests.cli.conftest import IVANOV, PASSWORD, Armgs

PETROVA = "petrova@digital.example"
THERE = "https://portal.example/callback"
VERIFIER = "v" * 43


def test_clients_are_entered_and_removed(armgs: Armgs) -> None:
    made = armgs("oauth", "client", "add", "portal", THERE, "--name", "Our portal", "--json").json
    assert made["client_id"] == "portal" and len(made["client_secret"]) == 43
    assert made["issuer"].startswith("https://")
    public = armgs("oauth", "client", "add", "app", "http://127.0.0.1/", "--public", "--json").json
    assert public["client_secret"] == ""
    found = armgs("oauth", "client", "list", "--json").json
    assert [(each["client_id"], each["secret"]) for each in found] == [
        ("app", False),
        ("portal", True),
        ("thunderbird", False),
    ]
    assert made["client_secret"] not in armgs("oauth", "client", "list").out
    assert armgs("oauth", "client", "remove", "portal").code == 0
    assert armgs("oauth", "client", "remove", "portal").code != 0


def test_what_is_no_client(armgs: Armgs) -> None:
    for arguments in (
        ("r.x", THERE),
        ("a client", THERE),
        ("portal", "http://portal.example/callback"),
        ("portal", "ftp://portal.example/"),
        ("portal", "https://portal.example/#x"),
        ("portal",),
        ("portal", THERE, "--name", "x" * 101),
    ):
        assert armgs("oauth", "client", "add", *arguments).code != 0, arguments


async def permit(workplace: Workplace) -> None:
    person = await workplace.principal(IVANOV)
    oauth = workplace.directory.auth.oauth
    client = oauth.clients.register({"client_name": "Program", "redirect_uris": ["http://127.0.0.1/"]})
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    code = await oauth.consent(person, Consent(client, "http://127.0.0.1/", "mail", challenge, "", 0))
    await oauth.redeem(client, code, "http://127.0.0.1/", VERIFIER)


def test_grants_are_listed_and_taken_back(armgs: Armgs) -> None:
    armgs.work(permit)
    assert armgs("user", "add", PETROVA, "--password-stdin", stdin=PASSWORD + "\n").code == 0
    [found] = armgs("oauth", "grants", IVANOV, "--json").json
    assert (found["name"], found["scope"]) == ("Program", "mail")
    assert armgs("oauth", "grants", PETROVA, "--json").json == []
    assert armgs("oauth", "revoke", PETROVA, found["id"]).code != 0
    assert armgs("oauth", "revoke", IVANOV, found["id"]).code == 0
    assert armgs("oauth", "grants", IVANOV, "--json").json == []


async def turn_on(workplace: Workplace) -> None:
    person, factor = await workplace.principal(IVANOV), SecondFactor(workplace.directory)
    key = await factor.begin(person)
    code = totp.code_of(key, totp.step_at(int(time.time())))
    assert await factor.confirm(person, code, "192.0.2.1", b"") is not None


def test_a_lost_second_factor_is_taken_away(armgs: Armgs) -> None:
    assert armgs("oauth", "reset-second-factor", IVANOV).code != 0
    armgs.work(turn_on)
    assert armgs("oauth", "reset-second-factor", IVANOV).code == 0
    assert armgs("oauth", "reset-second-factor", IVANOV).code != 0
