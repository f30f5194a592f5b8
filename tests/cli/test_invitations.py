# SPDX-License-Identifier: Apache-2.0
"""`armgs invitation`: off until it is allowed, then a page and a link."""

from __future__ import annotations

from tests.cli.conftest import IVANOV, Armgs


def test_from_nobody_to_everybody(armgs: Armgs) -> None:
    assert armgs("invitation", "create", IVANOV).code != 0
    contact = armgs("invitation", "create", IVANOV, "--contact", "--json").json
    assert contact["link"].startswith(f"xmpp:{IVANOV}?roster;preauth=") and "ibr" not in contact["link"]
    token = contact["link"].partition("preauth=")[2]
    assert contact["page"].startswith("https://") and contact["page"].endswith(f"/invite/{token}")

    allowed = armgs("invitation", "allow", "digital.example", "people", "--json")
    assert allowed.json == {"domain": "digital.example", "invitations": "people"}
    account = armgs("invitation", "create", IVANOV, "--name", "orlov", "--json").json
    assert account["link"].startswith("xmpp:orlov@digital.example?register;preauth=")
    assert account["expires"].endswith("Z")
    assert armgs("invitation", "create", IVANOV, "--name", "orlov").code == 4  # reserved
    either = armgs("invitation", "create", IVANOV, "--json").json
    assert either["link"].endswith(";ibr=y")

    assert armgs("invitation", "allow", "digital.example", "nobody", "--json").json["invitations"] == "nobody"
    assert armgs("invitation", "create", IVANOV).code != 0


def test_refusals(armgs: Armgs) -> None:
    assert armgs("invitation", "allow", "elsewhere.example", "people").code == 3
    assert armgs("invitation", "allow", "digital.example", "friends").code == 2
    assert armgs("invitation", "create", "nobody@digital.example").code == 3
