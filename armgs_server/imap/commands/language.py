# SPDX-License-Identifier: Apache-2.0
"""LANGUAGE, COMPARATOR: RFC 5255. Texts are in English; searches and sorts compare by i;unicode-casemap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.imap.command import Ok
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import no

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# RFC 5255 §3.2: i-default is English here (RFC 2277 §4.5).
LANGUAGES = ("en", "i-default")


async def handle_language(session: Session, cursor: Cursor) -> Ok:
    """RFC 5255 §3.2: without arguments the list; else the first tag that is known."""
    wanted = []
    while not cursor.is_at_end():
        cursor.space()
        wanted.append(cursor.astring().decode("latin-1").lower())
    cursor.end()
    if not wanted:
        session.write(b'* LANGUAGE ("en" "i-default")\r\n')
        return Ok("LANGUAGE completed")
    for tag in wanted:
        if tag in (*LANGUAGES, "default") or tag.startswith("en-"):
            session.write(b'* LANGUAGE ("en")\r\n')
            return Ok("LANGUAGE completed")
    raise no("that language is not spoken here")
