# SPDX-License-Identifier: Apache-2.0
"""XEP-0401: Ad-hoc Account Invitation Generation, for contacts (§4.1) and for accounts (§4.5).

Any person may invite to be a contact; that a token is good for an account too is up to the department.
"""

from __future__ import annotations

from urllib.parse import quote

from armgs_server.config import Config
from armgs_server.directory import Principal
from armgs_server.errors import AlreadyExists, Denied, Invalid, OverQuota
from armgs_server.xmpp.iq import Query
from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0050_commands import Ask, Call, Command, Done, bad_payload
from armgs_server.xmpp.xeps.xep_0160_offline import timestamp

NAMESPACE = "urn:xmpp:invite"
PATH = "/invite/"
_TRUE = ("1", "true")
_INVITE = ("Пригласить собеседника", "Invite User")
_CREATE = ("Пригласить на новую учётную запись", "Create Account")


def landing_url(config: Config, token: str) -> str:
    """§4.2: the portal's page for the token."""
    port = config.port(443)
    port_part = "" if port == 443 else f":{port}"
    return f"https://{config.server.hostname}{port_part}{PATH}{token}"


def contact_uri(inviter: str, token: str, *, account: bool) -> str:
    """XEP-0379 §3.2; `ibr` where the token is good for an account as well."""
    return f"xmpp:{quote(inviter, safe='@')}?roster;preauth={token}{';ibr=y' if account else ''}"


def account_uri(domain: str, local: str, token: str) -> str:
    """XEP-0445 §2.1, §2.2."""
    address = f"{quote(local, safe='')}@{domain}" if local else domain
    return f"xmpp:{address}?register;preauth={token}"


async def is_person(query: Query) -> bool:
    """Whoever has an account here, while it is in use."""
    return not query.session.account.principal.disabled


async def may_invite(query: Query) -> bool:
    return await query.server.directory.invitations.may_invite(query.session.account.principal)


async def invite(call: Call) -> Done:
    """§4.1: in one step."""
    server, person = call.query.server, call.query.session.account.principal
    account = await server.directory.invitations.may_invite(person)
    token, expires = await _made(call, person, account=account)
    return _result(call, contact_uri(person.address, token, account=account), token, expires)


async def create_account(call: Call) -> Ask:
    """§4.5: a form first."""
    fields = [
        Field("username", "text-single", call.say("Имя (необязательно)", "Username (optional)")),
        Field(
            "roster-subscription",
            "boolean",
            call.say("Стать собеседниками", "Roster subscription"),
            forms.boolean(True),
        ),
    ]
    return Ask(forms.form(f"{NAMESPACE}#create-account", fields, title=call.say(*_CREATE)), _created)


async def _created(call: Call) -> Done:
    person = call.query.session.account.principal
    local = call.value("username").strip().partition("@")[0]
    is_contact = call.value("roster-subscription") in _TRUE
    token, expires = await _made(call, person, account=True, local=local, is_contact=is_contact)
    return _result(call, account_uri(person.domain, local, token), token, expires)


async def _made(
    call: Call, person: Principal, *, account: bool, local: str = "", is_contact: bool = True
) -> tuple[str, int]:
    invitations = call.query.server.directory.invitations
    try:
        return await invitations.invite(person, account=account, local=local, is_contact=is_contact)
    except AlreadyExists as error:
        raise StanzaError("conflict", error.text) from error
    except Denied as error:
        raise StanzaError("forbidden", error.text) from error
    except OverQuota as error:
        raise StanzaError("resource-constraint", error.text) from error
    except Invalid as error:
        raise bad_payload(error.text) from error


def _result(call: Call, uri: str, token: str, expires: int) -> Done:
    fields = [
        Field("uri", "text-single", "URI", (uri,)),
        Field("landing-url", "text-single", "URL", (landing_url(call.query.server.config, token),)),
        Field("expire", "text-single", call.say("Действует до", "Expires"), (timestamp(expires),)),
    ]
    return Done(forms.form(f"{NAMESPACE}#invitation", fields, type="result"))


COMMANDS = (
    Command(f"{NAMESPACE}#invite", _INVITE, "server", invite, is_person),
    Command(f"{NAMESPACE}#create-account", _CREATE, "server", create_account, may_invite),
)
