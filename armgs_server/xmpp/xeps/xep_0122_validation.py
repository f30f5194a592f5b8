# SPDX-License-Identifier: Apache-2.0
"""XEP-0122: Data Forms Validation: what a form says of the values it takes, and the same rule applied."""

from __future__ import annotations

from dataclasses import dataclass

from armgs_server.xmpp.stanza import element, text_element

NAMESPACE = "http://jabber.org/protocol/xdata-validate"


@dataclass(frozen=True, slots=True)
class LongerThan:
    """§3.2.4: a text of at least so many characters."""

    least: int

    def serialise(self) -> bytes:
        rule = text_element("regex", f"[\\s\\S]{{{self.least},}}")
        return element("validate", {"xmlns": NAMESPACE, "datatype": "xs:string"}, rule)

    def is_met(self, text: str) -> bool:
        return len(text) >= self.least


@dataclass(frozen=True, slots=True)
class Between:
    """§3.2.3: a whole number of a range."""

    least: int
    most: int

    def serialise(self) -> bytes:
        rule = element("range", {"min": str(self.least), "max": str(self.most)})
        return element("validate", {"xmlns": NAMESPACE, "datatype": "xs:integer"}, rule)

    def is_met(self, text: str) -> bool:
        is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(self.most))
        return is_number and self.least <= int(text) <= self.most
