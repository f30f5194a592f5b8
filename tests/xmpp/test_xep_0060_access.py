# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §4.5: who may hear and read no more, though subscribed: off the list, no contact, blocked."""

from __future__ import annotations

from tests.world import IVANOV, PETROVA, SIDOROV
from tests.xmpp.client import Client
from tests.xmpp.conftest import LogIn
from tests.xmpp.nodes import (
    SERVICE,
    configure,
    create,
    done,
    event,
    item,
    owner,
    publish,
    pubsub,
    refused,
    silent,
    subscribe,
    summary,
)


async def affiliate(client: Client, jid: str, affiliation: str, to: str = SERVICE) -> None:
    inner = f"<affiliation jid='{jid}' affiliation='{affiliation}'/>"
    done(await client.iq(owner(f"<affiliations node='n'>{inner}</affiliations>"), "set", to))


async def befriend(watcher: Client, watched: Client) -> None:
    """The first sees the presence of the second from now on."""
    watcher.send(f"<presence to='{watched.jid}' type='subscribe'/>")
    await watched.presence_of(watcher.jid, "subscribe")
    watched.send(f"<presence to='{watcher.jid}' type='subscribed'/>")
    await watcher.presence_of(watched.jid, "subscribed")
    await watcher.presence_of(watched.full)


async def test_who_is_taken_off_the_list_hears_and_reads_no_more(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    done(await create(ivanov, "n", access_model="whitelist"))
    for client in (petrova, sidorov):
        await affiliate(ivanov, client.jid, "member")
        done(await subscribe(client, "n"))
    await petrova.settle()
    await sidorov.settle()
    await affiliate(ivanov, SIDOROV, "none")
    await sidorov.settle()
    done(await publish(ivanov, "n", item("1")))
    assert summary(await event(petrova)) == ["items", "item 1+"]
    await silent(sidorov)
    assert refused(await sidorov.iq(pubsub("<items node='n'/>"), to=SERVICE))[2] == "closed-node"


async def test_a_node_that_is_shut_is_shut_for_its_subscribers_too(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    done(await create(ivanov, "n"))
    for client in (petrova, sidorov):
        done(await subscribe(client, "n"))
    await affiliate(ivanov, PETROVA, "member")
    await petrova.settle()
    done(await configure(ivanov, "n", access_model="whitelist"))
    done(await publish(ivanov, "n", item("1")))
    assert summary(await event(petrova)) == ["items", "item 1+"]
    await silent(sidorov)


async def test_who_is_no_contact_any_more_hears_no_more(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await befriend(sidorov, ivanov)
    done(await create(ivanov, "n", IVANOV, access_model="presence"))
    for client in (petrova, sidorov):
        done(await subscribe(client, "n", IVANOV))
    done(await publish(ivanov, "n", item("1"), to=IVANOV))
    for client in (petrova, sidorov):
        assert summary(await event(client, IVANOV)) == ["items", "item 1+"]
    ivanov.send(f"<presence to='{SIDOROV}' type='unsubscribed'/>")
    await sidorov.presence_of(IVANOV, "unsubscribed")
    done(await publish(ivanov, "n", item("2"), to=IVANOV))
    assert summary(await event(petrova, IVANOV)) == ["items", "item 2+"]
    await silent(sidorov)


async def test_a_subscriber_whom_the_publisher_blocks_hears_no_more(log_in: LogIn) -> None:
    """XEP-0191 §3.3: nothing of the account's goes there, of an open node neither."""
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    done(await create(ivanov, "n", IVANOV, access_model="open"))
    for client in (petrova, sidorov):
        done(await subscribe(client, "n", IVANOV))
    blocked = f"<block xmlns='urn:xmpp:blocking'><item jid='{SIDOROV}'/></block>"
    assert (await ivanov.iq(blocked, "set")).get("type") == "result"
    done(await publish(ivanov, "n", item("1"), to=IVANOV))
    assert summary(await event(petrova, IVANOV)) == ["items", "item 1+"]
    done(await ivanov.iq(owner("<delete node='n'/>"), "set", IVANOV))
    assert summary(await event(petrova, IVANOV)) == ["delete"]
    await silent(sidorov)
