# SPDX-License-Identifier: Apache-2.0
"""Verbs about what people sign in with beside the password, and the keys that prove a sign-in to services."""

from __future__ import annotations

from typing import Any, Final

from armgs_server.administration.fields import Field
from armgs_server.administration.people import ADDRESS
from armgs_server.administration.posts import shown_time
from armgs_server.administration.verb import Desk, Given, Verb
from armgs_server.directory import oauth_keys, second_factor, webauthn
from armgs_server.errors import NotFound
from armgs_server.storage import oauth_keys as key_rows
from armgs_server.storage import webauthn as rows
from armgs_server.storage.oauth_keys import OAuthKey
from armgs_server.storage.tx import Tx

_NAME: Final = Field("string", "The key's name.", required=True, length=webauthn.NAME_LIMIT)


async def list_keys(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    person = await desk.find(tx, given["address"], "person")
    return {
        "security_keys": [
            {
                "name": each.name,
                "created": shown_time(each.created),
                "last_used": shown_time(each.last_used),
                "transports": each.transports,
            }
            for each in await rows.of(tx, person.id)
        ]
    }


async def remove_key(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    person = await desk.below(tx, await desk.find(tx, given["address"], "person"))
    named = [each.id for each in await rows.of(tx, person.id) if each.name == given["name"]]
    if not named or not await webauthn.remove(tx, person.id, named[0]):
        raise NotFound(f"{person.address} has no such security key")
    return {"address": person.address, "name": given["name"]}


async def reset(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    person = await desk.below(tx, await desk.find(tx, given["address"], "person"))
    if not await second_factor.remove_all(tx, person.id):
        raise NotFound(f"{person.address} has no second factor")
    return {"address": person.address}


async def list_signing(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    desk.check_all()
    return {"oauth_keys": [_shown(each) for each in await key_rows.published(tx, desk.now)]}


async def rotate_signing(tx: Tx, desk: Desk, given: Given) -> dict[str, Any]:
    desk.check_all()
    return _shown(await oauth_keys.replace(tx, desk.now, at_once=given.get("at_once", False)))


def _shown(key: OAuthKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "created": shown_time(key.created),
        "starts": shown_time(key.starts),
        "ends": shown_time(key.ends),
    }


VERBS: Final = (
    Verb(
        "security-keys.list",
        "GET",
        "/people/{address}/security-keys",
        "Security keys and passkeys of a person",
        {"address": ADDRESS},
        list_keys,
    ),
    Verb(
        "security-keys.remove",
        "DELETE",
        "/people/{address}/security-keys/{name}",
        "Removes a security key or passkey: it signs in no more",
        {"address": ADDRESS, "name": _NAME},
        remove_key,
    ),
    Verb(
        "second-factor.reset",
        "DELETE",
        "/people/{address}/second-factor",
        "Removes all keys, codes and recovery codes: the password alone is enough again",
        {"address": ADDRESS},
        reset,
    ),
    Verb(
        "oauth-keys.list",
        "GET",
        "/oauth-keys",
        "Keys that sign ID tokens of OpenID Connect, the one that signs last at the end",
        {},
        list_signing,
    ),
    Verb(
        "oauth-keys.rotate",
        "POST",
        "/oauth-keys",
        "Replaces the key that signs ID tokens, once services have seen the new one",
        {"at_once": Field("boolean", "Now, and the old ones are void: for a key that others know.")},
        rotate_signing,
    ),
)
