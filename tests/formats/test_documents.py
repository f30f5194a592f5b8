# SPDX-License-Identifier: Apache-2.0
"""Text of documents: PDF, Office Open XML, OpenDocument; and of files that only claim to be one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats import documents
from armgs_server.formats.documents import XmlText, text_of
from tests.formats.documents import docx, ods, odt, packed, pdf, pptx, xlsx

LIMIT = 10_000
TEXT = "Счёт 4711 оплачен"


@pytest.mark.parametrize("make", [docx, xlsx, pptx, odt, ods])
def test_office(make: object) -> None:
    assert callable(make)
    assert text_of(make(TEXT, "second"), LIMIT).split() == [*TEXT.split(), "second"]


def test_pdf() -> None:
    assert text_of(pdf("Invoice 4711 is paid"), LIMIT).split() == ["Invoice", "4711", "is", "paid"]


def test_numbers_and_formulas_are_no_text() -> None:
    assert "12345" not in text_of(xlsx("a"), LIMIT)


def test_the_limit() -> None:
    assert len(text_of(docx("x" * 500), 100)) == 100
    assert text_of(pdf("Invoice"), 3) == "Inv"


@pytest.mark.parametrize("data", [b"", b"plain text", b"%PDF", b"PK", packed({"a.txt": "text"})])
def test_what_is_no_document(data: bytes) -> None:
    assert text_of(data, LIMIT).strip() == ""


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04 and nothing more",
        docx("text")[:-30],
        packed({"word/document.xml": "<w:document"}) + b"x",
        packed({"word/document.xml": "<a></b>"}),
    ],
)
def test_broken_ones(data: bytes) -> None:
    try:
        assert text_of(data, LIMIT).strip() == ""
    except Invalid:
        pass


def test_entities_are_refused() -> None:
    bomb = (
        '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
        '<w:document xmlns:w="w"><w:t>&b;</w:t></w:document>'
    )
    with pytest.raises(Invalid):
        text_of(packed({"word/document.xml": bomb}), LIMIT)


def test_a_file_that_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is unpacked is bounded, whatever the text is."""
    monkeypatch.setattr(documents, "MAX_UNPACKED", 100_000)
    padding = " " * 10_000_000
    found = text_of(packed({"word/document.xml": f"<d>{padding}<t>behind</t></d>"}), LIMIT)
    assert "behind" not in found
    monkeypatch.setattr(documents, "MAX_ENTRIES", 5)
    with pytest.raises(Invalid):
        text_of(packed({f"{number}.xml": "" for number in range(6)}), LIMIT)


@given(st.integers(1, 40))
def test_in_pieces(size: int) -> None:
    """XML whole and in pieces says the same."""
    first, second = "<w:p><w:t>один</w:t><w:tab/><w:t>два</w:t></w:p>", "<w:p><w:t>три</w:t></w:p>"
    data = f"<d xmlns:w='w'>{first}{second}</d>".encode()
    text = XmlText(only_t=True)
    found = "".join(text.feed(data[at : at + size]) for at in range(0, len(data), size))
    assert found == "один два\nтри\n"


@given(st.binary(max_size=300), st.sampled_from([b"%PDF-1.4\n", b"PK\x03\x04"]))
def test_anything(data: bytes, head: bytes) -> None:
    """What a hostile file raises is the process's to catch; here only that it ends."""
    try:
        text = text_of(head + data, LIMIT)
    except Exception as error:
        assert not isinstance(error, (MemoryError, RecursionError))
    else:
        assert len(text) <= LIMIT
