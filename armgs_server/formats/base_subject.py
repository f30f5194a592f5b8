# SPDX-License-Identifier: Apache-2.0
"""The base subject (RFC 5256 §2.1): what a subject is about, without what replies and lists add; and the
collation i;unicode-casemap (RFC 5051), by which it is compared."""

from __future__ import annotations

import re
import unicodedata

from armgs_server.formats.stream_safe import stream_safe

# subj-blob = "[" *BLOBCHAR "]" *WSP
_BLOB = re.compile(r"\[[^\[\]]*\]\s*")
# subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
_REFWD = re.compile(r"(?:re|fwd?)\s*(?:\[[^\[\]]*\]\s*)?:\s*", re.IGNORECASE)
_TRAILER = re.compile(r"(?:\s|\(fwd\))+\Z", re.IGNORECASE)
_FORWARD = re.compile(r"\[fwd:(.*)\]\Z", re.IGNORECASE | re.DOTALL)
# A subject is cut to this before it is looked at: prefixes are taken off one by one.
MAX_LENGTH = 2000


def casemap(text: str) -> str:
    """RFC 5051 §2: upper case and decomposed; compared as code points."""
    return text.upper() if text.isascii() else unicodedata.normalize("NFKD", stream_safe(text.upper()))


def base_subject(subject: str) -> tuple[str, bool]:
    """The base subject, and whether it was that of a reply or a forwarded message."""
    text = " ".join(subject[:MAX_LENGTH].split())
    is_reply = False
    while True:
        trimmed = _TRAILER.sub("", text)  # (2)
        is_reply = is_reply or trimmed.strip() != text.strip()
        text, changed = _without_leaders(trimmed)  # (3) to (5)
        is_reply = is_reply or changed
        forwarded = _FORWARD.fullmatch(text)  # (6)
        if forwarded is None:
            return text, is_reply
        text, is_reply = forwarded[1], True


def _without_leaders(text: str) -> tuple[str, bool]:
    """Without subj-leaders and blobs; a blob stays where nothing would be left."""
    is_reply = False
    while True:
        text = text.lstrip()
        blobs = text
        while found := _BLOB.match(blobs):
            blobs = blobs[found.end() :]
        if found := _REFWD.match(blobs):
            text, is_reply = blobs[found.end() :], True
            continue
        found = _BLOB.match(text)
        if found is None or found.end() == len(text):
            return text, is_reply
        text = text[found.end() :]
