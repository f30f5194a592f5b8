# SPDX-License-Identifier: Apache-2.0
"""XEP-0352: what an inactive client gets, and in which order."""

from __future__ import annotations

from armgs_server.xmpp.xeps.xep_0352_csi import Holding


def presence(sender: str, inner: str = "") -> bytes:
    return f"<presence from='{sender}' to='x'>{inner}</presence>".encode()


STATE = b"<message from='a' type='chat'><active xmlns='http://jabber.org/protocol/chatstates'/></message>"
BODY = b"<message from='a' type='chat'><body>x</body></message>"


def test_of_each_contact_the_last_presence_is_kept() -> None:
    holding = Holding()
    for stanza in (presence("a", "1"), presence("b"), presence("a", "2")):
        assert holding.offer(stanza) == []
    assert holding.offer(BODY) == [presence("b"), presence("a", "2"), BODY]
    assert holding.take() == []


def test_chat_states_alone_are_dropped() -> None:
    holding = Holding()
    assert holding.offer(STATE) == []
    assert holding.offer(STATE.replace(b"</message>", b"<body>x</body></message>")) != []
    assert holding.take() == []


def test_what_matters_goes_out_at_once() -> None:
    for stanza in (
        b"<presence from='a' type='subscribe'/>",
        presence("r/me", "<x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x>"),
        b"<iq from='a' type='get' id='1'/>",
        b"<message from='a'><received xmlns='urn:xmpp:receipts' id='1'/></message>",
    ):
        assert Holding().offer(stanza) == [stanza]


def test_what_is_held_is_bounded() -> None:
    holding = Holding()
    sent = [holding.offer(presence(f"p{number}")) for number in range(501)]
    assert sent[:500] == [[]] * 500
    assert len(sent[500]) == 501
