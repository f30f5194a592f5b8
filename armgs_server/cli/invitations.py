# SPDX-License-Identifier: Apache-2.0
"""`armgs invitation …`: who may invite to accounts, and invitations made for somebody (XEP-0401)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_record
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.directory.invitations import POLICIES
from armgs_server.portal.endpoints import find_endpoints
from armgs_server.portal.pages import invitation_links
from armgs_server.xmpp.xeps.xep_0160_offline import timestamp


@click.group()
def invitation() -> None:
    """Invitations to chat, and to register an account where the department allows it."""


@invitation.command("allow")
@click.argument("domain")
@click.argument("who", type=click.Choice([*POLICIES, "nobody"]))
@config_option
@json_option
def allow(domain: str, who: str, config_path: Path | None, as_json: bool) -> None:
    """Says who invites to accounts of the department of a domain: its administrators, its people, nobody."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        invitations = workplace.directory.invitations
        await invitations.set_policy(domain, "" if who == "nobody" else who)
        return {"domain": domain, "invitations": await invitations.policy(domain) or "nobody"}

    print_record(as_json, work_on(config_path, work))


@invitation.command("create")
@click.argument("inviter")
@click.option("--name", default="", help="The name of the account; otherwise whoever is invited chooses it.")
@click.option("--contact", "contact_only", is_flag=True, help="To be a contact alone: no account.")
@config_option
@json_option
def create(inviter: str, name: str, contact_only: bool, config_path: Path | None, as_json: bool) -> None:
    """Makes an invitation on behalf of a person: the link of its page, and the one for chat programs."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        person = await workplace.principal(inviter, "person")
        invitations = workplace.directory.invitations
        token, expires = await invitations.invite(person, account=not contact_only, local=name)
        found = await invitations.find(token)
        assert found is not None
        base_url = find_endpoints(workplace.config, has_tls=bool(workplace.config.tls.certificate)).base_url
        return {
            "page": f"{base_url}/invite/{token}",
            "link": invitation_links(token, *found)[0],
            "expires": timestamp(expires),
        }

    print_record(as_json, work_on(config_path, work))
