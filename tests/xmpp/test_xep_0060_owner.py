# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §5, §8.1-§8.5: nodes made, configured, shown, purged and deleted, with a subscriber watching."""

from __future__ import annotations

import pytest

from tests.world import IVANOV, PETROVA, SIDOROV
from tests.xmpp.client import NAMESPACES
from tests.xmpp.conftest import LogIn
from tests.xmpp.nodes import (
    PUBSUB,
    SERVICE,
    configure,
    create,
    done,
    event,
    fetch,
    form,
    ids,
    item,
    message_with_event,
    owner,
    publish,
    pubsub,
    refused,
    silent,
    subscribe,
    summary,
    values,
)

INFO = "<query xmlns='http://jabber.org/protocol/disco#info'{}/>"
ITEMS = "<query xmlns='http://jabber.org/protocol/disco#items'{}/>"


async def test_the_service_is_found_and_says_what_it_can(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    listed = await ivanov.iq(ITEMS.format(""), to="digital.example")
    assert SERVICE in [each.get("jid") for each in listed.iter()]
    info = await ivanov.iq(INFO.format(""), to=SERVICE)
    identity = info.find("disco:query/disco:identity", NAMESPACES)
    assert identity is not None
    assert (identity.get("category"), identity.get("type")) == ("pubsub", "service")
    features = {each.get("var") for each in info.iterfind("disco:query/disco:feature", NAMESPACES)}
    assert {PUBSUB, f"{PUBSUB}#create-nodes", f"{PUBSUB}#multi-subscribe", f"{PUBSUB}#rsm"} <= features
    assert f"{PUBSUB}#auto-create" not in features


async def test_create_and_look_at_nodes(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    done(await create(ivanov, "news", title="News", description="All news", language="ru", type="urn:n"))
    done(await create(ivanov, "secret", access_model="whitelist"))
    instant = done(await ivanov.iq(pubsub("<create/>"), "set", SERVICE))
    made = instant.find("ps:pubsub/ps:create", NAMESPACES)
    assert made is not None
    assert made.get("node")

    listed = await petrova.iq(ITEMS.format(""), to=SERVICE)
    nodes = {
        each.get("node"): each.get("name") for each in listed.iterfind("items:query/items:item", NAMESPACES)
    }
    assert nodes == {"news": "News", made.get("node"): None}
    info = done(await petrova.iq(INFO.format(" node='news'"), to=SERVICE))
    identity = info.find("disco:query/disco:identity", NAMESPACES)
    assert identity is not None
    assert (identity.get("category"), identity.get("type")) == ("pubsub", "leaf")
    told = values(info)
    assert told["title"] == ["News"]
    assert told["creator"] == told["owner"] == [IVANOV]
    assert told["num_subscribers"] == ["0"]
    assert told["access_model"] == ["open"]
    assert refused(await sidorov.iq(INFO.format(" node='secret'"), to=SERVICE)) == (
        "cancel",
        "not-allowed",
        "closed-node",
    )
    assert refused(await petrova.iq(INFO.format(" node='none'"), to=SERVICE))[1] == "item-not-found"
    await publish(ivanov, "news", item("1", "<x xmlns='urn:n'/>"))
    inside = await petrova.iq(ITEMS.format(" node='news'"), to=SERVICE)
    assert [(each.get("name"), each.get("node")) for each in inside.iter() if each.get("jid")] == [
        ("1", None)
    ]


async def test_nodes_page_by_page(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    for name in ("a", "b", "c"):
        done(await create(ivanov, name))
    seen, after = [], ""
    for _ in range(3):
        page = f"<set xmlns='http://jabber.org/protocol/rsm'><max>2</max>{after}</set>"
        query = f"<query xmlns='http://jabber.org/protocol/disco#items'>{page}</query>"
        answer = done(await ivanov.iq(query, to=SERVICE))
        part = [each.get("node", "") for each in answer.iterfind("items:query/items:item", NAMESPACES)]
        seen += part
        if part:
            after = f"<after>{part[-1]}</after>"
    assert seen == ["a", "b", "c"]


async def test_who_may_not_create(log_in: LogIn) -> None:
    ivanov, sidorov = await log_in(IVANOV), await log_in(SIDOROV)
    done(await create(ivanov, "n"))
    assert refused(await create(ivanov, "n")) == ("cancel", "conflict", "")
    assert refused(await create(sidorov, "theirs")) == ("auth", "forbidden", "")
    assert refused(await create(ivanov, "m", access_model="friends")) == (
        "modify",
        "not-acceptable",
        "unsupported-access-model",
    )
    wrong = f"<create node='m'/><configure node='m'>{form('node_config', {})}</configure>"
    assert refused(await ivanov.iq(pubsub(wrong), "set", SERVICE))[1] == "bad-request"
    assert refused(await create(ivanov, "m", node_type="collection"))[2] == "unsupported collections"
    before = f"<configure>{form('node_config', {})}</configure><create node='m'/>"
    assert refused(await ivanov.iq(pubsub(before), "set", SERVICE))[1] == "bad-request"  # §8.1.3
    assert refused(await fetch(ivanov, "m"))[1] == "item-not-found"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_items", "many"),
        ("max_items", "1000000"),
        ("max_items", "0"),
        ("persist_items", "yes"),
        ("publish_model", "nobody"),
        ("purge_offline", "1"),
        ("tempsub", "true"),
        ("send_last_published_item", "on_sub_and_presence"),
        ("language", "русский"),
        ("contact", "@nobody"),
        ("title", "x" * 4000),
        ("{urn:armgs:channel:0}room", "no@conference.digital.example"),
    ],
)
async def test_a_configuration_that_cannot_be(log_in: LogIn, name: str, value: str) -> None:
    ivanov = await log_in(IVANOV)
    done(await create(ivanov, "n"))
    assert refused(await configure(ivanov, "n", **{name: value})) == ("modify", "not-acceptable", "")


async def test_configure(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n"))
    done(await subscribe(petrova, "n"))
    shown = values(done(await ivanov.iq(owner("<configure node='n'/>"), to=SERVICE)))
    assert shown["access_model"] == ["open"]
    assert shown["max_items"] == ["max"]
    assert "purge_offline" not in shown
    # The example of §8.2.4 has fields that nothing here acts on; switched off, or unknown, they do no harm.
    done(
        await configure(
            ivanov,
            "n",
            title="Princely Musings (Atom)",
            deliver_payloads="1",
            max_items="10",
            item_expire="604800",
            access_model="authorize",
            roster_groups_allowed=("friends", "servants"),
            purge_offline="0",
            notify_config="1",
            max_payload_size="1028",
            body_xslt="http://jabxslt.jabberstudio.org/atom_body.xslt",
        )
    )
    told = await message_with_event(petrova)
    assert told.find("ev:event/ev:configuration[@node='n']", NAMESPACES) is not None
    assert values(told)["roster_groups_allowed"] == ["friends", "servants"]
    again = values(done(await ivanov.iq(owner("<configure node='n'/>"), to=SERVICE)))
    assert again["title"] == ["Princely Musings (Atom)"]
    done(await configure(ivanov, "n", deliver_payloads="0", persist_items="0"))
    assert len(await event(petrova)) == 0
    cancelled = owner("<configure node='n'><x xmlns='jabber:x:data' type='cancel'/></configure>")
    done(await ivanov.iq(cancelled, "set", SERVICE))
    assert refused(await ivanov.iq(owner("<configure node='n'/>"), "set", SERVICE))[1] == "bad-request"
    default = values(done(await ivanov.iq(owner("<default/>"), to=SERVICE)))
    assert default["access_model"] == ["open"]
    collection = await ivanov.iq(owner("<default type='collection'/>"), to=SERVICE)
    assert refused(collection)[1] == "feature-not-implemented"


@pytest.mark.parametrize(
    "request_", ["<configure{}/>", "<delete{}/>", "<purge{}/>", "<subscriptions{}/>", "<affiliations{}/>"]
)
async def test_only_owners_of_what_is_there(log_in: LogIn, request_: str) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n"))
    kind = "get" if request_.startswith(("<conf", "<sub", "<aff")) else "set"
    named, absent, without = (owner(request_.format(part)) for part in (" node='n'", " node='none'", ""))
    assert refused(await petrova.iq(named, kind, SERVICE)) == ("auth", "forbidden", "")
    assert refused(await ivanov.iq(absent, kind, SERVICE)) == ("cancel", "item-not-found", "")
    assert refused(await ivanov.iq(without, kind, SERVICE)) == ("modify", "bad-request", "nodeid-required")
    done(await ivanov.iq(owner(request_.format(" node='n'")), kind, SERVICE))


async def test_delete_with_redirection(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    done(await create(ivanov, "n", access_model="authorize"))
    done(await subscribe(petrova, "n"))  # waits for approval, and is told all the same
    uri = f"xmpp:{SERVICE}?;node=other"
    done(await ivanov.iq(owner(f"<delete node='n'><redirect uri='{uri}'/></delete>"), "set", SERVICE))
    gone = await event(petrova)
    assert summary(gone) == ["delete", "redirect"]
    assert gone[0].get("uri") == uri
    answer = await subscribe(sidorov, "n")
    assert refused(answer) == ("modify", "gone", "")
    assert answer.findtext("c:error/stanzas:gone", "", NAMESPACES) == uri
    done(await create(ivanov, "n"))
    done(await subscribe(sidorov, "n"))
    done(await configure(ivanov, "n", notify_delete="0"))
    done(await ivanov.iq(owner("<delete node='n'/>"), "set", SERVICE))
    await silent(sidorov)
    assert refused(await subscribe(sidorov, "n"))[1] == "item-not-found"


async def test_purge_is_one_event(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    done(await create(ivanov, "n"))
    for name in ("1", "2"):
        done(await publish(ivanov, "n", item(name)))
    done(await subscribe(petrova, "n"))
    assert summary(await event(petrova)) == ["items", "item 2+"]  # §6.1.7
    done(await ivanov.iq(owner("<purge node='n'/>"), "set", SERVICE))
    assert summary(await event(petrova)) == ["purge"]
    await silent(petrova)
    assert ids(await fetch(petrova, "n")) == []
    done(await configure(ivanov, "n", persist_items="0"))
    assert refused(await ivanov.iq(owner("<purge node='n'/>"), "set", SERVICE)) == (
        "cancel",
        "feature-not-implemented",
        "unsupported persistent-items",
    )


async def test_requests_that_are_none(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    for payload, kind, condition in (
        (pubsub(""), "get", "bad-request"),
        (pubsub("<invent node='n'/>"), "set", "feature-not-implemented"),
        (pubsub("<publish node='n'/>"), "get", "bad-request"),
        (pubsub("<publish xmlns='urn:other' node='n'/>"), "set", "feature-not-implemented"),
        ("<query xmlns='jabber:iq:roster'/>", "get", "service-unavailable"),
    ):
        assert refused(await ivanov.iq(payload, kind, SERVICE))[1] == condition, payload
    ivanov.send(f"<presence to='{SERVICE}/x'/>")
    ivanov.send(f"<message to='{SERVICE}' id='m'><body>hello</body></message>")
    answer = await ivanov.receive("c:message", lambda each: each.get("id") == "m")
    assert refused(answer)[1] == "service-unavailable"
