# SPDX-License-Identifier: Apache-2.0
"""XEP-0004: forms written and read."""

from __future__ import annotations

from armgs_server.formats import xmltree
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field


def test_a_form_as_it_is_written() -> None:
    fields = (
        Field("who", "list-single", "Who <asks>?", ("a",), (("A & co", "a"), ("B", "b"))),
        Field("empty", "text-single"),
    )
    assert forms.form("urn:example", fields, title="T", instructions="I").decode() == (
        "<x xmlns='jabber:x:data' type='form'><title>T</title><instructions>I</instructions>"
        "<field var='FORM_TYPE' type='hidden'><value>urn:example</value></field>"
        "<field var='who' type='list-single' label='Who &lt;asks&gt;?'><value>a</value>"
        "<option label='A &amp; co'><value>a</value></option><option label='B'><value>b</value></option>"
        "</field><field var='empty' type='text-single'/></x>"
    )


def test_a_form_as_it_is_read() -> None:
    data = b"<query><x xmlns='jabber:x:data' type='submit'><field var='a'><value>1</value><value/></field>"
    found = forms.find(xmltree.parse(data + b"<field var='b'/></x></query>"))
    assert found is not None
    assert forms.values(found) == {"a": ("1", ""), "b": ()}
    assert forms.find(xmltree.parse(b"<query/>")) is None


def test_booleans() -> None:
    assert (forms.boolean(True), forms.boolean(False)) == (("1",), ("0",))
