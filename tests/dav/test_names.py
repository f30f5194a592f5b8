# SPDX-License-Identifier: Apache-2.0
"""Names as they are written into answers."""

from __future__ import annotations

from lxml import etree

from armgs_server.dav.names import DECLARATIONS, dav, element, empty, split, text_element


def test_known_and_unknown_namespaces() -> None:
    assert empty(dav("getetag")) == "<D:getetag/>"
    assert empty("{u:&}x") == '<x:x xmlns:x="u:&amp;"/>'
    assert empty("plain") == "<plain/>"
    assert element("{u:x}a", "<D:b/>") == '<x:a xmlns:x="u:x"><D:b/></x:a>'
    assert split("{u:x}a") == ("u:x", "a") and split("a") == ("", "a")


def test_text_is_escaped_and_every_piece_stands_in_one_document() -> None:
    texts = ["a & <b>", "\x00\ud800", "я\r\n", ""]
    pieces = "".join(text_element("{u:x}t", text) for text in texts)
    root = etree.fromstring(f"<D:r {DECLARATIONS}>{pieces}{empty('plain')}</D:r>".encode())
    assert [child.text for child in root][:3] == ["a & <b>", "\ufffd\ufffd", "я\r\n"]
    assert root[-1].tag == "plain"
