# SPDX-License-Identifier: Apache-2.0
"""XEP-0398: an avatar published by one kind of client is seen by the other; XEP-0153 hashes in presence."""

from __future__ import annotations

import base64
import hashlib
from xml.etree.ElementTree import Element

from tests.world import IVANOV, PETROVA, SIDOROV
from tests.xmpp.client import Client
from tests.xmpp.conftest import LogIn
from tests.xmpp.nodes import configure, done, event, fetch, ids, item, publish
from tests.xmpp.rooms import ROOM, create, entry
from tests.xmpp.test_pep import wants

DATA = "urn:xmpp:avatar:data"
METADATA = "urn:xmpp:avatar:metadata"
CARD = "{vcard-temp}"
UPDATE = "{vcard-temp:x:update}"
PICTURE, OTHER = b"\x89PNG one", b"\x89PNG another"


def digest(picture: bytes) -> str:
    return hashlib.sha1(picture).hexdigest()


async def publish_avatar(client: Client, picture: bytes) -> None:
    text = base64.b64encode(picture).decode()
    done(
        await publish(
            client, DATA, item(digest(picture), f"<data xmlns='{DATA}'>{text}</data>"), to=client.jid
        )
    )
    elsewhere = f"<info id='{'0' * 40}' bytes='9' type='image/gif' url='https://web.example/a.gif'/>"
    info = f"<info id='{digest(picture)}' bytes='{len(picture)}' type='image/png'/>"
    metadata = f"<metadata xmlns='{METADATA}'>{elsewhere}{info}</metadata>"
    done(await publish(client, METADATA, item(digest(picture), metadata), to=client.jid))


async def set_card(client: Client, picture: bytes | None, name: str = "Иван") -> None:
    photo = ""
    if picture is not None:
        text = base64.encodebytes(picture).decode()
        photo = f"<PHOTO><TYPE>image/jpeg</TYPE><BINVAL>{text}</BINVAL></PHOTO>"
    done(await client.iq(f"<vCard xmlns='vcard-temp'><FN>{name}</FN>{photo}</vCard>", "set"))


async def picture_of(client: Client, jid: str) -> bytes | None:
    card = done(await client.iq("<vCard xmlns='vcard-temp'/>", to=jid))
    photos = card.findall(f"{CARD}vCard/{CARD}PHOTO/{CARD}BINVAL")
    assert len(photos) < 2
    return base64.b64decode(photos[0].text or "") if photos else None


def photo_in(presence: Element) -> list[str | None]:
    return [each.text for each in presence.iter(f"{UPDATE}photo")]


async def test_from_the_node_to_the_card(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    info = await ivanov.iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=IVANOV)
    features = {each.get("var") for each in info.iter("{http://jabber.org/protocol/disco#info}feature")}
    assert "urn:xmpp:pep-vcard-conversion:0" in features
    await set_card(ivanov, None)
    assert await picture_of(petrova, IVANOV) is None
    await publish_avatar(ivanov, PICTURE)
    assert await picture_of(petrova, IVANOV) == PICTURE
    assert await picture_of(ivanov, IVANOV) == PICTURE
    assert await picture_of(sidorov, IVANOV) is None  # the nodes are for who sees ivanov's presence
    for node in (DATA, METADATA):
        done(await configure(ivanov, node, to=IVANOV, access_model="open"))
    assert await picture_of(sidorov, IVANOV) == PICTURE
    done(await publish(ivanov, METADATA, item("none", f"<metadata xmlns='{METADATA}'/>"), to=IVANOV))
    assert await picture_of(petrova, IVANOV) is None


async def test_from_the_card_to_the_node(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await wants(petrova, METADATA)
    await set_card(ivanov, PICTURE)
    told = await event(petrova, IVANOV)
    info = told.find(f".//{{{METADATA}}}info")
    assert info is not None
    assert (info.get("id"), info.get("type")) == (digest(PICTURE), "image/jpeg")
    data = await fetch(sidorov, DATA, to=IVANOV)
    assert ids(data) == [digest(PICTURE)]
    assert base64.b64decode(data.findtext(f".//{{{DATA}}}data") or "") == PICTURE
    await set_card(ivanov, PICTURE, "Ваня")  # the same picture is not published again
    await set_card(ivanov, OTHER)
    changed = (await event(petrova, IVANOV)).find(f".//{{{METADATA}}}info")
    assert changed is not None
    assert changed.get("id") == digest(OTHER)
    await set_card(ivanov, None)
    assert (await event(petrova, IVANOV)).find(f".//{{{METADATA}}}info") is None
    assert await picture_of(petrova, IVANOV) is None
    await publish_avatar(ivanov, PICTURE)
    await set_card(ivanov, None)  # this client knows nothing of the picture, and does not take it away
    assert await picture_of(petrova, IVANOV) == PICTURE
    broken = "<PHOTO><BINVAL>no base64!</BINVAL></PHOTO>"
    done(await ivanov.iq(f"<vCard xmlns='vcard-temp'>{broken}</vCard>", "set"))
    assert await picture_of(petrova, IVANOV) == PICTURE


async def test_the_hash_goes_with_presence(log_in: LogIn) -> None:
    """§4"""
    ivanov, petrova = await log_in(IVANOV, "desk"), await log_in(PETROVA)
    await petrova.presence_of(f"{IVANOV}/desk")
    await publish_avatar(ivanov, PICTURE)
    x = "<x xmlns='vcard-temp:x:update'>{}</x>"
    for sent, expected in (
        ("", [digest(PICTURE)]),
        (x.format(""), [digest(PICTURE)]),
        (x.format("<photo/>"), [None]),
        (x.format(f"<photo>{'1' * 40}</photo>"), [digest(PICTURE)]),
    ):
        ivanov.send(f"<presence>{sent}</presence>")
        assert photo_in(await petrova.presence_of(f"{IVANOV}/desk")) == expected
    phone = await log_in(IVANOV, "phone")
    assert photo_in(await petrova.presence_of(f"{IVANOV}/phone")) == [digest(PICTURE)]
    phone.send(f"<presence to='{PETROVA}' id='d'/>")
    directed = await petrova.receive("c:presence", lambda each: each.get("id") == "d")
    assert photo_in(directed) == [digest(PICTURE)]
    await publish_avatar(phone, OTHER)
    ivanov.send("<presence/>")
    assert photo_in(await petrova.presence_of(f"{IVANOV}/desk")) == [digest(OTHER)]
    own = await create(petrova, "petrova")
    assert photo_in(own) == []
    ivanov.send(entry("ivanov"))
    assert photo_in(await petrova.presence_of(f"{ROOM}/ivanov")) == [digest(OTHER)]
    ivanov.send("<presence type='unavailable'/>")
    assert photo_in(await petrova.presence_of(f"{IVANOV}/desk", "unavailable")) == []
