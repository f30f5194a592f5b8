# SPDX-License-Identifier: Apache-2.0
"""Documents as they come with mail, as small as they can be."""

from __future__ import annotations

import io
import zipfile


def pdf(text: str) -> bytes:
    """One page that says something."""
    content = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out = b"%PDF-1.4\n"
    places = []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%b" % (len(objects) + 1, table)
    return out + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)


def packed(entries: dict[str, str]) -> bytes:
    """A ZIP file."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return target.getvalue()


_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_ODF = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
    ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
)


def docx(*paragraphs: str) -> bytes:
    """Each paragraph cut in two runs, as word processors do it."""
    made = "".join(
        f"<w:p><w:r><w:t>{text[:3]}</w:t></w:r><w:r><w:t>{text[3:]}</w:t></w:r></w:p>" for text in paragraphs
    )
    return packed(
        {
            "[Content_Types].xml": "<Types/>",
            "word/document.xml": f"<w:document {_W}><w:body>{made}</w:body></w:document>",
        }
    )


def xlsx(*cells: str) -> bytes:
    """Text in shared strings; the sheet has numbers and a formula."""
    strings = "".join(f"<si><t>{text}</t></si>" for text in cells)
    return packed(
        {
            "xl/sharedStrings.xml": f"<sst {_S}>{strings}</sst>",
            "xl/worksheets/sheet1.xml": f'<worksheet {_S}><sheetData><row><c t="s"><v>0</v></c><c>'
            "<f>SUM(A1)</f><v>12345</v></c></row></sheetData></worksheet>",
        }
    )


def pptx(*slides: str) -> bytes:
    return packed(
        {
            f"ppt/slides/slide{number}.xml": f"<p:sld xmlns:p='p' {_A}><a:p><a:r><a:t>{text}</a:t></a:r>"
            "</a:p></p:sld>"
            for number, text in enumerate(slides, 1)
        }
    )


def odt(*paragraphs: str) -> bytes:
    made = "".join(f"<text:p>{text}</text:p>" for text in paragraphs)
    return packed(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"<office:document-content {_ODF}><office:body>{made}</office:body>"
            "</office:document-content>",
        }
    )


def ods(*cells: str) -> bytes:
    made = "".join(f"<table:table-cell><text:p>{text}</text:p></table:table-cell>" for text in cells)
    return packed(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": f"<office:document-content {_ODF}><table:table-row>{made}</table:table-row>"
            "</office:document-content>",
        }
    )
