# SPDX-License-Identifier: Apache-2.0
"""How a handler ends the stream it serves."""

from __future__ import annotations


class StreamError(Exception):
    """RFC 6120 §4.9: the stream cannot go on."""

    def __init__(self, condition: str, text: str = "", extra: bytes = b"") -> None:
        super().__init__(condition)
        self.condition = condition
        self.text = text
        self.extra = extra
