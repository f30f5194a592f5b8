# SPDX-License-Identifier: Apache-2.0
"""What the pubsub tests say: requests as text, answers and events as what matters of them."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from tests.xmpp.client import NAMESPACES, Client

SERVICE = "pubsub.digital.example"
PUBSUB = "http://jabber.org/protocol/pubsub"
ATOM = "http://www.w3.org/2005/Atom"
NAMESPACES.update(
    {
        "ps": PUBSUB,
        "own": f"{PUBSUB}#owner",
        "ev": f"{PUBSUB}#event",
        "pserr": f"{PUBSUB}#errors",
        "data": "jabber:x:data",
        "shim": "http://jabber.org/protocol/shim",
        "atom": ATOM,
        "cmd": "http://jabber.org/protocol/commands",
    }
)
Values = dict[str, str | Sequence[str]]


def pubsub(inner: str, suffix: str = "") -> str:
    return f"<pubsub xmlns='{PUBSUB}{suffix}'>{inner}</pubsub>"


def owner(inner: str) -> str:
    return pubsub(inner, "#owner")


def form(form_type: str, values: Values, type_: str = "submit") -> str:
    fields = f"<field var='FORM_TYPE' type='hidden'><value>{PUBSUB}#{form_type}</value></field>"
    for name, value in values.items():
        texts = [value] if isinstance(value, str) else value
        var = name if name.startswith("{") else f"pubsub#{name}"
        fields += f"<field var='{var}'>{''.join(f'<value>{text}</value>' for text in texts)}</field>"
    return f"<x xmlns='jabber:x:data' type='{type_}'>{fields}</x>"


def entry(title: str, summary: str = "") -> str:
    part = f"<summary>{summary}</summary>" if summary else ""
    return f"<entry xmlns='{ATOM}'><title>{title}</title>{part}</entry>"


def item(item_id: str, payload: str = "<x xmlns='urn:x'/>") -> str:
    return f"<item id='{item_id}'>{payload}</item>" if item_id else f"<item>{payload}</item>"


async def create(client: Client, node: str, to: str = SERVICE, **values: str | Sequence[str]) -> Element:
    configure = f"<configure>{form('node_config', dict(values))}</configure>" if values else ""
    return await client.iq(pubsub(f"<create node='{node}'/>{configure}"), "set", to)


async def configure(client: Client, node: str, to: str = SERVICE, **values: str | Sequence[str]) -> Element:
    inner = f"<configure node='{node}'>{form('node_config', dict(values))}</configure>"
    return await client.iq(owner(inner), "set", to)


async def publish(
    client: Client, node: str, items: str, to: str = SERVICE, options: Values | None = None
) -> Element:
    beside = ""
    if options is not None:
        beside = f"<publish-options>{form('publish-options', options)}</publish-options>"
    return await client.iq(pubsub(f"<publish node='{node}'>{items}</publish>{beside}"), "set", to)


async def subscribe(
    client: Client, node: str, to: str = SERVICE, jid: str = "", options: Values | None = None
) -> Element:
    beside = f"<options>{form('subscribe_options', options)}</options>" if options is not None else ""
    inner = f"<subscribe node='{node}' jid='{jid or client.jid}'/>{beside}"
    return await client.iq(pubsub(inner), "set", to)


async def retract(client: Client, node: str, *ids: str, to: str = SERVICE, notify: str = "") -> Element:
    items = "".join(f"<item id='{each}'/>" for each in ids)
    attribute = f" notify='{notify}'" if notify else ""
    return await client.iq(pubsub(f"<retract node='{node}'{attribute}>{items}</retract>"), "set", to)


async def fetch(client: Client, node: str, to: str = SERVICE, inner: str = "", **attributes: str) -> Element:
    given = "".join(f" {name}='{value}'" for name, value in attributes.items())
    return await client.iq(pubsub(f"<items node='{node}'{given}>{inner}</items>"), "get", to)


def done(answer: Element) -> Element:
    """A result, not an error."""
    assert answer.get("type") == "result", refused(answer)
    return answer


def refused(answer: Element) -> tuple[str, str, str]:
    """Type, condition and pubsub condition (with the feature that is not supported) of an error."""
    error = answer.find("c:error", NAMESPACES)
    assert error is not None, "it was not refused"
    names = {"stanzas": "", "pserr": ""}
    for child in error:
        for prefix in names:
            if child.tag.startswith(f"{{{NAMESPACES[prefix]}}}") and not child.tag.endswith("}text"):
                feature = child.get("feature")
                names[prefix] = child.tag.rpartition("}")[2] + (f" {feature}" if feature else "")
    return error.get("type", ""), names["stanzas"], names["pserr"]


def ids(answer: Element) -> list[str]:
    return [each.get("id", "") for each in done(answer).iter(f"{{{PUBSUB}}}item")]


def values(answer: Element) -> dict[str, list[str]]:
    """The fields of the form in an answer, without `pubsub#`."""
    return {
        field.get("var", "").removeprefix("pubsub#"): [
            value.text or "" for value in field.findall("data:value", NAMESPACES)
        ]
        for field in answer.iter("{jabber:x:data}field")
    }


async def event(client: Client, sender: str = SERVICE) -> Element:
    """The next event from that service: the child of `<event/>`."""
    message = await message_with_event(client, sender)
    return message.find("ev:event", NAMESPACES)[0]  # type: ignore[index]


async def message_with_event(client: Client, sender: str = SERVICE) -> Element:
    return await client.receive(
        "c:message",
        lambda each: each.get("from") == sender and each.find("ev:event", NAMESPACES) is not None,
    )


def summary(event_child: Element) -> list[str]:
    """An event in short: its name, and what its children are, `+` where they carry something."""
    names = [event_child.tag.rpartition("}")[2]]
    for child in event_child:
        name = child.tag.rpartition("}")[2]
        names.append(f"{name} {child.get('id', '')}".strip() + ("+" if len(child) else ""))
    return names


async def silent(client: Client) -> None:
    """Nothing of any pubsub service has come, and nothing is on its way."""
    seen = await client.settle()
    assert [each for each in seen if each.find("ev:event", NAMESPACES) is not None] == []
