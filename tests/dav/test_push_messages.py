# SPDX-License-Identifier: Apache-2.0
"""The XML and header fields of WebDAV-Push, as the draft's examples have them and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server import base64url
from armgs_server.dav.errors import DavError
from armgs_server.dav.push_messages import (
    MEMBERS,
    NONE,
    SELF,
    parse_dont_notify,
    parse_register,
    parse_registration,
    push_message,
    registration_path,
    topic,
)
from armgs_server.dav.xml import parse_document

SAMPLE = """<?xml version="1.0" encoding="utf-8" ?>
<push-register xmlns="https://bitfire.at/webdav-push" xmlns:D="DAV:">
  <subscription>
    <web-push-subscription>
      <push-resource>https://up.example.net/yohd4yai5Phiz1wi</push-resource>
      <content-encoding>aes128gcm</content-encoding>
      <subscription-public-key type="p256dh">\
BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4</subscription-public-key>
      <auth-secret>BTBZMqHH6r4Tts7J_aSIgg</auth-secret>
    </web-push-subscription>
  </subscription>
  <trigger>
    <content-update><D:depth>infinity</D:depth></content-update>
    <property-update><D:depth>0</D:depth><D:prop><D:displayname/><D:owner/></D:prop></property-update>
  </trigger>
  <expires>Wed, 20 Dec 2023 10:03:31 GMT</expires>
</push-register>"""


def test_a_push_register() -> None:
    wanted = parse_register(parse_document(SAMPLE.encode()), plain=False)
    assert wanted.endpoint == "https://up.example.net/yohd4yai5Phiz1wi"
    assert base64url.encode(wanted.auth_secret) == "BTBZMqHH6r4Tts7J_aSIgg" and len(wanted.public_key) == 65
    assert (wanted.content, wanted.properties, wanted.expires) == (MEMBERS, True, 1703066611.0)


@pytest.mark.parametrize(
    ("trigger", "content", "properties"),
    [
        ("<content-update/>", MEMBERS, False),
        ("<content-update><D:depth>0</D:depth></content-update>", SELF, False),
        ("<content-update><D:depth>1</D:depth></content-update>", MEMBERS, False),
        ("<property-update><D:depth>1</D:depth></property-update>", NONE, True),
    ],
)
def test_depths(trigger: str, content: int, properties: bool) -> None:
    before, _, rest = SAMPLE.partition("<trigger>")
    text = f"{before}<trigger>{trigger}</trigger>{rest.partition('</trigger>')[2]}"
    wanted = parse_register(parse_document(text.encode()), plain=False)
    assert (wanted.content, wanted.properties) == (content, properties)


@given(st.data())
def test_any_text_in_any_place(data: st.DataObject) -> None:
    """Refused with a condition of the draft, or understood."""
    root = parse_document(SAMPLE.encode())
    elements = list(root.iter())
    text = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"], max_codepoint=0xD7FF))
    data.draw(st.sampled_from(elements)).text = data.draw(text)
    gone = data.draw(st.sampled_from([None, *elements[1:]]))
    if gone is not None:
        parent = gone.getparent()
        assert parent is not None
        parent.remove(gone)
    try:
        parse_register(root, plain=True)
    except DavError as error:
        assert error.status == 403 and error.condition


def test_whom_not_to_notify() -> None:
    one, two = registration_path(7, "abc-D_e"), registration_path(8, "x")
    assert parse_dont_notify(["*"]) is None
    assert parse_dont_notify([f'"https://a.example{one}", "http://b.example{two}"']) == [
        (7, "abc-D_e"),
        (8, "x"),
    ]
    assert parse_dont_notify([f'"{one}"', f'"{two}"']) == [(7, "abc-D_e"), (8, "x")]
    for invalid in ("", "*, *", one, '"https://a.example/dav/push/"', '"http://[/dav/push/1-a"', '"'):
        assert parse_dont_notify([invalid]) == []


@given(st.text(max_size=200))
def test_any_header(value: str) -> None:
    found = parse_dont_notify([value])
    assert found is None or isinstance(found, list)


@given(st.text(max_size=50))
def test_any_path(path: str) -> None:
    assert parse_registration(path) is None or path.startswith("/dav/push/")


def test_push_messages() -> None:
    name = topic(1, 2)
    assert name == topic(1, 2) != topic(2, 1)
    assert push_message(name, "data:,1-2-3", content=True, properties=True).decode() == (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<push-message xmlns="https://bitfire.at/webdav-push" xmlns:D="DAV:"><topic>{name}</topic>'
        "<content-update><D:sync-token>data:,1-2-3</D:sync-token></content-update><property-update/></push-message>"
    )
    assert b"<content-update></content-update></push" in push_message(
        name, "", content=True, properties=False
    )
    assert b"content-update" not in push_message(name, "token", content=False, properties=True)
